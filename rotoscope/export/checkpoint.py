"""Open a checkpoint of any source: read it without running code in it, and recognise its architecture."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.files import describe_file
from rotoscope.networks import Loaded, from_state_dict
from rotoscope.networks.recognise import HintRefused
from rotoscope.networks.torch_tensors import load_tensors
from rotoscope.weights.check import checked_kind
from rotoscope.weights.numpy_file import read_arrays
from rotoscope.weights.safetensors_file import read_metadata

DESCRIPTION_KEY = "rotoscope"  # in the metadata of a .safetensors file: a JSON object with the hints for its weights


def open_checkpoint(*paths: Path, **hints: Any) -> Loaded:
    """Return the network of a checkpoint file in eval mode with its weights, and its description.

    paths  a file of torch.save, of safetensors, or of NumPy (.npz) with TensorFlow's names, told by its content; several
           files for the scales of one vid2vid model, coarsest first
    hints  keywords of `rotoscope.networks.from_state_dict`; they override the hints stored in a .safetensors of ours
    Raises ModelRefused that says what the file is and what is accepted.
    """
    contents = [read_checkpoint(path) for path in paths]
    weights: Mapping[str, Any] = contents[0][0]
    if len(paths) > 1:
        weights = {f"netG{scale}": content for scale, (content, _) in enumerate(contents)}
    stored = contents[0][1]
    given = {key: value for key, value in hints.items() if value is not None}
    try:
        return from_state_dict(weights, **{**stored, **given})
    except HintRefused as error:  # of the file, or of the user
        kind = UsageError if error.hint in given else ModelRefused
        raise kind(f"{paths[0]}: {error}") from error
    except (ModelRefused, UsageError) as error:
        raise type(error)(f"{paths[0]}: {error}") from error


def read_checkpoint(path: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return (tensors of the file, hints stored in it); no code in the file is run."""
    kind = checked_kind(path)
    if kind == "safetensors":
        return _read_safetensors(path)
    if kind == "npz":
        return read_arrays(path), {}
    return load_tensors(path), {}


def _read_safetensors(path: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
    metadata = read_metadata(path)
    try:
        with safe_open(path, framework="pt") as file:
            keys = file.keys()
            tensors = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelRefused(f"{path}: not a .safetensors file but {describe_file(path)}") from error
    return tensors, _hints(path, metadata.get(DESCRIPTION_KEY, "{}"))


def _hints(path: Path, description: str) -> dict[str, Any]:
    """Return the hints in the description of a .safetensors file of ours."""
    try:
        hints = json.loads(description).get("hints", {})
        if isinstance(hints, dict):
            return {key: tuple(value) if isinstance(value, list) else value for key, value in hints.items()}
    except (ValueError, AttributeError, RecursionError):
        pass
    raise ModelRefused(f"{path}: the description in it is damaged: export it again")
