"""Work in pieces: training that stops when its time is over and continues at the next call, and data that are kept.

Several processes may work on one table at a time, each on a run of its own.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.training.loop.checkpoints import checkpoint_steps
from rotoscope.training.loop.run import run_training
from rotoscope.training.loop.training_system import TrainingSystem
from rotoscope.training.options import RunOptions, SystemOptions


class TimeIsOver(Exception):
    """The piece has used its time, which is no error; the message says how far it came."""


class OneRunIsTrained(Exception):
    """The only run that was wanted is trained, which is no error; the message is its name."""


@dataclass(frozen=True)
class Setup:
    """Where a table works, and how much.

    work    folder of data, runs and kept arrays; a later call continues from it
    tiny    sizes that only show that the table works
    until   time.monotonic() at which the piece ends; None: never
    device  of training
    size    multiplies the training steps of a table
    only    name of the run to train; the piece ends after it. None: all runs, then the table
    """

    work: Path
    tiny: bool = False
    until: float | None = None
    device: str = "cpu"
    size: float = 1.0
    only: str | None = None

    def steps(self, wanted: int) -> int:
        """Return the training steps of a run that has `wanted` in the table's standard form."""
        return 4 if self.tiny else max(round(wanted * self.size), 1)

    def check_time(self, where: str) -> None:
        """Raise TimeIsOver if no time is left."""
        if self.until is not None and time.monotonic() >= self.until:
            raise TimeIsOver(where)


class TrainingRun(NamedTuple):
    """What one run of a table trains."""

    make_system: Callable[[], TrainingSystem]
    options: SystemOptions
    seed: int = 0


def train_all(setup, runs, *, steps):
    """Train runs {name: TrainingRun} to `steps`, one after the other; return {name: folder}.

    Raises OneRunIsTrained after the run that `setup.only` names, UsageError if there is none, or TimeIsOver.
    """
    if setup.only is not None and setup.only not in runs:
        raise UsageError(f"--run {setup.only}; accepted: {', '.join(runs)}")
    folders = {
        name: train(setup, name, run.make_system, run.options, steps=steps, seed=run.seed)
        for name, run in runs.items()
        if setup.only in (None, name)
    }
    if setup.only is not None:
        raise OneRunIsTrained(setup.only)
    return folders


def train(setup, name, make_system, options, *, steps, seed=0):
    """Train `name` to `steps`, from its newest checkpoint if there is one; return the run's folder.

    Raises TimeIsOver when the piece has used its time; the steps until then are in a checkpoint.
    """
    out = setup.work / "runs" / name
    done = checkpoint_steps(out / "checkpoints")
    if done[-1:] == [steps]:
        return out
    setup.check_time(f"{name}: {done[-1] if done else 0} of {steps} steps")
    run = RunOptions(
        out=out, seed=seed, steps=steps, device=setup.device, log_every=50, sample_every=max(steps // 2, 1), keep=1,
        save_every=max(steps // 4, 1),
    )  # fmt: skip

    started = time.monotonic()

    def stop_in_time(progress):
        if setup.until is not None and time.monotonic() >= setup.until and progress.step < progress.total:
            signal.raise_signal(signal.SIGTERM)  # the trainer ends after this step and writes a checkpoint

    result = run_training(make_system, options, run, resume=out.exists(), on_progress=stop_in_time)
    print(f"{name}: {result.step} of {steps} steps, {time.monotonic() - started:.0f} s", flush=True)
    if not result.is_finished:
        raise TimeIsOver(f"{name}: {result.step} of {steps} steps")
    return out


def kept(path, make):
    """Return the arrays stored at `path`; make and store them first if there are none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.npz")  # two tables may make the same clip at a time
        np.savez(part, **make())
        part.replace(path)
    with np.load(path) as stored:
        return dict(stored)


def kept_folder(folder, fill):
    """Return `folder`; if there is none, `fill` first gets a new folder beside it to write into.

    Of several processes that do so at a time, each fills a folder of its own and the first one's is kept.
    """
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)  # of a process of this number that was killed
        part.mkdir(parents=True)
        fill(part)
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(part)
    return folder
