"""Progress of a batch on standard error: bars on a terminal, a line now and then in a log, JSON lines for programs."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from rotoscope.base.text import json_text, printable, shortened

if TYPE_CHECKING:
    from rotoscope.cli.progress import Style
    from rotoscope.jobs.results.progress import BatchProgress

Show = Callable[["BatchProgress"], None]
BAR_SECONDS, JSON_SECONDS, LOG_SECONDS = 0.2, 0.5, 30.0  # shortest time between two displays


@contextmanager
def shown_batch(style: "Style") -> Iterator[Show]:
    """A callback for `batch`; the display closes with the block."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if style == "none":
        yield lambda _progress: None
    elif style == "json":
        yield _every(JSON_SECONDS, lambda now: print(json_text(asdict(now), indent=None), file=sys.stderr, flush=True))
    elif style == "bar" or is_terminal:
        yield from _bars()
    else:
        yield _every(LOG_SECONDS, lambda now: print(printable(line(now)), file=sys.stderr, flush=True))


def line(progress: "BatchProgress") -> str:
    """The state on one line."""
    missing = f", {progress.missing} missing" if progress.missing else ""
    eta = "" if progress.eta_seconds is None else f", {hours(progress.eta_seconds)} left"
    return f"{progress.done}/{progress.total} done{missing}{eta}"


def hours(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _every(seconds: float, show: Show) -> Show:
    """`show`, but not more often than this."""
    last = time.monotonic()

    def limited(progress: "BatchProgress") -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            show(progress)

    return limited


def _bars() -> Iterator[Show]:
    """One bar over all jobs, and one for what each worker does."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    columns = (BarColumn(bar_width=28), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        overall = bars.add_task("starting", total=None)
        workers: dict[int, TaskID] = {}

        def show(progress: "BatchProgress") -> None:
            bars.update(
                overall, total=progress.total, completed=progress.done + progress.missing, description=line(progress)
            )
            for number in set(workers) - {item.worker for item in progress.working}:
                bars.remove_task(workers.pop(number))
            for item in progress.working:
                if item.worker not in workers:
                    workers[item.worker] = bars.add_task("", total=None)
                name = printable(shortened(item.source, 50)).replace("[", r"\[")
                bars.update(
                    workers[item.worker],
                    total=item.total,
                    completed=item.frames or 0,
                    description=f"{item.worker}: {name} {item.fps:.1f} fps",
                )

        yield _every(BAR_SECONDS, show)
