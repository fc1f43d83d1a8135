"""The user's cache: five kinds of things that are made once and kept, each in a folder with a limit of its size.

What is kept may be executed (kernels are machine code, their index files are pickles, engines are programs). So every folder
from the cache's own down must belong to the user, must not be a link, and no other user may be able to write to it.

A process that uses an entry holds a lock on a byte of the file `.users` in the folder until it ends. Entries without such a
lock are deleted when a kind exceeds its limit, those first that were not used for the longest time.
"""

import errno
import hashlib
import os
import stat
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from platformdirs import user_cache_path

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.parts import delete, part_name, remove_leftovers

if sys.platform != "win32":
    import fcntl

Kind = Literal["models", "engines", "frames", "kernels", "clips"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LIMIT_BYTES: dict[Kind, int] = {
    "models": 16 << 30,
    "engines": 16 << 30,
    "frames": 64 << 30,
    "kernels": 1 << 30,
    "clips": 1 << 30,
}

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

USERS = ".users"  # the file whose bytes are locked: one byte for each entry, by a digest of its name


@dataclass(frozen=True)
class Usage:
    """What a kind takes: its folder, the number of its entries, and bytes on the disk with part files and locks."""

    kind: Kind
    folder: Path
    entries: int
    size: int


def folder_of(kind: Kind) -> Path:
    """Return where a kind is kept, whether or not it exists; NUMBA_CACHE_DIR, if it is set, is the place of the kernels."""
    root = user_cache_path("rotoscope")
    if kind == "kernels" and os.environ.get("NUMBA_CACHE_DIR"):
        root = Path(os.environ["NUMBA_CACHE_DIR"]) / "rotoscope"
    return root / kind


def cache_folder(kind: Kind, *below: str) -> Path:
    """Return the folder of a kind, or a folder below it, made if missing.

    Raises UsageError if it cannot be made or written to, or if it is not private to this user; OutputFailed on a full disk.
    """
    folder = folder_of(kind).parent
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _make_private(folder)
        for name in (kind, *below):
            folder = folder / name
            _make_private(folder)
    except OSError as error:
        raise cache_failed(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise cache_failed(folder, OSError(errno.EACCES, "not writable"))
    return folder


def cache_failed(folder: Path, error: OSError) -> UsageError | OutputFailed:
    """Return the error for a cache folder that the system refuses, with what to do about it."""
    is_file = isinstance(error, FileExistsError | NotADirectoryError)
    reason = f"cache folder {folder}: {'not a folder' if is_file else error.strerror or error}"
    if error.errno in FULL:
        return OutputFailed(f"{reason}; rotoscope cache clear makes room, XDG_CACHE_HOME names another place")
    return UsageError(f"{reason}; XDG_CACHE_HOME names another place")


def use(entry: Path) -> bool:
    """Mark an entry as used now, and in use until this process ends; return whether it is there.

    Waits while another process deletes it. Call it before the entry is made as well, so that it stays once it is there.
    """
    with _lock:
        _in_use.add(_key(entry))
        _lock_byte(entry, wait=True, is_shared=True)
    try:
        os.utime(entry)
    except FileNotFoundError:
        return False
    except PermissionError:  # on Windows, open in another process
        pass
    return True


def trim(kind: Kind) -> None:
    """Delete part files, unheld locks, and the entries that were not used for the longest time, down to the kind's limit."""
    folder = folder_of(kind)
    remove_leftovers(folder)
    _remove_locks(folder)
    found = []
    for entry in _entries(folder):
        with suppress(FileNotFoundError):
            found.append((entry.stat().st_mtime, _size(entry), entry))
    total = sum(size for _, size, _ in found)
    for _, size, entry in sorted(found):
        if total <= LIMIT_BYTES[kind]:
            return
        if _delete_unused(entry):
            total -= size


def clear(kind: Kind) -> int:
    """Delete everything of a kind that no process uses; return the number of entries that stay because they are in use.

    Raises UsageError for a folder that is not private: a link could lead to anything.
    """
    if not os.path.lexists(folder_of(kind)):
        return 0
    folder = cache_folder(kind)
    remove_leftovers(folder)
    _remove_locks(folder)
    return sum(not _delete_unused(entry) for entry in _entries(folder))


def usage(kind: Kind) -> Usage:
    """Return what a kind takes on the disk."""
    folder = folder_of(kind)
    return Usage(kind, folder, len(_entries(folder)), _size(folder))


_lock = threading.Lock()  # guards the two below
_in_use: set[tuple[int, Path]] = set()  # entries of this process, with its number: a forked child has locks of its own
_users: dict[
    tuple[int, Path], int
] = {}  # folder -> descriptor of its file of locks; never closed, which would drop all


def _make_private(folder: Path) -> None:
    """Make a folder if it is missing; raise UsageError if it is a link or another user's, or if others may write to it."""
    folder.mkdir(exist_ok=True, mode=0o700)
    if not hasattr(os, "geteuid"):
        return
    entry = folder.lstat()
    if not (stat.S_ISDIR(entry.st_mode) and entry.st_uid == os.geteuid() and not entry.st_mode & 0o022):
        raise UsageError(
            f"{folder}: must be a folder of yours, not a link, that only you can write to (chmod 700, or delete it)"
        )


def _key(entry: Path) -> tuple[int, Path]:
    return os.getpid(), entry


def _lock_byte(entry: Path, *, wait: bool, is_shared: bool) -> bool:
    """Lock the byte of an entry; return False if another process has it, or if the file system knows no locks."""
    if sys.platform == "win32":
        return False
    kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    try:
        key = _key(entry.parent)
        if key not in _users:
            _users[key] = os.open(entry.parent / USERS, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.lockf(_users[key], kind if wait else kind | fcntl.LOCK_NB, 1, _byte(entry))
    except OSError:
        return False
    return True


def _byte(entry: Path) -> int:
    """Return the place of an entry's byte, by a digest of its name; two names at one place would only wait for each other."""
    return int.from_bytes(hashlib.sha256(entry.name.encode()).digest()[:7])


def _delete_unused(entry: Path) -> bool:
    """Delete an entry and return True, unless a process uses it."""
    with _lock:
        if _key(entry) in _in_use:
            return False
        if sys.platform != "win32" and not _lock_byte(entry, wait=False, is_shared=False):
            return False
        try:
            # Renamed first: a folder that is half deleted must not look like an entry.
            part = part_name(entry)
            with suppress(OSError):
                entry.rename(part)
                delete(part)
        finally:
            if sys.platform != "win32":
                fcntl.lockf(_users[_key(entry.parent)], fcntl.LOCK_UN, 1, _byte(entry))
    return not entry.exists()


def _remove_locks(folder: Path) -> None:
    """Delete the `.lock` files that no process holds."""
    from filelock import FileLock, Timeout

    for file in folder.glob("*.lock"):
        with suppress(Timeout, OSError), FileLock(file, mode=0o600, timeout=0):
            delete(file)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.suffix != ".lock"]


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    size = 0
    with suppress(FileNotFoundError, NotADirectoryError):
        entry = path.lstat()
        if not stat.S_ISDIR(entry.st_mode):
            return entry.st_size
        for inner in path.iterdir():
            size += _size(inner)
    return size
