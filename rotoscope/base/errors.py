"""Errors that a user can cause or mend, each with the exit code of the command line.

RotoscopeError            1  failed
├── UsageError            2  the call or the command line is wrong
├── InputRefused          3  the video or picture cannot be used
├── ModelRefused          4  the model file cannot be used
└── OutputFailed          1  the result could not be written

Exit code 5 (finished with losses) and 130 (interrupted) are outcomes, not errors: see `rotoscope.cli`.
Every message is one line, names the value it got and what would be accepted.
"""

from rotoscope.base.text import visible


class RotoscopeError(Exception):
    """Base of all errors raised on purpose; anything else that escapes is a bug in Rotoscope."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message on one line; what is not printable in a name or text from a file becomes ?."""
        return visible(super().__str__())


class UsageError(RotoscopeError):
    """An argument or option is wrong, or an optional package is missing."""

    exit_code = 2


class InputRefused(RotoscopeError):
    """The input cannot be opened, is not an allowed kind of file, or holds no decodable picture."""

    exit_code = 3


class ModelRefused(RotoscopeError):
    """The model file is unreadable, unsafe, or does not fit the contract of a generator."""

    exit_code = 4


class OutputFailed(RotoscopeError):
    """The result could not be encoded, written or put in place."""
