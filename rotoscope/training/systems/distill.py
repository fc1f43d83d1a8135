"""Distillation: a compact student learns the output of a heavy generator; it runs many times as fast and flickers less.

For crops x of pictures or frames, the student's output y and the teacher's output t, the student minimises

    pixels |y - t| + gradients |grad y - grad t| + perceptual LPIPS(y, t) + temporal |student(x') - W(y)|
        + equivariance |student(shifted x) - shifted y| + lattice (share of fine detail that repeats every 2 or 4 pixels)

where x' is a synthetic next frame (see `synthetic_flow`): the temporal term trains the student to flicker less than its
teacher. The student is the largest that fits a budget of time, measured on the engine that will run it, or of multiply-adds.

With `keep_body` the student starts as its teacher: the residual blocks of a small fast style transfer network are those of the
compact student, with the same weights. Only the ends, where such a teacher spends its time at the full size, are new, and the
blocks learn at a lower rate.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import l1_loss
from torch.optim import Adam
from torch.utils.flop_counter import FlopCounterMode

from rotoscope.base.errors import UsageError
from rotoscope.networks import Loaded, from_state_dict
from rotoscope.networks.compact import CompactGenerator, StudentSize
from rotoscope.networks.fast_style import TransformerNet
from rotoscope.networks.lpips import load_lpips
from rotoscope.networks.torch_tensors import load_tensors
from rotoscope.training.data.datasets import Domain
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, warm_then_cosine, weights_of
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.equivariance import shift_difference
from rotoscope.training.losses.lattice import LEAST_SIDE_PX, lattice_penalty
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


def open_network(path: Path) -> Loaded:
    """Return the network of a checkpoint. Raises UsageError for a file that is none, ModelRefused for an unknown one."""
    if not path.is_file():
        raise UsageError(f"--keep-body: {path} is no file; accepted: the checkpoint of a teacher")
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else load_tensors(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(
            f"--keep-body: {path} is no checkpoint ({error}); accepted: the checkpoint of the teacher"
        ) from error
    return from_state_dict(weights)


def student_with_body(teacher: Loaded) -> CompactGenerator:
    """Return a student with new ends and the residual blocks of a fast style transfer network.

    Raises UsageError for a teacher of another architecture, or with more than 64 channels in its blocks.
    """
    network, description = teacher
    if not isinstance(network, TransformerNet):
        raise UsageError(
            f"--keep-body: the teacher is {description.system}; accepted: a checkpoint of fast style transfer with at most "
            f"{LARGEST_BODY} channels in its blocks (rotoscope train fast-style --width {LARGEST_BODY // 4} or less)"
        )
    blocks = [network.get_submodule(f"res{number}") for number in range(1, 6)]
    width = blocks[0].get_parameter("in1.weight").numel()
    if width > LARGEST_BODY:
        raise UsageError(
            f"--keep-body: {width} channels in the teacher's blocks; accepted: at most {LARGEST_BODY}. More are too slow for a "
            "student: leave --keep-body out"
        )
    student = CompactGenerator(width, len(blocks))
    for ours, theirs in zip(student.blocks, blocks, strict=True):
        kept = {f"conv{n}.weight": theirs.get_parameter(f"conv{n}.conv2d.weight") for n in (1, 2)}
        kept |= {
            f"norm{n}.{name}": theirs.get_parameter(f"in{n}.{name}") for n in (1, 2) for name in ("weight", "bias")
        }
        ours.load_state_dict(kept)
    return student


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
        self.preview_clip = options.preview
        if options.keep_body:
            self.student = student_with_body(open_network(Path(options.teacher)))
        else:
            self.student = CompactGenerator(options.width, options.blocks)
        if options.perceptual and options.lpips is None:
            raise UsageError(
                "--perceptual needs --lpips FILE (LPIPS v0.1 of SqueezeNet, see docs/training.md), or --perceptual 0"
            )
        lpips = (
            load_lpips("squeeze", options.lpips).requires_grad_(False) if options.lpips and options.perceptual else None
        )
        self.lpips = [lpips]  # in a list, so that it is no submodule and not trained
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
        return {"picture": pictures, "teacher": self.teacher(pictures), "student": self.student(pictures)}

    def preview(self, frames: Tensor, batch: Batch) -> Tensor:
        """Return the student's frames."""
        made: Tensor = self.student(frames)
        return made
