"""config.toml of a run: every option in effect, written once, read by `--config` and `rotoscope train resume`."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from rotoscope.base.errors import UsageError
from rotoscope.base.settings_file import read_toml
from rotoscope.training.options import SYSTEMS, DistillOptions, RunOptions, SystemOptions

CONFIG = "config.toml"

Options = TypeVar("Options", SystemOptions, RunOptions)


def as_values(options: SystemOptions, run: RunOptions) -> dict[str, Any]:
    """Return every option by its name, the system first."""
    return {"system": options.system, **asdict(options), **asdict(run)}


def as_toml(options: SystemOptions, run: RunOptions) -> str:
    """Return the text of config.toml: one line `name = value` for every option that is not None."""
    values = as_values(options, run).items()
    return "".join(f"{name} = {_toml(value)}\n" for name, value in values if value is not None)


def _toml(value: Any) -> str:
    """Return a value as TOML writes it: as JSON does, but for DEL, and for characters that JSON writes as two."""
    text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")


def from_toml(path: Path) -> tuple[SystemOptions, RunOptions]:
    """Return the options in a config.toml. Raises UsageError if it is missing, not TOML, or holds other options."""
    if not path.is_file():
        raise UsageError(f"{path.parent}: no run here (no {path.name})")
    try:
        values = read_toml(path)
        kinds: list[type[SystemOptions]] = [*SYSTEMS, DistillOptions]
        kind = {kind.system: kind for kind in kinds}[values.pop("system")]
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: not the configuration of a run (system is unknown)") from error
    try:
        options, run = _take(kind, values), _take(RunOptions, values)
    except (TypeError, UsageError) as error:  # an option without a default is missing, or a value is not accepted
        raise UsageError(f"{path}: {error}") from error
    if values:
        raise UsageError(f"{path}: unknown {', '.join(sorted(values))}")
    return options, run


def _take(kind: type[Options], values: dict[str, Any]) -> Options:
    """Remove the options of one dataclass from the values and return it."""
    types = {field.name: field.type for field in fields(kind)}
    return kind(**{name: _typed(types[name], values.pop(name)) for name in list(values) if name in types})


def _typed(annotation: Any, value: Any) -> Any:
    """Convert a TOML string to a Path and an array to a tuple, if the option is one."""
    if annotation in (Path, Path | None):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
