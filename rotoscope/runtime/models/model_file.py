"""Open a model file: check it, read its manifest, or infer one for a foreign ONNX and say how.

The file is not trusted: `refuse_unsafe` refuses what is dangerous before an engine opens it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from pydantic import ValidationError

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.files import describe_file, file_digest, why_unusable
from rotoscope.base.manifest import METADATA_KEY, FrameInput, FrameOutput, Manifest, name_from
from rotoscope.base.text import shortened
from rotoscope.runtime.models.refuse_unsafe import check_graph, check_text, external_files, nodes, tensors

_DTYPES: dict[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.FLOAT16: "float16"}
MAX_ONNX_BYTES = 2 << 30  # more a protobuf message cannot have
_PRECISIONS: dict[int, str] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.INT8: "int8",
}
# Means of ImageNet. A network that subtracts Caffe's blue mean from its first channel takes BGR in 0..255.
_CAFFE_BLUE_MEAN = 103.939
_VGG_RED_MEAN = 123.68


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file with its manifest.

    precision  "fp32", "fp16" or "int8": what most of its weights are
    inferred   for each item of the manifest, its value and the reason for it; empty if the file has a manifest
    has_loop   a node of the graph is a Loop, which may have no end
    """

    path: Path
    manifest: Manifest
    sha256: str
    num_parameters: int
    precision: str
    inferred: tuple[str, ...] = field(default=())
    has_loop: bool = False

    @property
    def name(self) -> str:
        """Short name for messages and file names."""
        return self.manifest.name


def open_model(path: Path, overrides: dict[str, Any] | None = None, *, has_op_library: bool = False) -> ModelFile:
    """Read and check an ONNX file.

    overrides       replaces items of the manifest: {"frame.range": (0, 255), ...}
    has_op_library  the caller has a library with the file's custom operators
    Raises ModelRefused if the file is missing, damaged, dangerous, or contradicts its manifest.
    """
    if reason := why_unusable(path, MAX_ONNX_BYTES):
        raise ModelRefused(f"{path}: {reason}")
    try:
        proto = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf and onnx raise many kinds for damaged files
        raise ModelRefused(f"{path}: not an ONNX file but {describe_file(path)}") from error
    check_text(path, proto)
    check_graph(path, proto, has_op_library=has_op_library)
    entry = {prop.key: prop.value for prop in proto.metadata_props}.get(METADATA_KEY)
    inferred: tuple[str, ...]
    if entry is not None:
        manifest, inferred = Manifest.from_json(entry, where=str(path)), ()
    else:
        try:
            manifest, inferred = infer_manifest(proto, path, layout=(overrides or {}).get("frame.layout"))
        except (ArithmeticError, ValueError, KeyError) as error:  # sizes and strides of any value, or none
            raise ModelRefused(
                f"{path}: no description, and its shapes are not those of a network on pictures"
            ) from error
    if overrides:
        manifest = overridden(manifest, overrides)
        inferred = tuple(line for line in inferred if line.split(":")[0] not in {_label(key) for key in overrides})
    _check_names(path, proto, manifest)
    sizes = dict.fromkeys(_PRECISIONS.values(), 0)
    for tensor in tensors(proto):
        if tensor.data_type in _PRECISIONS:
            sizes[_PRECISIONS[tensor.data_type]] += _size(tensor.dims)
    precision = max(sizes, key=lambda word: sizes[word])
    has_loop = any(node.op_type == "Loop" for node in nodes(proto))
    sha256 = file_digest(path, *external_files(path, proto))
    return ModelFile(path, manifest, sha256, sum(sizes.values()), precision, inferred, has_loop)


def write_described(source: Path, manifest: Manifest, target: Path) -> None:
    """Write a copy of an ONNX file with this manifest in its metadata."""
    proto = onnx.load(source)
    for index in reversed(range(len(proto.metadata_props))):
        if proto.metadata_props[index].key == METADATA_KEY:
            del proto.metadata_props[index]
    proto.metadata_props.add(key=METADATA_KEY, value=manifest.model_dump_json())
    onnx.save(proto, target)


