"""A video file as an endless camera: played at its own pace, again and again."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.connection import Connection
from rotoscope.runtime.live.sources.pace import Pace
from rotoscope.runtime.live.sources.reconnecting import ReconnectingSource
from rotoscope.runtime.media.local_file import open_local


def file_camera(
    name: str,
    clip: Callable[[], Path],
    *,
    with_sound: bool,
    threads: int,
    interruption: Interruption | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ReconnectingSource:
    """Make a source from a video file; each new beginning of the file is a cut.

    clip  returns the file, and may take its time to make it; called in the thread that reads
    """
    ending = interruption or Interruption()

    def connect(losses: Counter[str]) -> Connection:
        return Connection(
            name,
            open_local(clip()),
            losses=losses,
            threads=threads,
            skips_backlog=False,
            wait_until_due=Pace(ending.wait, clock).wait_until_due,
            clock=clock,
        )

    return ReconnectingSource(name, connect, with_sound=with_sound, repeats=True, interruption=ending, clock=clock)
