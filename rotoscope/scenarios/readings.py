"""Readings at the end of a chain: numbers of frames, the delay of each, and the times of flashes and clicks."""

import itertools
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from rotoscope.base.frame import Array, Picture
from rotoscope.base.live import SOUND_RATE, Sound
from rotoscope.runtime.media.frame_code import read_code
from rotoscope.scenarios.rig_camera import RigCamera

UNREADABLE = -1
LOUD = 0.3  # level at which a click begins
QUIET_SECONDS = 0.5  # after the begin of a click, in which no other one begins


@dataclass(frozen=True)
class Latency:
    """Readings of some seconds. Latencies are milliseconds from sending to reading, None without frames.

    frames        readable frames
    fps           frames of any kind per second
    longest_gap_ms   longest time without a frame
    first_second_p50_ms, last_second_p50_ms   medians within the first and the last second; drift_ms is their difference
    first_second_behind, last_second_behind   medians of how many frames were sent after a frame until it was read
    lost          frames between the first and the last that were not seen
    repeated      frames that were seen before
    out_of_order  frames with a number below the one before
    unreadable    pictures without a number
    inverted      frames with black and white exchanged
    sound_offset_ms   time of the click minus time of the flash: the median, and the one that is farthest from 0
    """

    seconds: float
    frames: int
    fps: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    longest_gap_ms: float | None
    first_second_p50_ms: float | None
    last_second_p50_ms: float | None
    drift_ms: float | None
    first_second_behind: float | None
    last_second_behind: float | None
    lost: int
    repeated: int
    out_of_order: int
    unreadable: int
    inverted: int
    sound_offset_ms: float | None = None
    worst_sound_offset_ms: float | None = None


class Readings:
    """Reads the pictures and the sound that arrive, from one thread, and sums up what came, from any other.

    camera  what sent the frames
    clock   the clock of the camera
    """

    def __init__(self, camera: RigCamera, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._camera, self._clock = camera, clock
        self._frames, self._read_s, self._latency_s = array("q"), array("d"), array("d")
        self._behind, self._inverted = array("l"), array("b")
        self._flashes: list[float] = []  # seconds on the clock of the frames
        self._clicks: list[float] = []
        self._has_flashed = False
        self.error: BaseException | None = None  # that ended the thread that reads

    @property
    def num_read(self) -> int:
        """Readable frames so far; raises what ended the reading."""
        if self.error is not None:
            raise self.error
        return len(self._frames) - self._frames.count(UNREADABLE)

    def see(self, picture: Picture, seconds: Fraction) -> None:
        """Read a picture that arrives now; `seconds` is its time in the stream."""
        now = self._clock()
        code = read_code(luma_of(picture))
        frame = None if code is None else self._camera.frame_of(code.number)
        self._read_s.append(now)
        self._latency_s.append(0.0 if frame is None else now - self._camera.sent_s(frame))
        self._behind.append(0 if frame is None else self._camera.num_sent - 1 - frame)
        self._inverted.append(code is not None and code.is_inverted)
        self._frames.append(UNREADABLE if frame is None else frame)
        if code is not None:
            if code.is_flash and not self._has_flashed:
                self._flashes.append(float(seconds))
            self._has_flashed = code.is_flash

    def hear(self, sound: Sound) -> None:
        """Look for the begin of a click."""
        loud = np.flatnonzero(np.abs(sound.samples).max(axis=1) > LOUD)
        for place in loud[:1]:
            at = float(sound.seconds + Fraction(int(place), SOUND_RATE))
            if not self._clicks or at - self._clicks[-1] > QUIET_SECONDS:
                self._clicks.append(at)

    def latency(self, begin_s: float, end_s: float) -> Latency:
        """Sum up what was read from begin_s until end_s, on the clock; the offset of the sound is that of the whole time."""
        count = len(self._frames)  # the last that is appended
        read_s = np.array(self._read_s[:count])
        first, end = np.searchsorted(read_s, [begin_s, end_s])
        frames: Array = np.array(self._frames[first:end], np.int64)
        is_readable = frames != UNREADABLE
        offsets = sound_offsets_ms(self._flashes, self._clicks)
        return Latency(
            seconds=round(end_s - begin_s, 3),
            frames=int(is_readable.sum()),
            fps=round(float(end - first) / (end_s - begin_s), 2),
            unreadable=int((~is_readable).sum()),
            inverted=sum(self._inverted[first:end]),
            **_times(
                read_s[first:end][is_readable],
                np.array(self._latency_s[first:end])[is_readable] * 1e3,
                np.array(self._behind[first:end])[is_readable],
            ),
            **_order(frames[is_readable]),
            sound_offset_ms=round(float(np.median(offsets)), 2) if offsets else None,
            worst_sound_offset_ms=_farthest(offsets),
        )


def _farthest(offsets: Sequence[float]) -> float | None:
    ordered = sorted(offsets, key=abs)
    return round(ordered[-1], 2) if ordered else None


def _times(read_s: Array, latency_ms: Array, behind: Array) -> dict[str, Any]:
    """Percentiles, and what changed from the first second to the last."""
    names = (
        "p50_ms", "p95_ms", "p99_ms", "max_ms", "longest_gap_ms", "first_second_p50_ms", "last_second_p50_ms", "drift_ms",
    )  # fmt: skip
    if not len(read_s):
        return dict.fromkeys((*names, "first_second_behind", "last_second_behind"))
    is_first, is_last = read_s < read_s[0] + 1, read_s > read_s[-1] - 1
    early, late = float(np.median(latency_ms[is_first])), float(np.median(latency_ms[is_last]))
    gap = np.diff(read_s).max(initial=0) * 1e3
    values = (*np.percentile(latency_ms, (50, 95, 99, 100)), gap, early, late, late - early)
    return {
        **{name: round(float(value), 2) for name, value in zip(names, values, strict=True)},
        "first_second_behind": float(np.median(behind[is_first])),
        "last_second_behind": float(np.median(behind[is_last])),
    }


def _order(frames: Array) -> dict[str, int]:
    """What is missing, seen twice, or in the wrong order."""
    if not len(frames):
        return {"lost": 0, "repeated": 0, "out_of_order": 0}
    different = np.unique(frames)
    return {
        "lost": int(different[-1] - different[0] + 1 - len(different)),
        "repeated": len(frames) - len(different),
        "out_of_order": sum(after < before for before, after in itertools.pairwise(frames.tolist())),
    }


def sound_offsets_ms(flashes: Sequence[float], clicks: Sequence[float]) -> list[float]:
    """For each flash with a click within half a second: time of the click minus time of the flash, milliseconds.

    flashes, clicks  seconds, increasing
    """
    offsets = []
    for flash in flashes:
        place = bisect_left(clicks, flash)
        near = clicks[max(0, place - 1) : place + 1]
        offsets += [min((click - flash for click in near), key=abs) * 1e3] if near else []
    return [offset for offset in offsets if abs(offset) < 500]


def luma_of(picture: Picture) -> Array:
    """(H,W) 8-bit levels in host memory: the first plane, or the green of RGB."""
    plane = picture.planes[0]
    luma = plane if plane.ndim == 2 else plane[..., 1]
    return luma if isinstance(luma, np.ndarray) else luma.get()
