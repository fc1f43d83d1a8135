"""The header of a .safetensors file: 8 bytes with its length, then JSON; the numbers come after it."""

import json
from pathlib import Path
from typing import Any

from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import describe_file, why_unusable
from rotoscope.weights.archive import MAX_BYTES
from rotoscope.weights.pickled import MAX_TENSORS

MAX_HEADER_BYTES = 16 << 20


def read_metadata(path: Path) -> dict[str, str]:
    """Return the free texts in the header; raise ModelRefused unless the header fits the size of the file."""
    if reason := why_unusable(path, MAX_BYTES):
        raise ModelRefused(f"{path}: {reason}")
    damaged = f"{path}: not a .safetensors file but {describe_file(path)}"
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(MAX_HEADER_BYTES, path.stat().st_size - 8):
            raise ModelRefused(damaged)
        text = file.read(length)
    try:
        header: dict[str, Any] = json.loads(text)
        metadata: dict[str, str] = header.pop("__metadata__", None) or {}
        ends = [entry["data_offsets"][1] for entry in header.values()]
        is_right = max(ends, default=0) == path.stat().st_size - 8 - length
        is_text = all(isinstance(text, str) for text in metadata.values())
    except Exception as error:  # JSON of any shape
        raise ModelRefused(damaged) from error
    if not is_right or len(ends) > MAX_TENSORS or not is_text:
        raise ModelRefused(f"{path}: a .safetensors file whose header does not fit its size: download it again")
    return metadata
