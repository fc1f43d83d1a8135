"""Distillation: budgets, losses, and a student that learns."""

from itertools import pairwise

import numpy as np
import pytest
import tiny_data
import torch

from rotoscope.base.errors import UsageError
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.fast_style import TransformerNet
from rotoscope.training.loop.optimisation import warm_then_cosine
from rotoscope.training.loop.run import run_training
from rotoscope.training.options import DistillOptions, RunOptions
from rotoscope.training.systems.distill import Distillation, as_teacher, gradient_distance, multiply_adds, widest


def negative(pictures):
    return -pictures


@pytest.mark.parametrize("limit", [16, 17, 63, 64, 200, 256, 1000])
def test_the_widest_student_that_fits_is_found_with_few_trials(limit):
    tried = []

    def fits(width):
        tried.append(width)
        return width <= limit

    assert widest(fits) == max(width for width in range(16, 257, 8) if width <= limit)
    assert len(tried) <= 7


def test_a_budget_that_nothing_fits_is_refused():
    with pytest.raises(UsageError, match="no student fits this budget, not even one of 16 channels"):
        widest(lambda _width: False)


def test_multiply_adds_are_those_of_a_hand_count():
    assert multiply_adds(64, (640, 360)) == pytest.approx(1.19e9, rel=0.005)
    cells = 160 * 90
    stem, block = 3 * 144 * 64, 2 * (9 * 64 + 64 * 64)
    narrow, head = 9 * 64 + 64 * 16, 4 * 16 * 9 * 12  # the head works at twice the resolution
    assert multiply_adds(64, (640, 360)) == cells * (stem + 5 * block + narrow + head)
    assert multiply_adds(64, (637, 358)) == multiply_adds(64, (640, 360))


def test_a_student_takes_a_twenty_fifth_of_the_work_of_the_network_it_replaces():
    with torch.device("meta"):
        heavy = TransformerNet()
    macs = 0

    def count(layer, _inputs, output):
        nonlocal macs
        macs += output.shape[2] * output.shape[3] * layer.weight.numel()

    for layer in heavy.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    heavy(torch.zeros(1, 3, 360, 640, device="meta"))
    assert macs / multiply_adds(64, (640, 360)) > 25


def test_gradients_are_compared_in_both_directions():
    flat = torch.zeros(1, 3, 8, 8)
    slope = torch.arange(8.0).expand(1, 3, 8, 8) * 0.5
    assert gradient_distance(slope, flat).item() == pytest.approx(0.5)
    assert gradient_distance(slope.transpose(2, 3), flat).item() == pytest.approx(0.5)
    assert gradient_distance(flat + 3, flat) == 0


def test_a_teacher_paints_picture_by_picture_in_eight_bits():
    seen = []

    def paint(picture):
        seen.append(picture)
        return 255 - picture

    pictures = torch.rand(2, 3, 8, 12) * 2 - 1
    painted = as_teacher(paint)(pictures)
    assert [picture.shape for picture in seen] == [(8, 12, 3)] * 2
    assert seen[0].dtype == np.uint8
    torch.testing.assert_close(painted, -pictures, atol=1 / 127, rtol=0)


def test_the_learning_rate_rises_and_falls():
    rates = [warm_then_cosine(step, 100, 0.05) for step in range(100)]
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert all(after <= before for before, after in pairwise(rates[5:]))
    assert rates[-1] < 0.001


def test_a_perceptual_loss_needs_its_weights(tmp_path):
    with pytest.raises(UsageError, match="--perceptual needs --lpips FILE"):
        Distillation(DistillOptions(teacher="any", frames=tmp_path), negative)


def test_a_student_learns_its_teacher(tmp_path):
    frames = tiny_data.folder(tmp_path / "frames", size=40)
    sizes = {"resize": 36, "crop": 32, "batch": 2, "width": 16, "iterations": 160, "perceptual": 0.0, "temporal": 0.0}
    options = DistillOptions(teacher="negative", frames=frames, **sizes, learning_rate=5e-3)
    run = RunOptions(out=tmp_path / "run", device="cpu", log_every=40, sample_every=80)
    assert run_training(lambda: Distillation(options, negative), options, run).is_finished
    student, description = open_checkpoint(run.out / "student.safetensors")
    assert description.system == "compact student"
    picture = torch.from_numpy(tiny_data.blobs(0, 32).transpose(2, 0, 1).copy())[None].float() / 127.5 - 1
    assert (student(picture) + picture).abs().mean() < 0.3 * (2 * picture).abs().mean()
