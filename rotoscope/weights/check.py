"""Check a file of weights without reading its numbers."""

from pathlib import Path

from rotoscope.weights.numpy_file import check_arrays
from rotoscope.weights.safetensors_file import read_metadata
from rotoscope.weights.torch_file import read_torch_file


def check_weights(path: Path) -> None:
    """Raise ModelRefused unless a .safetensors, .npz or torch file is a regular file whose sizes fit its description."""
    ending = path.suffix.lower()
    if ending == ".safetensors":
        read_metadata(path)
    elif ending == ".npz":
        check_arrays(path)
    else:
        read_torch_file(path)
