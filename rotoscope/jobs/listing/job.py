"""One job of a batch, and its key: what decides the content of a result."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.options import ModelOptions, OutputOptions, SourceOptions, SteadyOptions, options_from
from rotoscope.base.version import VERSION

MOST_NAME_BYTES = 255  # of a file or folder, on the usual file systems
FOLDER = ".rotoscope"  # in the folder of results: records, segments, logs, locks
# Options that may name a file.
INPUTS = ("mask", "instances", "drawings", "style", "like", "op_library", "flow", "interpolator")


@dataclass(frozen=True)
class BatchJob:
    """A translation to be done.

    source   what `translate` reads: a file, a folder of pictures, a pattern
    target   the result, a path below the folder of results, with /
    models   names of the chain
    options  keywords of `translate` that differ from their defaults, with `engine` and `in_flight`, as JSON holds them
    """

    source: str
    target: str
    models: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, source: str, target: str, models: tuple[str, ...], options: Mapping[str, Any]) -> Self:
        """The job of some options, defaults among them."""
        in_flight = options.get("in_flight")
        kept = changed(options) if in_flight is None else {**changed(options), "in_flight": in_flight}
        return cls(source, target, models, kept)

    @property
    def model_options(self) -> dict[str, Any]:
        """The options that decide how the models are opened."""
        return {name: value for name, value in self.options.items() if name in ModelOptions.__annotations__}

    @property
    def further_inputs(self) -> dict[str, str]:
        """Name of an option -> the file that it names."""
        named = {name: self.options.get(name) for name in INPUTS}
        paths = {name: value.removeprefix("onnx:") for name, value in named.items() if isinstance(value, str)}
        return {
            name: path
            for name, path in paths.items()
            if name not in ("style", "flow", "interpolator") or (is_path(path) and Path(path).is_file())
        }


def job_key(job: BatchJob, inputs: Mapping[str, str], models: Sequence[str]) -> str:
    """64 hex digits: equal for jobs whose results are equal.

    inputs  digest of the source, under "source", and of each further input
    models  digests of the files of the chain
    `in_flight` does not count, which leaves the result as it is.
    """
    content = {
        "target": job.target,
        "inputs": dict(inputs),
        "models": list(models),
        "options": {name: value for name, value in job.options.items() if name not in (*inputs, "in_flight")},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def changed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults, as JSON would give them back; `overwrite` and `in_flight` are left out."""
    left = {name: value for name, value in options.items() if name not in ("overwrite", "in_flight")}
    values = (
        options_from(SourceOptions, left), options_from(ModelOptions, left), options_from(SteadyOptions, left),
        options_from(OutputOptions, left),
    )  # fmt: skip
    given = {name: value for each in values for name, value in vars(each).items()}
    defaults = {name: value for each in values for name, value in vars(type(each)()).items()}
    return {name: value for name, value in _as_json(given).items() if value != _as_json(defaults)[name]}


def _as_json(content: dict[str, Any]) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(json.dumps(content))
    return held


def is_path(text: str) -> bool:
    """Tell whether a file can have this path: without NUL, encodable, each name at most MOST_NAME_BYTES long."""
    try:
        is_short = all(len(os.fsencode(part)) <= MOST_NAME_BYTES for part in Path(text).parts)
    except UnicodeEncodeError:
        return False
    return is_short and "\0" not in text


def is_target(text: str) -> bool:
    """Tell whether a path is relative, has no "..", and does not begin with .rotoscope: then a result may have it."""
    path = Path(text)
    is_outside = path.is_absolute() or ".." in path.parts or path.parts[:1] == (FOLDER,)
    return bool(path.name) and not is_outside and is_path(text)


def own_folder(results: Path, *names: str) -> Path:
    """A folder below .rotoscope in the folder of results, made if missing.

    Raises OutputFailed for a link, which would let a folder of a stranger choose where records and logs are written.
    """
    folder = _without_links(results, *names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{folder}: {error.strerror or error}") from error
    return folder


def segment_folder(results: Path, key: str) -> Path:
    """Folder of the segments of a job: of this version alone, since pictures of two versions must not meet in one video.

    It is not made. Raises OutputFailed for a link, as `own_folder`.
    """
    return _without_links(results, "segments", segments_name(key))


def segments_name(key: str) -> str:
    """Name of the folder of a job's segments."""
    return f"{key[:32]}-{VERSION}"


def _without_links(results: Path, *names: str) -> Path:
    folder = results
    for name in (FOLDER, *names):
        folder = folder / name
        if folder.is_symlink():
            raise OutputFailed(f"{folder}: a link; accepted: a folder. Delete it, or name another folder of results")
    return folder


def check_storable(options: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that a record cannot hold: an array."""
    for name, value in options.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise UsageError(
                f"{name} of type {type(value).__name__}; accepted in a batch: texts, numbers, names of files"
            ) from None
