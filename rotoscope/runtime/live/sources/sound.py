"""Sound of a live source: decoded to 48 kHz stereo, placed on the clock of the frames, kept for a few seconds."""

from __future__ import annotations  # av.Packet is generic for type checkers only

import math
import threading
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
import numpy as np

from rotoscope.base.frame import Array, read_only
from rotoscope.base.live import SOUND_CHANNELS, SOUND_RATE, Sound
from rotoscope.runtime.live.sources.live_clock import LiveClock

KEPT_SECONDS = 4
FAR_SECONDS = 8
SAME_SECONDS = Fraction(
    1, 100
)  # containers round times (FLV to 1 ms): a piece this near to the end of the last one follows it


class SoundQueue:
    """The newest KEPT_SECONDS of sound, between the thread of the source and the one that takes it.

    What overlaps the piece before (after a reconnect, or where a file begins again) is cut off.
    """

    def __init__(self) -> None:
        self._pieces: deque[Sound] = deque()
        self._end = Fraction(-1)
        self._lock = threading.Lock()

    def put(self, piece: Sound) -> None:
        """Add a piece; those that are KEPT_SECONDS older are deleted."""
        num_old = max(0, math.ceil((self._end - piece.seconds) * SOUND_RATE))
        if num_old >= len(piece.samples):
            return
        if num_old:
            piece = Sound(piece.seconds + Fraction(num_old, SOUND_RATE), piece.samples[num_old:])
        self._end = piece.seconds + Fraction(len(piece.samples), SOUND_RATE)
        with self._lock:
            self._pieces.append(piece)
            while piece.seconds - self._pieces[0].seconds > KEPT_SECONDS:
                self._pieces.popleft()

    def take(self) -> list[Sound]:
        """All pieces, in order; they are the caller's now."""
        with self._lock:
            taken = list(self._pieces)
            self._pieces.clear()
        return taken


class SoundTrack:
    """The sound of one connection: decodes its packets and puts them in a queue once the clock of the frames is known.

    Sound from before the first frame of the connection is left out. Pieces follow each other without gaps of rounding; where
    the stream has a gap, their times have it.
    """

    def __init__(self, queue: SoundQueue, clock: LiveClock) -> None:
        self._queue, self._clock = queue, clock
        self._resampler: av.AudioResampler | None = None
        self._layout: tuple[object, ...] = ()
        self._waiting: deque[tuple[Fraction, Array]] = deque()  # before the first frame has a time
        self._begin: Fraction | None = None
        self._end: Fraction | None = None  # of the last piece, on the stream's clock

    def received(self, packet: av.Packet[av.AudioStream]) -> None:
        """Decode a packet of the sound; a damaged one leaves a gap."""
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            return
        for frame in frames:
            for stream_s, samples in self._resampled(frame):
                self._waiting.append((stream_s, samples))
        while len(self._waiting) > 1 and abs(self._waiting[-1][0] - self._waiting[0][0]) > KEPT_SECONDS:
            self._waiting.popleft()
        if self._begin is not None:
            self._place()

    def begin(self, seconds: Fraction) -> None:
        """Say that the first frame of the connection is at this time, in seconds on the clock of the frames."""
        if self._begin is None:
            self._begin = seconds
        self._place()

    def _place(self) -> None:
        """Move what waits to the queue, as far as its time is known."""
        while self._waiting:
            stream_s, samples = self._waiting[0]
            seconds = self._clock.seconds(stream_s)
            if seconds is None:
                return
            self._waiting.popleft()
            # Far from the pictures: the clock of the stream has jumped, and no picture with the new one has come yet.
            is_far = abs(seconds - self._clock.latest) > FAR_SECONDS
            if self._begin is not None and seconds >= self._begin and not is_far:
                self._queue.put(Sound(seconds, read_only(samples)))

    def _resampled(self, frame: av.AudioFrame) -> Iterator[tuple[Fraction, Array]]:
        """(time on the stream's clock, (N,2) float32) of a decoded piece."""
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or layout != self._layout:
            # FFmpeg lowers mono by 3 dB when it makes it stereo: here both channels get it as it is.
            kind = "mono" if frame.layout.nb_channels == 1 else "stereo"
            self._resampler = av.AudioResampler(format="flt", layout=kind, rate=SOUND_RATE)
            self._layout = layout
        try:
            pieces = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError):
            self._resampler = None
            return
        for piece in pieces:
            samples = piece.to_ndarray().reshape(-1, piece.layout.nb_channels)
            samples = np.ascontiguousarray(np.broadcast_to(samples, (len(samples), SOUND_CHANNELS)))
            stated = None if piece.pts is None or piece.time_base is None else piece.pts * piece.time_base
            if self._end is not None and (stated is None or abs(stated - self._end) <= SAME_SECONDS):
                stated = self._end
            if stated is None:
                continue  # RTSP, before the first report of the sender
            self._end = stated + Fraction(len(samples), SOUND_RATE)
            yield stated, samples
