"""The state of recurrent networks, handed from a segment of a result to the next in a file."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rotoscope.base.files import part_file
from rotoscope.base.frame import Array, Frame
from rotoscope.runtime.media.segment_sink import SegmentRule
from rotoscope.runtime.media.segments import Segment
from rotoscope.runtime.network.stage import NetworkStage

States = list[dict[str, Array] | None]  # of the networks of a chain; None for one that has none, or that begins


class HandedOver:
    """Looks at each frame before it is translated: keeps the state where a segment ends, and begins with that of the last one.

    network  the stage whose networks have the state; it translates one frame after the other
    rule     for the ends of segments, which depend on times of frames alone
    begin    index of the first frame to be translated
    states   before that frame; None: they begin with it
    """

    def __init__(self, network: NetworkStage, rule: SegmentRule, begin: int, states: States | None) -> None:
        self._network, self._rule, self._begin, self._before = network, rule, begin, states
        self._first: Frame | None = None  # of the segment in work
        self._kept: dict[int, States] = {}  # by the index of the frame that comes next
        network.is_wanted = self.is_wanted

    def is_wanted(self, frame: Frame) -> bool:
        """Whether a frame is to be translated: it is in no segment yet. Called in order, before each translation."""
        if frame.index < self._begin:
            return False
        networks = self._network.networks
        if self._before is not None:
            for network, state in zip(networks, self._before, strict=True):
                network.state.restore(state)
            self._before = None
        if self._first is None:
            self._first = frame
        elif self._rule.ends_before(self._first, frame):
            self._kept[frame.index] = [network.state.saved() for network in networks]
            self._first = frame
        return True

    def write(self, index: int, path: Path) -> int:
        """Write the state before the frame of an index, where a segment ends; return the bytes of the file."""
        arrays = {
            f"{place}.{name}": array
            for place, state in enumerate(self._kept.pop(index))
            for name, array in (state or {}).items()
        }
        with part_file(path, overwrite=True) as part:
            np.savez(part, **arrays)
        return path.stat().st_size


def with_states(segments: Sequence[Segment], number: int) -> tuple[tuple[Segment, ...], States | None]:
    """The segments from the start of the video to the last one whose state can be read, and that; `number` of networks."""
    found: list[Segment] = []
    for segment in segments:
        if segment.first != (found[-1].end if found else 0) or not segment.state_bytes:
            break
        found.append(segment)
    while found:
        try:
            return tuple(found), _read(found[-1].state_path, number)
        except Exception:  # of zipfile and NumPy, of many kinds: it is damaged, or no run has written it
            found.pop()
    return (), None


def _read(path: Path, number: int) -> States:
    """The states of a chain of so many networks; raises ValueError and others for what no run has written."""
    states: States = [None] * number
    with zipfile.ZipFile(path) as members:
        if any(item.compress_type != zipfile.ZIP_STORED for item in members.infolist()):
            raise ValueError("compressed")
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            place, _, name = key.partition(".")
            states[int(place)] = {**(states[int(place)] or {}), name: arrays[key]}
    return states
