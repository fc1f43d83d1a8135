"""The tensors of a checkpoint: what torch.load(weights_only=True) returns, made without torch's unpickler."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rotoscope.weights.pickled import Storage, View
from rotoscope.weights.torch_file import Tree, read_torch_file

DTYPES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16, "Long": torch.int64,
    "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8, "Bool": torch.bool,
    "Untyped": torch.uint8, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128,
}  # fmt: skip


def load_tensors(path: Path) -> dict[str, Any]:
    """Return the dictionaries and tensors of a file of torch.save, on the CPU; its other values are left out.

    Tensors on one storage share their memory. Raises ModelRefused for damaged files and for all that are not weights.
    """
    found = read_torch_file(path)
    blocks: dict[str, bytearray] = {}
    with path.open("rb") as file:

        def numbers(storage: Storage) -> Tensor:
            dtype = DTYPES[storage.kind]
            if storage.count == 0:
                return torch.empty(0, dtype=dtype)
            if storage.key not in blocks:
                blocks[storage.key] = found.read(storage.key, file)
            start = storage.start * dtype.itemsize
            return torch.frombuffer(blocks[storage.key], dtype=dtype, count=storage.count, offset=start)

        def made(tree: Tree) -> dict[str, Any]:
            return {
                key: torch.as_strided(numbers(item.storage), item.shape, item.strides, item.offset)
                if isinstance(item, View)
                else made(item)
                for key, item in tree.items()
            }

        return made(found.content)