def infer_manifest(proto: onnx.ModelProto, path: Path, *, layout: Any = None) -> tuple[Manifest, tuple[str, ...]]:
    """Infer a manifest from shapes, names, constants and Windows ML's metadata; return it with the reasons.

    layout  "NCHW" or "NHWC", for graphs whose shapes do not show it
    Raises ModelRefused unless the graph takes and makes one picture.
    """
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = shortened(", ".join(value.name for value in inputs)) or "none"
        raise ModelRefused(
            f"{path}: {len(inputs)} inputs ({names}); a file without a description may have one, a picture"
        )
    if not proto.graph.output:
        raise ModelRefused(f"{path}: the graph has no output")
    in_shape, in_type = _shape(path, inputs[0])
    out_shape, out_type = _shape(path, proto.graph.output[0])
    layout = layout or _layout(path, in_shape)
    out_layout = _layout(path, out_shape, default=layout)
    height, width = (in_shape[2], in_shape[3]) if layout == "NCHW" else (in_shape[1], in_shape[2])
    reasons = [f"layout: {layout}, from the input shape {_show(in_shape)}"]
    if (height is None) != (width is None):
        raise ModelRefused(f"{path}: input {_show(in_shape)} fixes one side only; both or none are supported")
    reasons.append(f"size: {f'{width}x{height} only' if height else 'any'}, from the input shape")
    order, order_reason = _infer_order(proto)
    reasons.append(f"order: {order}, {order_reason}")
    span, span_reason = _infer_input_range(proto)
    reasons.append(f"input range: {span[0]:g}..{span[1]:g}, {span_reason}")
    out_span, out_reason = _infer_output_range(proto, span)
    reasons.append(f"output range: {out_span[0]:g}..{out_span[1]:g}, {out_reason}")
    multiple = 1 if height else _infer_multiple(proto)
    if not height:
        reasons.append(
            f"multiple: {multiple}, from {'the strides in the graph' if multiple > 1 else 'the absence of strides'}"
        )
    frame = FrameInput(
        tensor=inputs[0].name, layout=layout, order=order, dtype=in_type, range=span, multiple=multiple, height=height,
        width=width,
    )  # fmt: skip
    output = FrameOutput(
        tensor=proto.graph.output[0].name, layout=out_layout, order=order, dtype=out_type, range=out_span,
        scale=_infer_scale(proto, in_shape, out_shape, layout),
    )  # fmt: skip
    if output.scale > 1:
        reasons.append(f"scale: {output.scale}, from the upsampling in the graph")
    return Manifest(name=name_from(path), frame=frame, output=output), tuple(reasons)


def _infer_order(proto: onnx.ModelProto) -> tuple[Any, str]:
    pixel_format = {prop.key: prop.value for prop in proto.metadata_props}.get("Image.BitmapPixelFormat", "")
    if pixel_format.lower().startswith("bgr"):
        return "BGR", f"the file says Image.BitmapPixelFormat={pixel_format}"
    means = _scaler_means(proto)
    if means and abs(abs(means[0]) - _CAFFE_BLUE_MEAN) < 0.01:
        return "BGR", "its first channel has Caffe's blue mean subtracted"
    return "RGB", "the usual order; --channel-order bgr if colours come out swapped"


def _infer_input_range(proto: onnx.ModelProto) -> tuple[tuple[float, float], str]:
    means = _scaler_means(proto)
    if means and max(abs(mean) for mean in means) > 2:
        return (0.0, 255.0), "it subtracts means of 8-bit values itself"
    if _last_operator(proto) == "Tanh":
        return (-1.0, 1.0), "the range of its last operator, Tanh"
    return (0.0, 1.0), "the usual range; --input-range 0,255 or -1,1 if the picture is washed out"


def _infer_output_range(proto: onnx.ModelProto, span: tuple[float, float]) -> tuple[tuple[float, float], str]:
    last = _last_operator(proto)
    if last == "Tanh":
        return (-1.0, 1.0), "its last operator is Tanh"
    if last == "Sigmoid":
        return (0.0, 1.0), "its last operator is Sigmoid"
    return span, "as its input"


def _infer_multiple(proto: onnx.ModelProto) -> int:
    """Return the product of all strides, at most 256. With parallel branches this is more than needed, and only pads more."""
    product = 1
    for node in proto.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type in ("Conv", "MaxPool", "AveragePool") and "strides" in attributes:
            product *= max(attributes["strides"].ints)
        if node.op_type == "SpaceToDepth":
            product *= attributes["blocksize"].i
    return min(product, 256)


