"""Systems learn what they are for, on mappings simple enough for some hundred small steps."""

from itertools import pairwise

import numpy as np
import pytest
import tiny_data
import torch

from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.warps import warp_border
from rotoscope.training.data.datasets import read_picture
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.run import run_training
from rotoscope.training.options import (
    BlindConsistencyOptions,
    CycleGanOptions,
    Pix2PixOptions,
    RunOptions,
)
from rotoscope.training.systems.blind_consistency import BlindConsistency
from rotoscope.training.systems.cyclegan import CycleGan
from rotoscope.training.systems.pix2pix import Pix2Pix


def run(system, options, out, steps, **more):
    run = RunOptions(out=out, device="cpu", steps=steps, log_every=steps, sample_every=steps, **more)
    assert run_training(lambda: system(options), options, run).is_finished
    return out


def pictures(folder):
    files = sorted(folder.rglob("*.png"))
    stacked = np.stack([read_picture(file) for file in files])
    return torch.from_numpy(stacked.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1


def negative(rgb):
    return 255 - rgb


def test_pix2pix_learns_to_turn_pictures_into_their_negatives(tmp_path):
    paths = {
        "a": tiny_data.folder(tmp_path / "a", count=4, size=32),
        "b": tiny_data.folder(tmp_path / "b", count=4, size=32, change=negative),
    }
    sizes = {"resize": 32, "crop": 32, "width": 8, "downs": 4, "discriminator_width": 4, "discriminator_layers": 1}
    options = Pix2PixOptions(**paths, **sizes, learning_rate=2e-3, batch=2)
    out = run(Pix2Pix, options, tmp_path / "run", steps=150)
    network = open_checkpoint(out / "AtoB.safetensors").network
    a = pictures(tmp_path / "a")
    error = (network(a) + a).abs().mean()
    assert error < 0.15  # of a picture that is far from its negative:
    assert (2 * a).abs().mean() > 0.5


def test_cyclegan_learns_a_tint_without_pairs(tmp_path):
    def red(rgb):
        return (rgb * [1.0, 0.35, 0.35]).astype(np.uint8)

    def blue(rgb):
        return (rgb * [0.35, 0.35, 1.0]).astype(np.uint8)

    paths = {
        "a": tiny_data.folder(tmp_path / "a", size=32, change=red),
        "b": tiny_data.folder(tmp_path / "b", size=32, seed=90, change=blue),
    }
    sizes = {"resize": 32, "crop": 32, "width": 8, "blocks": 1, "discriminator_width": 8, "discriminator_layers": 2}
    options = CycleGanOptions(**paths, **sizes, learning_rate=2e-3, identity=0.0)
    out = run(CycleGan, options, tmp_path / "run", steps=200)
    network = open_checkpoint(out / "AtoB.safetensors").network
    a, b = pictures(tmp_path / "a"), pictures(tmp_path / "b")
    translated = network(a).mean(dim=(0, 2, 3))
    target, source = b.mean(dim=(0, 2, 3)), a.mean(dim=(0, 2, 3))
    assert (translated - target).abs().max() < 0.5 * (source - target).abs().max()


def warping_error(frames):
    """Mean squared change along the motion of the clips, whose pictures move by one pixel to the right each frame."""
    flow = torch.zeros(1, 2, *frames.shape[-2:])
    flow[:, 0] = 1
    inner = slice(4, -4)
    errors = [
        (warp_border(after[None], flow) - before[None])[..., inner, inner].square().mean()
        for before, after in pairwise(frames)
    ]
    return float(torch.stack(errors).mean())


def test_blind_consistency_learns_to_take_flicker_out(tmp_path):
    random = np.random.default_rng(0)

    def flickering(rgb):
        return np.clip(rgb * random.uniform(0.75, 1.25), 0, 255).astype(np.uint8)

    paths = {
        "source": tiny_data.clips(tmp_path / "source", count=3, frames=6, size=36),
        "processed": tiny_data.clips(tmp_path / "processed", count=3, frames=6, size=36, change=flickering),
    }
    sizes = {"batch": 2, "crop": 32, "clip": 5, "width": 8, "blocks": 1, "scale": (1.0, 1.0), "perceptual": 0.0}
    options = BlindConsistencyOptions(**paths, **sizes, learning_rate=1e-3)
    out = run(BlindConsistency, options, tmp_path / "run", steps=60)
    network = open_checkpoint(out / "stabiliser.safetensors").network
    source, processed = ((pictures(tmp_path / name / "clip0") + 1) / 2 for name in ("source", "processed"))
    state = network.initial_state(source[:1])
    steadied = []
    for one, other in zip(source, processed, strict=True):
        output, state = network(one[None], other[None], state)
        steadied.append(output[0])
    assert warping_error(torch.stack(steadied)) < 0.5 * warping_error(processed)


@pytest.mark.slow
def test_the_temporal_loss_makes_translations_follow_unseen_pictures_in_motion(tmp_path):
    paths = {
        "a": tiny_data.folder(tmp_path / "a", count=8),
        "b": tiny_data.folder(tmp_path / "b", count=8, seed=90, change=negative),
    }
    unseen = pictures(tiny_data.folder(tmp_path / "unseen", count=18, seed=200))
    sizes = {"resize": 36, "crop": 32, "width": 4, "blocks": 1, "discriminator_width": 8, "discriminator_layers": 2}
    error = {}
    for weight in (0.0, 2.0):
        options = CycleGanOptions(**paths, **sizes, temporal=weight, identity=0.0, learning_rate=2e-3)
        out = run(CycleGan, options, tmp_path / f"run{weight}", steps=150)
        network = open_checkpoint(out / "AtoB.safetensors").network
        torch.manual_seed(0)
        flow = draw_flow(unseen)
        translated = network(unseen)
        loss = temporal_loss(network(next_frame(unseen, flow)), translated, flow)
        error[weight] = loss / translated.std()  # a dull result is no steady one
    assert error[2.0] < 0.85 * error[0.0]
