"""Open a checkpoint from anywhere: read it safely, recognise its system, say what it is."""

import argparse
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import describe_file
from rotoscope.export.safe_file import MAX_BYTES, check_checkpoint
from rotoscope.networks import Loaded, from_state_dict

DESCRIPTION_KEY = "rotoscope"  # of a .safetensors file's metadata: the hints that its weights need

# Values that training code keeps beside weights; none of them does anything when it is restored.
_SCALAR = np.float64(0).__reduce__()[0]  # how NumPy restores a number; old and new versions name it differently
BESIDE_WEIGHTS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__ if name.endswith("DType")),
]


def open_checkpoint(*paths: Path, **hints: Any) -> Loaded:
    """The network of a checkpoint file, loaded, in eval mode, with its description.

    paths  .pth, .pt, .ckpt, .bin and the like of torch.save, .safetensors, or .npz (TensorFlow's names); several for the
           scales of one vid2vid model, coarsest first
    hints  what `rotoscope.networks.from_state_dict` takes; they outrank those that a .safetensors of ours carries
    Raises ModelRefused with one line that says what the file is and what would do.
    """
    contents = [read_checkpoint(path) for path in paths]
    weights: Mapping[str, Any] = contents[0][0]
    if len(paths) > 1:
        weights = {f"netG{scale}": content for scale, (content, _) in enumerate(contents)}
    stored = contents[0][1]
    given = {key: value for key, value in hints.items() if value is not None}
    try:
        return from_state_dict(weights, **{**stored, **given})
    except ModelRefused as error:
        raise ModelRefused(f"{paths[0]}: {error}") from error


def read_checkpoint(path: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """(what the file holds, the hints stored in it); nothing in the file is run."""
    if not path.is_file():
        raise ModelRefused(f"{path}: {'a folder; give the file in it' if path.is_dir() else 'no such file'}")
    if path.suffix.lower() == ".onnx":
        raise ModelRefused(f"{path}: a model file already, no checkpoint: translate -m takes it as it is")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    if path.suffix.lower() == ".npz":
        return _read_npz(path), {}
    check_checkpoint(path)
    try:
        with torch.serialization.safe_globals(BESIDE_WEIGHTS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's own advice here is to load the file unsafely, so its text is not shown
        raise ModelRefused(f"{path}: torch.load refuses it as weights: save model.state_dict() alone") from error
    if not isinstance(content, Mapping):
        raise ModelRefused(f"{path}: holds a {type(content).__name__}, no weights: save model.state_dict()")
    return content, {}


def _read_safetensors(path: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            keys = file.keys()
            tensors = {key: file.get_tensor(key) for key in keys}
            metadata = file.metadata() or {}
        hints = json.loads(metadata.get(DESCRIPTION_KEY, "{}")).get("hints", {})
    except (SafetensorError, OSError) as error:
        raise ModelRefused(f"{path}: not a .safetensors file but {describe_file(path)}") from error
    except (ValueError, AttributeError) as error:
        raise ModelRefused(f"{path}: the description in it is damaged: export it again") from error
    return tensors, hints


def _read_npz(path: Path) -> Mapping[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
        if claimed > MAX_BYTES:
            raise ModelRefused(f"{path}: unpacks to {claimed:,} bytes; at most {MAX_BYTES:,} are accepted")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except ModelRefused:
        raise
    except Exception as error:  # zipfile's and NumPy's own, undocumented kinds
        raise ModelRefused(f"{path}: not a .npz file of plain arrays but {describe_file(path)}") from error
