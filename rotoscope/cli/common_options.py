"""The options that every command takes, before or after its name: --quiet, --log-level, --debug."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rotoscope.base.errors import UsageError
from rotoscope.base.text import printable

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class CommonOptions:
    """What the options ask for."""

    level: str = "info"
    """Least level of the messages that are shown on standard error."""

    quiet: bool = False
    """Show only warnings and errors: no progress, no summary."""

    debug: bool = False
    """Show the traceback of an error, and messages from the level debug on."""


def split_words(words: Sequence[str]) -> tuple[CommonOptions, list[str]]:
    """Take the options out of a command line; return them and the other words. Words after -- are left as they are."""
    rest: list[str] = []
    level: str | None = None
    quiet = debug = False
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
        elif word == "--debug":
            debug = True
        elif word == "--quiet":
            quiet = True
        elif word == "--log-level" or word.startswith("--log-level="):
            level = word.partition("=")[2] if "=" in word else next(remaining, "")
            if level not in LEVELS:
                raise UsageError(f"--log-level {level or 'without a value'}; accepted: {', '.join(LEVELS)}")
        else:
            rest.append(word)
    return CommonOptions(level or ("debug" if debug else "warning" if quiet else "info"), quiet, debug), rest


def refuse_empty(words: Sequence[str]) -> None:
    """Raise UsageError for an empty word, which would be the current folder: usually a shell variable that is not set."""
    for index, word in enumerate(words):
        if not word or (word.startswith("--") and word.endswith("=")):
            where = word or (f"after {words[index - 1]}" if index else "the command")
            raise UsageError(f"an empty argument ({where}); is a variable of the shell not set?")


@contextmanager
def shown(options: CommonOptions) -> Iterator[None]:
    """Send the messages of the package to standard error within the block, from the level asked for.

    With `quiet`, what commands print on standard error themselves is dropped.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Printable("%(message)s"))
    log = logging.getLogger("rotoscope")
    log.handlers[:] = [handler]
    log.setLevel(options.level.upper())
    if not options.quiet:
        yield
        return
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stderr(nothing):
        yield


class Printable(logging.Formatter):
    """Write control characters of a message, which may come from a file, as ?; keep the lines of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return "\n".join(printable(line) for line in super().format(record).split("\n"))
