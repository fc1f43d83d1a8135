"""Distillation: a compact student learns the output of a heavy generator; it runs many times as fast and flickers less.

For crops x of pictures or frames, the student's output y and the teacher's output t, the student minimises

    pixels |y - t| + gradients |grad y - grad t| + perceptual LPIPS(y, t) + temporal |student(x') - W(y)|

where x' is a synthetic next frame (see `synthetic_flow`): the temporal term trains the student to flicker less than its
teacher. The width of the student is the largest that fits a budget of time, measured on the engine that will run it, or of
multiply-adds.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import l1_loss
from torch.utils.flop_counter import FlopCounterMode

from rotoscope.base.errors import UsageError
from rotoscope.networks import Loaded, from_state_dict
from rotoscope.networks.compact import CompactGenerator
from rotoscope.networks.lpips import load_lpips
from rotoscope.training.data.datasets import Domain
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, warm_then_cosine
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.options import DistillOptions

WIDTHS = tuple(range(16, 257, 8))  # channels; multiples of 8 fill vector registers
WARM_SHARE = 0.05  # share of the steps in which the learning rate rises

Teacher = Callable[[Tensor], Tensor]
"""(N,3,H,W) RGB in [-1,1] -> the teacher's output, of the same shape and range"""

Paint = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""One picture (H,W,3) uint8 RGB -> the same; `rotoscope.load` returns one"""


def widest(fits: Callable[[int], bool], widths: Sequence[int] = WIDTHS) -> int:
    """Return the largest width that fits, by bisection. Raises UsageError if not even the smallest fits."""
    if not fits(widths[0]):
        raise UsageError(f"no student fits this budget, not even one of {widths[0]} channels: allow more")
    low, high = 0, len(widths)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(widths[middle]) else (low, middle)
    return widths[low]


def multiply_adds(width: int, size: tuple[int, int]) -> int:
    """Return the multiply-adds of a student's convolutions for one picture of (width, height), rounded up to a valid size."""
    student = CompactGenerator(width).to("meta")
    columns, rows = (-(-side // student.size_multiple) * student.size_multiple for side in size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        student(torch.zeros(1, 3, rows, columns, device="meta"))
    return int(counter.get_total_flops()) // 2


def untrained_student(width: int) -> Loaded:
    """Return a student with initial weights, to be exported and timed."""
    return from_state_dict(CompactGenerator(width).state_dict())


def as_teacher(paint: Paint) -> Teacher:
    """Return a teacher that calls `paint` for one picture after the other."""

    def teach(pictures: Tensor) -> Tensor:
        steps = ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
        painted = torch.stack([torch.from_numpy(paint(step)) for step in steps])
        return painted.permute(0, 3, 1, 2).to(pictures.device).float() / 127.5 - 1

    return teach


def gradient_distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference of horizontal differences, plus that of vertical ones."""
    return l1_loss(one.diff(dim=-1), other.diff(dim=-1)) + l1_loss(one.diff(dim=-2), other.diff(dim=-2))


class Distillation(TrainingSystem):
    """The student is trained; the teacher is a function and has no weights here."""

    def __init__(self, options: DistillOptions, teacher: Teacher) -> None:
        super().__init__()
        self.options, self.teacher = options, teacher
        self.student = CompactGenerator(options.width)
        if options.perceptual and options.lpips is None:
            raise UsageError(
                "--perceptual needs --lpips FILE (LPIPS v0.1 of SqueezeNet, see docs/training.md), or --perceptual 0"
            )
        lpips = (
            load_lpips("squeeze", options.lpips).requires_grad_(False) if options.lpips and options.perceptual else None
        )
        self.lpips = [lpips]  # in a list, so that it is no submodule and not trained
        self.optimisers = {"student": adam(options.learning_rate, self.student, betas=DEFAULT_BETAS)}

    def domains(self) -> list[Domain]:
        """Return frames or photographs."""
        return [Domain({"frames": self.options.frames}, geometry_of(self.options, self.student.size_multiple))]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update of the student."""
        pictures = batch["frames"]
        with torch.no_grad():
            target = self.teacher(pictures)
        yield Update("student", self.terms(pictures, target))

    def terms(self, pictures: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return all weighted terms for pictures and the teacher's output `target`, both (N,3,H,W) in [-1,1]."""
        options = self.options
        made = self.student(pictures)
        terms = {
            "pixels": options.pixels * l1_loss(made, target),
            "gradients": options.gradients * gradient_distance(made, target),
        }
        (lpips,) = self.lpips
        if lpips is not None:
            terms["perceptual"] = options.perceptual * lpips.to(made.device)(made, target).mean()
        if options.temporal:
            flow = draw_flow(pictures)
            of_next = self.student(next_frame(pictures, flow))
            terms["temporal"] = options.temporal * temporal_loss(of_next, made, flow)
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
        return {"picture": pictures, "teacher": self.teacher(pictures), "student": self.student(pictures)}
