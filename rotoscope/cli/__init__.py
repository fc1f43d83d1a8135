"""The command line: one small module per command; everything heavy is imported when a command runs.

Exit codes: 0 done, 1 failed, 2 usage, 3 input refused, 4 model refused, 5 finished with losses, 130 interrupted.
"""

import logging
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError
from cyclopts.config import Env, Toml

from rotoscope import __version__
from rotoscope.base.errors import RotoscopeError
from rotoscope.cli.build import build
from rotoscope.cli.compare import compare
from rotoscope.cli.demo import demo
from rotoscope.cli.distill import distill
from rotoscope.cli.doctor import doctor
from rotoscope.cli.encode import encode
from rotoscope.cli.evaluate import evaluate
from rotoscope.cli.export import export
from rotoscope.cli.frames import frames
from rotoscope.cli.info import info
from rotoscope.cli.parity import parity
from rotoscope.cli.train import train
from rotoscope.cli.translate import translate

INTERRUPTED = 130
BROKEN_PIPE = 141

app = App(
    name="rotoscope",
    help="Turn any image-to-image network into steady, real-time video.",
    help_epilogue="Defaults may stand in rotoscope.toml ([translate] ...) or the environment (ROTOSCOPE_TRANSLATE_...). "
    "--debug anywhere shows the traceback of an error.",
    version=__version__,
    config=[Env("ROTOSCOPE_", command=True), Toml("rotoscope.toml", search_parents=False)],
    default_parameter=Parameter(show_env_var=False, negative_iterable=(), negative_none=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (translate, export, encode, parity, compare, build, info, demo, doctor, evaluate, frames, distill):
    app.command(command)
app.command(train.meta, name="train")


class Terminated(KeyboardInterrupt):
    """SIGTERM, treated like Ctrl-C: leave nothing half-written."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; the entry point passes it to the shell."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    _set_up_log(debug)
    try:
        with _stopped_by_sigterm():
            code = app(words, exit_on_error=False, print_error=False)
        return code if isinstance(code, int) else 0
    except RotoscopeError as error:
        return _fail(str(error), error.exit_code, debug)
    except CycloptsError as error:
        return _fail(_one_line(error), 2, debug)
    except BrokenPipeError:
        # Whoever read our output has left; say nothing and do not fail again while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt as error:
        word = "terminated" if isinstance(error, Terminated) else "interrupted"
        return _fail(f"{word}; no half-written file is left", INTERRUPTED, debug)
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror or error}", RotoscopeError.exit_code, debug)
    except Exception as error:  # the last resort: one line, and where to look
        return _fail(f"a bug in Rotoscope: {type(error).__name__}: {error} (--debug shows where)", 1, debug)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        logging.getLogger("rotoscope").exception("rotoscope: error")
    line = " ".join(message.split())
    print(f"rotoscope: {''.join(c if c.isprintable() else '?' for c in line)}", file=sys.stderr)
    return code


def _one_line(error: CycloptsError) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UnusedCliTokensError):
        text = f"{' '.join(error.unused_tokens or [])}: not expected here; is an option before it misspelt?"
    if isinstance(error.__cause__, tomllib.TOMLDecodeError):
        return f"rotoscope.toml: not TOML ({error.__cause__})"
    return f"{text} (rotoscope --help lists what there is)"


def _set_up_log(debug: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("rotoscope")
    log.handlers[:] = [handler]
    log.setLevel(logging.DEBUG if debug else logging.INFO)


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
