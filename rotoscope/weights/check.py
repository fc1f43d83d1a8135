"""Check a file of weights without reading its numbers."""

from pathlib import Path

from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import why_unusable
from rotoscope.weights.archive import MAX_BYTES
from rotoscope.weights.numpy_file import check_arrays
from rotoscope.weights.safetensors_file import read_metadata
from rotoscope.weights.torch_file import read_torch_file


def check_weights(path: Path) -> None:
    """Raise ModelRefused unless a .safetensors, .npz or torch file is a regular file whose sizes fit its description.

    It takes milliseconds for a good file, and at most some seconds for one that is made to cost time. torch is not imported.
    """
    check_kind(path)
    ending = path.suffix.lower()
    if ending == ".safetensors":
        read_metadata(path)
    elif ending == ".npz":
        check_arrays(path)
    else:
        read_torch_file(path)


def check_kind(path: Path) -> None:
    """Raise ModelRefused unless a path is a regular file of an accepted size, and no model file."""
    if reason := why_unusable(path, MAX_BYTES):
        raise ModelRefused(f"{path}: {reason}")
    if path.suffix.lower() == ".onnx":
        raise ModelRefused(f"{path}: a model file already, not a checkpoint: translate -m {path} runs it")
