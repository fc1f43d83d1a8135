"""The command line: one module per command, which imports what it needs when it runs. docs/command-line.md lists exit codes."""

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env

from rotoscope import __version__
from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.base.text import one_line, printable
from rotoscope.cli.answers import answer
from rotoscope.cli.build import build
from rotoscope.cli.compare import compare
from rotoscope.cli.demo import demo
from rotoscope.cli.distill import distill
from rotoscope.cli.doctor import doctor
from rotoscope.cli.encode import encode
from rotoscope.cli.evaluate import evaluate
from rotoscope.cli.everywhere import Everywhere, shown, split_words
from rotoscope.cli.export import export
from rotoscope.cli.frames import frames
from rotoscope.cli.info import info
from rotoscope.cli.looks import looks
from rotoscope.cli.options import refuse_fractions
from rotoscope.cli.parity import parity
from rotoscope.cli.settings import folder_settings, used_files, user_settings
from rotoscope.cli.train import train
from rotoscope.cli.translate import translate
from rotoscope.cli.version import version

log = logging.getLogger(__name__)

INTERRUPTED = 130
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
    translate, looks, info, demo, doctor, export, encode, build, parity, compare, evaluate, frames, distill, version,
)  # fmt: skip
for command in COMMANDS:
    app.command(command)
app.command(train.meta, name="train")
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


class Terminated(KeyboardInterrupt):
    """SIGTERM, treated like Ctrl-C: leave nothing half-written."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; the entry point passes it to the shell. May be called in any thread."""
    options = Everywhere(debug="--debug" in (sys.argv[1:] if arguments is None else arguments))
    used_files.set(())
    try:
        options, words = split_words(sys.argv[1:] if arguments is None else arguments)
        with shown(options), _stopped_by_sigterm():
            command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
            if used_files.get():
                log.info("options from %s", "; ".join(used_files.get()))
            code = command(*bound.args, **bound.kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()  # a reader that left is noticed here, not when Python ends
        return code if isinstance(code, int) else 0
    except RotoscopeError as error:
        return _fail(str(error), error.exit_code, options)
    except CycloptsError as error:
        return _fail(answer(error), UsageError.exit_code, options)
    except BrokenPipeError:
        # The reader of standard output has left: print nothing, and do not fail again when Python flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt as error:
        word = "terminated" if isinstance(error, Terminated) else "interrupted"
        return _fail(f"{word}; no half-written file is left", INTERRUPTED, options)
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror or error}", RotoscopeError.exit_code, options)
    except Exception as error:  # not raised on purpose
        return _fail(f"a bug in Rotoscope: {type(error).__name__}: {error} (--debug shows where)", 1, options)


def _fail(message: str, code: int, options: Everywhere) -> int:
    """Print an error as one line without control characters, with `debug` after its traceback; return the exit code."""
    if options.debug:
        lines = traceback.format_exc().splitlines()
        print("\n".join(printable(line) for line in lines), file=sys.stderr)
    print(f"rotoscope: {one_line(message)}", file=sys.stderr)
    return code


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Raise Terminated at a SIGTERM within the block. Only the main thread can do this; in other threads nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
