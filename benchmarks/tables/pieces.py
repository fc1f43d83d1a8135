"""Work in pieces: training that stops when its time is over and continues at the next call, and arrays that are kept."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rotoscope.training.loop.checkpoints import checkpoint_steps
from rotoscope.training.loop.run import run_training
from rotoscope.training.options import RunOptions


class TimeIsOver(Exception):
    """The piece has used its time, which is no error; the message says how far it came."""


@dataclass(frozen=True)
class Setup:
    """Where a table works, and how much.

    work    folder of data, runs and kept arrays; a later call continues from it
    tiny    sizes that only show that the table works
    until   time.monotonic() at which the piece ends; None: never
    device  of training
    size    multiplies the training steps of a table
    """

    work: Path
    tiny: bool = False
    until: float | None = None
    device: str = "cpu"
    size: float = 1.0

    def steps(self, wanted: int) -> int:
        """Return the training steps of a run that has `wanted` in the table's standard form."""
        return 4 if self.tiny else max(round(wanted * self.size), 1)

    def check_time(self, where: str) -> None:
        """Raise TimeIsOver if no time is left."""
        if self.until is not None and time.monotonic() >= self.until:
            raise TimeIsOver(where)


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
