"""All outputs of a live run: frames and sound go to each, a recording comes and goes."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.frame import Frame
from rotoscope.base.live import LiveSink, OutputStatus, Sound
from rotoscope.runtime.pipeline.live_output import LiveOutput

FINISH_S = 1.0  # time that all outputs have to finish before their waits are ended
FILE_S = 10.0  # time that all files have to be completed


class LiveOutputs:
    """The outputs that were asked for, and at most one recording. `put` and `put_sound` are for one thread."""

    def __init__(self) -> None:
        self._asked: list[LiveOutput] = []
        self._recording: tuple[str, LiveOutput] | None = None
        self._is_ended = False
        self._lock = threading.Lock()  # held while a recording begins or ends

    @property
    def recording(self) -> str:
        """The name of the file that is being recorded; empty if there is none, also after one that failed."""
        recording = self._recording
        return recording[0] if recording and recording[1].is_open else ""

    @property
    def notes(self) -> list[str]:
        """Sentences about what the outputs could not keep, and why a recording failed."""
        notes = [note for output in self._asked for note in output.notes]
        if self._recording is not None and (error := self._recording[1].error) is not None:
            notes.append(f"the recording {self._recording[0]} has ended: {error}")
        return notes

    def status(self) -> tuple[OutputStatus, ...]:
        """The state of each, the recording last; those whose names are alike are numbered."""
        seen, found = Counter[str](), []
        for status in (output.status() for output in self._all()):
            seen[status.name] += 1
            number = seen[status.name]
            found.append(status if number == 1 else replace(status, name=f"{status.name} ({number})"))
        return tuple(found)

    def add(self, sink: LiveSink, *, waits: bool) -> None:
        """Add an output, on a thread of its own; `waits` as in `LiveOutput`."""
        self._asked.append(LiveOutput(sink, waits=waits))

    def put(self, frame: Frame) -> None:
        """Hand a result to all; raises the error of the first output when none of those that were asked for is left."""
        for output in self._all():
            output.put(frame)
        if self._asked and not any(output.is_open for output in self._asked):
            raise self._asked[0].error or OutputFailed("all outputs are closed")

    def put_sound(self, sounds: Iterable[Sound], *, since: Fraction) -> None:
        """Hand sound to all as it comes, before its pictures: a sink places both by their times.

        since  time of the first result, in seconds: sound from before it is left out
        """
        for sound in sounds:
            if sound.seconds >= since:
                for output in self._all():
                    output.put_sound(sound)

    def record(self, open_file: Callable[[str], LiveSink], new_name: Callable[[], str]) -> str:
        """Begin a recording; return its name."""
        with self._lock:
            if self._is_ended:
                raise UsageError("nothing can be recorded: the run has ended")
            if self.recording:
                raise UsageError(f"{self.recording} is being recorded; stop it first")
            name = new_name()
            self._recording = name, LiveOutput(open_file(name), waits=True)
            return name

    def stop_recording(self) -> None:
        """Finish the recording and wait for its end; raises OutputFailed if it could not be written."""
        with self._lock:
            if self._recording is None:
                raise UsageError("nothing is being recorded")
            (name, output), self._recording = self._recording, None
        output.end()
        output.join(None)
        if output.error is not None:
            raise OutputFailed(f"{name}: {output.error}")

    def end(self) -> None:
        """Finish all; an output that waits for a connection is interrupted."""
        with self._lock:
            self._is_ended = True
            outputs = self._all()
        for output in outputs:
            output.end()
        for output in _unfinished(outputs, FINISH_S):
            output.interrupt()
        _unfinished(outputs, FILE_S)

    def _all(self) -> list[LiveOutput]:
        recording = self._recording
        return [*self._asked, *([recording[1]] if recording else [])]


def _unfinished(outputs: list[LiveOutput], seconds: float) -> list[LiveOutput]:
    """Wait for the ends of outputs, `seconds` for all of them together; return those that still run."""
    end = time.monotonic() + seconds
    return [output for output in outputs if not output.join(max(0.0, end - time.monotonic()))]
