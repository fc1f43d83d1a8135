"""The command line: one module per command, imported when the command is called. docs/command-line.md lists exit codes."""

import errno
import importlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env

from rotoscope import __version__
from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.base.signals import Interrupts, Terminated, code_when_stopped, stopped_line
from rotoscope.base.text import one_line, printable
from rotoscope.cli.common_options import CommonOptions, refuse_empty, shown, split_words
from rotoscope.cli.settings import folder_settings, used_files, user_settings
from rotoscope.cli.usage_errors import answer
from rotoscope.cli.whole_numbers import refuse_fractions

log = logging.getLogger(__name__)
registering = threading.Lock()

BROKEN_PIPE = 141

app = App(
    name="rotoscope",
    help="Turn any image-to-image network into steady, real-time video.",
    help_epilogue="Every command takes --quiet, --log-level debug|info|warning|error, and --debug (the traceback of an error). "
    "Options also come from the environment (ROTOSCOPE_TRANSLATE_STRENGTH=0.5) and from files: docs/command-line.md.",
    version=__version__,
    config=[Env("ROTOSCOPE_", command=True), folder_settings, user_settings, refuse_fractions],
    default_parameter=Parameter(show_env_var=False, negative_iterable=(), negative_none=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
COMMANDS = (
    "translate", "batch", "live", "serve", "looks", "info", "demo", "doctor", "export", "encode", "build", "parity", "compare",
    "evaluate", "bench", "frames", "distill", "version", "train", "cache",
)  # fmt: skip
app.register_install_completion_command(help="Install completion for bash, zsh, fish or PowerShell.")


@app.command(name="help")
def show_help(*command: str) -> None:
    """Show the help of a command.

    Parameters
    ----------
    command
        The command; for a system of train: train SYSTEM. Without it, list the commands.

    """
    app([*command, "--help"], exit_on_error=False, print_error=False)


def needed(words: Sequence[str]) -> Sequence[str]:
    """Return the commands of which a command line needs the modules: its own, or all where help or an error lists them."""
    command = next((word for word in words if not word.startswith("-") and word != "help"), None)
    if command in COMMANDS:
        return (command,)
    return () if list(words) == ["--version"] else COMMANDS


def register(commands: Sequence[str] = COMMANDS) -> App:
    """Import the modules of commands and make the commands known to `app`; return it. May be called in any thread."""
    with registering:
        for name in commands:
            if name not in app:
                command = getattr(importlib.import_module(f"rotoscope.cli.{name}"), name)
                app.command(command.meta if name == "train" else command, name=name)
    return app


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; the entry point passes it to the shell. May be called in any thread."""
    words = sys.argv[1:] if arguments is None else arguments
    options = CommonOptions(debug="--debug" in words)
    used_files.set(())
    stop = Interrupts()
    try:
        with stop:
            options, words = split_words(words)
            with shown(options):
                return _run(words)
    except BaseException as error:
        if stop.number is not None:  # also if it came while C code ran, and left as another error
            return _fail(stopped_line(stop.number), code_when_stopped(stop.number, words), options)
        return _failed(error, options)


def _run(words: list[str]) -> int:
    """Run the command of a command line; return its exit code."""
    refuse_empty(words)
    command, bound, _ = register(needed(words)).parse_args(words, exit_on_error=False, print_error=False)
    if used_files.get():
        log.info("options from %s", "; ".join(used_files.get()))
    code = command(*bound.args, **bound.kwargs)
    if sys.stdout is not None:
        sys.stdout.flush()  # a reader that left, or a full disk, is noticed here, not when Python ends
    return code if isinstance(code, int) else 0


def _failed(error: BaseException, options: CommonOptions) -> int:
    """Say what ended a command and return its exit code."""
    if isinstance(error, RotoscopeError):
        return _fail(str(error), error.exit_code, options)
    if isinstance(error, CycloptsError):
        return _fail(answer(error), UsageError.exit_code, options)
    if isinstance(error, BrokenPipeError):
        _drop_output()
        return BROKEN_PIPE
    if isinstance(error, KeyboardInterrupt):
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        return _fail(stopped_line(number), 128 + number, options)
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return _fail(f"{str(error.filename)[:100]} ...: {error.strerror}", UsageError.exit_code, options)
    if isinstance(error, OSError):
        name = error.filename or ("standard output" if _output_is_broken() else "system")
        return _fail(f"{name}: {error.strerror or error}", RotoscopeError.exit_code, options)
    if isinstance(error, MemoryError):
        return _fail(f"not enough memory: {error or 'use smaller pictures or models'}", 1, options)
    if isinstance(error, Exception):  # not raised on purpose
        return _fail(f"a bug in Rotoscope: {type(error).__name__}: {error} (--debug shows where)", 1, options)
    raise error


def _output_is_broken() -> bool:
    """Whether standard output cannot take what was printed; then drop it, so that it does not fail again when Python ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _drop_output()
        return True
    return False


def _drop_output() -> None:
    """Send what is still to be written to standard output to the null device."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int, options: CommonOptions) -> int:
    """Print an error as one line without control characters, with `debug` after its traceback; return the exit code."""
    if options.debug:
        lines = traceback.format_exc().splitlines()
        print("\n".join(printable(line) for line in lines), file=sys.stderr)
    with suppress(OSError):  # standard error may be full, or its reader gone
        print(f"rotoscope: {one_line(message)}", file=sys.stderr)
    return code
