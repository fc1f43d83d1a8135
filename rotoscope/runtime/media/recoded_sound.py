"""Sound that a container does not take, decoded and encoded again in a codec that it takes, at its own times."""

from __future__ import annotations  # av.Packet is generic for type checkers only

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.audio
import av.container

# FFmpeg's encoder for the sound of a container; None: the container holds no sound.
ENCODERS = {"mp4": "aac", "mov": "aac", "matroska": "flac", "webm": "libopus", "mxf": "pcm_s24le"}
RATES = {"libopus": 48000, "pcm_s24le": 48000}  # Hz; Opus knows no other in a file, and FFmpeg's MXF writes no other
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}  # by the number of channels
_DEFAULT_FRAME = 1024  # samples, for encoders that take any number
_BITS_PER_CHANNEL = {"aac": 128_000, "libopus": 96_000}
# Gaps of more than 0.1 s become silence, overlaps are cut: the sound stays at its times.
_IN_TIME = {"async": "1", "min_hard_comp": "0.1"}


class RecodedSound:
    """Encodes the packets of one stream of sound; their times must be those of the result already."""

    def __init__(self, source: av.audio.stream.AudioStream, output: av.container.OutputContainer, codec: str) -> None:
        context: Any = source.codec_context
        rate = RATES.get(codec, context.sample_rate)
        channels = context.layout.nb_channels
        layout = _LAYOUTS.get(2 if channels > 2 and codec == "libopus" else channels, "stereo")
        self._source = source
        self.target: Any = output.add_stream(codec, rate=rate, layout=layout)
        encoder: Any = self.target.codec_context
        if codec in _BITS_PER_CHANNEL:
            encoder.bit_rate = _BITS_PER_CHANNEL[codec] * encoder.layout.nb_channels
        encoder.time_base = Fraction(1, rate)
        self.target.time_base = Fraction(1, rate)
        self._format, self._layout, self._rate, self._codec = encoder.format.name, layout, rate, codec
        self._resampler: av.AudioResampler | None = None
        self._next_sample = 0
        self.description = f"{context.name} recoded as {codec.removeprefix('lib')}"

    def packets(self, packet: av.Packet[Any]) -> Iterator[av.Packet[Any]]:
        """The packets that are ready after one more of the source; raises av.FFmpegError for one that cannot be decoded."""
        for frame in self._source.codec_context.decode(packet):
            yield from self._encoded(self._timed(frame))

    def rest(self) -> Iterator[av.Packet[Any]]:
        """The packets that are still held, at the end."""
        for frame in self._source.codec_context.decode(None):
            yield from self._encoded(self._timed(frame))
        if self._resampler is not None:
            yield from self._encoded(None)
            yield from self.target.encode(None)

    def _timed(self, frame: av.AudioFrame) -> av.AudioFrame:
        """A decoded frame with its time in samples; one without a time follows the frame before."""
        if frame.pts is not None and frame.time_base is not None:
            self._next_sample = round(frame.pts * frame.time_base * frame.sample_rate)
        frame.pts, frame.time_base = self._next_sample, Fraction(1, frame.sample_rate)
        self._next_sample += frame.samples
        return frame

    def _encoded(self, frame: av.AudioFrame | None) -> Iterator[av.Packet[Any]]:
        if self._resampler is None:
            # The size of a frame is known once the encoder is open.
            encoder = self.target.codec_context
            if not encoder.is_open:
                encoder.open()
            self._resampler = av.AudioResampler(
                format=self._format, layout=self._layout, rate=self._rate,
                frame_size=encoder.frame_size or _DEFAULT_FRAME, options=_IN_TIME,
            )  # fmt: skip
        for resampled in self._resampler.resample(frame):
            yield from self.target.encode(resampled)
