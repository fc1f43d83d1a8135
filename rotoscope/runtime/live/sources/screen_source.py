"""A screen of X11 as a source, by PyAV's x11grab."""

import os
import re
import sys
from collections import Counter

import av

from rotoscope.base.errors import UsageError
from rotoscope.runtime.live.sources.connection import Connection
from rotoscope.runtime.live.sources.disconnects import disconnects

PREFIX = "screen:"
FORM = f"{PREFIX}[:DISPLAY[+X,Y]][,WIDTHxHEIGHT][@RATE], for example {PREFIX}, {PREFIX}:0.0, {PREFIX}:0.0+100,50,1280x720@30"
_WORD = re.compile(
    rf"{PREFIX}(?:(?P<display>:\d+(\.\d+)?)(?P<corner>\+\d+,\d+)?(?:,(?P<part>\d+x\d+))?|(?P<size>\d+x\d+))?(?:@(?P<rate>\d+))?"
)
DEFAULT_RATE = 30


class Screen:
    """A display, or a part of it, and how it is to be opened."""

    def __init__(self, text: str, *, threads: int) -> None:
        found = _WORD.fullmatch(text)
        if found is None:
            raise UsageError(f"{text}; accepted: {FORM}")
        if sys.platform != "linux":
            raise UsageError(f"{text}: screens are read on Linux with X11 only")
        display = found["display"] or os.environ.get("DISPLAY", "")
        if not display:
            raise UsageError(f"{text}: DISPLAY is not set; name a display, for example {PREFIX}:0.0")
        self._display = f"{display}{found['corner'] or ''}"
        self._threads = threads
        self._options = {"framerate": found["rate"] or str(DEFAULT_RATE), "fpsprobesize": "0"}
        if size := found["size"] or found["part"]:
            self._options["video_size"] = size

    def connect(self, losses: Counter[str]) -> Connection:
        """Open the display; raises Disconnected if it is not there."""
        with disconnects("opening the display", 0):
            container = av.open(self._display, "r", format="x11grab", options=dict(self._options))
            return Connection(f"{PREFIX}{self._display}", container, losses=losses, threads=self._threads)
