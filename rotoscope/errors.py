"""The errors that functions raise, for `except rotoscope.errors.InputRefused`; also names of `rotoscope` itself."""

from rotoscope.base.errors import InputRefused, ModelRefused, OutputFailed, RotoscopeError, UsageError

__all__ = ["InputRefused", "ModelRefused", "OutputFailed", "RotoscopeError", "UsageError"]
