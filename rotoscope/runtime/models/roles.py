"""Which input of a graph is the picture, the mask and the style picture, and which output is the result."""

from pathlib import Path
from typing import Any

from rotoscope.base.errors import ModelRefused
from rotoscope.base.text import shortened
from rotoscope.runtime.models.graph_view import GraphView
from rotoscope.runtime.models.tensors import (
    BESIDE,
    CONTENTS,
    EXAMPLES,
    MASKS,
    PICTURES,
    PREVIOUS,
    Layout,
    PictureTensor,
    Tensor,
    as_picture,
    tensor_of,
    type_name,
)


def input_roles(
    path: Path, view: GraphView, layout: Any
) -> tuple[PictureTensor, PictureTensor | None, PictureTensor | None, list[Tensor]]:
    """(the frame, the mask, the example picture, the other inputs)."""
    tensors = [tensor_of(path, value) for value in view.inputs.values()]
    # A wrong --layout would make everything else unknown; it is for shapes that say nothing.
    pictures = [found for tensor in tensors if (found := as_picture(tensor) or as_picture(tensor, layout))]
    if not pictures:
        raise ModelRefused(f"{path}: {_why_no_picture(view, tensors)}")
    frame = max(pictures, key=_is_content)
    others = [item for item in pictures if item is not frame]
    mask = next((item for item in others if _is_mask(item, frame)), None)
    example = next((item for item in others if item is not mask and item.channels != 1), None)
    if example is not None and example.tensor.words & PREVIOUS:
        raise ModelRefused(
            f"{path}: takes {shortened(frame.tensor.name)} and {shortened(example.tensor.name)}, which is a picture of an "
            "earlier frame by its name; a description says how it starts (docs/model-files.md)"
        )
    left = [item for item in others if item not in (mask, example)]
    if left:
        names = ", ".join(shortened(item.tensor.name, 40) for item in (frame, *others))
        raise ModelRefused(
            f"{path}: {1 + len(others)} pictures ({names}); accepted without a description: one picture, and beside it a "
            "mask and a style picture"
        )
    used = {item.tensor.name for item in (frame, mask, example) if item is not None}
    return frame, mask, example, [tensor for tensor in tensors if tensor.name not in used]


def _is_content(item: PictureTensor) -> tuple[bool, int, bool]:
    words = item.tensor.words
    is_beside = bool(words & (MASKS | EXAMPLES | PREVIOUS)) or item.tensor.dtype == "bool"
    is_picture = {3: 3, None: 2, 4: 1, 1: 0}[item.channels]
    return not is_beside, is_picture, bool(words & CONTENTS)


def _is_mask(item: PictureTensor, frame: PictureTensor) -> bool:
    words = item.tensor.words
    is_named = bool(words & MASKS) and item.channels in (1, 3, None)
    return item.tensor.dtype == "bool" or is_named or (item.channels == 1 and frame.channels != 1)


def _why_no_picture(view: GraphView, tensors: list[Tensor]) -> str:
    if not tensors:
        return "the graph has no input"
    if len(tensors) > 1:
        return f"{len(tensors)} inputs ({shortened(', '.join(item.name for item in tensors))}), and none is a picture"
    (tensor,) = tensors
    if tensor.dtype not in PICTURES.values():
        kind = type_name(view.inputs[tensor.name])
        return f"{shortened(tensor.name)} is {kind}; pictures are FLOAT, FLOAT16 or UINT8"
    if tensor.dims is not None and len(tensor.dims) not in (3, 4):
        return f"{shortened(tensor.name)} has {len(tensor.dims)} dimensions; a picture has 3 or 4, such as N,3,H,W or N,H,W,3"
    return f"{shortened(tensor.name)} {tensor.shown} is no picture: none of its dimensions is 1, 3 or 4 channels"


def result_among(path: Path, view: GraphView, layout: Layout) -> tuple[PictureTensor | None, list[Tensor]]:
    """(the output that is the picture, the other outputs); None if no output has the shape of one."""
    tensors = [tensor_of(path, value) for value in view.outputs.values()]
    pictures: list[PictureTensor] = []
    for tensor in tensors:
        found = as_picture(tensor)
        if found is None and tensor.dims is not None and len(tensor.dims) == 4 and tensor.dtype in PICTURES.values():
            channels = tensor.dims[1] if layout == "NCHW" else tensor.dims[3]
            found = as_picture(tensor, layout) if channels is None else None
        if found is not None and found.tensor.dtype != "bool":
            pictures.append(found)
    if not pictures:
        return None, tensors
    best = max(pictures, key=_is_result)
    return best, [tensor for tensor in tensors if tensor.name != best.tensor.name]


def _is_result(item: PictureTensor) -> tuple[int, bool, int]:
    sides = (item.height or 0) * (item.width or 0)
    rank = {3: 3, 4: 2, None: 2, 1: 1}[item.channels]
    return rank, not item.tensor.words & BESIDE, sides
