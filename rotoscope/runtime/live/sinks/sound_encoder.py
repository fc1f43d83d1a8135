"""Encode the sound of a live run beside its pictures, placed by its times, so that its offset to them is kept."""

from collections import Counter, deque
from fractions import Fraction
from typing import cast

import av
import av.container
import numpy as np

from rotoscope.base.frame import Array
from rotoscope.base.live import SOUND_CHANNELS, SOUND_RATE, Sound

CODECS = {
    "mp4": "aac",
    "mov": "aac",
    "matroska": "aac",
    "flv": "aac",
    "mpegts": "aac",
    "rtsp": "aac",
    "webm": "libopus",
}
BIT_RATE = 160_000  # bits per second

FOLLOWS = (
    SOUND_RATE // 200
)  # samples; a piece this near to the end of the one before follows it: sources round times to 1 ms
LONGEST_SILENCE = SOUND_RATE  # samples; a longer gap is left as a gap
LATEST = Fraction(2)  # seconds behind the pictures, after which sound is dropped
MOST_WAITING = Fraction(10)  # seconds of sound that may wait for pictures


class SoundEncoder:
    """The sound of one container: `put` takes pieces, `mux_until` writes them in the order of the pictures.

    Sound from before the first picture is left out. Encoders put some samples of their own before the first one; they give
    packets times that make up for it, and no further correction is needed.
    """

    def __init__(self) -> None:
        self._origin = Fraction(0)  # time on the clock of the frames that is 0 in the container, in seconds
        self.kept: list[str] = []
        self.notes: list[str] = []
        self.losses: Counter[str] = Counter()
        self._waiting: deque[Sound] = deque()
        self._is_left_out = False
        self._stream: av.AudioStream | None = None
        self._block = np.zeros((0, SOUND_CHANNELS), np.float32)  # that is sent to the encoder when it is full
        self._filled = 0  # samples of it
        self._next = 0  # number of the sample that follows the last one placed, counted from the origin
        self._is_empty = True
        self._pictures: Fraction | None = None  # time of the newest picture

    def time_base_denominators(self) -> list[int]:
        """Ticks per second of the sound."""
        return [SOUND_RATE]

    def attach(self, output: av.container.OutputContainer, muxer: str, offset: Fraction) -> None:
        """Add a stream for the sound, if the container takes one. `offset` seconds are added to every time."""
        self.begin(-offset)
        codec = CODECS.get(muxer)
        if codec is None:
            self.notes.append(f"sound left out: {muxer} has none")
            self._is_left_out = True
            self._waiting.clear()
            return
        self._stream = stream = cast("av.AudioStream", output.add_stream(codec, rate=SOUND_RATE))
        stream.bit_rate = BIT_RATE
        stream.codec_context.open()
        self._block = np.zeros((stream.codec_context.frame_size, SOUND_CHANNELS), np.float32)
        self.kept.append(f"sound ({codec.removeprefix('lib')})")

    def begin(self, seconds: Fraction, *, leaves_room: bool = False) -> None:
        """Say that the first picture has this time on the clock of the frames, and 0 in the container.

        leaves_room  leave out so much sound that the encoder's own samples do not stand before the picture: FLV refuses them
        """
        self._origin = seconds
        self._next = len(self._block) if leaves_room else 0

    def put(self, sound: Sound) -> None:
        """Take a piece of sound, which waits for the pictures of its time; also before `attach`."""
        if self._is_left_out:
            return
        self._waiting.append(sound)
        while sound.seconds - self._waiting[0].seconds > MOST_WAITING:
            self._waiting.popleft()
            self.losses["sound without pictures"] += 1

    def mux_until(self, output: av.container.OutputContainer, seconds: Fraction | None) -> None:
        """Write the sound that begins before a time on the clock of the frames; None writes all, and what is buffered."""
        if self._stream is None:
            return
        if seconds is not None:
            self._pictures = seconds
        while self._waiting and (seconds is None or self._waiting[0].seconds < seconds):
            self._place(output, self._waiting.popleft())
        if seconds is None:
            self._encode(output)
            output.mux(self._stream.encode(None))

    def refused(self) -> None:
        """Count a packet that the container refused."""
        self.losses["packets of sound that the container refused"] += 1

    def close(self) -> None:
        """Drop what waits."""
        self._waiting.clear()

    def _place(self, output: av.container.OutputContainer, sound: Sound) -> None:
        """Put a piece where its time says: after silence, after a gap, or without its begin if that is already there."""
        begin, samples = round((sound.seconds - self._origin) * SOUND_RATE), sound.samples
        if self._is_empty and begin + len(samples) <= self._next:
            self.losses["sound before the first picture"] += 1
            return
        if self._pictures is not None and sound.end_seconds < self._pictures - LATEST:
            self.losses["sound that came too late"] += 1
            return
        gap = begin - self._next
        if abs(gap) <= FOLLOWS:
            gap = 0
        if gap > LONGEST_SILENCE or (gap > 0 and self._is_empty):
            self._encode(output)
            self._next = begin
        elif gap > 0:
            self._add(output, np.zeros((gap, SOUND_CHANNELS), np.float32))
        elif gap < 0:
            samples = samples[-gap:]
            if len(samples) == 0:
                self.losses["sound that came twice"] += 1
        self._is_empty = False
        self._add(output, samples)

    def _add(self, output: av.container.OutputContainer, samples: Array) -> None:
        while len(samples):
            taken = samples[: len(self._block) - self._filled]
            self._block[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            self._next += len(taken)
            samples = samples[len(taken) :]
            if self._filled == len(self._block):
                self._encode(output)

    def _encode(self, output: av.container.OutputContainer) -> None:
        """Encode the block, its end with silence if it is not full."""
        if self._filled == 0:
            return
        assert self._stream is not None
        self._block[self._filled :] = 0
        is_planar = self._stream.codec_context.format.is_planar
        planes = np.ascontiguousarray(self._block.T) if is_planar else self._block.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp" if is_planar else "flt", layout="stereo")
        frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
        frame.pts = self._next - self._filled
        self._filled = 0
        output.mux(self._stream.encode(frame))
