"""Refuse ONNX files that would run foreign code, read files outside their folder, or never end.

The first two are checked on the parsed file before an engine opens it, the third by one call on a small picture.
"""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx

from rotoscope.base.engine import Tensors
from rotoscope.base.errors import ModelRefused
from rotoscope.base.manifest import Manifest
from rotoscope.base.text import shortened
from rotoscope.runtime.models.golden import golden_inputs

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}  # of operators that every engine has
BUILT = {"EPContext", "TRTEngineOp"}  # operators whose attributes hold a built engine, or name its file
MAX_EXTERNAL_BYTES = 8 << 30
MAX_BLOCK = 1024  # pixels, of DepthToSpace and SpaceToDepth
PROBE_SIDE = 64  # pixels; rounded up to a size that the network takes
PROBE_SECONDS = 30.0
LOOP_SECONDS = 8.0  # of a graph with a loop, which may have no end


def check_graph(path: Path, proto: onnx.ModelProto, *, has_op_library: bool = False) -> None:
    """Raise ModelRefused for operators that need a library, unless one is given, and for weights outside the model's folder.

    The checker of the `onnx` package is not used: it refuses old operators that ONNX Runtime still runs.
    """
    domains = {node.domain for node in nodes(proto)} - DOMAINS - {function.domain for function in proto.functions}
    if any(node.op_type in BUILT for node in nodes(proto)):
        raise ModelRefused(
            f"{path}: holds an engine that was built elsewhere, which is a program; give the ONNX it came from"
        )
    if domains and not has_op_library:
        raise ModelRefused(
            f"{path}: uses operators of {shortened(', '.join(sorted(domains)))}, which no engine here has; "
            "onnxruntime loads them from a library that you trust: --op-library FILE"
        )
    for node in nodes(proto):
        block = next((item.i for item in node.attribute if item.name == "blocksize"), 1)
        if node.op_type in ("DepthToSpace", "SpaceToDepth") and not 1 <= block <= MAX_BLOCK:
            # ONNX Runtime divides by the square of it: 2^40 ends the process.
            raise ModelRefused(f"{path}: {node.op_type} with blocks of {block}; accepted: 1 to {MAX_BLOCK}")
    for tensor in tensors(proto):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _check_external(path, {entry.key: entry.value for entry in tensor.external_data})


def check_text(path: Path, proto: onnx.ModelProto) -> None:
    """Raise ModelRefused for names that are not UTF-8: protobuf gives them as bytes."""
    values = [*proto.graph.input, *proto.graph.output, *proto.graph.initializer, *proto.functions, *attributes(proto)]
    texts = [value.name for value in (*values, *tensors(proto))]
    texts += [word for node in nodes(proto) for word in (node.op_type, node.domain, *node.input, *node.output)]
    texts += [function.domain for function in proto.functions]
    texts += [word for entry in proto.metadata_props for word in (entry.key, entry.value)]
    texts += [word for tensor in tensors(proto) for entry in tensor.external_data for word in (entry.key, entry.value)]
    if not all(isinstance(text, str) for text in texts):
        raise ModelRefused(f"{path}: holds names that are not text in UTF-8; damaged: fetch it again")


