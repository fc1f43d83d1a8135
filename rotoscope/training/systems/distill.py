"""Distillation: a compact student learns to paint what a heavy generator paints, steadier and many times as fast.

The student descends, on crops of any pictures or frames,

    pixels |y - t| + gradients |grad y - grad t| + look LPIPS(y, t) + temporal |student(x') - W(y)|

with t what the teacher makes of x, and x' a synthesised next frame (see `synthetic_flow`): the teacher flickers, the student is
told not to. Its width is the largest that fits a budget: of time, as measured on the engine that will run it, or of
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
from rotoscope.training.loop.schedules import warm_then_cosine
from rotoscope.training.loop.system import LONG_MEMORY, Batch, Result, System, Update, adam, geometry_of
from rotoscope.training.options import DistillOptions

WIDTHS = tuple(range(16, 257, 8))  # channels; vector units like multiples of 8
WARM_SHARE = 0.05  # of the steps, in which the learning rate rises

Teacher = Callable[[Tensor], Tensor]
"""(N,3,H,W) RGB in [-1,1] -> the same, as the heavy generator paints it"""


def widest(fits: Callable[[int], bool], widths: Sequence[int] = WIDTHS) -> int:
    """The largest width that fits, by bisection: wider students cost more. Raises UsageError if not even the smallest does."""
    if not fits(widths[0]):
        raise UsageError(f"no student fits this budget, not even one of {widths[0]} channels: allow more")
    low, high = 0, len(widths)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(widths[middle]) else (low, middle)
    return widths[low]


def multiply_adds(width: int, size: tuple[int, int]) -> int:
    """Multiply-adds of a student's convolutions for one picture of (width, height), sides rounded up to what it takes."""
    student = CompactGenerator(width).to("meta")
    columns, rows = (-(-side // student.size_multiple) * student.size_multiple for side in size)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        student(torch.zeros(1, 3, rows, columns, device="meta"))
    return int(counter.get_total_flops()) // 2


def untrained(width: int) -> Loaded:
    """A student as it begins, to be exported and timed."""
    return from_state_dict(CompactGenerator(width).state_dict())


def as_teacher(paint: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Teacher:
    """A teacher from what paints one picture, (H,W,3) uint8 RGB, at a time: any model that `rotoscope.load` opens."""

    def teach(pictures: Tensor) -> Tensor:
        steps = ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
        painted = torch.stack([torch.from_numpy(paint(step)) for step in steps])
        return painted.permute(0, 3, 1, 2).to(pictures.device).float() / 127.5 - 1

    return teach


def gradient_distance(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference of the slopes in x, plus that in y."""
    return l1_loss(one.diff(dim=-1), other.diff(dim=-1)) + l1_loss(one.diff(dim=-2), other.diff(dim=-2))


class Distillation(System):
    """The student; its teacher is not part of it."""

    def __init__(self, options: DistillOptions, teacher: Teacher) -> None:
        super().__init__()
        self.options, self.teacher = options, teacher
        self.student = CompactGenerator(options.width)
        if options.look and options.lpips is None:
            raise UsageError("--look needs --lpips FILE (LPIPS v0.1 of SqueezeNet), or --look 0")
        lpips = load_lpips("squeeze", options.lpips).requires_grad_(False) if options.lpips and options.look else None
        self.lpips = [lpips]  # in a list: not trained
        self.optimisers = {"student": adam(options.learning_rate, self.student, betas=LONG_MEMORY)}

    def domains(self) -> list[Domain]:
        """Frames or photographs."""
        return [Domain({"frames": self.options.frames}, geometry_of(self.options, self.student.size_multiple))]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update."""
        pictures = batch["frames"]
        with torch.no_grad():
            target = self.teacher(pictures)
        yield Update("student", self.terms(pictures, target))

    def terms(self, pictures: Tensor, target: Tensor) -> dict[str, Tensor]:
        """All terms, weighted, for pictures and what the teacher makes of them, (N,3,H,W) in [-1,1]."""
        options = self.options
        made = self.student(pictures)
        terms = {
            "pixels": options.pixels * l1_loss(made, target),
            "gradients": options.gradients * gradient_distance(made, target),
        }
        (lpips,) = self.lpips
        if lpips is not None:
            terms["look"] = options.look * lpips.to(made.device)(made, target).mean()
        if options.temporal:
            flow = draw_flow(pictures)
            of_next = self.student(next_frame(pictures, flow))
            terms["temporal"] = options.temporal * temporal_loss(of_next, made, flow)
        return terms

    def length(self, epoch_steps: int) -> int:
        """All iterations."""
        return self.options.iterations

    def rate(self, step: int, epoch: int) -> float:
        """Rising at first, then falling to zero."""
        return warm_then_cosine(step, self.options.iterations, WARM_SHARE)

    def results(self) -> dict[str, Result]:
        """The student."""
        return {"student": Result(self.student)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Picture, teacher, student."""
        pictures = batch["frames"]
        return {"picture": pictures, "teacher": self.teacher(pictures), "student": self.student(pictures)}
