"""The identity of inputs: the digest of their bytes, and a stamp that tells whether they must be read again for it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rotoscope.base.errors import InputRefused, RotoscopeError
from rotoscope.base.files import file_digest
from rotoscope.jobs.stores.remote_sources import identity, version_of
from rotoscope.jobs.stores.store import is_address
from rotoscope.runtime.media.sequence_files import sequence_files
from rotoscope.runtime.media.synthetic import PREFIX


@dataclass(frozen=True)
class Input:
    """A file or sequence as it is now.

    stamp   of an object its identity; else sha256 of names, sizes and times of change: equal if nothing was written since
    digest  sha256 of the bytes; of a sequence, of its names and bytes; of an object its identity
    """

    stamp: str
    digest: str


class Inputs:
    """Reads inputs; bytes are read once for each stamp.

    known  (name, what was found before)
    """

    def __init__(self, known: Iterable[tuple[str, Input]] = ()) -> None:
        self._known = {(name, found.stamp): found for name, found in known}

    def read(self, name: str) -> Input:
        """The input of a name; raises InputRefused if it is not there."""
        if name.startswith(PREFIX) and not Path(name).exists():
            return Input("", hashlib.sha256(name.encode()).hexdigest())
        if is_address(name):
            found = identity(version_of(name))
            return Input(found, found)
        files = sequence_files(name) or [Path(name)]
        try:
            stamp = stamp_of(files)
            if (name, stamp) not in self._known:
                self._known[name, stamp] = Input(stamp, _digest(files))
        except OSError as error:
            raise InputRefused(f"{name}: {(error.strerror or str(error)).lower()}") from error
        return self._known[name, stamp]


def num_bytes(name: str) -> int:
    """Bytes of a file, an object or the files of a sequence; 0 for what is not there or generated."""
    try:
        if is_address(name):
            return version_of(name).size
        return sum(file.stat().st_size for file in sequence_files(name) or [Path(name)])
    except (OSError, RotoscopeError):
        return 0


def stamp_of(files: Iterable[Path]) -> str:
    """Sha256 over name, size and time of change of each file; raises OSError if one is not there."""
    digest = hashlib.sha256()
    for file in files:
        entry = file.stat()
        digest.update(f"{file.name}\0{entry.st_size}\0{entry.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _digest(files: list[Path]) -> str:
    if len(files) == 1:
        return file_digest(files[0])
    names = "\0".join(file.name for file in files).encode(errors="surrogateescape")
    return hashlib.sha256(names + file_digest(*files).encode()).hexdigest()
