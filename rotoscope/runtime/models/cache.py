"""Files that are made once and kept in the user's cache folder: exported checkpoints, built engines.

A file that is kept here may be executed (an engine is machine code), so the folder must belong to the user, and nobody else
may be able to write to it.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from rotoscope.base.errors import UsageError
from rotoscope.base.files import part_file

LIMIT_BYTES = 16 << 30  # of all files that are kept
PART_SECONDS = 24 * 3600.0  # after which the process that wrote a part file has ended


def cache_folder() -> Path:
    """Return the folder, made if missing; raise UsageError if it is another user's, or if others may write to it."""
    folder = user_cache_path("rotoscope") / "models"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if hasattr(os, "geteuid"):
        entry = folder.lstat()
        is_private = stat.S_ISDIR(entry.st_mode) and entry.st_uid == os.geteuid() and not entry.st_mode & 0o022
        if not is_private:
            raise UsageError(
                f"{folder}: must be a folder of yours that only you can write to (chmod 700, or delete it)"
            )
    return folder


def key_of(**parts: Any) -> str:
    """Return a digest (32 hex digits) of everything that a file depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the file of that name; if it is missing, make it with `make(part)`.

    When several processes ask at the same time, one makes the file and the others wait for it.
    """
    target = cache_folder() / name
    lock = target.with_name(f"{name}.lock")
    with FileLock(lock, mode=0o600):
        try:
            os.utime(target)  # now in use: other processes delete it last
        except FileNotFoundError:
            with part_file(target, overwrite=True) as part:
                make(part)
            delete_oldest(keep=target)
            delete_leftovers(keep=lock)
        finally:
            _delete(lock)  # a process that waits for it sees that it is gone, and makes a new one
    return target


def delete_oldest(keep: Path) -> None:
    """Delete the files that were not used for the longest time, until all take at most LIMIT_BYTES; never `keep`.

    Part files and locks are neither counted nor deleted. Files that another process deletes meanwhile are skipped.
    """
    found: list[tuple[float, int, Path]] = []
    for file in keep.parent.iterdir():
        if not file.name.startswith(".") and file.suffix != ".lock" and file != keep:
            with suppress(FileNotFoundError):
                entry = file.stat()
                if stat.S_ISREG(entry.st_mode):
                    found.append((entry.st_mtime, entry.st_size, file))
    total = keep.stat().st_size
    for _, size, file in sorted(found, reverse=True):
        total += size
        if total > LIMIT_BYTES:
            _delete(file)


def delete_leftovers(keep: Path) -> None:
    """Delete what killed processes left: part files that are older than a day, and locks that nobody holds except `keep`."""
    for part in keep.parent.glob(".*.part-*"):
        with suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > PART_SECONDS:
                _delete(part)
    for file in keep.parent.glob("*.lock"):
        if file != keep:
            with suppress(Timeout), FileLock(file, mode=0o600, timeout=0):
                _delete(file)


def _delete(file: Path) -> None:
    with suppress(OSError):  # gone already, or open in another process on Windows
        file.unlink()
