"""Watched folders: files that have appeared and whose writers have finished, and objects, which appear complete."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rotoscope.base.errors import InputRefused, OutputFailed
from rotoscope.jobs.listing.inputs import stamp_of
from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.listing.sources import list_files
from rotoscope.jobs.stores.remote_sources import identity, list_objects, version_of
from rotoscope.jobs.stores.store import is_address, place_of

log = logging.getLogger("rotoscope")

STILL_LOOKS = 4  # looks, two a second, during which a file must not change before it is taken
LIST_SECONDS = 10.0  # between two lists of the objects of a store, which are requests that cost money


class WatchedFolder:
    """Looks at sources again and again; each look gives the jobs of files that are new and did not change for STILL_LOOKS.

    sources  files, folders and globs, also in object stores, which may stand for nothing yet
    out      folder of results, or address in an object store
    jobs_of  makes jobs of (file or address, place)
    A file that changes after it was taken is taken again.
    """

    def __init__(
        self, sources: Sequence[str], out: str, jobs_of: Callable[[list[tuple[str | Path, Path]]], list[BatchJob]]
    ) -> None:
        self._files_of = [source for source in sources if not is_address(source)]
        self._addresses = [source for source in sources if is_address(source)]
        self._out, self._jobs_of = out, jobs_of
        self._listed_at = -LIST_SECONDS
        self._taken: dict[str | Path, str] = {}  # file or address -> stamp
        self._targets: dict[str, str] = {}  # target -> source
        self._seen: dict[Path, tuple[str, int]] = {}  # file -> stamp, looks since it changed

    def look(self) -> list[BatchJob]:
        """The jobs of files that are complete now, and were not before."""
        ready = self._objects()
        for file, place in self._files():
            try:
                stamp = stamp_of([file])
            except OSError:  # it has gone
                continue
            if self._taken.get(file) == stamp:
                continue
            before, looks = self._seen.get(file, ("", 0))
            looks = looks + 1 if stamp == before else 0
            self._seen[file] = (stamp, looks)
            if looks >= STILL_LOOKS:
                ready.append((file, place))
                self._taken[file] = stamp
        return [job for job in self._jobs_of(ready) if self._is_alone(job)]

    def _is_alone(self, job: BatchJob) -> bool:
        """Return False, after a warning that names both, if another source has the same target."""
        other = self._targets.setdefault(job.target, job.source)
        if other != job.source:
            log.warning(
                "%s is left out: %s has the same result, %s", job.source, other, place_of(self._out, job.target)
            )
        return other == job.source

    def _files(self) -> list[tuple[Path, Path]]:
        found = []
        for source in self._files_of:
            try:
                found += list_files([source], None if is_address(self._out) else Path(self._out))
            except InputRefused:  # nothing there yet
                continue
        return found

    def _objects(self) -> list[tuple[str | Path, Path]]:
        """The objects that are new or changed, every LIST_SECONDS."""
        if not self._addresses or time.monotonic() - self._listed_at < LIST_SECONDS:
            return []
        self._listed_at = time.monotonic()
        ready: list[tuple[str | Path, Path]] = []
        for address in self._addresses:
            try:
                found = list_objects(address, self._out)
            except InputRefused:  # nothing there yet
                continue
            except OutputFailed as error:
                log.warning("%s", error)  # the next list may come through
                continue
            for name, place in found:
                stamp = identity(version_of(name))
                if self._taken.get(name) != stamp:
                    self._taken[name] = stamp
                    ready.append((name, place))
        return ready
