"""Audio, subtitles, chapters, timecode and metadata of the source, copied packet by packet if the target container takes them.

The source is opened a second time for this: copying then needs no buffer, whatever the distance of decoder and encoder.
"""

from __future__ import annotations  # av.Packet is generic for type checkers only

import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.audio
import av.container

from rotoscope.base.options import AudioMode
from rotoscope.runtime.media.local_file import INDEXED, RESTARTING, open_local
from rotoscope.runtime.media.recoded_sound import ENCODERS, RecodedSound
from rotoscope.runtime.media.timecode import shifted, timecode_in
from rotoscope.runtime.media.timing import MOST_TICKS, TimeRepair

# Written by the muxer itself, or about the picture before it was turned upright.
_OWN_METADATA = {"encoder", "major_brand", "minor_version", "compatible_brands", "rotate", "timecode", "TIMECODE"}

# What a muxer raises for a packet of a damaged source; a full disk raises another error.
REFUSED = (av.InvalidDataError, av.ArgumentError, av.PatchWelcomeError)

ENDINGS = {"mp4": ".mp4", "mov": ".mov", "matroska": ".mkv"}  # containers that a note proposes
HOLDS_TIMECODE = ("mov", "mp4", "matroska", "mxf")

INTERLEAVING_SECONDS = 5  # how much later than the others a packet may stand in a file


