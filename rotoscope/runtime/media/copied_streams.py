"""Audio, subtitles, chapters and metadata of the source, copied packet by packet where the target container takes them.

The source is opened a second time for this: copying then needs no buffer, whatever the distance of decoder and encoder.
"""

from __future__ import annotations  # av.Packet is generic for type checkers only

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container

from rotoscope.runtime.media.local_file import INDEXED, RESTARTING, open_local
from rotoscope.runtime.media.timing import MOST_TICKS, TimeRepair

# Written by the muxer itself, or about the picture before it was turned upright.
_OWN_METADATA = {"encoder", "major_brand", "minor_version", "compatible_brands", "rotate"}

# What a muxer raises for a packet of a damaged source; a full disk raises another error.
REFUSED = (av.InvalidDataError, av.ArgumentError, av.PatchWelcomeError)

INTERLEAVING_SECONDS = 5  # how much later than the others a packet may stand in a file


class CopiedStreams:
    """The streams of a file that are not translated.

    begin, end  the part of the source that is translated, in seconds on the source's clock; None is its start or its end
    """

    def __init__(self, path: Path, *, begin: Fraction | None, end: Fraction | None) -> None:
        self.begin, self.end = begin, end
        self.notes: list[str] = []
        self.kept: list[str] = []
        self._closing = ExitStack()
        self._container = self._closing.enter_context(open_local(path))
        self.losses: Counter[str] = Counter()
        self._targets: dict[int, av.stream.Stream] = {}
        self._repairs: dict[int, TimeRepair] = {}
        self._packets: Iterator[tuple[Fraction, av.Packet[Any]]] = iter(())
        self._next: tuple[Fraction, av.Packet[Any]] | None = None

    def close(self) -> None:
        """Release the file."""
        self._closing.close()

    def earliest_start(self, muxer: str) -> Fraction | None:
        """Start in seconds of the earliest stream that will be copied; None if there is none."""
        starts = [
            stream.start_time * stream.time_base
            for stream in self._candidates()
            if stream.start_time is not None and stream.time_base is not None and _fits(stream, muxer)
        ]
        return min(starts, default=None)

    def time_base_denominators(self) -> list[int]:
        """Ticks per second of the streams that may be copied: their own clocks, and sample rates, which mp4 uses for sound."""
        found = [stream.time_base.denominator for stream in self._candidates() if stream.time_base is not None]
        contexts = [stream.codec_context for stream in self._candidates()]
        return found + [context.sample_rate for context in contexts if isinstance(context, av.AudioCodecContext)]

    def attach(self, output: av.container.OutputContainer, muxer: str, offset: Fraction) -> None:
        """Add the streams, chapters and metadata that the container takes; every time will be moved by `offset`."""
        self._offset = offset
        for stream in self._candidates():
            label = f"{stream.type} {stream.index} ({stream.codec_context.name if stream.codec_context else 'unknown'})"
            if not _fits(stream, muxer):
                self.notes.append(f"{label} is left out: {muxer} does not take it")
                continue
            target = output.add_stream_from_template(stream)
            target.metadata.update(stream.metadata)
            target.disposition = stream.disposition
            self._targets[stream.index] = target
            self.kept.append(label)
        self.notes.extend(_left_out(self._container))
        output.metadata.update({k: v for k, v in self._container.metadata.items() if k not in _OWN_METADATA})
        if self._container.chapters():
            self._attach_chapters(output, muxer, offset)
        if self._targets:
            if self.begin is not None and self._container.format.name in INDEXED:
                self._container.seek(min(int(self.begin * av.time_base), MOST_TICKS), backward=True)
            self._packets = self._read()
            self._next = next(self._packets, None)

    def mux_until(self, output: av.container.OutputContainer, seconds: Fraction | None) -> None:
        """Write the packets that begin before `seconds` on the source's clock; None writes all that are left."""
        while self._next is not None and (seconds is None or self._next[0] < seconds):
            try:
                output.mux(self._next[1])
            except REFUSED:
                self.refused()
            self._next = next(self._packets, None)

    def refused(self) -> None:
        """Count a packet that the container refused."""
        self.losses["packets of sound or subtitles that cannot be copied"] += 1

    def _candidates(self) -> Iterator[av.stream.Stream]:
        return (stream for stream in self._container.streams if stream.type in ("audio", "subtitle"))

    def _read(self) -> Iterator[tuple[Fraction, av.Packet[Any]]]:
        streams = [self._container.streams[index] for index in self._targets]
        try:
            for packet in self._container.demux(*streams):
                time_base = packet.stream.time_base
                assert time_base is not None  # every demuxer sets one
                if packet.size == 0 and packet.dts is None:
                    continue
                stamp = packet.pts if packet.pts is not None else packet.dts
                moved = self._repaired(packet, stamp or 0, time_base)
                begin = moved * time_base
                if self.end is not None and begin >= self.end + INTERLEAVING_SECONDS:
                    return
                if (self.begin is not None and begin < self.begin) or (self.end is not None and begin >= self.end):
                    continue
                shift = round(self._offset / time_base) + moved - (stamp or 0)
                packet.pts = None if packet.pts is None else packet.pts + shift
                packet.dts = None if packet.dts is None else packet.dts + shift
                packet.stream = self._targets[packet.stream_index]
                yield begin, packet
        except (av.FFmpegError, ValueError):
            self.losses["sound and subtitles from here on: the file is damaged"] += 1

    def _repaired(self, packet: av.Packet[Any], stamp: int, time_base: Fraction) -> int:
        """The packet's time; if the clock of the format may restart, repaired by the same rules as the pictures' times."""
        if packet.stream.type != "audio" or self._container.format.name not in RESTARTING:
            return stamp
        index = packet.stream_index
        if index not in self._repairs:
            self._repairs[index] = TimeRepair(time_base, nominal_duration=packet.duration or 1, clock_may_restart=True)
        return self._repairs[index].next(stamp, packet.duration)[0]

    def _attach_chapters(self, output: av.container.OutputContainer, muxer: str, offset: Fraction) -> None:
        chapters = self._container.chapters()
        if self.begin is not None or self.end is not None:
            self.notes.append(f"{len(chapters)} chapters left out: only a part is translated")
            return
        if muxer not in ("mp4", "mov", "matroska", "webm"):
            self.notes.append(f"{len(chapters)} chapters left out: {muxer} has none")
            return
        for chapter in chapters:
            assert chapter["time_base"] is not None
            shift = round(offset / chapter["time_base"])
            chapter["start"] += shift
            chapter["end"] += shift
        output.set_chapters(chapters)
        self.kept.append(f"{len(chapters)} chapter{'s' * (len(chapters) > 1)}")


def _left_out(container: av.container.InputContainer) -> Iterator[str]:
    """Notes on the streams that are never copied: timecode, other data, attachments."""
    left = [stream for stream in container.streams if stream.type in ("data", "attachment")]
    timecodes = [stream.metadata["timecode"] for stream in left if "timecode" in stream.metadata]
    if timecodes:
        yield f"timecode left out: {timecodes[0]}"
    others = [stream.type for stream in left if "timecode" not in stream.metadata]
    if others:
        yield f"{len(others)} {'/'.join(sorted(set(others)))} stream{'s' * (len(others) > 1)} left out"


def _fits(stream: av.stream.Stream, muxer: str) -> bool:
    """Whether a container takes a stream: write a header with this stream alone and see."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError, OSError, RuntimeError):
        return False
    return True
