"""A model repository for NVIDIA's Triton Inference Server: a folder with the ONNX file and config.pbtxt.

The format of config.pbtxt is the text form of ModelConfig, of Triton's model_config.proto. A model with state becomes a model
with sequence batching and implicit state: the server keeps the state tensors of each sequence.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import onnx

from rotoscope.base.errors import ModelRefused, OutputFailed, UsageError
from rotoscope.base.manifest import Manifest, StateTensor
from rotoscope.base.parts import Part
from rotoscope.base.placing import rename_to_new
from rotoscope.base.sizes import Size
from rotoscope.runtime.models.model_file import ModelFile, write_described

TYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "TYPE_FP32",
    onnx.TensorProto.FLOAT16: "TYPE_FP16",
    onnx.TensorProto.DOUBLE: "TYPE_FP64",
    onnx.TensorProto.UINT8: "TYPE_UINT8",
    onnx.TensorProto.INT32: "TYPE_INT32",
    onnx.TensorProto.INT64: "TYPE_INT64",
    onnx.TensorProto.BOOL: "TYPE_BOOL",
}
STATE_TYPES = {"float32": "TYPE_FP32", "float16": "TYPE_FP16"}
ANY = -1  # a side that a request decides
IDLE_MICROSECONDS = 60_000_000  # after which the server forgets a sequence whose client is gone

Dims = tuple[int, ...]


def write_repository(model: ModelFile, folder: Path, *, size: Size | None = None) -> Path:
    """Write `folder/NAME/config.pbtxt` and `folder/NAME/1/model.onnx`; return `folder/NAME`.

    folder  the repository, which may hold other models; made if it does not exist
    size    (width, height) of the network's input; required for models with state that take any size
    Raises UsageError for a size that the network does not take, or if the model is in the repository already; ModelRefused
    for a model whose state the server cannot keep.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", model.name)
    target = folder / name
    if target.exists():
        raise UsageError(f"{target} exists; accepted: a repository without a model of this name")
    text = config_text(name, model.path, model.manifest, size)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = Part(target, is_folder=True)
        try:
            part.create()
            (part.path / "1").mkdir()
            write_described(model.path, model.manifest, part.path / "1" / "model.onnx")
            (part.path / "config.pbtxt").write_text(text)
            rename_to_new(part.path, target)
            part.release()
        finally:
            part.remove()
    except OSError as error:
        raise OutputFailed(f"{target}: {error.strerror or error}") from error
    return target


def config_text(name: str, path: Path, manifest: Manifest, size: Size | None) -> str:
    """The content of config.pbtxt for an ONNX file."""
    _check_state(path, manifest)
    if size is None and manifest.state and manifest.frame.fixed_size is None:
        raise UsageError(f"{path}: the server keeps its state at one size; accepted: --size, such as --size 640x360")
    size = _checked(manifest, size) or manifest.frame.fixed_size
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    state = {tensor.input for tensor in manifest.state}
    inputs = [value for value in graph.input if value.name not in constants | state]
    outputs = [value for value in graph.output if value.name in manifest.outputs]
    lines = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        'default_model_filename: "model.onnx"',
        "max_batch_size: 0",
        *_tensors("input", ((value, _input_dims(value, manifest, size)) for value in inputs)),
        *_tensors("output", ((value, _dims(value)) for value in outputs)),
        "instance_group [ { count: 1 kind: KIND_AUTO } ]",
    ]
    if manifest.state:
        assert size is not None
        lines += _sequence_batching(manifest.state, size)
    lines += [
        "parameters {",
        '  key: "rotoscope"',
        f'  value {{ string_value: "{_escaped(manifest.model_dump_json())}" }}',
        "}",
    ]
    return "\n".join(lines) + "\n"


def _check_state(path: Path, manifest: Manifest) -> None:
    """Raise ModelRefused for a state that is more than outputs which become inputs, zero at first."""
    if manifest.composite:
        raise ModelRefused(f"{path}: its picture is composed outside the graph, which Triton does not do")
    for tensor in manifest.state:
        if tensor.initial != "zeros":
            raise ModelRefused(f"{path}: its state {tensor.input} begins as {tensor.initial}; Triton begins with zeros")


def _checked(manifest: Manifest, size: Size | None) -> Size | None:
    """The size; raises UsageError if the network does not take it."""
    if size is None:
        return None
    frame = manifest.frame
    fixed = (frame.width or size[0], frame.height or size[1])
    wrong = size != fixed or any(side % frame.multiple or side < frame.minimum for side in size)
    if wrong:
        sides = f"sides of at least {frame.minimum}, multiples of {frame.multiple}"
        if frame.width or frame.height:
            sides = f"{frame.width or 'any width'} x {frame.height or 'any height'}"
        raise UsageError(f"--size {size[0]}x{size[1]}; accepted by {manifest.name}: {sides}")
    return size


def _dims(value: onnx.ValueInfoProto) -> Dims:
    return tuple(side.dim_value or ANY for side in value.type.tensor_type.shape.dim)


def _input_dims(value: onnx.ValueInfoProto, manifest: Manifest, size: Size | None) -> Dims:
    """Those of the graph; of the frame, those of the size if there is one."""
    if size is not None and value.name == manifest.frame.tensor:
        return manifest.frame.shape(size[1], size[0])
    return _dims(value)


def _tensors(kind: str, tensors: Iterable[tuple[onnx.ValueInfoProto, Dims]]) -> Iterator[str]:
    for value, dims in tensors:
        element = int(value.type.tensor_type.elem_type)
        if element not in TYPES:
            word = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
            raise ModelRefused(f"{value.name} is of type {word}; accepted for Triton: {', '.join(TYPES.values())}")
        yield f'{kind} [ {{ name: "{_escaped(value.name)}" data_type: {TYPES[element]} dims: {_list(dims)} }} ]'


def _sequence_batching(state: Sequence[StateTensor], size: Size) -> Iterator[str]:
    yield "sequence_batching {"
    yield f"  max_sequence_idle_microseconds: {IDLE_MICROSECONDS}"
    for tensor in state:
        dims = _list(tensor.resolve(size[1], size[0]))
        kind = STATE_TYPES[tensor.dtype]
        yield "  state ["
        yield "    {"
        yield f'      input_name: "{_escaped(tensor.input)}"'
        yield f'      output_name: "{_escaped(tensor.output)}"'
        yield f"      data_type: {kind}"
        yield f"      dims: {dims}"
        yield f'      initial_state {{ name: "zeros" data_type: {kind} dims: {dims} zero_data: true }}'
        yield "    }"
        yield "  ]"
    yield "}"


def _list(dims: Dims) -> str:
    return f"[ {', '.join(map(str, dims))} ]"


def _escaped(text: str) -> str:
    """A text inside double quotes of the text form of protobuf."""
    return text.encode("unicode_escape").decode().replace('"', '\\"')
