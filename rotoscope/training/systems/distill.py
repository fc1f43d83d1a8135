"""Distillation: a compact student learns the output of a heavy generator; it runs many times as fast and flickers less.

For crops x of pictures or frames, the student's output y and the teacher's output t, the student minimises

    pixels |y - t| + gradients |grad y - grad t| + perceptual LPIPS(y, t) + temporal |student(x') - W(y)|
        + equivariance |student(shifted x) - shifted y| + lattice (share of fine detail that repeats every 2 or 4 pixels)

where x' is a synthetic next frame (see `synthetic_flow`): the temporal term trains the student to flicker less than its
teacher. The student is the largest that fits a budget of time, measured on the engine that will run it, or of multiply-adds.

A heavy teacher costs more than all the rest of a step. So a run has a fixed number of crops, and the teacher translates each
once. The crops are not mirrored or moved afterwards: the strokes and the norms of a teacher depend on what it is shown.

With `keep_body` the student starts as its teacher: the residual blocks of a small network, such as one of fast style transfer,
are those of the compact student, with the same weights. Only the ends, where such a teacher spends its time at the full size,
are new, and the blocks learn at a lower rate.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Adam
from torch.utils.flop_counter import FlopCounterMode

from rotoscope.base.errors import UsageError
from rotoscope.networks import Loaded, from_state_dict
from rotoscope.networks.compact import CompactGenerator, StudentSize
from rotoscope.training.data.datasets import Domain
from rotoscope.training.data.kept_crops import NUMBER, KeptCrops
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, warm_then_cosine, weights_of
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.equivariance import shift_difference
from rotoscope.training.losses.lattice import LEAST_SIDE_PX, lattice_penalty
from rotoscope.training.losses.likeness import frozen_lpips, likeness_terms
from rotoscope.training.options import DistillOptions

# From the smallest to the largest; costs in docs/training.md. Widths of multiples of 16 fill vector registers.
SIZES = tuple(
    StudentSize(*size)
    for size in ((16, 2), (16, 4), (24, 4), (32, 3), (32, 5), (32, 8), (48, 5), (64, 5), (96, 6), (128, 8))
)
LARGEST_BODY = 64  # channels of a teacher whose blocks a student may keep
BODY_RATE = 1 / 8  # learning rate of kept blocks, relative to that of the new ends
WARM_SHARE = 0.05  # share of the steps in which the learning rate rises

Teacher = Callable[[Tensor], Tensor]
"""(N,3,H,W) RGB in [-1,1] -> the teacher's output, of the same shape and range"""

Paint = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""One picture (H,W,3) uint8 RGB -> the same; `rotoscope.load` returns one"""

Body = Sequence[Mapping[str, NDArray[np.float32]]]
"""Weights of residual blocks, by the names of `ResidualBlock`"""


class OpenedTeacher(NamedTuple):
    """A model that paints, and the residual blocks that were found in it."""

    paint: Paint
    body: Body = ()


def largest(fits: Callable[[StudentSize], bool], sizes: Sequence[StudentSize] = SIZES) -> StudentSize:
    """Return the largest size that fits, by bisection. Raises UsageError if not even the smallest fits."""
    smallest = sizes[0]
    if not fits(smallest):
        raise UsageError(
            f"no student fits this budget, not even {smallest.blocks} blocks of {smallest.width} channels: allow more"
        )
    low, high = 0, len(sizes)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(sizes[middle]) else (low, middle)
    return sizes[low]


def multiply_adds(student_size: StudentSize, size: tuple[int, int]) -> int:
    """Return the multiply-adds of a student's convolutions for one picture of (width, height), rounded up to a valid size."""
    student = CompactGenerator(*student_size).to("meta")
    columns, rows = (-(-side // student.size_multiple) * student.size_multiple for side in size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        student(torch.zeros(1, 3, rows, columns, device="meta"))
    return int(counter.get_total_flops()) // 2


def untrained_student(size: tuple[int, int]) -> Loaded:
    """Return a student of (channels, blocks) with initial weights, to be exported and timed."""
    return from_state_dict(CompactGenerator(*size).state_dict())


def student_with_body(body: Body) -> CompactGenerator:
    """Return a student with new ends and the residual blocks of its teacher.

    Raises UsageError if there are none, or if they have more than 64 channels.
    """
    size = size_of_body(body)
    if size is None:
        raise UsageError(
            "--keep-body: no residual blocks of two 3x3 convolutions with instance norm in the teacher; leave --keep-body out"
        )
    if size.width > LARGEST_BODY:
        raise UsageError(
            f"--keep-body: {size.width} channels in the teacher's blocks; accepted: at most {LARGEST_BODY}. More are too slow "
            "for a student: leave --keep-body out"
        )
    student = CompactGenerator(*size)
    for block, kept in zip(student.blocks, body, strict=True):
        block.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in kept.items()})
    return student


