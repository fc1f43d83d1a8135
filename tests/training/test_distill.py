"""Distillation: budgets, losses, and a student that learns."""

from itertools import pairwise

import numpy as np
import pytest
import tiny_data
import torch

from rotoscope.base.errors import UsageError
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.fast_style import TransformerNet
from rotoscope.training.data.datasets import Geometry
from rotoscope.training.data.kept_crops import KeptCrops
from rotoscope.training.loop.optimisation import warm_then_cosine
from rotoscope.training.loop.run import run_training
from rotoscope.training.losses.likeness import gradient_distance
from rotoscope.training.options import DistillOptions, RunOptions
from rotoscope.training.systems.distill import (
    SIZES,
    Distillation,
    StudentSize,
    as_teacher,
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


# a fixed number of crops


def test_the_teacher_translates_each_crop_once(tmp_path):
    seen = []

    def paint(pictures):
        seen.extend(pictures)
        return -pictures

    frames = tiny_data.folder(tmp_path / "frames", size=40)
    sizes = {"resize": 36, "crop": 32, "batch": 2, "width": 8, "blocks": 1, "perceptual": 0.0}
    options = DistillOptions(teacher="negative", frames=frames, **sizes, crops=5, iterations=8)
    run = RunOptions(out=tmp_path / "run", device="cpu")
    assert run_training(lambda: Distillation(options, paint), options, run).is_finished
    assert len(seen) == 5
    assert len({picture.numpy().tobytes() for picture in seen}) == 5


def test_kept_pictures_are_those_of_the_teacher(tmp_path):
    system = Distillation(DistillOptions(teacher="negative", frames=tmp_path, perceptual=0.0), negative)
    pictures = torch.rand(2, 3, 8, 8) * 2 - 1
    batch = {"frames": pictures, "crop": torch.tensor([4, 7])}
    for _ in range(2):
        torch.testing.assert_close(system.targets(batch), -pictures, atol=1 / 255 + 1e-6, rtol=0)
    assert sorted(system.taught) == [4, 7]
    assert torch.equal(system.targets({"frames": pictures}), -pictures)


def test_crops_are_the_same_in_every_epoch_and_spread_over_all_pictures(tmp_path):
    frames = tiny_data.folder(tmp_path / "frames", count=4, size=40)
    crops = KeptCrops({"frames": frames}, Geometry(resize=36, crop=32, flip=True), 2)
    first, again = (crops.sample(1, epoch, np.random.default_rng(epoch)) for epoch in (0, 3))
    assert torch.equal(first["frames"], again["frames"])
    assert (len(crops), int(first["crop"])) == (2, 1)
    many = KeptCrops({"frames": frames}, Geometry(resize=80, crop=32), 8)
    samples = [many.sample(index, 0, np.random.default_rng(0))["frames"] for index in range(8)]
    assert len({sample.numpy().tobytes() for sample in samples}) == 8


# keep the body


def tiny_body(width, blocks=2):
    random = np.random.default_rng(0)
    shapes = {f"conv{n}.weight": (width, width, 3, 3) for n in (1, 2)}
    shapes |= {f"norm{n}.{name}": (width,) for n in (1, 2) for name in ("weight", "bias")}
    return [{name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()} for _ in range(blocks)]


def test_a_student_keeps_the_blocks_of_its_teacher_which_learn_slowly(tmp_path):
    options = DistillOptions(teacher="any", frames=tmp_path, perceptual=0.0, keep_body=True)
    body = tiny_body(16, 3)
    system = Distillation(options, negative, body)
    blocks = system.student.blocks
    assert len(blocks) == 3
    for block, kept in zip(blocks, body, strict=True):
        assert all(np.array_equal(value.detach(), kept[name]) for name, value in block.named_parameters())
    ends, kept_weights = system.optimisers["student"].param_groups
    assert (len(kept_weights["params"]), kept_weights["lr"]) == (3 * 6, options.learning_rate / 8)
    assert len(ends["params"]) + len(kept_weights["params"]) == len(list(system.student.parameters()))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (tiny_body(68, 1), "68 channels in the teacher's blocks; accepted: at most 64"),
        ([], "no residual blocks of two 3x3 convolutions with instance norm in the teacher; leave --keep-body out"),
    ],
)
def test_a_teacher_whose_blocks_do_not_suit_is_refused(body, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        Distillation(DistillOptions(teacher="any", frames=tmp_path, perceptual=0.0, keep_body=True), negative, body)
