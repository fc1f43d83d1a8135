"""Functions that train: train, distill."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rotoscope.api.translation import load
from rotoscope.assembly.models import is_checkpoint, model_path
from rotoscope.base.extras import needs_extra

if TYPE_CHECKING:
    from rotoscope.base.option_keywords import ModelKeywords
    from rotoscope.base.sizes import Size
    from rotoscope.training.loop.run import TrainingResult
    from rotoscope.training.loop.trainer import TrainingProgress
    from rotoscope.training.options import DistillOptions, RunOptions, SystemOptions
    from rotoscope.training.systems.distill import OpenedTeacher


def train(
    options: SystemOptions,
    run: RunOptions,
    *,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train a system in the folder `run.out`; needs the extra `train`.

    options  of the system, such as `rotoscope.training.options.CycleGanOptions(a="A", b="B")`
    run      folder, length, devices, checkpoints: `rotoscope.training.options.RunOptions(out="RUN")`
    resume   continue from the newest checkpoint of the folder instead of starting in a new or empty folder
    Raises UsageError, InputRefused (data), ModelRefused (weights) or OutputFailed.
    """
    with needs_extra("train"):
        from rotoscope.training.systems import runs

    return runs.train(options, run, resume=resume, open_teacher=open_teacher, on_progress=on_progress)


def distill(
    options: DistillOptions,
    run: RunOptions,
    *,
    fps: float | None = None,
    macs: float | None = None,
    size: Size = (640, 360),
    on_candidate: Callable[[tuple[int, int], float], None] = lambda _size, _cost: None,
    on_small_body: Callable[[tuple[int, int]], None] = lambda _size: None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train a compact student of `options.teacher`, as large as a budget allows; needs the extra `train`.

    fps           budget: frames per second of the network alone at `size`, measured on this machine's ONNX Runtime
    macs          or: multiply-adds for one frame of `size`
    size          (width, height)
    on_candidate  receives (channels, blocks) and seconds (or multiply-adds) of each student that is considered
    on_small_body receives (channels, blocks) of a teacher that `keep_body` would suit, if it is not set
    """
    with needs_extra("train"):
        from rotoscope.training.systems import runs

    return runs.distill(
        options, run, open_teacher=open_teacher, fps=fps, macs=macs, size=size, time_student=_seconds_of_student,
        on_candidate=on_candidate, on_small_body=on_small_body, on_progress=on_progress,
    )  # fmt: skip


def open_teacher(options: DistillOptions, device: str = "cpu") -> OpenedTeacher:
    """Open the teacher of a distillation, with its style if it has several.

    device  of the training, "cpu" or "cuda:0"; a checkpoint runs there, with PyTorch. All others run with ONNX Runtime on the
            CPU: looks, .onnx files, and networks with state, whose arrays on a GPU would need CuPy.
    """
    from rotoscope.export.residual_body import residual_blocks
    from rotoscope.training.systems.distill import OpenedTeacher

    style = options.style
    chosen: ModelKeywords = {} if style is None else {"style": int(style) if style.isdecimal() else style}
    model = load(options.teacher, **chosen)
    body = residual_blocks(model.file, model.options.style)  # of an ONNX file, which a checkpoint is exported to
    if device != "cpu" and is_checkpoint(model_path(options.teacher)) and not model.file.manifest.state:
        # In fp32 the engine would forbid TF32 in this process, and so slow the training down.
        chosen |= {"device": device, "precision": "tf32"}
        model = load(options.teacher, engine="torch", **chosen)
    return OpenedTeacher(model, body)


def _seconds_of_student(student: tuple[int, int], size: Size) -> float:
    """Seconds of ONNX Runtime for a frame of (width, height) with an untrained student."""
    from rotoscope.assembly.call_time import seconds_per_call
    from rotoscope.export.onnx import export_onnx
    from rotoscope.export.options import ExportOptions
    from rotoscope.training.systems.distill import untrained_student

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that these networks do not need
    with TemporaryDirectory() as folder:
        file = Path(folder) / "student.onnx"
        export_onnx(untrained_student(student), file, ExportOptions(name="student"))
        return seconds_per_call(file, size)
