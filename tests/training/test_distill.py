"""Distillation: budgets, losses, and a student that learns."""

from itertools import pairwise

import numpy as np
import pytest
import tiny_data
import torch

from rotoscope.base.errors import UsageError
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.compact import CompactGenerator
from rotoscope.networks.fast_style import TransformerNet
from rotoscope.training.loop.optimisation import warm_then_cosine
from rotoscope.training.loop.run import run_training
from rotoscope.training.options import DistillOptions, RunOptions
from rotoscope.training.systems.distill import (
    SIZES,
    Distillation,
    StudentSize,
    as_teacher,
    gradient_distance,
    largest,
    multiply_adds,
)


def negative(pictures):
    return -pictures


@pytest.mark.parametrize("limit", [0, 1, 4, len(SIZES) - 1])
def test_the_largest_student_that_fits_is_found_with_few_trials(limit):
    tried = []

    def fits(size):
        tried.append(size)
        return SIZES.index(size) <= limit

    assert largest(fits) == SIZES[limit]
    assert len(tried) <= 5


def test_sizes_grow():
    assert all(multiply_adds(a, (64, 64)) < multiply_adds(b, (64, 64)) for a, b in pairwise(SIZES))


def test_a_budget_that_nothing_fits_is_refused():
    with pytest.raises(UsageError, match="no student fits this budget, not even 2 blocks of 16 channels"):
        largest(lambda _size: False)


def test_multiply_adds_are_those_of_a_hand_count():
    size = StudentSize(32, 5)
    cells = 160 * 90
    down = 4 * 36 * 3 * 16 + 36 * 16 * 32  # the first at twice the resolution of the second
    up = 9 * 32 * 4 * 16 + 4 * 9 * 16 * 12
    by_hand = cells * (down + 5 * 2 * 9 * 32 * 32 + up)
    assert by_hand == pytest.approx(2.06e9, rel=0.005)
    assert multiply_adds(size, (640, 360)) == pytest.approx(by_hand, rel=0.001)  # kernels are made of weights
    assert multiply_adds(size, (637, 358)) == multiply_adds(size, (640, 360))


def test_a_student_takes_a_fifteenth_of_the_work_of_the_network_it_replaces():
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
    assert macs / multiply_adds(StudentSize(32, 5), (640, 360)) > 15


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
    sizes = {"resize": 36, "crop": 32, "batch": 2, "width": 16, "blocks": 2, "iterations": 160}
    sizes |= {"perceptual": 0.0, "temporal": 0.0}
    options = DistillOptions(teacher="negative", frames=frames, **sizes, learning_rate=5e-3)
    run = RunOptions(out=tmp_path / "run", device="cpu", log_every=40, sample_every=80)
    assert run_training(lambda: Distillation(options, negative), options, run).is_finished
    student, description = open_checkpoint(run.out / "student.safetensors")
    assert description.system == "compact student"
    picture = torch.from_numpy(tiny_data.blobs(0, 32).transpose(2, 0, 1).copy())[None].float() / 127.5 - 1
    assert (student(picture) + picture).abs().mean() < 0.3 * (2 * picture).abs().mean()


def test_all_terms_are_taken_that_have_a_weight(tmp_path):
    sizes = {"width": 8, "blocks": 1, "perceptual": 0.0, "temporal": 0.0}
    options = DistillOptions(teacher="negative", frames=tmp_path, **sizes, equivariance=2.0, lattice=3.0)
    pictures = torch.rand(1, 3, 64, 64)
    terms = Distillation(options, negative).terms(pictures, -pictures)
    assert set(terms) == {"pixels", "gradients", "equivariance", "lattice"}
    assert terms["equivariance"] > 0


# keep the body


def saved(network, path):
    torch.save(network.state_dict(), path)
    return str(path)


def test_a_student_keeps_the_blocks_of_a_small_teacher(tmp_path):
    torch.manual_seed(0)
    teacher = TransformerNet(4)
    for block in (teacher.res1, teacher.res5):
        torch.nn.init.normal_(block.in2.weight)
    options = DistillOptions(
        teacher=saved(teacher, tmp_path / "teacher.pth"), frames=tmp_path, perceptual=0.0, keep_body=True
    )
    system = Distillation(options, negative)
    features = torch.randn(1, 16, 12, 12)
    kept, own = system.student.blocks[0](features).detach(), teacher.res1(features).detach()
    inner = (..., slice(2, -2), slice(2, -2))  # the student pads by zeros, which the statistics of the norms see
    assert float((kept - own)[inner].abs().mean()) < 0.15 * float(own.std())
    assert torch.equal(system.student.blocks[4].norm2.weight, teacher.res5.in2.weight)
    ends, body = system.optimisers["student"].param_groups
    assert (len(body["params"]), body["lr"]) == (5 * 6, options.learning_rate / 8)
    assert len(ends["params"]) + len(body["params"]) == len(list(system.student.parameters()))


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (lambda: TransformerNet(17), "68 channels in the teacher's blocks; accepted: at most 64"),
        (
            lambda: CompactGenerator(8, 1),
            "the teacher is compact student; accepted: a checkpoint of fast style transfer",
        ),
    ],
)
def test_a_teacher_whose_blocks_do_not_suit_is_refused(network, says, tmp_path):
    teacher = saved(network(), tmp_path / "teacher.pth")
    with pytest.raises(UsageError, match=says):
        Distillation(DistillOptions(teacher=teacher, frames=tmp_path, perceptual=0.0, keep_body=True), negative)


def test_a_teacher_without_weights_has_no_body_to_keep(tmp_path):
    with pytest.raises(UsageError, match="--keep-body: starry is no file; accepted: the checkpoint of a teacher"):
        Distillation(DistillOptions(teacher="starry", frames=tmp_path, perceptual=0.0, keep_body=True), negative)
