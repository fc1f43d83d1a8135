"""Tell files of weights by their first bytes, whatever their names end in."""

import re
from pathlib import Path
from typing import Literal

from rotoscope.weights.safetensors_file import MAX_HEADER_BYTES

Kind = Literal["torch", "safetensors", "npz"]
HEAD_BYTES = 256
# First entries of the archives that torch.save and torch.jit.save write, also after packing them again.
TORCH_ENTRIES = re.compile(rb"([^/]+/)?(data\.pkl|constants\.pkl|version|byteorder|\.[a-z_]+|(\.?data|code)/.*)|[^/]+/")


def kind_of_weights(path: Path) -> Kind | None:
    """Return the kind of a file of weights; None for other files, and for what is no regular file or cannot be read.

    A bare pickle counts as "torch", whose reader says what to save instead.
    """
    try:
        if not path.is_file():
            return None
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError):  # ValueError: a name with a NUL
        return None
    if head.startswith(b"PK\x03\x04"):
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        if name.endswith(b".npy"):
            return "npz"
        return "torch" if TORCH_ENTRIES.fullmatch(name) else None
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "torch"
    length = int.from_bytes(head[:8], "little")
    if 0 < length <= min(MAX_HEADER_BYTES, size - 8) and head[8:9] == b"{":
        return "safetensors"
    return None
