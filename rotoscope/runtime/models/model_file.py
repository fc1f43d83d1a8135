"""Open a model file: check it, read its manifest, or infer one for a foreign ONNX and say how.

The file is not trusted: `refuse_unsafe` refuses what is dangerous before an engine opens it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from pydantic import ValidationError

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.files import describe_file, file_digest, why_unusable
from rotoscope.base.manifest import METADATA_KEY, Manifest
from rotoscope.base.text import shortened
from rotoscope.runtime.models.inference import infer_manifest
from rotoscope.runtime.models.inferred import Inferred, guess_notes
from rotoscope.runtime.models.refuse_unsafe import check_graph, check_text, external_files, nodes, tensors

MAX_ONNX_BYTES = 2 << 30  # more a protobuf message cannot have
_PRECISIONS: dict[int, str] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.INT8: "int8",
}

LABELS = {
    "frame.range": "input range",
    "output.range": "output range",
    "frame.order": "order",
    "frame.layout": "layout",
    "frame.multiple": "multiple",
}  # overrides -> the inference that they replace


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file with its manifest.

    precision   "fp32", "fp16" or "int8": what most of its weights are
    inferences  what was inferred for a file without a manifest, with the reasons
    has_loop    a node of the graph is a Loop, which may have no end
    """

    path: Path
    manifest: Manifest
    sha256: str
    num_parameters: int
    precision: str
    inferences: tuple[Inferred, ...] = ()
    has_loop: bool = False

    @property
    def inferred(self) -> tuple[str, ...]:
        """For each item that was inferred, its value, its certainty and the reason; empty if the file has a manifest."""
        return tuple(map(str, self.inferences))

    @property
    def guesses(self) -> tuple[str, ...]:
        """Notes on what stays a guess, each with the flag to try."""
        return tuple(guess_notes(self.name, self.inferences))

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
    inferences: tuple[Inferred, ...] = ()
    if entry is not None:
        manifest = Manifest.from_json(entry, where=str(path))
    else:
        try:
            manifest, inferences = infer_manifest(proto, path, overrides or {})
        except (ArithmeticError, LookupError, ValueError) as error:  # nodes without inputs, sizes of any value
            raise ModelRefused(
                f"{path}: no description, and its shapes are not those of a network on pictures"
            ) from error
    if overrides:
        manifest = overridden(manifest, overrides)
        inferences = tuple(item for item in inferences if item.item not in {LABELS.get(key) for key in overrides})
    _check_names(path, proto, manifest)
    sizes = dict.fromkeys(_PRECISIONS.values(), 0)
    for tensor in tensors(proto):
        if tensor.data_type in _PRECISIONS:
            sizes[_PRECISIONS[tensor.data_type]] += _size(tensor.dims)
    precision = max(sizes, key=lambda word: sizes[word])
    has_loop = any(node.op_type == "Loop" for node in nodes(proto))
    sha256 = file_digest(path, *external_files(path, proto))
    return ModelFile(path, manifest, sha256, sum(sizes.values()), precision, inferences, has_loop)


def write_described(source: Path, manifest: Manifest, target: Path) -> None:
    """Write a copy of an ONNX file with this manifest in its metadata."""
    proto = onnx.load(source)
    for index in reversed(range(len(proto.metadata_props))):
        if proto.metadata_props[index].key == METADATA_KEY:
            del proto.metadata_props[index]
    proto.metadata_props.add(key=METADATA_KEY, value=manifest.model_dump_json())
    onnx.save(proto, target)


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
