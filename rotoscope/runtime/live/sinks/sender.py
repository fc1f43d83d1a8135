"""A program that encodes pictures and sound from standard input and sends them to a server: one connection, one process.

PyAV holds the lock of the interpreter while it connects an output and ignores its time limits there, so a server that does not
answer would stop the whole run; and a write that waits cannot be ended from another thread. A process of its own can be ended
at any time. It ends itself by a signal of the system (SIGALRM) if the network does not answer in time.

What goes in and out is in `sender_protocol`.
"""

from __future__ import annotations  # av.Packet is generic for type checkers only

import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import av.container
import numpy as np

from rotoscope.base.live import SOUND_CHANNELS, Sound
from rotoscope.runtime.live.sinks.sender_protocol import (
    CLOSE_SECONDS,
    CONNECT_SECONDS,
    END,
    HEADER,
    PICTURE,
    WRITE_SECONDS,
    Setup,
)
from rotoscope.runtime.live.sinks.sound_encoder import SoundEncoder
from rotoscope.runtime.media.encoder import configure
from rotoscope.runtime.media.timing import TimeRepair

AHEAD = Fraction(1, 2)  # seconds that sound may be sent before the pictures of its time
# FFmpeg holds a packet back until each stream has one, or until one is this far ahead of it, in microseconds.
INTERLEAVING = {"max_interleave_delta": "1"}
END_OF_TIME = 1 << 40  # ms
EMPTY_SCRIPT = b"\x02\x00\x0aonTextData\x05"  # a message of FLV without content: its name, and null
UNSENT_SECONDS = 0.5  # that the system may hold for a slow network; without a limit it holds megabytes, which are delay
LEAST_UNSENT_BYTES = 65_536


class Sender:
    """Encoders and a connection. The first picture of a connection has the time 0."""

    def __init__(self, setup: Setup) -> None:
        self._setup, self._video = setup, setup.video
        time_base = self._video.time_base
        nominal = round(1 / (Fraction(setup.rate) * time_base)) or 1
        self._repair = TimeRepair(time_base, nominal_duration=nominal, clock_may_restart=False)
        self._origin: Fraction | None = None
        self._next_key = Fraction(0)
        self._sound = SoundEncoder() if setup.has_sound else None
        self._output = av.open(
            setup.address, "w", format=setup.muxer, container_options=INTERLEAVING | setup.muxer_options
        )
        stream = self._output.add_stream(setup.codec, rate=self._video.rate, options=dict(setup.options))
        self._stream = stream = cast("av.VideoStream", stream)
        configure(stream.codec_context, self._video, setup.pixel_format, setup.threads)
        stream.time_base = time_base
        stream.codec_context.open()  # outside the time limit of the network
        if self._sound is not None:
            self._sound.attach(self._output, setup.muxer, Fraction(0))
        # The header of FLV names pictures and sound only: readers do not see this stream.
        self._ahead = self._output.add_data_stream() if setup.muxer == "flv" and setup.has_sound else None

    def connect(self) -> None:
        """Connect, and send the header."""
        with time_limit(CONNECT_SECONDS):
            self._output.start_encoding()
            if self._ahead is not None:
                # With a packet that is ahead of all others, none of them is held back; it leaves at the end of the stream.
                packet = av.Packet(EMPTY_SCRIPT)
                packet.stream, packet.time_base = self._ahead, Fraction(1, 1000)
                packet.pts = packet.dts = END_OF_TIME
                self._output.mux(packet)
        limit_unsent(max(LEAST_UNSENT_BYTES, round(self._setup.bit_rate / 8 * UNSENT_SECONDS)))

    def picture(self, seconds: Fraction, data: bytearray) -> None:
        """Encode and send one picture, and the sound of its time before it."""
        if self._origin is None:
            self._origin = seconds
            if self._sound is not None:
                self._sound.begin(seconds, leaves_room=True)
        frame = self._to_av(data)
        at = seconds - self._origin
        frame.pts, frame.duration = self._repair.next(round(at / self._video.time_base), None)
        frame.time_base = self._video.time_base
        if at >= self._next_key:
            frame.pict_type = av.video.frame.PictureType.I
            self._next_key = at + self._setup.key_frame_seconds
        with time_limit(WRITE_SECONDS):
            if self._sound is not None:
                self._sound.mux_until(self._output, seconds + AHEAD)
            self._output.mux(self._stream.encode(frame))

    def sound(self, sound: Sound) -> None:
        """Keep sound for the pictures of its time."""
        if self._sound is not None:
            self._sound.put(sound)

    @property
    def losses(self) -> dict[str, int]:
        """Cause -> pieces of sound that were left out."""
        return {} if self._sound is None else dict(self._sound.losses)

    def close(self) -> None:
        """Send what is buffered, and the end of the stream."""
        with time_limit(CLOSE_SECONDS):
            self._output.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.mux_until(self._output, None)
            self._output.close()

    def _to_av(self, data: bytearray) -> av.VideoFrame:
        """A frame with the planes Y, Cb, Cr that follow each other in `data`, in the encoder's pixel format."""
        frame = av.VideoFrame(self._setup.width, self._setup.height, "yuv420p")
        begin = 0
        for target in frame.planes:
            size = target.width * target.height
            rows = np.frombuffer(data, np.uint8, size, begin).reshape(target.height, target.width)
            np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)[:, : target.width] = rows
            begin += size
        context = self._stream.codec_context
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        if self._setup.pixel_format != "yuv420p":
            frame = frame.reformat(format=self._setup.pixel_format, threads=1)
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        frame.color_primaries, frame.color_trc = context.color_primaries, context.color_trc
        return frame


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer; the system does it, also while a library holds the interpreter's lock."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def limit_unsent(num_bytes: int) -> None:
    """Limit what the system buffers for each TCP connection of this process: it has the one of the stream."""
    for entry in list(Path("/dev/fd").iterdir()):
        with suppress(OSError):  # the descriptor of the listing is closed by now
            descriptor = os.dup(int(entry.name))
            try:
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    with socket.socket(fileno=os.dup(descriptor)) as connection:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, num_bytes)
            finally:
                os.close(descriptor)


def serve(source: BinaryIO, reply: Any) -> None:
    """Read messages until the end and send what they hold."""
    sender = Sender(Setup(**json.loads(source.readline())))
    sender.connect()
    reply({"open": True})
    losses: dict[str, int] = {}
    while len(header := source.read(HEADER.size)) == HEADER.size:
        kind, numerator, denominator, size = HEADER.unpack(header)
        data = bytearray(size)
        if source.readinto(data) < size or kind == END:  # type: ignore[attr-defined]
            break
        seconds = Fraction(numerator, denominator)
        if kind == PICTURE:
            sender.picture(seconds, data)
        else:
            sender.sound(Sound(seconds, np.frombuffer(data, np.float32).reshape(-1, SOUND_CHANNELS)))
        if sender.losses != losses:
            losses = sender.losses
            reply({"losses": losses})
    sender.close()


def main() -> int:
    """Run one connection; the exit code is 1 if it failed."""

    def reply(words: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    try:
        serve(sys.stdin.buffer, reply)
    except BaseException as error:  # the process that reads the reply reports it
        with suppress(OSError):
            reply({"failed": getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"})
        os._exit(1)  # closing the connection would wait for the network again
    return 0


if __name__ == "__main__":
    sys.exit(main())
