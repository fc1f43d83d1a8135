"""Files that are made once and kept in the user's cache: exported checkpoints, built engines, the demo clip."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from rotoscope.base.cache import cache_failed, cache_folder, trim, use
from rotoscope.base.errors import OutputFailed
from rotoscope.base.files import place
from rotoscope.base.parts import Part


def key_of(**parts: Any) -> str:
    """Return a digest (32 hex digits) of everything that a file depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cached(kind: Literal["models", "engines", "clips"], name: str, make: Callable[[Path], None]) -> Path:
    """Return the file of that name, in use until this process ends; if it is missing, make it with `make(path)`.

    When several processes ask at the same time, one makes the file and the others wait for it.
    """
    target = cache_folder(kind) / name
    with _locked(target.with_name(f"{name}.lock")):
        if not use(target):
            _make(target, make)
            trim(kind)
    return target


def _make(target: Path, make: Callable[[Path], None]) -> None:
    """Make the file in a hidden folder that is locked: what makes it may put another file in its place, without a lock."""
    part = Part(target, is_folder=True)
    try:
        part.create()
        made = part.path / target.name
        make(made)
        place(made, target, overwrite=True)
    except OSError as error:
        raise OutputFailed(f"{target}: {error.strerror or error}") from error
    finally:
        part.remove()


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a lock file within the block and delete it at the end; a process that waits for it sees that and makes a new one."""
    lock = FileLock(file, mode=0o600)
    try:
        lock.acquire()
    except OSError as error:
        raise cache_failed(file.parent, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # on Windows, open in another process
            file.unlink()
        lock.release()
