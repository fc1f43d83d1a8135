"""Records: one JSON file per job in the folder of results, written as a whole or not at all; and the locks of jobs in work."""

import functools
import hashlib
import json
import logging
import os
import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from filelock import FileLock, Timeout
from pydantic import ConfigDict, TypeAdapter

from rotoscope.base.errors import OutputFailed
from rotoscope.base.files import file_digest, sync, why_unusable
from rotoscope.base.text import json_text
from rotoscope.base.version import VERSION
from rotoscope.jobs.listing.inputs import Input
from rotoscope.jobs.listing.job import FOLDER, BatchJob, is_path, is_target, own_folder, segment_folder
from rotoscope.jobs.stores.store import is_address
from rotoscope.runtime.pipeline.parts import Part
from rotoscope.runtime.pipeline.segmentation import Segmented

log = logging.getLogger("rotoscope")

State = Literal["started", "done", "failed", "refused"]
MOST_BYTES = 1 << 20  # of a record
MOST_ATTEMPTS = 3  # of a job that fails; one whose input is refused is not tried again


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of one job.

    key       of the job, see `job_key`
    state     "started" is also that of a job whose process and driver were killed
    inputs    "source" and the options that name files -> stamp and digest
    attempts  that failed
    digest    sha256 of the result; of pictures, of their names and bytes
    bytes     of the result
    seconds   that the last attempt took
    at        time of this record, UTC
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    key: str
    state: State
    source: str
    target: str
    models: tuple[str, ...]
    model_sha256: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    attempts: int = 0
    error: str = ""
    frames: int = 0
    seconds: float = 0.0
    digest: str = ""
    bytes: int = 0
    losses: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    host: str = field(default_factory=platform.node)
    rotoscope: str = VERSION
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def is_final(self) -> bool:
        """Whether nothing more is done about the job unless the user asks for it."""
        return self.state in ("done", "refused") or (self.state == "failed" and self.attempts >= MOST_ATTEMPTS)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        return {"schema": 1, **asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Record":
        """The record of what `to_json` gave; raises ValueError, TypeError or KeyError for anything else."""
        given = dict(content)
        if given.pop("schema") != 1:
            raise ValueError("another schema")
        record = _adapter().validate_python(given)
        if not is_target(record.target) or not (is_address(record.source) or is_path(record.source)):
            raise ValueError("not the path of a result")
        return record


class Records:
    """The records below a folder of results.

    folder  the folder of results; its folder `.rotoscope` is made when the first record is written
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self.name = str(folder)
        self._results, self._records = folder, folder / FOLDER / "records"

    def all(self) -> list[Record]:
        """Every record that can be read, in no order."""
        found = []
        for file in sorted(self._records.glob("*.json")) if self._records.is_dir() else []:
            record = self._read(file)
            if record is not None:
                found.append(record)
        return found

    def of(self, key: str) -> Record | None:
        """The record of a key; None if there is none."""
        file = self._records / f"{key}.json"
        return self._read(file) if file.exists() else None

    def write(self, record: Record) -> None:
        """Write a record, in place of an earlier one of its key; raises OutputFailed."""
        file = self._records / f"{record.key}.json"
        part = self._records / f".{record.key}.{secrets.token_hex(4)}"
        try:
            own_folder(self._results, "records")
            part.write_text(json_text(record.to_json()) + "\n")
            sync(part)
            part.replace(file)
            sync(self._records)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OutputFailed(f"{file}: {error.strerror or error}") from error

    def forget(self, key: str) -> None:
        """Delete a record: another one stands for its result."""
        (self._records / f"{key}.json").unlink(missing_ok=True)

    def is_whole(self, record: Record) -> bool:
        """Whether the result of a record is there, with as many bytes as it had."""
        return record.bytes == result_bytes(self._results / record.target)

    def has(self, target: str) -> bool:
        """Whether something stands at a target."""
        return (self._results / target).exists()

    @contextmanager
    def writing(self, target: str, *, may_replace: bool) -> Iterator[Path]:  # noqa: ARG002  # `translate` sees to that
        """The path that the block writes a result to, complete or not at all."""
        path = self._results / target
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path

    @contextmanager
    def segments(self, key: str, seconds: float, part: Part | None = None) -> Iterator[Segmented]:
        """The segments of a job, or of a part of it: the folder where they stay."""
        yield Segmented(segment_folder(self._results, key), seconds, is_required=False, part=part)

    def forget_segments(self, key: str) -> None:
        """Delete the segments of a job that is done: another run may have left some."""
        shutil.rmtree(segment_folder(self._results, key), ignore_errors=True)

    @contextmanager
    def claimed(self, target: str, patience_seconds: float = 0.0) -> Iterator[bool]:
        """Hold the lock of a target for the block; False if another process still holds it after so long."""
        lock = FileLock(own_folder(self._results, "locks") / f"{target_name(target)}.lock")
        try:
            lock.acquire(timeout=patience_seconds)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _read(self, file: Path) -> Record | None:
        try:
            if reason := why_unusable(file, MOST_BYTES):
                raise ValueError(reason)
            record = Record.from_json(json.loads(file.read_text()))
            if record.key != file.stem:
                raise ValueError("not what a run has written under this name")
            return record
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            log.warning("%s: not a record; its job is done again", file)
            return None


def target_name(target: str) -> str:
    """A name for the lock of a target: 32 hex digits."""
    return hashlib.sha256(os.fsencode(target)).hexdigest()[:32]


@functools.cache
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def start_of(job: BatchJob, key: str, inputs: Mapping[str, Input], models: tuple[str, ...], attempts: int) -> Record:
    """The record of a job that starts now."""
    return Record(
        key=key, state="started", source=job.source, target=job.target, models=job.models, model_sha256=models,
        options=dict(job.options), inputs=inputs, attempts=attempts,
    )  # fmt: skip


def failed(record: Record, error: str, *, is_final: bool = False) -> Record:
    """The record after a failure; is_final: trying again cannot help."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(record, state="refused" if is_final else "failed", attempts=record.attempts + 1, error=error, at=now)


def result_files(target: Path) -> list[Path]:
    """The files of a result: itself, or those of a folder of pictures."""
    if target.is_dir():
        return sorted(file for file in target.iterdir() if file.is_file() and not file.name.startswith("."))
    return [target] if target.is_file() else []


def result_bytes(target: Path) -> int | None:
    """Bytes of a result; None if it is not there."""
    files = result_files(target)
    return sum(file.stat().st_size for file in files) if files else None


def result_digest(target: Path) -> str:
    """Sha256 of a result that is there."""
    files = result_files(target)
    return file_digest(*files) if files else ""
