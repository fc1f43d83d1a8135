"""What `evaluate --table` measures: clips, methods and measures, from a TOML file (docs/metrics.md, "Tables")."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotoscope.base.errors import UsageError
from rotoscope.base.options import check_options
from rotoscope.base.settings_file import read_toml
from rotoscope.metrics.sweep import SET_BY_SWEEP

KEYS = ("clips", "columns", "reference", "folder", "measure", "translate", "methods")


@dataclass(frozen=True)
class Method:
    """One row of a table: existing results, or options of `translate` with the model; exactly one of the two.

    result   path of a result with {clip} in it
    options  with "model", the name of a model or a list of them
    """

    name: str
    result: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TablePlan:
    """Clips by name, methods in the order of the rows, and how to measure.

    reference  name of a method, path with {clip} in it, or None
    columns    names of measures; empty: all that are measured
    measure    options of `evaluate`; texts may hold {clip}
    """

    clips: Mapping[str, str]
    methods: tuple[Method, ...]
    folder: Path
    reference: str | None = None
    columns: tuple[str, ...] = ()
    measure: Mapping[str, Any] = field(default_factory=dict)


def read_table(
    table: str | Path | Mapping[str, Any], *, check_measure: Callable[[Mapping[str, Any]], None]
) -> TablePlan:
    """Read a TOML file, or take its content; paths in it are those of the current folder.

    check_measure  raises UsageError for an unknown option of `evaluate`
    Raises UsageError that names the entry that cannot be used, before anything is translated.
    """
    is_content = isinstance(table, Mapping)
    content = dict(table) if isinstance(table, Mapping) else read_toml(Path(table))
    where = "table" if is_content else str(table)
    for key in content:
        if key not in KEYS:
            raise UsageError(f"{where}: unknown entry {key}; accepted: {', '.join(KEYS)}")
    measure, common = (_table(content.get(key, {}), f"{where}: [{key}]") for key in ("measure", "translate"))
    methods = _table(content.get("methods", {}), f"{where}: [methods]")
    if not methods:
        raise UsageError(f"{where}: no method; accepted: tables such as [methods.ours] with model or result")
    check_measure(measure)
    reference, folder = content.get("reference"), content.get("folder", "table" if is_content else Path(where).stem)
    if not isinstance(folder, str) or not isinstance(reference, str | None):
        raise UsageError(f"{where}: folder and reference are texts; got {folder!r} and {reference!r}")
    rows = tuple(_method(name, each, common, f"{where}: [methods.{name}]") for name, each in methods.items())
    if reference is not None and reference not in methods and "{clip}" not in reference:
        raise UsageError(f"{where}: reference {reference!r}; accepted: a method, or files such as truth/{{clip}}.mp4")
    return TablePlan(
        clips=_clips(_texts(content.get("clips", []), f"{where}: clips"), where),
        methods=rows,
        folder=Path(folder),
        reference=reference,
        columns=tuple(_texts(content.get("columns", []), f"{where}: columns")),
        measure=measure,
    )


def _method(name: str, given: Any, common: Mapping[str, Any], where: str) -> Method:
    options = dict(_table(given, where))
    result, model = options.pop("result", None), options.pop("model", None)
    if (result is None) == (model is None):
        raise UsageError(
            f'{where}: needs one of model and result; accepted: model = "starry", or result = "dir/{{clip}}.mp4"'
        )
    if result is not None:
        if options or not isinstance(result, str) or "{clip}" not in result:
            raise UsageError(f"{where}: result = {result!r}; accepted: a path with {{clip}} in it, and nothing else")
        return Method(name, result=result)
    if not isinstance(model, str) and not (isinstance(model, list) and all(isinstance(each, str) for each in model)):
        raise UsageError(f"{where}: model = {model!r}; accepted: a name, or a list of names")
    options = {**common, **options}
    if taken := sorted(SET_BY_SWEEP & options.keys()):
        raise UsageError(
            f"{where}: {', '.join(taken)}: set by the table itself; [measure] takes start, duration and rate"
        )
    check_options(options)
    return Method(name, options={"model": model, **options})


def _clips(patterns: list[str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pattern in patterns:
        anchor = Path(pattern).anchor
        is_pattern = any(sign in pattern for sign in "*?[")
        rest = str(Path(pattern).relative_to(anchor)) if is_pattern else ""
        paths = sorted(map(str, Path(anchor or ".").glob(rest))) if is_pattern else [pattern]
        for path in paths:
            name = Path(path).stem
            if found.setdefault(name, path) != path:
                raise UsageError(f"{where}: two clips of the name {name}, {found[name]} and {path}; accepted: one")
    if not found:
        raise UsageError(f"{where}: no clip ({', '.join(patterns) or 'clips is missing'}); accepted: files or patterns")
    return found


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} is {value!r}; accepted: a table of options")
    return value


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{where} is {value!r}; accepted: a list of texts")
    return value
