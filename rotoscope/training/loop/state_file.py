"""Nested state of a run in one .safetensors file: tensors as they are, everything else as JSON in its header.

It is no pickle: a file that someone else gave runs nothing, and its sizes are checked before anything is read.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rotoscope.base.errors import InputRefused, ModelRefused
from rotoscope.weights.safetensors_file import read_metadata

STRUCTURE = "state"  # key of the header: JSON


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write dictionaries, lists and tuples of tensors, numbers, texts, booleans and None; keys are texts or integers."""
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_packed(state, tensors))
    save_file(tensors, path, metadata={STRUCTURE: structure})


def read_state(path: Path) -> dict[str, Any]:
    """Return what `write_state` wrote, with tensors on the CPU. Raises InputRefused for any other file."""
    try:
        structure = json.loads(read_metadata(path)[STRUCTURE])
        with safe_open(path, framework="pt") as file:
            state = _unpacked(structure, file.get_tensor)
    except ModelRefused as error:
        raise InputRefused(str(error)) from error
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:  # too deep is RuntimeError
        raise InputRefused(f"{path}: a damaged checkpoint") from error
    if not isinstance(state, dict):
        raise InputRefused(f"{path}: a damaged checkpoint")
    return state


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the JSON of a value; its tensors go into `tensors`, each with memory of its own."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _packed(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_packed(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} in the state of a run")


def _unpacked(packed: Any, tensor: Callable[[str], Tensor]) -> Any:
    if not isinstance(packed, dict):
        if isinstance(packed, list):
            raise TypeError("a bare list")
        return packed
    ((kind, content),) = packed.items()
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        if not all(isinstance(key, str | int) for key, _ in content):
            raise TypeError("a key that is neither text nor integer")
        return {key: _unpacked(item, tensor) for key, item in content}
    return {"list": list, "tuple": tuple}[kind](_unpacked(item, tensor) for item in content)
