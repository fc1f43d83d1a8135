"""A file of jobs: one JSON object on each line, whose keys are the options of `translate`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotoscope.assembly.models import ANY_PAINTING
from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.base.files import why_unusable
from rotoscope.base.nearest import nearest
from rotoscope.base.option_checks import check_count
from rotoscope.base.options import IN_FLIGHT, TRANSLATE_VALUES, check_options
from rotoscope.base.text import MAX_NAME, shortened
from rotoscope.jobs.listing.job import BatchJob, is_path
from rotoscope.jobs.listing.sources import ending_for
from rotoscope.jobs.stores.store import is_address
from rotoscope.runtime.media.sequence_files import PATTERN

MOST_BYTES = 1 << 30
MOST_LINE = 1 << 20  # characters of one line
MOST_MODELS = 64  # of a chain
OWN_KEYS = ("source", "target", "model", "in_flight")


def read_jobs(path: Path, models: tuple[str, ...], options: Mapping[str, Any]) -> list[BatchJob]:
    """The jobs of a file; `models` and `options` hold for lines that do not give their own.

    Raises UsageError with the number of the line for anything that is not a job.
    """
    if reason := why_unusable(path, MOST_BYTES):
        raise UsageError(f"{path}: {reason}")
    jobs = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(MOST_LINE + 1), ""), 1):
                if len(line) > MOST_LINE:
                    raise UsageError(f"{path}, line {number}: more than {MOST_LINE:,} characters")
                if line.strip():
                    jobs.append(_job(f"{path}, line {number}", line, models, options))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 ({error.reason})") from error
    if not jobs:
        raise UsageError(f"{path}: no jobs; accepted: a JSON object on each line, with source and options of translate")
    return jobs


def _job(where: str, line: str, models: tuple[str, ...], options: Mapping[str, Any]) -> BatchJob:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON ({error})") from None
    if not isinstance(given, dict):
        raise UsageError(f'{where}: not an object; accepted: {{"source": "a.mp4", "model": "starry"}} and the like')
    _check_keys(where, given)
    source, target = _text(where, given, "source"), _text(where, given, "target")
    if not source or source == "-":
        raise UsageError(f"{where}: source {source!r}; accepted: a file, a folder of pictures, a pattern")
    if is_address(source) and PATTERN.search(source):
        raise UsageError(
            f"{where}: source {source}: pictures of an object store; accepted there: one object for each line"
        )
    if target and PATTERN.search(target):
        raise UsageError(f"{where}: target {target}; accepted: the name of a file, or of a folder for pictures")
    own = given.pop("model", None)
    named = (own,) if isinstance(own, str) else tuple(own) if isinstance(own, list) else models
    if (own is not None and not isinstance(own, str | list)) or not all(isinstance(name, str) for name in named):
        raise UsageError(f"{where}: model {own!r}; accepted: a name, or a list of names")
    if not named and {**options, **given}.get("like") is not None:
        named = (ANY_PAINTING,)
    if not named:
        raise UsageError(f"{where}: no model; accepted: model or like in the line, or -m for all lines")
    if len(named) > MOST_MODELS:
        raise UsageError(f"{where}: {len(named)} models; accepted: at most {MOST_MODELS}")
    merged = {**options, **given}
    try:
        check_options({name: value for name, value in merged.items() if name not in ("engine", "in_flight")})
        check_options({"engine": merged.get("engine", "onnxruntime")})
        check_count("in_flight", merged.get("in_flight"), IN_FLIGHT)
    except RotoscopeError as error:
        raise UsageError(f"{where}: {error}") from None
    return BatchJob.of(source, target or _target(Path(source)), named, merged)


def _check_keys(where: str, given: Mapping[str, Any]) -> None:
    known = sorted({*OWN_KEYS, *(name for kind in TRANSLATE_VALUES for name in kind.__annotations__)} - {"overwrite"})
    if "op_library" in given:  # a program runs only if the command line names it
        raise UsageError(f"{where}: op_library names a program; accepted: --op-library of the command, for all lines")
    for name in given:
        if name not in known:
            near = nearest(name[:MAX_NAME], known)
            raise UsageError(
                f"{where}: no key {shortened(name)}; {f'did you mean {near}?' if near else 'accepted: options of translate'}"
            )


def _text(where: str, given: dict[str, Any], name: str) -> str:
    value = given.pop(name, "")
    if not isinstance(value, str):
        raise UsageError(f"{where}: {name} {value!r}; accepted: text")
    if not (is_path(value) or (is_address(value) and value.isprintable())):
        raise UsageError(f"{where}: {name} {value!r}; accepted: the name of a file, without NUL and halves of pairs")
    return value


def _target(source: Path) -> str:
    """Name of the result of a source: that of the source, or of its folder for pictures of a sequence."""
    if source.is_dir():
        return source.name
    if PATTERN.search(source.name):
        return PATTERN.sub("", source.stem).strip("*?_-. ") or "frames"
    return Path(source.name).with_suffix(ending_for(source)).as_posix()
