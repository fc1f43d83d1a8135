"""Segments of a video in work: files of whole scenes or other parts, each complete, that are joined without encoding again."""

from __future__ import annotations  # av.Packet is generic for type checkers only

import hashlib
import json
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.container

from rotoscope.base.errors import OutputFailed
from rotoscope.base.files import part_file, why_unusable
from rotoscope.base.parts import remove_leftovers
from rotoscope.base.text import json_text
from rotoscope.runtime.media.local_file import open_local

MOST_BYTES = 1 << 16  # of a record


@dataclass(frozen=True)
class Segment:
    """A complete segment.

    path        its file, with pictures alone, whose first one has the time 0
    first       index of its first frame in the source
    num_frames  frames in it
    tick        time of its first frame in the result, in ticks of the result's clock
    scene       index of the frame with which the scene of the next segment's first frame begins
    state_bytes  size of the file with the state of the networks after its last frame; 0: there is none
    """

    path: Path
    first: int
    num_frames: int
    tick: int
    scene: int
    state_bytes: int = 0

    @property
    def end(self) -> int:
        """Index of the frame after its last."""
        return self.first + self.num_frames

    @property
    def record_path(self) -> Path:
        """Path of the JSON record; a segment without one does not count."""
        return self.path.with_suffix(".json")

    @property
    def state_path(self) -> Path:
        """Path of the file with the state of the networks."""
        return self.path.with_suffix(".npz")


def segment_name(first: int) -> str:
    """Name of the files of a segment, without ending, by the index of its first frame: names sort as the frames do."""
    return f"{first:09d}"


def read_segments(folder: Path) -> list[Segment]:
    """The complete segments of a folder, in order; none overlaps another. Frames may be missing between them.

    One whose files are missing or have other bytes than they had does not count.
    """
    remove_leftovers(folder)
    found: list[Segment] = []
    for record in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            segment, size, digest, state_digest = _read(record)
            is_whole = _has_size(segment.path, size) and _digest(segment.path) == digest
            has_state = not segment.state_bytes or (
                _has_size(segment.state_path, segment.state_bytes) and _digest(segment.state_path) == state_digest
            )
            is_next = segment.first >= (found[-1].end if found else 0)
            if is_next and is_whole and has_state and segment.num_frames > 0 and 0 <= segment.scene <= segment.end:
                found.append(segment)
    return found


def _has_size(path: Path, size: int) -> bool:
    """Whether a path is a file of this size, and no link."""
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(record: Path) -> tuple[Segment, int, str, str]:
    """The segment of a record, its bytes, and SHA-256 of its file and of its state.

    Raises ValueError and others for what no run has written.
    """
    if reason := why_unusable(record, MOST_BYTES):
        raise ValueError(reason)
    content = json.loads(record.read_text())
    size, digest, state_digest = content.pop("bytes"), content.pop("sha256"), content.pop("state_sha256")
    path = record.with_suffix(Path(content.pop("path")).suffix)
    if not all(isinstance(number, int) and abs(number) < 1 << 62 for number in (size, *content.values())):
        raise ValueError(content)
    segment = Segment(path, **content)
    if record.stem != segment_name(segment.first):
        raise ValueError("a record under the name of another")
    return segment, size, digest, state_digest


def write_segment(segment: Segment) -> None:
    """Write the record that makes a segment count."""
    content = {
        **asdict(segment),
        "path": segment.path.name,
        "bytes": segment.path.stat().st_size,
        "sha256": _digest(segment.path),
        "state_sha256": _digest(segment.state_path) if segment.state_bytes else "",
    }
    with part_file(segment.record_path, overwrite=True) as part:
        part.write_text(json_text(content) + "\n")


def joined_packets(segments: list[Segment], time_base: Fraction) -> Iterator[tuple[Fraction, av.Packet[Any]]]:
    """The packets of all segments, in order, with the times that they have in the result; and the time of each in seconds.

    Decoding times are made again for the whole: the sorted times, moved back by the largest shift that a packet needs.
    """
    ticks = [_ticks(segment, time_base) for segment in segments]
    for earlier, later in pairwise(ticks):
        late = max(earlier) + 1 - min(later)  # two frames may fall on one tick of a coarse clock
        if late > 0:
            later[:] = [tick + late if tick == min(later) else tick for tick in later]
    delay = max(at - tick for part in ticks for at, tick in zip(sorted(part), part, strict=True))
    for segment, part in zip(segments, ticks, strict=True):
        for packet, tick, at in zip(_packets(segment), part, sorted(part), strict=True):
            length = 0 if packet.duration is None else round(packet.duration * _clock(packet) / time_base)
            packet.time_base = time_base
            packet.pts, packet.dts, packet.duration = tick, at - delay, length
            yield tick * time_base, packet


def _ticks(segment: Segment, time_base: Fraction) -> list[int]:
    """Time of each packet in the result, in the order of the file."""
    times = [(packet.pts or 0) * _clock(packet) for packet in _packets(segment)]
    if len(times) != segment.num_frames:
        raise OutputFailed(
            f"{segment.path}: {len(times)} pictures in a segment of {segment.num_frames}; delete its folder"
        )
    return [segment.tick + round((time - min(times)) / time_base) for time in times]


def _packets(segment: Segment) -> Iterator[av.Packet[Any]]:
    with open_local(segment.path) as container:
        yield from (packet for packet in container.demux(container.streams.video[0]) if packet.size)


def _clock(packet: av.Packet[Any]) -> Fraction:
    assert packet.time_base is not None  # every demuxer sets one
    return packet.time_base


def check_alike(segments: list[Segment]) -> None:
    """Raise OutputFailed if segments were encoded with different headers, so that one would not be decoded."""
    headers = set()
    for segment in segments:
        with open_local(segment.path) as container:
            headers.add(bytes(container.streams.video[0].codec_context.extradata or b""))
    if len(headers) > 1:
        raise OutputFailed(
            f"{segments[0].path.parent}: segments of different encoders; delete this folder and start again"
        )