def external_files(path: Path, proto: onnx.ModelProto) -> list[Path]:
    """Return the files that hold weights of the model, besides the model itself, each once."""
    places = [
        entry.value
        for tensor in tensors(proto)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    return [path.parent / place for place in dict.fromkeys(places)]


def check_it_ends(
    path: Path, manifest: Manifest, ends_within: Callable[[Tensors, float], bool], *, has_loop: bool = False
) -> None:
    """Raise ModelRefused if a call on a small picture does not end within 30 s, or 8 s if the graph has a loop.

    An error of that call is ignored here.

    ends_within  runs the network on inputs by name for at most a number of seconds, and returns whether the call ended
    """
    frame = manifest.frame
    side = -(-max(PROBE_SIDE, frame.minimum) // frame.multiple) * frame.multiple
    width, height = frame.width or side, frame.height or side
    inputs, state = golden_inputs(manifest, seed=0, height=height, width=width)
    seconds = LOOP_SECONDS if has_loop else PROBE_SECONDS
    if not ends_within({**inputs, **state}, seconds):
        raise ModelRefused(f"{path}: not done with a picture of {width}x{height} after {seconds:g} s; stopped")


def graphs(proto: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Yield the graph, those of the training information, and the graphs inside nodes."""
    training = [graph for info in proto.training_info for graph in (info.initialization, info.algorithm)]
    yield from (proto.graph, *training)
    for attribute in attributes(proto):
        yield from (attribute.g, *attribute.graphs)


def nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield every node: of the graph, of functions and training information, and of the graphs inside them."""
    for graph in graphs(proto):
        yield from graph.node
    for function in proto.functions:
        yield from function.node


def attributes(proto: onnx.ModelProto) -> Iterator[onnx.AttributeProto]:
    """Yield every attribute of a node, and the defaults of functions, at every depth."""
    training = [graph for info in proto.training_info for graph in (info.initialization, info.algorithm)]
    waiting: list[onnx.AttributeProto] = []
    for graph in (proto.graph, *training):
        waiting.extend(attribute for node in graph.node for attribute in node.attribute)
    for function in proto.functions:
        waiting.extend(function.attribute_proto)
        waiting.extend(attribute for node in function.node for attribute in node.attribute)
    while waiting:
        attribute = waiting.pop()
        yield attribute
        for inner in (attribute.g, *attribute.graphs):
            waiting.extend(item for node in inner.node for item in node.attribute)


def tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every constant tensor: initialisers, sparse ones, and those in attributes of nodes and functions."""
    for graph in graphs(proto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for attribute in attributes(proto):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)


def _check_external(path: Path, entry: dict[str, str]) -> None:
    """Raise ModelRefused unless weights are in a regular file with one link, inside the model's folder, and long enough.

    The name as written must lie in that folder. If it is a symbolic link, it must lead into the folder that the model really is
    in: so Hugging Face's cache keeps both, and ONNX Runtime accepts no more.
    """
    location = entry.get("location", "")
    name = shortened(location)
    inside = path.parent / location
    is_plain = (
        location
        and location.isprintable()
        and len(location) < 1000
        and "\\" not in location
        and not PureWindowsPath(location).drive
    )
    is_below = not PurePosixPath(location).is_absolute() and ".." not in PurePosixPath(location).parts
    if not is_plain or not is_below or not _is_beside(path, location):
        raise ModelRefused(
            f"{path}: keeps weights in {name!r}, outside its folder; save it as one file (onnx.save does), or copy both files "
            "into one folder, links followed (cp -L)"
        )
    try:
        found = inside.resolve().lstat()
    except OSError:
        raise ModelRefused(f"{path}: keeps weights in {name!r}, which is missing; put it beside the model") from None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise ModelRefused(f"{path}: keeps weights in {name!r}, which is a link or not a regular file; copy it there")
    try:
        end = int(entry.get("offset", "0")) + int(entry.get("length", "0"))
    except ValueError:
        end = -1
    if found.st_size > MAX_EXTERNAL_BYTES:
        raise ModelRefused(f"{path}: {name!r} has {found.st_size:,} bytes; at most {MAX_EXTERNAL_BYTES:,} are accepted")
    if not 0 <= end <= found.st_size:
        raise ModelRefused(f"{path}: {name!r} has {found.st_size:,} bytes, fewer than the model says; fetch it again")


def _is_beside(path: Path, location: str) -> bool:
    """Whether a place below the model's folder is really there, or in the folder that the model really is in."""
    inside = (path.parent / location).resolve()
    return inside == path.parent.resolve() / location or inside.parent == path.resolve().parent
