"""Options from files: rotoscope.toml of the current folder, which may set harmless ones, and the user's own, which may set all.

A folder may come from a stranger. Its rotoscope.toml cannot name a file to write or to read, a program or network to load, or
where code runs, and cannot allow that something is replaced.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict
from platformdirs import user_config_path

from rotoscope.base.errors import UsageError
from rotoscope.base.nearest import nearest
from rotoscope.base.settings_file import read_toml

FOLDER_FILE = Path("rotoscope.toml")

OF_TRANSLATE = (
    "rate",
    "precision",
    "working_size",
    "fit",
    "norm",
    "keep_colour",
    "input_range",
    "output_range",
    "channel_order",
    "layout",
    "multiple",
    "steady",
    "strength",
    "keyframes",
    "late",
    "insert",
    "window",
    "dilation",
    "pool",
    "output_size",
    "mix",
    "compare",
    "codec",
    "threads",
    "in_flight",
    "progress",
)

# What rotoscope.toml of the current folder may set, for each command. Whatever is not listed is refused.
HARMLESS: dict[str, tuple[str, ...]] = {
    "batch": OF_TRANSLATE,
    "bench": (
        "size",
        "rate",
        "seconds",
        "rounds",
        "chain",
        "network_ms",
        "steady",
        "working_size",
        "policy",
        "threads",
    ),
    "build": (),
    "cache": (),
    "compare": ("frames", "height", "working_size", "precision"),
    "demo": ("progress",),
    "distill": ("progress",),
    "doctor": (),
    "encode": ("working_size",),
    "evaluate": ("lpips_network", "patches", "column", "rate", "progress"),
    "export": (),
    "frames": ("shorter_side", "every"),
    "info": ("json",),
    "live": (
        "precision",
        "working_size",
        "fit",
        "norm",
        "steady",
        "strength",
        "keyframes",
        "late",
        "output_size",
        "mix",
        "policy",
        "most_carried",
        "threads",
        "progress",
    ),
    "looks": (),
    "parity": ("frames", "working_size", "size", "threads"),
    "serve": ("precision", "working_size", "fit", "norm", "steady", "strength", "keyframes", "late", "threads"),
    "train": (),
    "translate": OF_TRANSLATE,
    "version": (),
}

used_files: ContextVar[tuple[str, ...]] = ContextVar("used_files", default=())
"""The files that gave options to the command that runs now, and which, such as "rotoscope.toml: strength, mix"."""


def user_file() -> Path:
    """The user's own file, ~/.config/rotoscope/config.toml on Linux."""
    return Path(user_config_path("rotoscope")) / "config.toml"


def folder_settings(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take options from rotoscope.toml of the current folder; raise UsageError for one that it may not set."""
    table = _table(FOLDER_FILE, commands)
    for key in table:
        name = key.replace("-", "_")
        known = {part.lstrip("-").replace("-", "_") for argument in arguments for part in argument.names}
        # op_library has a refusal of its own: it is accepted as a flag only.
        if name in known and name not in (*HARMLESS[commands[0]], "op_library"):
            raise UsageError(
                f"{FOLDER_FILE}: {key} may not be set by a file in the current folder; accepted: a flag, the environment "
                f"or {user_file()} (docs/command-line.md lists what the folder's file may set)"
            )
    _take(table, str(FOLDER_FILE), app, commands, arguments)


def user_settings(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take options from the user's own file."""
    _take(_table(user_file(), commands), str(user_file()), app, commands, arguments)


def _take(
    table: Mapping[str, Any], source: str, app: App, commands: tuple[str, ...], arguments: ArgumentCollection
) -> None:
    if not table:
        return
    switches = {
        name.lstrip("-").replace("-", "_") for argument in arguments if argument.hint is bool for name in argument.names
    }
    for key, value in table.items():
        if key.replace("-", "_") in switches and not isinstance(value, bool):
            raise UsageError(f"{source}: {key} is {value!r}; accepted: true or false")
    Dict(dict(table), use_commands_as_keys=False, source=source)(app, commands, arguments)
    used_files.set((*used_files.get(), f"{source}: {', '.join(table)}"))


def _table(path: Path, commands: tuple[str, ...]) -> dict[str, Any]:
    """Return the table of a command in a file of settings; empty if there is no file or no such table."""
    if not commands:
        return {}
    content = _content(path)
    for name in content:
        if name not in HARMLESS:
            near = nearest(name, HARMLESS)
            hint = f"did you mean {near}?" if near else f"accepted: {', '.join(HARMLESS)}"
            raise UsageError(f"{path}: [{name}] is no command; {hint}")
    table = content.get(commands[0], {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {commands[0]} is a value; accepted: a table [{commands[0]}] of options")
    for key, value in table.items():
        _check_value(path, key, value)
    return table


def _check_value(path: Path, key: str, value: object) -> None:
    """Raise UsageError unless it is one value, or a list of at least one."""
    if isinstance(value, dict):
        raise UsageError(f"{path}: {key} is a table; accepted: text, a number, true, false, or a list of these")
    if isinstance(value, list) and (not value or any(isinstance(each, dict | list) for each in value)):
        what = "a list of lists or tables" if value else "an empty list"
        raise UsageError(f"{path}: {key} is {what}; accepted: text, a number, true, false, or a list of these")


def _content(path: Path) -> dict[str, Any]:
    return read_toml(path) if path.exists() else {}
