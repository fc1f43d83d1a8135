"""What the commands `train`, `train resume` and `distill` share: progress on standard error, the last line, the exit code."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rotoscope.base.text import json_text
from rotoscope.cli.lines import report_lines
from rotoscope.cli.progress import Style

if TYPE_CHECKING:
    from rotoscope.training.loop.run import TrainingResult
    from rotoscope.training.loop.trainer import TrainingProgress


def exit_code(result: "TrainingResult") -> int:
    """Print where the result is, in the first process; return 0, or 128 + the signal that stopped the run."""
    weights = f"{result.folder}/*.safetensors"
    text = (
        weights
        if result.is_finished
        else f"stopped; rotoscope train resume {result.folder} continues; weights of step {result.step} in {weights}"
    )
    if os.environ.get("LOCAL_RANK", "0") == "0":
        report_lines(f"{text}; curves and samples in {result.folder / 'run.html'}")
    return 0 if result.is_finished else 128 + (result.stopped_by or signal.SIGINT)


@contextmanager
def shown_training(title: str, style: Style) -> "Iterator[Callable[[TrainingProgress], None]]":
    """Yield a progress callback: a bar, JSON lines or nothing; `auto` is the bar on a terminal and plain lines elsewhere."""
    if style == "none":
        yield lambda _progress: None
    elif style == "json":
        yield lambda progress: print(json_text(_as_row(progress), indent=None), file=sys.stderr, flush=True)
    elif style == "auto" and not sys.stderr.isatty():
        yield lambda progress: print(
            f"step {progress.step}/{progress.total}  {progress.seconds:.0f} s  {progress.steps_per_second:.3g} steps/s  "
            f"ETA {progress.seconds_left:.0f} s  {_losses(progress)}",
            file=sys.stderr,
        )
    else:
        yield from _bar(title)


def _as_row(progress: "TrainingProgress") -> dict[str, Any]:
    return {
        "step": progress.step,
        "total": progress.total,
        "seconds": round(progress.seconds, 3),
        "eta_seconds": round(progress.seconds_left, 1),
        "steps_per_second": round(progress.steps_per_second, 4),
        "losses": dict(progress.terms),
    }


def _losses(progress: "TrainingProgress") -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in progress.terms.items())


def _bar(title: str) -> "Iterator[Callable[[TrainingProgress], None]]":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        TextColumn("{task.fields[rate]}"),
        TextColumn("[dim]{task.fields[losses]}"),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(title, total=None, rate="", losses="")

        def show(progress: "TrainingProgress") -> None:
            rate = f"{progress.steps_per_second:.3g} steps/s"
            bar.update(task, total=progress.total, completed=progress.step, rate=rate, losses=_losses(progress))

        yield show
