"""Open a checkpoint of any source: read it without running code in it, and recognise its architecture."""

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
from rotoscope.base.files import describe_file, why_unreadable
from rotoscope.export.safe_file import MAX_BYTES, check_checkpoint
from rotoscope.networks import Loaded, from_state_dict

DESCRIPTION_KEY = "rotoscope"  # in the metadata of a .safetensors file: a JSON object with the hints for its weights

# Types that training code saves beside weights; restoring them runs no code of the file.
_SCALAR = np.float64(0).__reduce__()[0]  # restores a NumPy number; NumPy 1 and 2 name its module differently
BESIDE_WEIGHTS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__ if name.endswith("DType")),
]


def open_checkpoint(*paths: Path, **hints: Any) -> Loaded:
    """Return the network of a checkpoint file in eval mode with its weights, and its description.

    paths  a file of torch.save (.pth, .pt, .ckpt, .bin ...), .safetensors, or .npz with TensorFlow's names; several files for
           the scales of one vid2vid model, coarsest first
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
    except ModelRefused as error:
        raise ModelRefused(f"{paths[0]}: {error}") from error


def read_checkpoint(path: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return (content of the file, hints stored in it); no code in the file is run."""
    if not path.is_file():
        raise ModelRefused(f"{path}: {'a folder; give the file in it' if path.is_dir() else 'no such file'}")
    if path.suffix.lower() == ".onnx":
        raise ModelRefused(f"{path}: a model file already, not a checkpoint: translate -m {path} runs it")
    if reason := why_unreadable(path):
        raise ModelRefused(f"{path}: {reason}")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    if path.suffix.lower() == ".npz":
        return _read_npz(path), {}
    check_checkpoint(path)
    try:
        with torch.serialization.safe_globals(BESIDE_WEIGHTS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's message advises weights_only=False, so it is not shown
        raise ModelRefused(f"{path}: torch.load refuses it as weights: save model.state_dict() alone") from error
    if not isinstance(content, Mapping):
        raise ModelRefused(f"{path}: holds a {type(content).__name__} instead of weights: save model.state_dict()")
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
    except Exception as error:  # zipfile and NumPy raise undocumented types
        raise ModelRefused(f"{path}: not a .npz file of plain arrays but {describe_file(path)}") from error
