"""Sinks of a measured run: one that reads the numbers of what it gets, and one that draws them again before another sink."""

from collections import Counter
from dataclasses import replace
from typing import Any

from rotoscope.base.frame import Frame
from rotoscope.base.live import LiveSink, SinkState, Sound
from rotoscope.runtime.media.frame_code import read_code, write_code
from rotoscope.scenarios.readings import Readings, luma_of


class ReadingSink:
    """Reads each frame that it gets."""

    name = "reader"
    keeps_every_frame = False
    reconnects = 0
    reason = ""
    state: SinkState = "open"

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self.num_frames = 0
        self.notes: list[str] = []
        self.kept: list[str] = []
        self.losses = Counter[str]()

    def write(self, frame: Frame) -> None:
        """Read the result of a frame."""
        assert frame.result is not None
        self._readings.see(frame.result, frame.seconds)
        self.num_frames += 1

    def write_sound(self, sound: Sound) -> None:
        """Listen for a click."""
        self._readings.hear(sound)

    def interrupt(self) -> None:
        """Do nothing: `write` does not wait."""

    def finish(self) -> None:
        """Do nothing."""

    abort = finish


class StampedSink:
    """Draws the code of a frame's source into its result, which a network has repainted, and hands it to another sink."""

    def __init__(self, sink: LiveSink) -> None:
        self._sink = sink

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def write(self, frame: Frame) -> None:
        """Write the frame with the code, if its source has one."""
        code = read_code(luma_of(frame.source))
        if code is not None and frame.result is not None:
            luma = frame.result.planes[0].copy()
            write_code(luma, replace(code, is_inverted=False))
            frame = replace(frame, result=replace(frame.result, planes=(luma, *frame.result.planes[1:])))
        self._sink.write(frame)
