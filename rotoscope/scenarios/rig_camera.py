"""A camera whose frames carry their number, and which remembers when it sent each: the beginning of a measured chain."""

import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from rotoscope.base.frame import Frame, Picture, StreamInfo, VideoInfo
from rotoscope.base.live import SOUND_CHANNELS, SOUND_RATE, Sound, SourceState
from rotoscope.base.sizes import Size
from rotoscope.runtime.live.sources.synthetic_camera import SyntheticCamera
from rotoscope.runtime.media.frame_code import NUMBERS, FrameCode, write_code

CLICK_SECONDS = Fraction(1, 100)
CLICK_HZ, CLICK_LEVEL = 1000, 0.8
MOST_SOUNDS = 1000  # pieces that wait to be taken


class RigCamera:
    """`synthetic:` as a live source, with sound: once a second, a frame flashes and a click of 10 ms begins at its time.

    has_sound  False: flashes only

    The code of frame n says n modulo NUMBERS and whether it flashes. `wait` and `clock` are those of `Pace`.
    """

    is_endless = True

    def __init__(
        self,
        size: Size,
        rate: Fraction,
        num_frames: int | None = None,
        *,
        has_sound: bool = True,
        wait: Callable[[float], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera = SyntheticCamera(size, rate, num_frames, wait=wait, clock=clock)
        self._rate = rate
        self.losses, self.reconnects = Counter[str](), Counter[str]()
        self.notes: list[str] = []
        self._sent_s = array("d")  # of frame 0, 1, 2 ...
        self._sounds: deque[Sound] = deque(maxlen=MOST_SOUNDS)
        self.has_sound = has_sound
        streams = (StreamInfo(0, "audio", "none"),) if has_sound else ()
        self.info: VideoInfo = replace(self._camera.info, streams=streams)

    @property
    def name(self) -> str:
        """The word that names it."""
        return self._camera.name

    @property
    def state(self) -> SourceState:
        """Present state of the source."""
        return self._camera.state

    @property
    def num_sent(self) -> int:
        """Frames sent so far."""
        return len(self._sent_s)

    def frame_of(self, number: int) -> int | None:
        """The latest frame that carries this number; None if there is none."""
        last = self.num_sent - 1
        frame = last - (last - number) % NUMBERS
        return frame if frame >= 0 else None

    def sent_s(self, frame: int) -> float:
        """When a frame was sent, on the clock."""
        return self._sent_s[frame]

    def take_sound(self) -> list[Sound]:
        """The sound of the frames that were sent since the last call."""
        taken = []
        while self._sounds:
            taken.append(self._sounds.popleft())
        return taken

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._camera:
            is_flash = self._flashes(frame.index)
            if self.has_sound:
                self._sounds.append(_sound(frame.index, self._rate, with_click=is_flash))
            shown = _flashing(frame.source, frame.index) if is_flash else frame.source
            assert frame.arrival_s is not None
            self._sent_s.append(frame.arrival_s)
            yield replace(frame, source=shown)

    def _flashes(self, index: int) -> bool:
        return index > 0 and index % max(1, round(self._rate)) == 0

    def interrupt(self) -> None:
        """End the stream, from any thread or signal handler."""
        self._camera.interrupt()

    def close(self) -> None:
        """End the stream."""
        self._camera.close()


def _flashing(picture: Picture, index: int) -> Picture:
    luma = picture.planes[0].copy()
    write_code(luma, FrameCode(index % NUMBERS, is_flash=True))
    return replace(picture, planes=(luma, *picture.planes[1:]))


def _sound(index: int, rate: Fraction, *, with_click: bool) -> Sound:
    """The sound from the time of a frame to that of the next one; a click begins with it."""
    first, end = (-(-SOUND_RATE * number // rate) for number in (index, index + 1))
    samples = np.zeros((int(end - first), SOUND_CHANNELS), np.float32)
    if with_click:
        places = np.arange(min(len(samples), int(CLICK_SECONDS * SOUND_RATE)))
        samples[: len(places)] = CLICK_LEVEL * np.sin(2 * np.pi * CLICK_HZ * places / SOUND_RATE)[:, None]
    return Sound(Fraction(int(first), SOUND_RATE), samples)
