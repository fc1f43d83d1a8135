"""Progress on standard error: a bar on a terminal, JSON lines for programs, nothing elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from rotoscope.base.text import json_text

if TYPE_CHECKING:
    from rotoscope.runtime.pipeline.job import Progress

Style = Literal["auto", "bar", "json", "none"]
JSON_INTERVAL_SECONDS = 0.5
BAR_INTERVAL_SECONDS = 0.1


@contextmanager
def shown_progress(style: Style) -> Iterator[Callable[["Progress"], None]]:
    """A callback for `translate`; the display closes with the block."""
    if style == "auto":
        style = "bar" if sys.stderr.isatty() else "none"
    if style == "none":
        yield lambda _progress: None
    elif style == "json":
        yield _every(JSON_INTERVAL_SECONDS, _print_json)
    else:
        yield from _bar()


@contextmanager
def counted(style: Style) -> Iterator[Callable[[int], None]]:
    """Show progress of a task that counts frames: yields a callback that takes the number of frames done."""
    from rotoscope.runtime.pipeline.job import Progress

    begin = time.perf_counter()
    with shown_progress(style) as show:
        yield lambda done: show(Progress(done, None, time.perf_counter() - begin, {}))


def _every(seconds: float, show: Callable[["Progress"], None]) -> Callable[["Progress"], None]:
    """`show`, but not more often than this."""
    last = 0.0

    def limited(progress: "Progress") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= seconds or progress.done == progress.total:
            last = now
            show(progress)

    return limited


def _print_json(progress: "Progress") -> None:
    fps = progress.done / progress.seconds if progress.seconds else 0.0
    left = (progress.total - progress.done) / fps if progress.total and fps else None
    line = {
        "done": progress.done,
        "total": progress.total,
        "fps": round(fps, 2),
        "eta_seconds": None if left is None else round(max(0.0, left), 1),
        "shares": {stage: round(share, 3) for stage, share in progress.shares.items()},
    }
    print(json_text(line, indent=None), file=sys.stderr, flush=True)


def _bar() -> Iterator[Callable[["Progress"], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} fps"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[shares]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("frames", total=None, fps=0.0, shares="")

        def show(progress: "Progress") -> None:
            total = None if progress.total is None else max(progress.total, progress.done)
            shares = " ".join(f"{stage} {share:.0%}" for stage, share in progress.shares.items())
            bar.update(
                task,
                completed=progress.done,
                total=total,
                fps=progress.done / max(progress.seconds, 1e-9),
                shares=shares,
            )

        yield _every(BAR_INTERVAL_SECONDS, show)
