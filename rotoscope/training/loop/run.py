"""One run of training from start to end: devices and processes, signals, the folder, the trainer."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.base.signals import STOPPING, Terminated
from rotoscope.training.loop.checkpoints import load_checkpoint
from rotoscope.training.loop.run_folder import CHECKPOINTS, check_new_run, check_resumable, create_run
from rotoscope.training.loop.trainer import LossNotFinite, Trainer, TrainingProgress
from rotoscope.training.loop.training_system import TrainingSystem
from rotoscope.training.options import RunOptions, SystemOptions

# The compiler that torch.compile uses on a CPU unless the variable CXX names another; on other systems it is g++.
COMPILERS = {"darwin": "clang++", "win32": "cl"}
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class TrainingResult:
    """What a run left behind.

    folder       of the run
    is_finished  False if a signal stopped it; `resume` continues it
    step, total  steps done, of the steps that the run has
    weights      files that `export` and `translate` take, of step `step`; `load` opens them
    stopped_by   number of the signal; None if none reached this process
    """

    folder: Path
    is_finished: bool
    step: int
    total: int
    weights: tuple[Path, ...]
    stopped_by: int | None = None


@contextmanager
def memory_that_is_short_named() -> Iterator[None]:
    """Raise UsageError in place of the errors by which Python and torch say that there is not enough memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_torch = isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
        if not is_torch and not isinstance(error, MemoryError):
            raise
        raise UsageError("not enough memory for this run: use a smaller --width, --crop or --batch") from error


@memory_that_is_short_named()
def run_training(
    make_system: Callable[[], TrainingSystem],
    options: SystemOptions,
    run: RunOptions,
    *,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train a system in the folder `run.out`, from step 0 or, with `resume`, from its newest checkpoint.

    make_system  builds the system; called after the seed is set, so that every process starts with the same weights
    Nothing is written before system and data are accepted. SIGINT and SIGTERM end the run after the current step.
    Raises a RotoscopeError; the steps until then are in a checkpoint, unless a loss was not finite.
    """
    if resume:
        resume = check_resumable(run.out)
    else:
        check_new_run(run.out)  # in every process, before one of them creates the folder
    fabric = make_fabric(run)
    fabric.launch()
    torch.manual_seed(run.seed)
    trainer = Trainer(fabric, make_system(), options, run)
    if resume:
        trainer.restore(load_checkpoint(run.out / CHECKPOINTS, rank=fabric.global_rank))
    else:
        torch.manual_seed(run.seed + fabric.global_rank)
    first = trainer.step
    with stop_on_signal() as signals:
        if not resume and fabric.global_rank == 0:
            create_run(run.out, options, run)
        fabric.barrier()
        show = on_progress if on_progress is not None and fabric.global_rank == 0 else _ignore
        try:
            is_finished = trainer.train(lambda: bool(signals), show)
        except RotoscopeError as error:
            # No checkpoint after a loss that was not finite or a wrong option, nor with other processes to wait for.
            if not isinstance(error, LossNotFinite | UsageError) and fabric.world_size == 1 and trainer.step > first:
                trainer.checkpoint()
            trainer.log.write_page(f"stopped: {error}", is_running=False)
            raise
        finally:
            fabric.logger.finalize("success")
    if trainer.step == first:  # a finished run was resumed
        trainer.write_weights(run.out)
    trainer.log.write_page(
        "finished" if is_finished else "stopped; `rotoscope train resume` continues", is_running=False
    )
    stopped_by = signals[0] if signals and not is_finished else None
    return TrainingResult(run.out, is_finished, trainer.step, trainer.total, trainer.weights_files(run.out), stopped_by)


def _ignore(_progress: TrainingProgress) -> None:
    """Report nothing."""


def make_fabric(run: RunOptions) -> Fabric:
    """Return Lightning Fabric for the devices of the options, or for those of torchrun if it started this process."""
    local, world = (int(os.environ.get(name, run.devices)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if run.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: no CUDA device here; accepted: cpu, auto")
    if run.precision == "fp16" and (run.device in ("cpu", "mps") or not torch.cuda.is_available()):
        raise UsageError("--precision fp16 needs a CUDA device; accepted here: bf16 or fp32")
    fabric = Fabric(
        accelerator=run.device,
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=PRECISIONS[run.precision],  # type: ignore[arg-type]
        loggers=TensorBoardLogger(root_dir=run.out, name="tensorboard", version=""),
    )
    compiler = os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
    if run.compile and fabric.device.type == "cpu" and not shutil.which(compiler):
        raise UsageError(f"--compile needs a C++ compiler on a CPU; {compiler} was not found")
    return fabric


@contextmanager
def stop_on_signal() -> Iterator[list[int]]:
    """Yield a list that gets the number of each SIGINT and SIGTERM; a second signal raises KeyboardInterrupt or Terminated.

    Python handles signals in the main thread only: in another thread the list stays empty.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)
        if len(arrived) > 1:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in STOPPING}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
