"""Train a system, resume a run, distil a model: one function call each, in a folder of the run."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from rotoscope.base.errors import UsageError
from rotoscope.base.limits import Within
from rotoscope.base.option_checks import check_number
from rotoscope.base.sizes import Size
from rotoscope.networks.compact import StudentSize
from rotoscope.training.loop.run import TrainingResult, run_training
from rotoscope.training.loop.run_folder import check_new_run
from rotoscope.training.loop.trainer import TrainingProgress
from rotoscope.training.options import DistillOptions, RunOptions, SystemOptions
from rotoscope.training.options.config_file import CONFIG, from_toml
from rotoscope.training.systems.catalogue import OpenTeacher, make_system
from rotoscope.training.systems.distill import LARGEST_BODY, largest, multiply_adds, size_of_body

FPS, MACS = Within(1e-3, 1e6, "frames per second"), Within(1e6, 1e15, "multiply-adds")  # of a budget

OnProgress = Callable[[TrainingProgress], None]


def train(
    options: SystemOptions,
    run: RunOptions,
    *,
    resume: bool = False,
    open_teacher: OpenTeacher | None = None,
    on_progress: OnProgress | None = None,
) -> TrainingResult:
    """Train a system in the folder `run.out`.

    options       of the system, such as `CycleGanOptions(a=..., b=...)`
    run           folder, length, devices, checkpoints
    resume        continue from the newest checkpoint of the folder instead of starting in a new or empty folder
    open_teacher  opens the model that the options name; needed for distillation only
    Raises UsageError, InputRefused (data), ModelRefused (weights), OutputFailed, or LossNotFinite.
    """
    return run_training(
        lambda: make_system(options, open_teacher, teacher_device(run)),
        options,
        run,
        resume=resume,
        on_progress=on_progress,
    )


def resume(
    folder: Path,
    *,
    steps: int | None = None,
    open_teacher: OpenTeacher | None = None,
    on_progress: OnProgress | None = None,
) -> TrainingResult:
    """Continue the run in a folder with the options in its config.toml; stop after `steps` if given.

    A run that stopped before its first checkpoint starts at step 0.
    """
    options, run = from_toml(folder / CONFIG)
    run = replace(run, out=folder, steps=run.steps if steps is None else steps)
    return train(options, run, resume=True, open_teacher=open_teacher, on_progress=on_progress)


def distill(
    options: DistillOptions,
    run: RunOptions,
    *,
    open_teacher: OpenTeacher,
    fps: float | None = None,
    macs: float | None = None,
    size: Size = (640, 360),
    time_student: Callable[[StudentSize, Size], float] | None = None,
    on_candidate: Callable[[StudentSize, float], None] = lambda _size, _cost: None,
    on_small_body: Callable[[StudentSize], None] = lambda _size: None,
    on_progress: OnProgress | None = None,
) -> TrainingResult:
    """Train a compact student of `options.teacher`: as large as a budget allows, or of `options.width` and
    `options.blocks` without one.

    open_teacher  opens the teacher: a function of one picture (H,W,3) uint8 RGB that returns the same, and its blocks;
                  receives the options and the device of `teacher_device`
    fps           budget: frames per second of the network alone at `size`, measured by `time_student`
    macs          or: multiply-adds for one frame of `size`
    time_student  (student, size) -> seconds per call of an untrained student; needed with `fps`
    on_candidate  receives channels and blocks, and seconds of every student that is timed or multiply-adds of the chosen one
    on_small_body receives channels and blocks of a teacher that `keep_body` would suit, if it is not set
    """
    if fps is not None and macs is not None:
        raise UsageError("budget: give fps or macs, not both")
    if options.keep_body and (fps is not None or macs is not None):
        raise UsageError("a budget with keep_body: the teacher's blocks set the size; accepted: one of them")
    check_number("fps", fps, FPS)
    check_number("macs", macs, MACS)
    check_new_run(run.out)
    teacher = open_teacher(options, teacher_device(run))
    body = size_of_body(teacher.body)
    if body is not None and body.width <= LARGEST_BODY and not options.keep_body:
        on_small_body(body)
    if fps is not None:
        if time_student is None:
            raise UsageError("a budget in fps needs time_student")

        def fits(student: StudentSize) -> bool:
            seconds = time_student(student, size)
            on_candidate(student, seconds)
            return seconds <= 1 / fps

        student = largest(fits)
        options = replace(options, width=student.width, blocks=student.blocks)
    elif macs is not None:
        student = largest(lambda student: multiply_adds(student, size) <= macs)
        on_candidate(student, multiply_adds(student, size))
        options = replace(options, width=student.width, blocks=student.blocks)
    return train(options, run, open_teacher=lambda _options, _device: teacher, on_progress=on_progress)


def teacher_device(run: RunOptions) -> str:
    """Return where the teacher of this process may run: its GPU, such as "cuda:0", if the run trains on one, else "cpu"."""
    if run.device in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return "cpu"
