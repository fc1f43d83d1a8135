"""An object store: whole objects, read and written under conditions; one file of the program knows its library.

The library is obstore, since fsspec has no conditional write that replaces a known version. Endpoint, region and credentials
come from the environment alone (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID ...).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.extras import needs_extra
from rotoscope.base.text import one_line

EXTRA = "batch"
SCHEMES = ("s3", "gs", "az")
CHUNK_BYTES = 8 << 20
MOST_READ_BYTES = 1 << 20  # of a record or a lock
RETRY_SECONDS = 30.0  # for which the library tries again while a store does not answer


class Changed(OutputFailed):
    """An object is no longer the one that a conditional write was to replace."""


@dataclass(frozen=True)
class Version:
    """What stands under a name: the conditions of a write that replaces this and nothing else.

    size  bytes
    """

    e_tag: str | None
    number: str | None
    size: int


@dataclass(frozen=True)
class Listed:
    """An object in a list; `path` is below the address of the store."""

    path: str
    version: Version


def is_address(name: str) -> bool:
    """Whether a name is the address of an object store."""
    return name.partition("://")[0] in SCHEMES and "://" in name


def place_of(out: str, target: str) -> str:
    """The whole name of a result."""
    return f"{out.rstrip('/')}/{target}" if is_address(out) else str(Path(out, target))


class Store:
    """The objects below an address such as s3://bucket/run7; paths are relative to it."""

    def __init__(self, address: str) -> None:
        with needs_extra(EXTRA):
            from obstore.store import from_url
        self.address = address.rstrip("/")
        bucket = self.address.partition("://")[2]
        if not bucket or bucket.startswith("/"):
            raise UsageError(f"{address}: no bucket; accepted: addresses such as s3://bucket/run7")
        try:
            self._store: Any = from_url(
                self.address,
                retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
            )
        except Exception as error:  # the library raises several kinds for what it cannot configure
            raise UsageError(f"{address}: {_first_line(error)}") from error

    def version(self, path: str) -> Version | None:
        """What stands at a path; None if nothing does. Raises OutputFailed if the store does not answer."""
        import obstore

        with _answers(self._name(path)):
            try:
                return _version_of(obstore.head(self._store, path))
            except FileNotFoundError:
                return None

    def read(self, path: str) -> tuple[bytes, Version] | None:
        """The bytes at a path and their version; None if nothing is there. b"" for more than MOST_READ_BYTES."""
        import obstore

        with _answers(self._name(path)):
            try:
                found = obstore.get(self._store, path)
                version = _version_of(found.meta)
                return b"" if version.size > MOST_READ_BYTES else bytes(found.bytes()), version
            except FileNotFoundError:
                return None

    def write_if(self, path: str, content: bytes, before: Version | None) -> Version:
        """Write where `before` stands, or where nothing does if it is None; raises Changed if something else stands there."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        known = {} if before is None else {"e_tag": before.e_tag, "version": before.number}
        mode: Any = {name: value for name, value in known.items() if value is not None} or "create"
        with _answers(self._name(path)):
            try:
                made = obstore.put(self._store, path, content, mode=mode)
            except (AlreadyExistsError, PreconditionError) as error:
                now = self.read(path)
                if now is not None and now[0] == content:  # an answer was lost, and the library has tried again
                    return now[1]
                raise Changed(f"{self._name(path)}: another process has written it") from error
            except NotSupportedError as error:
                raise OutputFailed(f"{self._name(path)}: the store has no conditional writes") from error
            return Version(made["e_tag"], made["version"], len(content))

    def upload(self, path: str, file: Path) -> None:
        """Write a file, in several parts if it is large: the object appears complete or not at all."""
        import obstore

        with _answers(self._name(path)):
            obstore.put(self._store, path, file)

    def download(self, path: str, file: Path, most_bytes: int) -> int:
        """Write an object into a file and return its bytes; raises OutputFailed for more than `most_bytes`."""
        import obstore

        done = 0
        with _answers(self._name(path)), file.open("wb") as target:
            for chunk in obstore.get(self._store, path).stream(min_chunk_size=CHUNK_BYTES):
                done += len(chunk)
                if done > most_bytes:
                    raise OutputFailed(f"{self._name(path)}: more than {most_bytes:,} bytes arrive")
                target.write(chunk)
        return done

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        import obstore

        with _answers(self._name(path)):
            obstore.delete(self._store, path)

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """The objects below a prefix, in order of their paths."""
        import obstore

        with _answers(self._name(prefix)):
            found = [item for page in obstore.list(self._store, prefix or None) for item in page]
        for item in sorted(found, key=lambda item: item["path"]):
            yield Listed(item["path"], _version_of(item))

    def _name(self, path: str) -> str:
        return f"{self.address}/{path}"


def _version_of(meta: Any) -> Version:
    return Version(meta["e_tag"], meta["version"], meta["size"])


def _first_line(error: Exception) -> str:
    return one_line(str(error).partition("\n")[0])[:300] or type(error).__name__


@contextmanager
def _answers(name: str) -> Iterator[None]:
    """Turn what the library raises within the block into OutputFailed, in one line with the name of the object."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (FileNotFoundError, BaseError) as error:
        raise OutputFailed(f"{name}: {_first_line(error)}") from error
