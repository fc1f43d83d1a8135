"""Classify the inputs and outputs of a graph without a description: pictures, masks, styles, numbers."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx

from rotoscope.base.errors import ModelRefused
from rotoscope.base.manifest import MAX_BATCH, SettingInput, StyleInput
from rotoscope.base.text import shortened

Layout = Literal["NCHW", "NHWC"]
PICTURES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.UINT8: "uint8",
}
NUMBERS: dict[int, str] = {
    **PICTURES,
    onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.BOOL: "bool",
}
LEAST_SIDE = 8  # pixels; a tensor with a shorter known side is no picture
MOST_WEIGHTS = 64  # a longer vector is a code, unless its name says otherwise

# Words in names of tensors, as parts between other characters than letters.
MASKS = {"mask", "masks", "hole", "holes", "trimap"}
EXAMPLES = {"style", "styles", "example", "exemplar", "reference", "ref", "guide", "painting", "sty"}
PREVIOUS = {"prev", "previous", "last", "hidden", "state", "history", "past", "memory", "recurrent"}
CONTENTS = {"content", "image", "img", "input", "frame", "picture", "photo", "source", "src", "rgb", "x"}
BESIDE = {"mask", "masks", "attention", "alpha", "feature", "features", "flow", "depth", "logit", "logits", "aux", "coarse",
          "heatmap", "low", "small", "mean", "std", "hidden", "state", "confidence", "uncertainty"}  # fmt: skip
WEIGHTS = {"weight", "weights", "class", "classes", "label", "labels", "onehot", "domain", "domains", "style", "styles"}
CODES = {"z", "noise", "latent", "code", "embedding", "bottleneck", "vector", "w"}
INDICES = {"style", "styles", "class", "label", "domain", "index", "id", "idx", "target"}
ZERO = {"noise", "sigma", "seed", "training", "train", "drop", "dropout", "offset", "shift", "level", "denoise", "time"}


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph.

    dtype  name of NumPy's dtype; "" for others, such as text
    dims   lengths of the axes, None where they vary; None if the file does not say how many there are
    """

    name: str
    dtype: str
    dims: tuple[int | None, ...] | None

    @property
    def words(self) -> set[str]:
        """The words in the name, in lower case."""
        parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name)
        return {word for word in re.split(r"[^a-z]+", parted.lower()) if word}

    @property
    def shown(self) -> str:
        """Such as "[1,3,?,?]"."""
        if self.dims is None:
            return "of unknown shape"
        return "[" + ",".join("?" if item is None else str(item) for item in self.dims) + "]"


@dataclass(frozen=True)
class PictureTensor:
    """A tensor that holds a picture.

    channels  None if the file does not say how many
    layout    None if the file does not say where they stand
    batch     length of the batch axis, 0 without one
    """

    tensor: Tensor
    channels: int | None
    layout: Layout | None
    batch: int
    height: int | None
    width: int | None


def tensor_of(path: Path, value: onnx.ValueInfoProto) -> Tensor:
    """Read the description of a value; raise ModelRefused if it is a sequence, a map or an optional value."""
    if not value.type.HasField("tensor_type"):
        raise ModelRefused(f"{path}: {shortened(value.name)} is not a tensor")
    kind = value.type.tensor_type
    dims = None
    if kind.HasField("shape"):
        dims = tuple(
            dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in kind.shape.dim
        )
    return Tensor(value.name, NUMBERS.get(int(kind.elem_type), ""), dims)


def type_name(value: onnx.ValueInfoProto) -> str:
    """ONNX's name of a value's element type."""
    kind = value.type.tensor_type.elem_type
    known = kind in onnx.TensorProto.DataType.values()
    return onnx.TensorProto.DataType.Name(kind) if known else f"of element type {kind}"


def as_picture(tensor: Tensor, layout: Any = None) -> PictureTensor | None:
    """The tensor as a picture; None if its type or shape is that of something else.

    layout  "NCHW" or "NHWC", if the user says so
    """
    dims = tensor.dims
    if tensor.dtype not in (*PICTURES.values(), "bool"):
        return None
    if dims is None:
        return PictureTensor(tensor, None, layout, 1, None, None)
    if len(dims) not in (3, 4):
        return None
    batch = 0 if len(dims) == 3 else dims[0] or 1
    first, *_, last = dims[-3:]
    found: Layout | None = layout
    if found is None:
        orders: tuple[tuple[Layout, int | None], ...] = (("NCHW", first), ("NHWC", last))
        found = next(
            (name for wanted in (3, 4, 1) for name, count in orders if count == wanted and _fits(dims, name)), None
        )
        if found is None and (first is not None or last is not None or len(dims) == 3):
            return None
    if found is None:
        return PictureTensor(tensor, None, None, batch, dims[-2], None)
    channels = first if found == "NCHW" else last
    height, width = dims[-2:] if found == "NCHW" else dims[-3:-1]
    if channels not in (None, 1, 3, 4) or not _fits(dims, found) or batch > MAX_BATCH:
        return None
    return PictureTensor(tensor, channels, found, batch, height, width)


def _fits(dims: Sequence[int | None], layout: Layout) -> bool:
    """Whether both sides may be those of a picture."""
    sides = dims[-2:] if layout == "NCHW" else dims[-3:-1]
    return all(side is None or side >= LEAST_SIDE for side in sides)


def as_number(path: Path, tensor: Tensor, *, has_style: bool) -> StyleInput | SettingInput:
    """A tensor beside the picture as a style or a setting; raise ModelRefused if its size is unknown or its type no number's.

    has_style  another input is the style
    """
    dims = tensor.dims
    if dims is None or not tensor.dtype or None in dims[1:]:
        raise ModelRefused(
            f"{path}: input {shortened(tensor.name)} {tensor.shown} is neither a picture nor numbers of a known count; "
            "a description says what it is (docs/model-files.md)"
        )
    shape = tuple(item or 1 for item in dims)
    kind: Any = tensor.dtype
    size, is_float = math.prod(shape), tensor.dtype in ("float32", "float16")
    if size == 1:
        if tensor.dtype in ("int32", "int64") and tensor.words & INDICES and not has_style:
            return StyleInput(tensor=tensor.name, what="index", shape=shape, dtype=kind)
        value = 0.0 if tensor.words & ZERO or tensor.dtype not in ("float32", "float16", "float64") else 1.0
        return SettingInput(tensor=tensor.name, dtype=kind, shape=shape, values=(value,))
    if not is_float or has_style:
        values = (0.0,) * size if not is_float else (1.0, *(0.0,) * (size - 1))
        return SettingInput(tensor=tensor.name, dtype=kind, shape=shape, values=values)
    is_short = size <= MOST_WEIGHTS and not tensor.words & CODES
    says_weights = bool(tensor.words & {"weight", "weights"}) or (size <= MOST_WEIGHTS and bool(tensor.words & WEIGHTS))
    what: Literal["weights", "code"] = "weights" if len(shape) <= 2 and (says_weights or is_short) else "code"
    return StyleInput(tensor=tensor.name, what=what, shape=shape, dtype=kind)
