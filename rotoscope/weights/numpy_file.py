"""The arrays of a .npz file, as TensorFlow's weights are kept."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import describe_file, why_unusable
from rotoscope.weights.archive import MAX_BYTES, check_size_of_directory
from rotoscope.weights.pickled import MAX_TENSORS

MAX_UNPACKING = 16  # bytes of the arrays for each byte of the file; trained weights hardly get smaller by compression
SMALL_BYTES = 16 << 20  # that any file may unpack to


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the arrays by name; raise ModelRefused for objects, which would be pickles, and for all that is no .npz file."""
    check_arrays(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # zipfile and NumPy raise undocumented types
        raise ModelRefused(f"{path}: not a .npz file of plain arrays but {describe_file(path)}") from error


def check_arrays(path: Path) -> None:
    """Raise ModelRefused unless a file is an archive of few entries, which unpack to little more than its size."""
    if reason := why_unusable(path, MAX_BYTES):
        raise ModelRefused(f"{path}: {reason}")
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise ModelRefused(f"{path}: not a .npz file of plain arrays but {describe_file(path)}")
    check_size_of_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = [entry.file_size for entry in archive.infolist()]
    except Exception as error:  # zipfile raises some ten kinds for damaged archives
        raise ModelRefused(f"{path}: not a .npz file of plain arrays but {describe_file(path)}") from error
    most = min(MAX_BYTES, MAX_UNPACKING * path.stat().st_size + SMALL_BYTES)
    if sum(sizes) > most or len(sizes) > MAX_TENSORS:
        raise ModelRefused(
            f"{path}: unpacks to {len(sizes):,} arrays of {sum(sizes):,} bytes; at most {most:,} are accepted for its size"
        )
