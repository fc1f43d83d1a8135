"""The one-line errors for a command line that cannot be understood, in one form for every command."""

import re
from collections.abc import Iterable
from typing import Literal, get_args, get_origin

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from rotoscope.base.errors import RotoscopeError
from rotoscope.base.nearest import nearest

GLOBAL_OPTIONS = ("--quiet", "--log-level", "--debug", "--help", "--version")

# Options of other programs, such as ffmpeg, and the option here that does the same.
SAME_AS = {
    "-ss": "--start",
    "-t": "--duration",
    "-r": "--rate",
    "-c:v": "--codec",
    "-y": "--overwrite",
    "-f": "--overwrite",
    "--force": "--overwrite",
    "-q": "--quiet",
    "-v": "--log-level",
    "--verbose": "--log-level",
    "--cpu": "--device",
}

# Commands without --output, and where their result goes.
RESULT_OF = {
    "build": "the engine goes into the cache",
    "cache": "it prints and writes no file",
    "distill": "--out names the folder",
    "doctor": "it prints and writes no file",
    "evaluate": "--json and --plot name its files",
    "help": "it prints and writes no file",
    "info": "--write names the copy",
    "looks": "it prints and writes no file",
    "parity": "--save names the picture",
    "train": "--out names the folder",
    "version": "it prints and writes no file",
}


def no_such_option(word: str, known: Iterable[str], command: str = "") -> str:
    """Return the answer to an unknown option; `known` are the options of the command, as `--name`."""
    option = word.partition("=")[0]
    known = [*known, *GLOBAL_OPTIONS]
    result = RESULT_OF.get(command.partition(" ")[0])
    if option in ("-o", "--output") and result is not None:
        return f"{option}: no such option of {command}; {result}"
    if SAME_AS.get(option) in known:
        near: str | None = SAME_AS[option]
    else:
        near = nearest(option, (name for name in known if name.startswith("--")))
    if near is not None:
        return f"{option}: no such option; did you mean {near}?"
    return f"{option}: no such option; {' '.join(('rotoscope', command)).strip()} --help lists the options"


def no_such_command(word: str, known: Iterable[str]) -> str:
    """Return the answer to an unknown command."""
    known = list(known)
    near = nearest(word, known)
    return f"{word}: no such command; " + (f"did you mean {near}?" if near else f"accepted: {', '.join(known)}")


def answer(error: CycloptsError) -> str:
    """Return the message for an error of the command line, without the prefix `rotoscope: `."""
    if isinstance(error.__cause__, RotoscopeError):
        return str(error.__cause__)
    command = " ".join(error.command_chain or ())
    error.verbose = False
    if isinstance(error, UnknownOptionError):
        names = [name for argument in error.argument_collection if argument.parse for name in argument.names]
        if error.token.source != "cli":
            return _unknown_setting(error, names)
        return no_such_option(error.token.keyword or error.token.value, names, command)
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        word = error.unused_tokens[0]
        if word.startswith("-"):
            return no_such_option(word, (), command)
        return no_such_command(word, commands_of(error.app))
    if isinstance(error, UnusedCliTokensError):
        return f"{' '.join(error.unused_tokens or [])}: not expected here; {_usage(command)}"
    if type(error) is MissingArgumentError:
        return _missing(error, command)
    if (
        isinstance(error, CoercionError)
        and error.msg is None
        and error.token is not None
        and error.argument is not None
    ):
        return _wrong_value(error)
    return f"{' '.join(str(error).split()).rstrip('.')}; {_usage(command)}"


def commands_of(app: App | None) -> list[str]:
    """Return the names of the commands that the help lists, sorted."""
    return sorted(name for name in app or () if not name.startswith("-"))


def _missing(error: MissingArgumentError, command: str) -> str:
    assert error.argument is not None
    name = error.keyword or error.argument.name
    if (unknown := _unknown_option(error)) is not None:
        return unknown
    if error.keyword is not None:
        return f"{command} {name}: a value is missing; {_usage(command)}"
    is_option = name.startswith("-")
    text = f"{command}: {name if is_option else name.upper()} is missing"
    return f"{text}; {_usage(command)}"


def no_model(command: str) -> str:
    """Say that -m is missing, and what it takes."""
    from rotoscope.assembly.models import bundled_looks

    looks = ", ".join(bundled_looks())
    return (
        f"{command}: -m is missing; accepted: a bundled look ({looks}), an .onnx file or a checkpoint; rotoscope looks "
        "describes them. Or give --like PAINTING without -m"
    )


def _unknown_option(error: MissingArgumentError) -> str | None:
    """Return the answer to an unknown option of a command line that also misses something: the misspelt one, mostly."""
    if error.app is None:
        return None
    names = [name for argument in error.app.assemble_argument_collection() for name in argument.names]
    for word in error.root_input_tokens or ():
        if re.match(r"--?[A-Za-z]", word) and word.partition("=")[0] not in names and error.keyword is None:
            return no_such_option(word, names, " ".join(error.command_chain or ()))
    return None


def _wrong_value(error: CoercionError) -> str:
    """Return the answer to a value that is not one of the choices or not of the type."""
    assert error.token is not None and error.argument is not None
    name, value, kind = error.argument.name, error.token.value, error.target_type
    where = "" if error.token.source == "cli" else f"{error.token.source}: "
    if get_origin(kind) is Literal:
        accepted = ", ".join(map(str, get_args(kind)))
    else:
        accepted = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind or str, "another value")
    return f"{where}{name} {value}; accepted: {accepted}"


def _unknown_setting(error: UnknownOptionError, names: list[str]) -> str:
    """Return the answer to an unknown key of a file of settings: its keyword is such as [strenght]."""
    key = (error.token.keyword or "").strip("[]").rpartition("][")[2]
    near = nearest(key, (name for name in names if name.startswith("--")))
    hint = f"did you mean {near.lstrip('-')}?" if near else "rotoscope COMMAND --help lists the options"
    return f"{error.token.source}: {key}: no such option; {hint}"


def _usage(command: str) -> str:
    return f"{' '.join(('rotoscope', command)).strip()} --help shows what is accepted"
