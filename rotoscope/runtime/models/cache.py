"""Files that are made once and kept in the user's cache folder: exported checkpoints, built engines.

What is kept here may be executed (an engine is native code), so the folder must be the user's own and closed to others.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from rotoscope.base.errors import UsageError
from rotoscope.base.files import part_file

LIMIT_BYTES = 16 << 30


def cache_folder() -> Path:
    """The folder, made if missing; raises UsageError if it belongs to somebody else or others may write into it."""
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
    """A digest of everything that a file depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The file of that name, made by `make(part)` if it is not there; when several processes ask at once, one makes it."""
    target = cache_folder() / name
    with FileLock(target.with_name(f"{name}.lock"), mode=0o600):
        if not target.is_file():
            with part_file(target, overwrite=True) as part:
                make(part)
            _forget_the_oldest(keep=target)
        os.utime(target)  # when it was last used
    return target


def _forget_the_oldest(keep: Path) -> None:
    """Delete what was not used for longest until the folder holds no more than its limit."""
    files = [file for file in keep.parent.iterdir() if file.is_file() and file.suffix != ".lock" and file != keep]
    files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
    total = keep.stat().st_size
    for file in files:
        total += file.stat().st_size
        if total > LIMIT_BYTES:
            file.unlink(missing_ok=True)
