"""A watched folder: files that have appeared and whose writers have finished."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from rotoscope.base.errors import InputRefused
from rotoscope.jobs.inputs import stamp_of
from rotoscope.jobs.job import BatchJob
from rotoscope.jobs.listing import list_files

log = logging.getLogger("rotoscope")

STILL_LOOKS = 4  # looks, two a second, during which a file must not change before it is taken


class WatchedFolder:
    """Looks at sources again and again; each look gives the jobs of files that are new and did not change for STILL_LOOKS.

    sources  files, folders and globs, which may stand for no file yet
    jobs_of  makes jobs of (file, place)
    A file that changes after it was taken is taken again.
    """

    def __init__(
        self, sources: Sequence[str], out: Path, jobs_of: Callable[[list[tuple[Path, Path]]], list[BatchJob]]
    ) -> None:
        self._sources, self._out, self._jobs_of = sources, out, jobs_of
        self._taken: dict[Path, str] = {}  # file -> stamp
        self._targets: dict[str, str] = {}  # target -> source
        self._seen: dict[Path, tuple[str, int]] = {}  # file -> stamp, looks since it changed

    def look(self) -> list[BatchJob]:
        """The jobs of files that are complete now, and were not before."""
        ready = []
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
        """Whether no other source has the same target; a warning names the two."""
        other = self._targets.setdefault(job.target, job.source)
        if other != job.source:
            log.warning("%s is left out: %s has the same result, %s", job.source, other, self._out / job.target)
        return other == job.source

    def _files(self) -> list[tuple[Path, Path]]:
        found = []
        for source in self._sources:
            try:
                found += list_files([source], self._out)
            except InputRefused:  # nothing there yet
                continue
        return found
