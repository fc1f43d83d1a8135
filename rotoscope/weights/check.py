"""Check a file of weights without reading its numbers."""

from pathlib import Path

from rotoscope.weights.kind import kind_of_weights
from rotoscope.weights.numpy_file import check_arrays
from rotoscope.weights.safetensors_file import read_metadata
from rotoscope.weights.torch_file import read_torch_file


def check_weights(path: Path) -> None:
    """Raise ModelRefused unless a file of safetensors, NumPy or torch is a regular file whose sizes fit its description."""
    kind = kind_of_weights(path) or path.suffix.lower().removeprefix(".")
    if kind == "safetensors":
        read_metadata(path)
    elif kind == "npz":
        check_arrays(path)
    else:
        read_torch_file(path)
