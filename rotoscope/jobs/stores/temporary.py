"""A folder for temporary files that no killed process leaves behind for long."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rotoscope.base.parts import Part


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for the block; what a killed process left of one is removed by the next."""
    part = Part(Path(tempfile.gettempdir()) / "rotoscope", is_folder=True)
    try:
        part.create()
        yield part.path
    finally:
        part.remove()
