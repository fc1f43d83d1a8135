"""Infer the description of an ONNX file that has none, and say for each item why and how certain it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx

from rotoscope.base.errors import ModelRefused
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest, MaskInput, SettingInput, StyleInput, name_from
from rotoscope.base.text import shortened
from rotoscope.runtime.models.arithmetic import Ends
from rotoscope.runtime.models.graph_view import GraphView
from rotoscope.runtime.models.inferred import TRY_RANGE, Certainty, Inferred, Span
from rotoscope.runtime.models.input_range import channels_before_convolution, input_range
from rotoscope.runtime.models.mask import hole_and_known
from rotoscope.runtime.models.output_range import output_range, residual_of
from rotoscope.runtime.models.output_size import multiple_of, scale_of
from rotoscope.runtime.models.roles import input_roles, result_among
from rotoscope.runtime.models.tensors import PictureTensor, Tensor, as_number, tensor_of


def infer_manifest(
    proto: onnx.ModelProto, path: Path, given: Mapping[str, Any]
) -> tuple[Manifest, tuple[Inferred, ...]]:
    """Infer a manifest from shapes, names, operators and metadata of a graph.

    given  what the user says, as items of the manifest: {"frame.range": (0, 255), ...}
    Raises ModelRefused for a graph without a picture among its inputs, and for inputs that are nothing known.
    """
    view = GraphView(proto)
    if not view.outputs:
        raise ModelRefused(f"{path}: the graph has no output")
    layout = given.get("frame.layout")
    frame, mask, example, rest = input_roles(path, view, layout)
    items: list[Inferred] = []
    frame_item, order_known = _frame(view, frame, layout, items)
    picture, others = result_among(path, view, frame_item.layout)
    settings = _numbers(path, rest, items)
    style = next((item for item in settings if isinstance(item, StyleInput)), None)
    if picture is None:
        return _encoder(path, view, frame_item, items, given)
    output = _ranges(view, frame_item, picture, given, items, order_known)
    frame_item, output_item = output
    if others:
        names = ", ".join(shortened(tensor.name, 40) for tensor in others)
        items.append(
            Inferred("output", picture.tensor.name, f"the one of a picture's shape; not used: {names}", "likely")
        )
    manifest = Manifest(
        name=name_from(path),
        frame=frame_item,
        mask=None if mask is None else _mask(view, mask, frame.tensor.name, items),
        style=style,
        example=None if example is None else _example(view, example, frame_item, items),
        settings=tuple(item for item in settings if isinstance(item, SettingInput)),
        output=output_item,
    )
    return manifest, tuple(items)


def _frame(view: GraphView, found: PictureTensor, layout: Any, items: list[Inferred]) -> tuple[FrameInput, bool]:
    """The picture input without its range, and whether the file itself says the order of its channels."""
    tensor = found.tensor
    shape = f"from the input shape {tensor.shown}"
    reason, certainty = shape, "certain"
    channels, chosen = found.channels, found.layout
    if channels is None:
        walked = channels_before_convolution(view, tensor.name)
        if walked is not None and walked[0] in (1, 3, 4):
            channels, reason = walked[0], "from the first convolution"
            chosen = layout or ("NHWC" if walked[1] == "NHWC" else "NCHW")
        else:
            channels, chosen = 3, layout or "NCHW"
            reason, certainty = "the usual one", "a guess"
    assert chosen is not None
    height, width = found.height, found.width
    if tensor.dims is not None and found.layout is None and len(tensor.dims) == 4:
        height, width = tensor.dims[1:3] if chosen == "NHWC" else tensor.dims[2:4]
    many = "" if channels == 3 else f", {channels} channel{'s' if channels > 1 else ''}"
    items.append(Inferred("layout", f"{chosen}{many}", reason, certainty, "--layout nchw or nhwc"))  # type: ignore[arg-type]
    if channels == 4:
        items.append(Inferred("alpha", "white", "the fourth channel of the input, usually alpha", "a guess"))
    if height and width:
        size = f"{width}x{height} only"
    elif height or width:
        size = f"any width, a height of {height} only" if height else f"any height, a width of {width} only"
    else:
        size = "any"
    items.append(Inferred("size", size, "from the input shape"))
    if found.batch != 1:
        kind = f"{found.batch} copies of a frame" if found.batch else "no batch axis"
        items.append(Inferred("batch", kind, shape))
    order, said = _said_order(view)
    is_fixed = bool(height and width)
    multiple = 1 if is_fixed else multiple_of(view)
    frame = FrameInput(
        tensor=tensor.name, layout=chosen, order=order, dtype=tensor.dtype, channels=channels,  # type: ignore[arg-type]
        batch=found.batch, range=(0, 255) if tensor.dtype == "uint8" else (0, 1), multiple=multiple, height=height,
        width=width,
    )  # fmt: skip
    if said:
        items.append(Inferred("order", order, said))
    return frame, bool(said)


def _said_order(view: GraphView) -> tuple[Literal["RGB", "BGR"], str]:
    """Order of the channels by Windows ML's metadata."""
    said = view.metadata.get("Image.BitmapPixelFormat", "")
    if said.lower().startswith(("bgr", "rgb")):
        return ("BGR" if said.lower().startswith("bgr") else "RGB"), f"the file says Image.BitmapPixelFormat={said}"
    return "RGB", ""