def size_of_body(body: Body) -> StudentSize | None:
    """Return channels and number of a teacher's blocks; None if it has none."""
    return StudentSize(len(body[0]["norm1.weight"]), len(body)) if body else None


def as_teacher(paint: Paint) -> Teacher:
    """Return a teacher that calls `paint` for one picture after the other."""

    def teach(pictures: Tensor) -> Tensor:
        steps = ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
        painted = torch.stack([torch.from_numpy(paint(step)) for step in steps])
        return painted.permute(0, 3, 1, 2).to(pictures.device).float() / 127.5 - 1

    return teach


class Distillation(TrainingSystem):
    """The student is trained; the teacher is a function and has no weights here."""

    def __init__(self, options: DistillOptions, teacher: Teacher, body: Body = ()) -> None:
        super().__init__()
        self.options, self.teacher = options, teacher
        self.preview_clip = options.preview
        if options.keep_body:
            self.student = student_with_body(body)
        else:
            self.student = CompactGenerator(options.width, options.blocks)
        # in a list, so that it is no submodule and not trained
        self.lpips = [frozen_lpips(options.lpips, weight=options.perceptual, option="--lpips")]
        self.taught: dict[int, Tensor] = {}  # number of a crop -> the teacher's picture (3,H,W), uint8
        self.optimisers = {"student": self.optimiser()}

    def optimiser(self) -> Adam:
        """Return Adam over the student; kept blocks learn at an eighth of the rate."""
        rate = self.options.learning_rate
        if not self.options.keep_body:
            return adam(rate, self.student, betas=DEFAULT_BETAS)
        body = weights_of(self.student.blocks)
        known = {id(parameter) for parameter in body}
        ends = [parameter for parameter in self.student.parameters() if id(parameter) not in known]
        groups: list[dict[str, Any]] = [{"params": ends}, {"params": body, "lr": BODY_RATE * rate}]
        return Adam(groups, rate, betas=DEFAULT_BETAS, fused=True)

    def domains(self) -> list[Domain]:
        """Return frames or photographs."""
        views, geometry = {"frames": self.options.frames}, geometry_of(self.options, self.student.size_multiple)
        return [KeptCrops(views, geometry, self.options.crops) if self.options.crops else Domain(views, geometry)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update of the student."""
        yield Update("student", self.terms(batch["frames"], self.targets(batch)))

    @torch.no_grad()
    def targets(self, batch: Batch) -> Tensor:
        """Return the teacher's pictures (N,3,H,W) in [-1,1]; those of numbered crops are made once, and kept in 8 bits."""
        pictures = batch["frames"]
        if NUMBER not in batch:
            return self.teacher(pictures)
        numbers = batch[NUMBER].tolist()
        for number, picture in zip(numbers, pictures, strict=True):
            if number not in self.taught:
                self.taught[number] = ((self.teacher(picture[None])[0] + 1) * 127.5).round().clamp(0, 255).byte().cpu()
        kept = torch.stack([self.taught[number] for number in numbers])
        return kept.to(pictures.device).float() / 127.5 - 1

    def terms(self, pictures: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return all weighted terms for pictures and the teacher's output `target`, both (N,3,H,W) in [-1,1]."""
        options = self.options
        made = self.student(pictures)
        (lpips,) = self.lpips
        weights = {"pixels": options.pixels, "gradients": options.gradients, "perceptual": options.perceptual}
        terms = likeness_terms(made, target, lpips, **weights)
        if options.temporal:
            first = pictures[:1]  # a second pass of all pictures would cost as much as the rest of the student
            flow = draw_flow(first)
            of_next = self.student(next_frame(first, flow))
            terms["temporal"] = options.temporal * temporal_loss(of_next, made[:1], flow)
        if options.equivariance:
            terms["equivariance"] = options.equivariance * shift_difference(self.student, pictures, made)
        if options.lattice and min(made.shape[-2:]) >= LEAST_SIDE_PX:
            terms["lattice"] = options.lattice * lattice_penalty(made)
        return terms

    def num_steps(self, epoch_steps: int) -> int:
        """Return the number of iterations."""
        return self.options.iterations

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return a linear rise, then half a cosine down to 0."""
        return warm_then_cosine(step, self.options.iterations, WARM_SHARE)

    def results(self) -> dict[str, Result]:
        """Return the student."""
        return {"student": Result(self.student)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return picture, teacher, student."""
        pictures = batch["frames"]
        return {"picture": pictures, "teacher": self.targets(batch), "student": self.student(pictures)}

    def preview(self, frames: Tensor, batch: Batch) -> Tensor:
        """Return the student's frames."""
        made: Tensor = self.student(frames)
        return made
