"""Check a file of weights without reading its numbers."""

from pathlib import Path

from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import why_unusable
from rotoscope.weights.archive import MAX_BYTES
from rotoscope.weights.kind import kind_of_weights
from rotoscope.weights.numpy_file import check_arrays
from rotoscope.weights.safetensors_file import read_metadata
from rotoscope.weights.torch_file import read_torch_file


def check_weights(path: Path) -> None:
    """Raise ModelRefused unless a file of safetensors, NumPy or torch is a regular file whose sizes fit its description.

    It takes milliseconds for a good file, and at most some seconds for one that is made to cost time. torch is not imported.
    """
    kind = checked_kind(path)
    if kind == "safetensors":
        read_metadata(path)
    elif kind == "npz":
        check_arrays(path)
    else:
        read_torch_file(path)


def checked_kind(path: Path) -> str:
    """Return "torch", "safetensors" or "npz" by the content of a file, or its ending where the content is of none of them.

    Raises ModelRefused unless it is a regular file of an accepted size, and no model file.
    """
    if reason := why_unusable(path, MAX_BYTES):
        raise ModelRefused(f"{path}: {reason}")
    kind = kind_of_weights(path) or path.suffix.lower().removeprefix(".")
    if kind == "onnx":
        raise ModelRefused(f"{path}: a model file already, not a checkpoint: translate -m {path} runs it")
    return kind if kind in ("safetensors", "npz") else "torch"
