"""Norms that share the statistics of a clip: measured as torch does, then frozen, or following what cannot be read twice."""

import io
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
import tiny_clips
import torch
from one_thread import one_thread

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.options import ModelOptions, SteadyOptions
from rotoscope.export.onnx import export_onnx
from rotoscope.export.options import ExportOptions
from rotoscope.metrics.warping_error import warping_error
from rotoscope.networks import from_state_dict, share_statistics
from rotoscope.networks.fast_style import TransformerNet
from rotoscope.networks.shared_norm import measure
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.network import statistics as shared_norm
from rotoscope.runtime.network.network import MOVING_S
from rotoscope.runtime.network.statistics import calibrate, spread
from rotoscope.runtime.pipeline.steadiness import chosen_method

__all__ = ["one_thread"]

SIZE = (48, 32)


def convolutions(network):
    return [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]


@pytest.fixture(scope="module")
def network():
    """Small, with results that span what a screen shows."""
    torch.manual_seed(0)
    network = TransformerNet(4).eval().requires_grad_(False)
    last = convolutions(network)[-1]
    last.weight *= 40
    last.bias.fill_(128)
    return network


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("norm") / "net.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """The network as a file without and with shared statistics."""
    folder = tmp_path_factory.mktemp("norm")
    for name, is_shared in (("plain", False), ("shared", True)):
        loaded = from_state_dict(network.state_dict())
        export_onnx(loaded, folder / f"{name}.onnx", ExportOptions(name=name, shared_statistics=is_shared))
    return folder


def exposed(index, width=SIZE[0], height=SIZE[1]):
    """A still texture whose exposure goes up and down, (H,W,3) uint8."""
    still = np.random.default_rng(0).uniform(30, 200, (height, width, 3))
    return np.uint8(np.clip(still * (1 + 0.25 * np.sin(index)), 0, 255))


def frame(index, picture=None):
    return Frame(index, index, Fraction(1, 25), 1, Picture((exposed(index) if picture is None else picture,)))


def frames(count):
    return [frame(index) for index in range(count)]


def batch(indices):
    """(N,3,H,W) as the network is fed."""
    return torch.stack([torch.from_numpy(exposed(index)).permute(2, 0, 1).float() for index in indices])


def shown(picture):
    return np.uint8(np.rint(np.clip(picture[..., :3], 0, 1) * 255))


def calibrated(files, source, **options):
    path = files / "shared.onnx"
    return calibrate(open_model(path), OnnxRuntimeEngine(path), source, ModelOptions(**options))


def translated(model, source, learned_from, **options):
    with rotoscope.Translator(model, calibration=learned_from, **{"steady": "off"} | options) as translator:
        return [item.pixels() for item in translator.stream(source)]


# What is measured


def test_statistics_are_those_that_torch_measures_on_every_eighth_frame_together(files, network):
    found = calibrated(files, iter(frames(20)))
    assert (found.num_frames, found.every) == (3, 8)
    expected = share_statistics(network).calibrate(batch([0, 8, 16])).numpy()
    np.testing.assert_allclose(found.statistics["statistics"], expected, atol=2e-3, rtol=1e-3)


def test_the_first_layer_is_measured_by_hand(files, network):
    """Its input is no more than a convolution of reflected pictures."""
    found = calibrated(files, iter(frames(9))).statistics["statistics"][:, :4]
    first = convolutions(network)[0]
    reach = first.kernel_size[0] // 2
    padded = torch.nn.functional.pad(batch([0, 8]), (reach,) * 4, mode="reflect")
    values = torch.nn.functional.conv2d(padded, first.weight, first.bias)
    np.testing.assert_allclose(found, measure(values).numpy(), atol=2e-3, rtol=1e-3)
    mean, rate = values.mean(dim=(0, 2, 3)), 1 / values.var(dim=(0, 2, 3), unbiased=False).sqrt()
    np.testing.assert_allclose(found[:2], torch.stack([mean, rate]).numpy(), rtol=1e-3)


def test_fp16_cannot_hold_the_squares(network, tmp_path):
    with pytest.raises(rotoscope.UsageError, match="measures variances of its layers, which needs fp32"):
        export_onnx(
            from_state_dict(network.state_dict()),
            tmp_path / "x.onnx",
            ExportOptions(name="x", precision="fp16", shared_statistics=True),
        )


def test_what_is_all_black_can_be_measured_too(files, network):
    """The 1e-8 under the root keeps its statistics finite, in the exported graph, too."""
    black = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    found = calibrated(files, iter([frame(0, black)])).statistics["statistics"]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, :4], convolutions(network)[0].bias, rtol=1e-4)
    np.testing.assert_allclose(found[1, :4], 1e4, rtol=1e-5)


@pytest.mark.parametrize(("length", "most", "indices", "every"), [
    (1, 16, [0], 8),
    (17, 16, [0, 8, 16], 8),
    (64, 4, [0, 16, 32, 48], 16),
    (65, 4, [0, 32, 64], 32),
    (1000, 16, list(range(0, 1000, 64)), 64),
])  # fmt: skip
def test_what_does_not_fit_into_memory_is_thinned_evenly(length, most, indices, every):
    tiny = np.zeros((4, 4, 3), np.uint8)
    chosen_ones, found = spread(((frame(index, tiny),) for index in range(length)), lambda _size: most)
    assert ([moment[0].index for moment in chosen_ones], found) == (indices, every)


def test_large_frames_are_fewer_but_never_one_alone(files, monkeypatch):
    pixels = SIZE[0] * SIZE[1]
    for most, num, every in ((3 * pixels, 3, 16), (pixels, 2, 32)):
        monkeypatch.setattr(shared_norm, "MOST_PIXELS", most)
        found = calibrated(files, iter(frames(41)))
        assert (found.num_frames, found.every) == (num, every)


def test_frames_of_another_size_and_clips_without_frames(files):
    small = np.zeros((16, 24, 3), np.uint8)
    assert calibrated(files, iter([frame(0), *(frame(index, small) for index in range(1, 20))])).num_frames == 1
    with pytest.raises(rotoscope.InputRefused, match="no frame"):
        calibrated(files, iter([]))


# Frozen


def test_frozen_statistics_make_frames_independent(files):
    whole = frames(24)
    clip = translated(files / "shared.onnx", whole, iter(whole))
    for alone in (20, 3):
        (result,) = translated(files / "shared.onnx", [frame(alone)], iter(whole))
        np.testing.assert_array_equal(result, clip[alone])


def test_frozen_statistics_survive_a_cut(files):
    whole = frames(12)
    plain = translated(files / "shared.onnx", whole, iter(whole))
    again = frames(12)
    again[6] = replace(again[6], cut=True)
    np.testing.assert_array_equal(translated(files / "shared.onnx", again, iter(whole)), plain)


@pytest.mark.parametrize("options", [
    {}, {"steady": "blend"}, {"steady": "blend", "keyframes": 3},
    {"steady": "hypercon", "insert": 1, "window": 1, "dilation": 1},
], ids=str)  # fmt: skip
def test_one_thread_and_several_give_the_same_frames(options, files):
    alone, together = (
        translated(files / "shared.onnx", frames(12), iter(frames(12)), **options, **threads)
        for threads in ({"threads": 1}, {"in_flight": 3})
    )
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_frames_are_translated_as_torch_does_with_these_statistics(engine, files, network):
    if engine == "openvino":
        pytest.importorskip("openvino")
    shared = share_statistics(network)
    state = shared.calibrate(batch([0, 8]))
    results = translated(files / "shared.onnx", frames(12), iter(frames(12)), engine=engine, in_flight=2)
    for index in (0, 5, 11):
        expected = shared(batch([index]), state)[0][0].permute(1, 2, 0).numpy() / 255
        np.testing.assert_allclose(results[index][..., :3], expected, atol=1e-4)


def test_the_torch_engine_shares_them_too(files, checkpoint):
    source = frames(10)
    ours = translated(files / "shared.onnx", source, iter(source))
    torchs = translated(checkpoint, source, iter(source), engine="torch", norm="shared")
    np.testing.assert_allclose(ours, torchs, atol=1e-4)


def passing(index, width=160, height=48):
    """A still texture, and at its right end a bright thing that comes and goes."""
    picture = exposed(0, width, height).copy()
    picture[:, width - 32 :] = 255 if index % 4 < 2 else 0
    return picture


def unrest(results, width):
    """E_warp of so many columns on the left, where nothing moves."""
    pictures = [np.ascontiguousarray(shown(result)[:, :width]) for result in results]
    valid = np.ones(pictures[0].shape[:2], bool)
    still = np.zeros((*valid.shape, 2), np.float32)
    return np.mean([warping_error(a, b, still, valid) for a, b in pairwise(pictures)])


def test_what_passes_at_one_end_no_longer_changes_the_other(files):
    source = [frame(index, passing(index)) for index in range(16)]
    plain = unrest(translated(files / "plain.onnx", source, None), 64)
    shared = unrest(translated(files / "shared.onnx", source, iter(source)), 64)
    assert plain > 1e-4
    assert shared == 0  # these columns never see the thing itself


def test_exposure_is_what_a_frames_own_statistics_take_out_and_shared_ones_leave_in(files):
    source = frames(16)
    plain = unrest(translated(files / "plain.onnx", source, None), SIZE[0])
    shared = unrest(translated(files / "shared.onnx", source, iter(source)), SIZE[0])
    assert plain < 0.1 * shared


# Moving


def test_live_statistics_begin_with_the_first_frame_and_follow(files, network):
    """exp(-t / 2 s) of the old ones stay after t seconds."""
    fixed = share_statistics(network)
    state = fixed.calibrate(batch([0]))
    results = translated(files / "shared.onnx", frames(4), None)
    for index, result in enumerate(results):
        if index:
            stays = float(np.exp(-1 / 25 / MOVING_S))
            fixed.keep = stays
        picture, state = fixed(batch([index]), state)
        expected = picture[0].permute(1, 2, 0).numpy() / 255
        np.testing.assert_allclose(result[..., :3], expected, atol=1e-4)


def test_live_frames_come_one_after_the_other(files):
    with rotoscope.Translator(files / "shared.onnx") as translator:
        assert translator.in_flight == 1
        assert translator.notes == ["norm shared: statistics follow the stream, over 2 s"]
    with pytest.raises(rotoscope.UsageError, match="takes one frame after the other"):
        rotoscope.Translator(files / "shared.onnx", in_flight=2)


# The command line


def test_a_checkpoint_is_exported_for_it(here, checkpoint, files, rotoscope_main, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    tiny_clips.write_clip(here / "clip.mp4", frames=20, size=SIZE, make=exposed)
    code, _, err = rotoscope_main("translate", "clip.mp4", "out.y4m", "-m", checkpoint, "--norm", "shared")
    assert code == 0
    assert "note: norm shared: statistics of 3 frames, one in 8" in err
    rotoscope_main("translate", "clip.mp4", "same.y4m", "-m", files / "shared.onnx")
    assert (here / "out.y4m").read_bytes() == (here / "same.y4m").read_bytes()
    code, _, err = rotoscope_main("translate", "clip.mp4", "plain.y4m", "-m", files / "plain.onnx")
    assert "norm shared" not in err
    assert (here / "out.y4m").read_bytes() != (here / "plain.y4m").read_bytes()


def test_only_the_chosen_part_is_learned_from(here, files, rotoscope_main):
    tiny_clips.write_clip(here / "clip.mp4", frames=40, size=SIZE, make=exposed)
    part = ["--start", "0.4", "--duration", "0.8"]
    code, _, err = rotoscope_main("translate", "clip.mp4", "out.y4m", "-m", files / "shared.onnx", *part)
    assert code == 0
    assert "20/20 frames" in err
    assert "statistics of 3 frames" in err


def test_a_folder_and_a_picture_are_learned_from(here, files, rotoscope_main):
    (here / "pictures").mkdir()
    for index in range(9):
        cv2.imwrite(str(here / "pictures" / f"{index}.png"), exposed(index))
    code, _, err = rotoscope_main("translate", "pictures", "out", "-m", files / "shared.onnx", "--norm", "shared")
    assert code == 0
    assert "statistics of 2 frames, one in 8" in err
    code, _, err = rotoscope_main("translate", "pictures/0.png", "one.png", "-m", files / "shared.onnx")
    assert code == 0
    assert "statistics of 1 frame" in err


def test_a_pipe_cannot_be_read_twice(here, files, rotoscope_main, monkeypatch):
    source = tiny_clips.write_clip(
        here / "in.y4m", frames=12, size=SIZE, make=exposed, codec="rawvideo", muxer="yuv4mpegpipe", options={}
    )
    with source.open("rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        code, _, err = rotoscope_main("translate", "-", "out.y4m", "-m", files / "shared.onnx", "--norm", "shared")
    assert code == 0
    assert "note: norm shared: statistics follow the stream, over 2 s" in err


def test_a_file_that_was_not_exported_so_is_refused(here, files, rotoscope_main):
    tiny_clips.write_clip(here / "clip.mp4", frames=2)
    words = ["translate", "clip.mp4", "-m", files / "plain.onnx", "--norm", "shared"]
    code, _, err = rotoscope_main(*words)
    assert code == 2
    assert "plain.onnx was not exported for it" in err
    assert "rotoscope export CHECKPOINT NEW.onnx --shared-statistics" in err
    assert len(err.splitlines()) == 1


def test_it_is_for_the_first_of_a_chain(here, files, identity):
    tiny_clips.write_clip(here / "clip.mp4", frames=2)
    with pytest.raises(rotoscope.UsageError, match="it must be the first of a chain"):
        rotoscope.translate("clip.mp4", model=[identity, files / "shared.onnx"])


def test_what_goes_together(files):
    model = open_model(files / "shared.onnx")
    assert chosen_method([model], SteadyOptions()) == "blend"
    assert chosen_method([model], SteadyOptions(steady="hypercon")) == "hypercon"
    assert chosen_method([model], SteadyOptions(keyframes=4)) == "blend"


def test_tensorrt_builds_for_one_frame(files, monkeypatch):
    monkeypatch.setattr("rotoscope.assembly.engines.check_installed", lambda _name: None)
    with pytest.raises(rotoscope.UsageError, match="accepted: onnxruntime, openvino, torch"):
        rotoscope.Translator(files / "shared.onnx", engine="tensorrt")