class CopiedStreams:
    """The streams of a file that are not translated.

    begin, end  the part of the source that is translated, in seconds on the source's clock; None is its start or its end
    audio       "copy": sound that the container does not take is left out; "auto": it is recoded; "none": no sound
    """

    def __init__(self, path: Path, *, begin: Fraction | None, end: Fraction | None, audio: AudioMode = "copy") -> None:
        self.begin, self.end, self._audio = begin, end, audio
        self.notes: list[str] = []
        self.kept: list[str] = []
        self._closing = ExitStack()
        self._container = self._closing.enter_context(open_local(path))
        self.losses: Counter[str] = Counter()
        self._targets: dict[int, av.stream.Stream] = {}
        self._recoded: dict[int, RecodedSound] = {}
        self._fitting: dict[tuple[int, str], bool] = {}
        self.timecode = timecode_in([self._container.metadata, *(other.metadata for other in self._container.streams)])
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
            if stream.start_time is not None and stream.time_base is not None and self._is_kept(stream, muxer)
        ]
        return min(starts, default=None)

    def time_base_denominators(self) -> list[int]:
        """Ticks per second of the streams that may be copied: their own clocks, and sample rates, which mp4 uses for sound."""
        found = [stream.time_base.denominator for stream in self._candidates() if stream.time_base is not None]
        contexts = [stream.codec_context for stream in self._candidates()]
        return found + [context.sample_rate for context in contexts if isinstance(context, av.AudioCodecContext)]

    def needs_tee(self, muxer: str) -> bool:
        """Whether sound is copied that Matroska holds and FFmpeg does not list for it; see `_holds_unlisted`."""
        return muxer == "matroska" and any(
            not _fits(stream, muxer) and self._fits(stream, muxer) for stream in self._candidates()
        )

    def attach(self, output: av.container.OutputContainer, muxer: str, offset: Fraction) -> None:
        """Add the streams, chapters and metadata that the container takes; every time will be moved by `offset`."""
        self._offset = offset
        for stream in self._candidates():
            self._attach_stream(stream, output, muxer)
        self._attach_timecode(output, muxer, offset)
        self.notes.extend(_left_out(self._container))
        output.metadata.update({k: v for k, v in self._container.metadata.items() if k not in _OWN_METADATA})
        if self._container.chapters() and output.format.name == "tee":
            self.notes.append(f"{len(self._container.chapters())} chapters left out: beside sound of this kind")
        elif self._container.chapters():
            self._attach_chapters(output, muxer, offset)
        if self._targets:
            if self.begin is not None and self._container.format.name in INDEXED:
                self._container.seek(min(int(self.begin * av.time_base), MOST_TICKS), backward=True)
            self._packets = chain(self._read(), self._recode(None))
            self._next = next(self._packets, None)

    def _attach_stream(self, stream: av.stream.Stream, output: av.container.OutputContainer, muxer: str) -> None:
        codec = stream.codec_context.name if stream.codec_context else "unknown"
        label = f"{stream.type} {stream.index} ({codec})"
        if self._fits(stream, muxer):
            target: Any = output.add_stream_from_template(stream)
            if muxer == "mp4" and codec.startswith("pcm_"):
                self.notes.append(f"{label}: many players do not read PCM in mp4; .mov and .mkv are safe")
        elif isinstance(stream, av.audio.stream.AudioStream) and self._recodes(muxer):
            recoded = RecodedSound(stream, output, ENCODERS[muxer])
            self._recoded[stream.index], target = recoded, recoded.target
            label = f"{stream.type} {stream.index} ({recoded.description})"
            self.notes.append(label)
        else:
            takers = [ending for other, ending in ENDINGS.items() if other != muxer and self._fits(stream, other)]
            ways = [f"{' and '.join(takers)} {'do' if len(takers) > 1 else 'does'}"] if takers else []
            if stream.type == "audio" and muxer in ENCODERS:
                ways.append(f"--audio auto recodes it as {ENCODERS[muxer].removeprefix('lib')}")
            self.notes.append("; ".join([f"{label} is left out: {muxer} does not take it", *ways]))
            return
        target.metadata.update(stream.metadata)
        target.disposition = stream.disposition
        self._targets[stream.index] = target
        self.kept.append(label)

    def _attach_timecode(self, output: av.container.OutputContainer, muxer: str, offset: Fraction) -> None:
        """Give the video stream the timecode of the source, moved to the part that is translated."""
        if not self.timecode:
            return
        video = output.streams.video[0]
        rate = video.codec_context.framerate if isinstance(video.codec_context, av.VideoCodecContext) else None
        if muxer not in HOLDS_TIMECODE or not rate:
            self.notes.append(f"timecode left out: {self.timecode}; .mov and .mkv hold one")
            return
        begins = Fraction(0) if self.begin is None else -offset - self._first_picture()
        timecode = shifted(self.timecode, begins, Fraction(rate))
        (output if muxer == "matroska" else video).metadata["timecode"] = timecode
        self.kept.append(f"timecode {timecode}")

    def _first_picture(self) -> Fraction:
        """Time of the first picture of the source, in seconds on its clock."""
        for stream in self._container.streams.video:
            if stream.start_time is not None and stream.time_base is not None:
                return stream.start_time * stream.time_base
        return Fraction(0)

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
        kinds = ("subtitle",) if self._audio == "none" else ("audio", "subtitle")
        return (stream for stream in self._container.streams if stream.type in kinds)

    def _fits(self, stream: av.stream.Stream, muxer: str) -> bool:
        """Whether a container takes a stream as it is."""
        key = (stream.index, muxer)
        if key not in self._fitting:
            self._fitting[key] = _fits(stream, muxer) or (muxer == "matroska" and _holds_unlisted(stream))
        return self._fitting[key]

    def _recodes(self, muxer: str) -> bool:
        return self._audio == "auto" and muxer in ENCODERS

    def _is_kept(self, stream: av.stream.Stream, muxer: str) -> bool:
        return self._fits(stream, muxer) or (stream.type == "audio" and self._recodes(muxer))

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
                if packet.stream_index in self._recoded:
                    yield from self._recode(packet)
                    continue
                packet.stream = self._targets[packet.stream_index]
                yield begin, packet
        except (av.FFmpegError, ValueError):
            self.losses["sound and subtitles from here on: the file is damaged"] += 1

    def _recode(self, packet: av.Packet[Any] | None) -> Iterator[tuple[Fraction, av.Packet[Any]]]:
        """Encoded packets with their times on the source's clock; None: those that are held at the end."""
        for index, recoded in self._recoded.items():
            if packet is not None and packet.stream_index != index:
                continue
            try:
                for made in recoded.rest() if packet is None else recoded.packets(packet):
                    assert made.pts is not None
                    yield made.pts * made.time_base - self._offset, made
            except (av.FFmpegError, ValueError):
                self.losses["packets of sound that could not be decoded"] += 1

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
    """A note on the streams that are never copied: data other than timecode, attachments."""
    left = [stream for stream in container.streams if stream.type in ("data", "attachment")]
    others = [stream.type for stream in left if "timecode" not in stream.metadata]
    if others:
        yield f"{len(others)} {'/'.join(sorted(set(others)))} stream{'s' * (len(others) > 1)} left out"


def _holds_unlisted(stream: av.stream.Stream) -> bool:
    """Whether Matroska takes sound that it stores under a Windows tag (G.711, ADPCM, WMA).

    FFmpeg's list for Matroska names native codecs only, and PyAV asks it, so that its muxer is reached through `tee`, which
    has no list.
    """
    if stream.type != "audio":
        return False
    try:
        with av.open(tee_name("matroska", Path(os.devnull)), "w", format="tee") as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError, OSError, RuntimeError):
        return False
    return True


def tee_name(muxer: str, path: Path, options: str = "") -> str:
    """The name under which FFmpeg's `tee` writes one file with a muxer."""
    escaped = re.sub(r"([\\'| \t])", r"\\\1", str(path))
    return f"[f={muxer}{options}]file:{escaped}"


def _fits(stream: av.stream.Stream, muxer: str) -> bool:
    """Whether a container takes a stream: write a header with this stream alone and see."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError, OSError, RuntimeError):
        return False
    return True