def _numbers(path: Path, tensors: list[Tensor], items: list[Inferred]) -> list[StyleInput | SettingInput]:
    found: list[StyleInput | SettingInput] = []
    for tensor in tensors:
        item = as_number(path, tensor, has_style=any(isinstance(other, StyleInput) for other in found))
        found.append(item)
        name = shortened(tensor.name, 60)
        if isinstance(item, SettingInput):
            shown = ",".join(f"{value:g}" for value in item.values[:4]) + (",..." if len(item.values) > 4 else "")
            items.append(
                Inferred(f"input {name}", shown, f"numbers {tensor.shown}", "a guess", f"--set {name}={shown}")
            )
        elif item.what == "weights":
            num = item.num_styles
            items.append(
                Inferred("style", f"{num} weights in {name}", f"from the input shape {tensor.shown}", "likely",
                         f"--style 0 to {num - 1}, or a blend such as 0:0.5,{num - 1}:0.5")
            )  # fmt: skip
        elif item.what == "index":
            items.append(Inferred("style", f"a number in {name}", "a whole number of this name", "likely", "--style 1"))
        else:
            reason = f"numbers {tensor.shown}, as an encoder of styles gives them"
            items.append(Inferred("style", f"a code in {name}", reason, "likely", "--like PICTURE"))
    return found


def _mask(view: GraphView, mask: PictureTensor, frame: str, items: list[Inferred]) -> MaskInput:
    hole, known, reason = hole_and_known(view, mask.tensor.name, frame, mask.tensor.dtype)
    certainty: Certainty = "certain" if reason else "likely"
    items.append(
        Inferred("mask", f"{hole:g} in the hole, {known:g} elsewhere", reason or "the usual values", certainty)
    )
    channels = 3 if mask.channels == 3 else 1
    return MaskInput(tensor=mask.tensor.name, channels=channels, dtype=mask.tensor.dtype, hole=hole, known=known)  # type: ignore[arg-type]


def _example(view: GraphView, found: PictureTensor, frame: FrameInput, items: list[Inferred]) -> FrameInput:
    shown = Ends(None) if found.tensor.dtype == "uint8" else input_range(view, found.tensor.name)
    span = (0.0, 255.0) if found.tensor.dtype == "uint8" else shown.range or frame.range
    items.append(
        Inferred("example", f"{shortened(found.tensor.name, 60)}, {span[0]:g}..{span[1]:g}", "the second picture", "likely",
                 "--like PICTURE is needed, or --input-range")
    )  # fmt: skip
    return FrameInput(
        tensor=found.tensor.name, layout=found.layout or frame.layout, order=frame.order, dtype=found.tensor.dtype,  # type: ignore[arg-type]
        range=span, channels=found.channels or 3, batch=found.batch, multiple=frame.multiple, height=found.height,  # type: ignore[arg-type]
        width=found.width,
    )  # fmt: skip


