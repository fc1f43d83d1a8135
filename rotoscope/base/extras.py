"""Optional packages: a missing one is reported with the command that installs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rotoscope.base.errors import UsageError


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a missing package within the block into a UsageError that names the extra which installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f'{error.name} is not installed; this installs it: pip install ".[{extra}]"') from error
