"""What options are held to."""

from rotoscope.base.errors import UsageError


def at_least(options: object, name: str, least: int) -> None:
    """Raise UsageError, in the words of the command line, if an option is less than this."""
    value = getattr(options, name)
    if value < least:
        raise UsageError(f"--{name.replace('_', '-')} {value}; accepted: {least} or more")