def _ranges(
    view: GraphView,
    frame: FrameInput,
    picture: PictureTensor,
    given: Mapping[str, Any],
    items: list[Inferred],
    order_known: bool,
) -> tuple[FrameInput, FrameOutput]:
    """The input with its range and order, and the output."""
    name = picture.tensor.name
    start = input_range(view, frame.tensor)
    end = output_range(view, name)
    order = frame.order
    if not order_known:
        shown = start.order or end.order
        order = "BGR" if shown == "BGR" else "RGB"
        reason = (start if start.order else end).reason if shown else "the usual order"
        items.append(Inferred("order", order, reason, "certain" if shown else "likely", "--channel-order bgr"))
    taken = _input_range(frame, start, end, given)
    made = _output_range(view, frame, picture, taken, end, given)
    items += [taken.item, made.item]
    if not (frame.height and frame.width):
        reason = "the strides in the graph" if frame.multiple > 1 else "there are no strides in the graph"
        items.append(Inferred("multiple", str(frame.multiple), reason, "likely", "--multiple 8"))
    scale = scale_of(view, frame, picture)
    if scale > 1:
        items.append(Inferred("scale", str(scale), "the upsampling in the graph", "likely"))
    frame = frame.model_copy(update={"range": taken.span, "order": order})
    output = FrameOutput(
        tensor=name, layout=picture.layout or frame.layout, order=order, dtype=picture.tensor.dtype,  # type: ignore[arg-type]
        range=made.span, channels=picture.channels or 3, scale=scale,  # type: ignore[arg-type]
        keeps_colour=frame.channels == 1 and picture.channels == 1 and scale > 1,
    )  # fmt: skip
    _say_channels(frame, output, items)
    return frame, output


@dataclass(frozen=True)
class _Span:
    span: Span
    item: Inferred


def _span(item: str, span: Span, reason: str, certainty: Certainty, hint: str) -> _Span:
    return _Span(span, Inferred(item, f"{span[0]:g}..{span[1]:g}", reason, certainty, hint))


def _input_range(frame: FrameInput, start: Ends, end: Ends, given: Mapping[str, Any]) -> _Span:
    def found(span: Span, reason: str, certainty: Certainty = "certain") -> _Span:
        return _span("input range", span, reason, certainty, TRY_RANGE)

    if "frame.range" in given:
        return found(given["frame.range"], "given")
    if frame.dtype == "uint8":
        return found((0.0, 255.0), "the values of uint8")
    if start.range is not None:
        return found(start.range, start.reason)
    if "output.range" in given:
        return found(given["output.range"], "that of its output, which is given", "likely")
    if end.own is not None:
        last = end.reason.partition("its last operator is ")[2].partition(",")[0]
        return found(end.own, f"the range that its last activation works in ({last})", "likely")
    if end.range is not None:
        return found(end.range, "the range of its output", "likely")
    return found((0.0, 1.0), "the usual range; nothing in the graph shows it", "a guess")


def _output_range(
    view: GraphView, frame: FrameInput, picture: PictureTensor, taken: _Span, end: Ends, given: Mapping[str, Any]
) -> _Span:
    def found(span: Span, reason: str, certainty: Certainty = "certain") -> _Span:
        return _span("output range", span, reason, certainty, "--output-range 0,255 or -1,1")

    if "output.range" in given:
        return found(given["output.range"], "given")
    if picture.tensor.dtype == "uint8":
        return found((0.0, 255.0), "the values of uint8")
    if end.range is not None:
        return found(end.range, end.reason)
    if residual_of(view, picture.tensor.name, frame.tensor):
        return found(taken.span, "that of its input, to which the network adds", taken.item.certainty)
    certainty: Certainty = "likely" if "frame.range" in given else "a guess"
    return found(taken.span, "that of its input", certainty)


def _say_channels(frame: FrameInput, output: FrameOutput, items: list[Inferred]) -> None:
    if output.channels == 4:
        items.append(Inferred("alpha", "left out", "the fourth channel of the output"))
    if output.channels == 1 and output.keeps_colour:
        items.append(Inferred("colour", "from the source", "the network enlarges luma alone", "likely"))
    elif output.channels == 1:
        items.append(
            Inferred("colour", "grey", "the output has one channel", "certain" if frame.channels == 3 else "likely",
                     "--keep-colour")
        )  # fmt: skip


def _encoder(
    path: Path, view: GraphView, frame: FrameInput, items: list[Inferred], given: Mapping[str, Any]
) -> tuple[Manifest, tuple[Inferred, ...]]:
    """A network without a picture among its outputs: the first output is a code."""
    outputs = [tensor_of(path, value) for value in view.outputs.values()]
    best = next((tensor for tensor in outputs if tensor.dtype in ("float32", "float16")), None)
    if best is None:
        raise ModelRefused(f"{path}: no output is a picture ({shortened(', '.join(item.name for item in outputs))})")
    taken = _input_range(frame, input_range(view, frame.tensor), Ends(None), given)
    items += [taken.item, Inferred("kind", "encode", f"no output is a picture; the first is {best.shown}", "likely")]
    frame = frame.model_copy(update={"range": taken.span})
    output = FrameOutput(tensor=best.name, content="code", dtype=best.dtype)  # type: ignore[arg-type]
    return Manifest(kind="encode", name=name_from(path), frame=frame, output=output), tuple(items)
