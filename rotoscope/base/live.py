"""Contracts of a live run: its sources and sinks, sound, what it reports, and how it is changed while it runs."""

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, Protocol, TypedDict

from rotoscope.base.frame import Array, Colour
from rotoscope.base.sink import Sink
from rotoscope.base.sizes import Size
from rotoscope.base.source import Source

SOUND_RATE = 48_000  # samples per second of all sound in a live run
SOUND_CHANNELS = 2

SourceState = Literal["connecting", "playing", "silent", "waiting", "ended"]
"""silent: connected, but no picture for some time; waiting: between two attempts to connect."""

SinkState = Literal["connecting", "open", "waiting", "closed"]


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of sound of a source.

    seconds  time of the first sample, exact, on the clock of the source's frames (`Frame.seconds`)
    samples  (N,2) float32 in [-1,1] at SOUND_RATE; read-only
    """

    seconds: Fraction
    samples: Array

    @property
    def end_seconds(self) -> Fraction:
        """Time of the sample that would follow the last one."""
        return self.seconds + Fraction(len(self.samples), SOUND_RATE)


@dataclass(frozen=True, slots=True)
class LiveFormat:
    """The pictures that a live run gives to its sinks, fixed for the whole run: 8-bit 4:2:0 planes (Y, Cb, Cr).

    width, height  pixels, even
    rate           frames per second that the source claims; a guide for encoders, frames carry their own times
    has_sound      whether the source has sound
    """

    width: int
    height: int
    rate: Fraction
    colour: Colour
    has_sound: bool = False


class LiveSource(Source, Protocol):
    """A source that delivers frames as they happen, reconnects by itself, and ends only when it is interrupted or gives up.

    Frames carry `arrival_s`, and times that increase across reconnects: seconds since the first frame of the run, on the
    source's own clock while it is connected. The first frame after a reconnect is a cut. Iteration must be fast to return: a
    slow consumer gets the newest frame, because the run drops older ones. `interrupt` ends every wait, also one for a
    connection, within two seconds. `info` describes the latest connection and raises UsageError before the first frame.
    If the source gives up, iteration raises InputRefused with the last reason.
    """

    @property
    def state(self) -> SourceState:
        """The state now."""
        ...

    @property
    def reconnects(self) -> Counter[str]:
        """Reason -> number of connections that were lost and made again."""
        ...

    def take_sound(self) -> list[Sound]:
        """The sound that arrived since the last call, in order; from any thread. The source keeps a few seconds at most."""
        ...


class LiveSink(Sink, Protocol):
    """A sink of a live run; each has a thread of its own, so that a slow one delays no other.

    `write` may wait up to its own time limit. A sink that can be connected again does so itself, with pauses, and counts in
    `losses` the frames that it could not deliver meanwhile. OutputFailed ends this output, not the run.
    """

    @property
    def name(self) -> str:
        """The output as the user gave it, without passwords and stream keys."""
        ...

    @property
    def keeps_every_frame(self) -> bool:
        """True for files: a slow sink makes the run wait. False for streams and pages: a slow sink skips frames."""
        ...

    @property
    def state(self) -> SinkState:
        """The state now."""
        ...

    @property
    def reconnects(self) -> int:
        """Connections that were lost and made again."""
        ...

    @property
    def reason(self) -> str:
        """Why it has no connection now; empty if it has one, and for sinks without."""
        ...

    def write_sound(self, sound: Sound) -> None:
        """Take sound that belongs between the frames before and after its time; ignored by sinks without sound."""
        ...

    def interrupt(self) -> None:
        """End a wait of `write`, from any thread: the run is being stopped, and `finish` or `abort` comes next."""
        ...


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """One output of a live run; `dropped` frames were replaced by newer ones before they were written."""

    name: str
    state: SinkState
    frames: int
    dropped: int
    reconnects: int
    losses: dict[str, int] = field(default_factory=dict)
    error: str = ""
    waiting: int = 0
    """Frames that wait to be written."""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """State of a live run; everything that a page or a status line shows. Times are seconds unless named otherwise.

    seconds      since the run began
    frames_in    frames that the source received
    frames_out   results, carried ones among them
    carried      results that were moved along the motion, not translated
    dropped      frames that were replaced by newer ones before anything saw them
    losses       cause -> frames or packets that could not be used
    frames_in = frames_out + dropped + sum(losses of frames) + those in work
    in_fps, out_fps   of the last two seconds
    latency_p50_ms, latency_p99_ms   from arrival to the hand-over to the outputs, of the last two seconds; None without frames
    late_share   0..1: frames of the last two seconds that took longer than the time between two source frames
    stages       per stage: share of the time, total seconds, p50_ms, p90_ms, p95_ms, p99_ms
    latency_counts  upper limit in milliseconds -> results since the begin that took at most this long, cumulative
    latency_sum_ms  of all these results
    stage_counts    stage -> the same as latency_counts, of the pieces of work in this stage
    """

    seconds: float
    source: str
    source_state: SourceState
    source_size: str
    model: str
    engine: str
    steady: str
    working_size: str
    frames_in: int
    frames_out: int
    carried: int
    dropped: int
    losses: dict[str, int]
    in_fps: float
    out_fps: float
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    late_share: float
    reconnects: dict[str, int]
    outputs: tuple[OutputStatus, ...]
    stages: dict[str, dict[str, float]]
    latency_counts: dict[float, int]
    strength: float
    mix: float
    keyframes: int
    is_paused: bool
    is_ready: bool
    """The models are open and warm, and the source has delivered a picture."""
    memory_mb: float | None
    notes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Names that `change(model=...)` accepts without a path: bundled looks and the models of this run."""
    recording: str = ""
    style: str = ""
    """The style that was chosen while the run goes on, "picture or code" for an array; empty for that of the begin."""
    styles: str = ""
    """Return the accepted values of `style` as a sentence; empty if no model of the run takes a style."""
    latency_sum_ms: float = 0.0
    stage_counts: dict[str, dict[float, int]] = field(default_factory=dict)
    in_work: int = 0
    """Frames that wait for the network, or are in it."""
    audio_offset_s: float | None = None
    """End of the newest sound that was handed to the outputs minus the time of the newest result; None without sound."""


@dataclass(frozen=True, slots=True)
class Place:
    """The rectangle of the source that a result shows, and where: (left, top, width, height) in pixels.

    part    of the source
    filled  of the result; the rest is black
    """

    part: tuple[int, int, int, int]
    filled: tuple[int, int, int, int]


class Changes(TypedDict, total=False):
    """What may be changed while a run goes on; each takes effect between two frames."""

    model: str
    strength: float
    mix: float
    is_paused: bool
    style: Any


class LiveControl(Protocol):
    """A live run as its page, or a program, sees it. All methods may be called from any thread and return at once."""

    def status(self) -> LiveStatus:
        """The state now."""
        ...

    def change(self, changes: Changes) -> None:
        """Change something; raises UsageError for a value that cannot be used. A new model is opened beside the running one."""
        ...

    def place(self, source: Size) -> Place:
        """The rectangle of a result that shows a source of this (width, height); there must be a result."""
        ...

    def record(self) -> str:
        """Begin to record the result into a new file in the folder of the run; return its name."""
        ...

    def stop_recording(self) -> None:
        """Finish the recording."""
        ...

    def stop(self) -> None:
        """End the run; frames in work are finished."""
        ...