def _infer_scale(proto: onnx.ModelProto, in_shape: list[Any], out_shape: list[Any], layout: str) -> int:
    axis = 2 if layout == "NCHW" else 1
    if isinstance(in_shape[axis], int) and isinstance(out_shape[axis], int):
        return max(1, int(out_shape[axis]) // int(in_shape[axis]))
    up, down = 1.0, 1
    for node in proto.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "DepthToSpace":
            up *= attributes["blocksize"].i
        elif node.op_type == "ConvTranspose" and "strides" in attributes:
            up *= max(attributes["strides"].ints)
        elif node.op_type == "Upsample" and "scales" in attributes:
            up *= max(attributes["scales"].floats)
        elif node.op_type in ("Conv", "MaxPool", "AveragePool") and "strides" in attributes:
            down *= max(attributes["strides"].ints)
        elif node.op_type == "SpaceToDepth":
            down *= attributes["blocksize"].i
    return max(1, round(up / down))


def _scaler_means(proto: onnx.ModelProto) -> list[float]:
    """Return what an ImageScaler at the beginning of the graph (ONNX Model Zoo, Core ML) adds to each channel; else nothing."""
    for node in proto.graph.node[:2]:
        if node.op_type == "ImageScaler":
            return [
                float(value) for attribute in node.attribute if attribute.name == "bias" for value in attribute.floats
            ]
    return []


def _last_operator(proto: onnx.ModelProto) -> str:
    name = proto.graph.output[0].name
    return next((node.op_type for node in proto.graph.node if name in node.output), "")


def _shape(path: Path, value: onnx.ValueInfoProto) -> tuple[list[int | None], Any]:
    if not value.type.HasField("tensor_type"):
        raise ModelRefused(f"{path}: {shortened(value.name)} is not a tensor")
    tensor = value.type.tensor_type
    if tensor.elem_type not in _DTYPES:
        known = tensor.elem_type in onnx.TensorProto.DataType.values()
        found = onnx.TensorProto.DataType.Name(tensor.elem_type) if known else f"of element type {tensor.elem_type}"
        raise ModelRefused(f"{path}: {shortened(value.name)} is {found}; pictures are FLOAT or FLOAT16")
    shape = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if len(shape) != 4:
        raise ModelRefused(
            f"{path}: {shortened(value.name)} has {len(shape)} dimensions; a picture has 4 (N,3,H,W or N,H,W,3)"
        )
    return shape, _DTYPES[tensor.elem_type]


def _layout(path: Path, shape: list[int | None], default: Any = None) -> Any:
    if shape[1] == 3:
        return "NCHW"
    if shape[3] == 3:
        return "NHWC"
    if default and shape[1] is None and shape[3] is None:
        return default
    raise ModelRefused(f"{path}: {_show(shape)} has no dimension of 3 channels (--layout nchw or nhwc, if it has)")


def _show(shape: list[int | None]) -> str:
    return "[" + ",".join("?" if item is None else str(item) for item in shape) + "]"


def _check_names(path: Path, proto: onnx.ModelProto, manifest: Manifest) -> None:
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = {value.name for value in proto.graph.input} - constants
    outputs = {value.name for value in proto.graph.output}
    fed = {*manifest.inputs, *(tensor.input for tensor in manifest.state)}
    taken = {*manifest.outputs, *manifest.state_outputs}
    if fed != inputs:
        wrong = ", ".join(sorted(fed ^ inputs))
        raise ModelRefused(f"{path}: description and graph disagree about the inputs ({shortened(wrong)})")
    if not taken <= outputs:
        raise ModelRefused(f"{path}: the graph has no output {shortened(', '.join(sorted(taken - outputs)))}")


def _size(dims: Any) -> int:
    product = 1
    for dim in dims:
        product *= dim
    return product


def _label(key: str) -> str:
    """Return the word before the colon in the reason for an item that this override replaces."""
    return {
        "frame.range": "input range",
        "output.range": "output range",
        "frame.order": "order",
        "frame.layout": "layout",
        "frame.multiple": "multiple",
        "output.scale": "scale",
    }.get(key, key)


def overridden(manifest: Manifest, overrides: dict[str, Any]) -> Manifest:
    """Return the manifest with items replaced, {"frame.range": (0, 255), ...}; raise UsageError if the result is invalid."""
    data = manifest.model_dump()
    for key, value in overrides.items():
        part, _, name = key.partition(".")
        data[part][name] = value
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        wrong = error.errors()[0]
        item = ".".join(str(part) for part in wrong["loc"])
        value = ", ".join(f"{key}={value}" for key, value in overrides.items() if key.startswith(item)) or item
        raise UsageError(f"{value}: {wrong['msg']}") from error
