"""The segments of a job in an object store: fetched before it goes on, uploaded one by one, deleted when it is done."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from rotoscope.jobs.listing.job import FOLDER, segments_name
from rotoscope.jobs.stores.store import Changed, Listed, Store
from rotoscope.runtime.media.segments import Segment
from rotoscope.runtime.pipeline.parts import Part

NAME = re.compile(r"(\d{9})\.(json|npz|mp4|m4v|mov|mkv|webm)")


class StoredSegments:
    """The segments of one job; those of a folder of this machine are copies of them.

    folder  of this machine
    """

    def __init__(self, store: Store, key: str, folder: Path) -> None:
        self._store, self.folder = store, folder
        self._prefix = f"{FOLDER}/segments/{segments_name(key)}"

    def fetch(self, part: Part | None) -> None:
        """Copy the complete segments into the folder: all, or those that begin in a part."""
        found = [(item, match) for item in self._listed() if (match := NAME.fullmatch(_name(item))) is not None]
        complete = {match[1] for _, match in found if match[2] == "json"}
        for item, match in found:
            is_wanted = part is None or (int(match[1]) >= part.first and (part.end is None or int(match[1]) < part.end))
            if match[1] in complete and is_wanted:
                self._store.download(item.path, self.folder / _name(item), item.version.size)

    def add(self, segment: Segment) -> None:
        """Upload a segment; its record comes last, and replaces one that describes something else, such as a damaged one."""
        for file in (segment.path, *([segment.state_path] if segment.state_bytes else [])):
            self._store.upload(f"{self._prefix}/{file.name}", file)
        path, content = f"{self._prefix}/{segment.record_path.name}", segment.record_path.read_bytes()
        there = self._store.read(path)
        if there is None or there[0] != content:
            with suppress(Changed):  # another process has just written the same segment
                self._store.write_if(path, content, None if there is None else there[1])

    def forget(self) -> None:
        """Delete all segments of the job."""
        for item in self._listed():
            self._store.delete(item.path)

    def _listed(self) -> Iterator[Listed]:
        return self._store.list(self._prefix)


def _name(item: Listed) -> str:
    return PurePosixPath(item.path).name
