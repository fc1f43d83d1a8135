"""Records, locks and results in an object store: whatever two processes could both write is written under a condition."""

import json
import logging
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.text import json_text
from rotoscope.jobs.listing.job import FOLDER
from rotoscope.jobs.results.records import Record, target_name
from rotoscope.jobs.results.stored_segments import StoredSegments
from rotoscope.jobs.stores.store import Changed, Store, Version
from rotoscope.jobs.stores.temporary import temporary_folder
from rotoscope.runtime.pipeline.parts import Part
from rotoscope.runtime.pipeline.segmentation import Segmented

log = logging.getLogger("rotoscope")

LEASE_SECONDS = 60.0  # a lock that was not renewed for so long is that of a dead process
RENEW_SECONDS = 10.0  # between two renewals
LOOK_SECONDS = 1.0  # between two looks at the lock of another process
READERS = 16  # requests at once when all records are read


class ObjectRecords:
    """What `Records` is for a folder, for an address such as s3://bucket/run7.

    A record replaces only the one that this object has read or written last: a process that was taken for dead and goes on
    gets Changed, and changes nothing.
    """

    folder: Path | None = None

    def __init__(self, address: str) -> None:
        self._store = Store(address)
        self.name = self._store.address
        self._versions: dict[str, Version | None] = {}  # of records, by key

    def all(self) -> list[Record]:
        """Every record that can be read, in no order."""
        paths = [item.path for item in self._store.list(f"{FOLDER}/records")]
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(self.of, (PurePosixPath(path).stem for path in paths))
            return [record for record in found if record is not None]

    def of(self, key: str) -> Record | None:
        """The record of a key; None if there is none."""
        read = self._store.read(_record_path(key))
        self._versions[key] = None if read is None else read[1]
        if read is None:
            return None
        try:
            record = Record.from_json(json.loads(read[0]))
            if record.key != key:
                raise ValueError("a record under the name of another")
            return record
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            log.warning("%s/%s: not a record; its job is done again", self.name, _record_path(key))
            return None

    def write(self, record: Record) -> None:
        """Write a record in place of the one that was read or written last; raises Changed if another stands there."""
        if record.key not in self._versions:
            self._versions[record.key] = self._store.version(_record_path(record.key))
        content = (json_text(record.to_json()) + "\n").encode()
        before = self._versions[record.key]
        self._versions[record.key] = self._store.write_if(_record_path(record.key), content, before)

    def forget(self, key: str) -> None:
        """Delete a record: another one stands for its result."""
        self._store.delete(_record_path(key))
        self._versions[key] = None

    def is_whole(self, record: Record) -> bool:
        """Whether the result of a record is there, with as many bytes as it had."""
        found = self._store.version(record.target)
        return found is not None and found.size == record.bytes

    def has(self, target: str) -> bool:
        """Whether something stands at a target."""
        return self._store.version(target) is not None

    @contextmanager
    def segments(self, key: str, seconds: float, part: Part | None = None) -> Iterator[Segmented]:
        """The segments of a job, or of a part of it: a folder of this machine, from which each is uploaded when complete."""
        with temporary_folder() as folder:
            stored = StoredSegments(self._store, key, folder / "segments" / key[:32])
            yield Segmented(
                stored.folder, seconds, is_required=False, part=part, fetch=stored.fetch, on_segment=stored.add
            )

    def forget_segments(self, key: str) -> None:
        """Delete the segments of a job that is done."""
        StoredSegments(self._store, key, Path()).forget()

    @contextmanager
    def writing(self, target: str, *, may_replace: bool) -> Iterator[Path]:
        """A path on this machine; what the block leaves there is uploaded, complete or not at all."""
        if not may_replace and self.has(target):
            raise UsageError(f"{self.name}/{target} exists; accepted: another target, or --overwrite")
        with temporary_folder() as folder:
            path = folder / PurePosixPath(target).name
            yield path
            if not path.is_file():
                raise UsageError(f"{target}: a folder of pictures; accepted in an object store: results of one file")
            self._store.upload(target, path)

    @contextmanager
    def claimed(self, target: str, patience_seconds: float = 0.0) -> Iterator[bool]:
        """Hold the lock of a target for the block; False if another process holds it and goes on renewing it for so long."""
        path = f"{FOLDER}/locks/{target_name(target)}.json"
        version = self._claim(path, patience_seconds)
        if version is None:
            yield False
            return
        lease = _Lease(self._store, path, version)
        try:
            yield True
        finally:
            lease.release()

    def _claim(self, path: str, patience_seconds: float) -> Version | None:
        """Write our name into a lock that is free, or that was not renewed for LEASE_SECONDS; None if it lives on."""
        begin = unchanged_since = time.monotonic()
        seen: Version | None = None
        while True:
            read = self._store.read(path)
            now = time.monotonic()
            is_free = read is None or b'"holder": ""' in read[0]
            if not is_free and read is not None and read[1] != seen:
                if seen is not None and now - begin >= patience_seconds:
                    return None  # somebody renews it
                seen, unchanged_since = read[1], now
            if is_free or now - unchanged_since >= LEASE_SECONDS:
                with suppress(Changed):  # another process was quicker; look again
                    return self._store.write_if(path, _lock_content(), None if read is None else read[1])
            time.sleep(LOOK_SECONDS)


class _Lease:
    """A lock that is renewed by a thread until it is released."""

    def __init__(self, store: Store, path: str, version: Version) -> None:
        self._store, self._path, self._version = store, path, version
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="rotoscope-lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let others have the lock, if it is still ours."""
        self._is_over.set()
        self._thread.join()
        with suppress(OutputFailed):  # it was taken over, or runs out by itself
            self._store.write_if(self._path, json_text({"holder": ""}).encode(), self._version)

    def _renew(self) -> None:
        while not self._is_over.wait(RENEW_SECONDS):
            try:
                self._version = self._store.write_if(self._path, _lock_content(), self._version)
            except Changed:
                return  # it was taken over: the record can no longer be written
            except OutputFailed as error:
                log.warning("%s", error)  # the next renewal may come through


def _record_path(key: str) -> str:
    return f"{FOLDER}/records/{key}.json"


def _lock_content() -> bytes:
    """Who holds a lock; never the same twice, so that every renewal is a new version."""
    return json_text({"holder": f"{platform.node()} {secrets.token_hex(8)}"}).encode()
