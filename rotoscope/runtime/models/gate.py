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
from rotoscope.runtime.models.golden import golden_inputs

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}  # of operators that every engine has
PROBE_SIDE = 64  # pixels; rounded up to a size that the network takes
PROBE_SECONDS = 30.0


def check_graph(path: Path, proto: onnx.ModelProto, *, has_op_library: bool = False) -> None:
    """Raise ModelRefused for operators that need a library, unless one is given, and for weights outside the model's folder.

    The checker of the `onnx` package is not used: it refuses old operators that ONNX Runtime still runs.
    """
    domains = {node.domain for node in nodes(proto)} - DOMAINS - {function.domain for function in proto.functions}
    if domains and not has_op_library:
        raise ModelRefused(
            f"{path}: uses operators of {', '.join(sorted(domains))}, which no engine here has; "
            "onnxruntime loads them from a library that you trust: --op-library FILE"
        )
    for tensor in tensors(proto):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _check_external(path, {entry.key: entry.value for entry in tensor.external_data})


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


def check_it_ends(path: Path, manifest: Manifest, ends_within: Callable[[Tensors, float], bool]) -> None:
    """Raise ModelRefused if a call on a small picture does not end within 30 s. An error of that call is ignored here.

    ends_within  runs the network on inputs by name, at most so many seconds, and returns whether the call ended
    """
    frame = manifest.frame
    side = -(-max(PROBE_SIDE, frame.minimum) // frame.multiple) * frame.multiple
    width, height = frame.fixed_size or (side, side)
    inputs, state = golden_inputs(manifest, seed=0, height=height, width=width)
    if not ends_within({**inputs, **state}, PROBE_SECONDS):
        raise ModelRefused(f"{path}: not done with a picture of {width}x{height} after {PROBE_SECONDS:g} s; stopped")


def nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield every node: of the graph, of its functions, and of the graphs inside nodes."""
    waiting = [*proto.graph.node, *(node for function in proto.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                waiting.extend(inner.node)


def tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every constant tensor: initialisers, sparse ones, and those in attributes of nodes."""
    inner = [graph for node in nodes(proto) for item in node.attribute for graph in (item.g, *item.graphs)]
    for graph in (proto.graph, *inner):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes(proto):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
            yield from attribute.tensors


def _check_external(path: Path, entry: dict[str, str]) -> None:
    """Raise ModelRefused unless weights are in a regular file with one link, inside the model's folder, and long enough.

    "Inside" holds for the name as written and for the path after symbolic links are resolved.
    """
    location = entry.get("location", "")
    inside = path.parent / location
    is_plain = location and "\\" not in location and not PureWindowsPath(location).drive
    is_below = not PurePosixPath(location).is_absolute() and ".." not in PurePosixPath(location).parts
    if not is_plain or not is_below or inside.resolve() != path.parent.resolve() / location:
        raise ModelRefused(
            f"{path}: keeps weights in {location!r}, outside its folder; save it as one file (onnx.save does)"
        )
    try:
        found = inside.lstat()
    except OSError:
        raise ModelRefused(
            f"{path}: keeps weights in {location!r}, which is missing; put it beside the model"
        ) from None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise ModelRefused(
            f"{path}: keeps weights in {location!r}, which is a link or not a regular file; copy it there"
        )
    try:
        end = int(entry.get("offset", "0")) + int(entry.get("length", "0"))
    except ValueError:
        end = -1
    if not 0 <= end <= found.st_size:
        raise ModelRefused(
            f"{path}: {location!r} has {found.st_size:,} bytes, fewer than the model says; fetch it again"
        )
