"""Part files: the hidden files and folders that results are written to before they get their names.

A run holds a lock on its part file as long as it lives, and the system drops the lock when the process ends, however it ends.
So the next run into the same folder can tell what a killed run left from what a living one writes, and removes the first.
"""

import functools
import hashlib
import logging
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.placing import finish_move, holds_old_files

if sys.platform != "win32":
    import fcntl

log = logging.getLogger("rotoscope")

PART = re.compile(r"\..{0,40}\.part-(?P<host>[0-9a-f]{8})-[0-9a-f]{8}(\.[^.]*)?", re.DOTALL)
FOREIGN_SECONDS = 24 * 3600.0  # a part of another machine, whose locks may not be visible here, is dead after this long


class Part:
    """A hidden file or folder beside a target, with the target's ending; locked from `create` to `release` or `remove`.

    It has a name from the start, so that its removal can be arranged before it exists: an interruption may come between any
    two statements.
    """

    def __init__(self, target: Path, *, is_folder: bool = False) -> None:
        self.path = part_name(target)
        self._target, self._is_folder = target, is_folder
        self._lock: int | None = None

    def create(self) -> None:
        """Remove what killed runs left in the folder, then create and lock the part; raises OutputFailed if that fails."""
        remove_leftovers(self.path.parent)
        try:
            while not self._is_created():
                pass  # another run took it for a leftover, before it was locked
        except OSError as error:
            raise OutputFailed(f"{self._target}: {error.strerror or error}") from error

    def release(self) -> None:
        """Drop the lock, after the part got its final name. May be called again."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def remove(self) -> None:
        """Delete the part, if it is still there. Never raises."""
        delete(self.path)
        self.release()

    def _is_created(self) -> bool:
        """Create and lock it; return False if another process removed it in between."""
        self.release()
        if self._is_folder:
            self.path.mkdir()
            if sys.platform == "win32":
                return True
            with suppress(FileNotFoundError):
                self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        else:
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
            self._lock = os.open(self.path, flags, 0o666)
        if sys.platform == "win32":
            self.release()
            return True
        if self._lock is not None:
            with suppress(
                OSError
            ):  # a file system without locks: the part can be written, but no later run can remove it
                fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self.path.exists()


def part_name(target: Path) -> Path:
    """Return a new hidden name beside the target, with the target's ending."""
    if not target.name:
        target = target.absolute()
    if not target.name:
        raise UsageError(f"{target}: no name for a result; accepted: the name of a file or folder")
    # A long name must stay below the file system's limit with its addition.
    return target.with_name(f".{target.stem[:40]}.part-{_host()}-{secrets.token_hex(4)}{target.suffix}")


def remove_leftovers(folder: Path) -> None:
    """Delete the part files and folders of runs that were killed; those that a process still writes are locked, and stay."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # no folder, or not readable: who writes there gets the error
        for name in os.listdir(folder):  # noqa: PTH208  # names are enough: there may be 100,000 pictures
            if (match := PART.fullmatch(name)) is not None:
                _remove_if_dead(folder / name, is_foreign=match["host"] != _host())


def delete(path: Path) -> None:
    """Delete a file or a folder with what is in it, if it is there and can be deleted. Never raises."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _remove_if_dead(part: Path, *, is_foreign: bool) -> None:
    assert sys.platform != "win32"
    with suppress(OSError):  # it is locked, gone, or somebody else's
        entry = part.lstat()
        is_folder = stat.S_ISDIR(entry.st_mode)
        if entry.st_uid != os.geteuid() or not (is_folder or stat.S_ISREG(entry.st_mode)):
            return
        if is_foreign and time.time() - entry.st_mtime < FOREIGN_SECONDS:
            return
        lock = os.open(part, os.O_NOFOLLOW | (os.O_RDONLY | os.O_DIRECTORY if is_folder else os.O_RDWR))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(part.lstat(), os.fstat(lock)):
                _delete_or_finish(part, is_foreign=is_foreign)
        finally:
            os.close(lock)


def _delete_or_finish(part: Path, *, is_foreign: bool) -> None:
    """Delete what a killed run left; if it was moving its files to their names, finish that first."""
    folder = None if is_foreign else finish_move(part)
    if folder is not None:
        log.warning("%s: a run was killed while its files got their names; they have them now", folder)
    elif holds_old_files(part):
        return  # of the user, who may want them back
    delete(part)


@functools.cache
def _host() -> str:
    """Return a digest of this machine's name, 8 hex digits."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
