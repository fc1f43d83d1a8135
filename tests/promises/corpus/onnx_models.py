"""ONNX files that read other files, never end, take the memory, hide names with escapes, or are no picture network."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from corpus.cut_videos import NO_VIDEOS, flipped
from corpus.entry import CLIP, FINE, MODEL, Entry, file, translated

PICTURE = ("N", 3, "H", "W")
ESCAPES = "\x1b]0;pwned\x07\x1b[31m\nrotoscope: done"
FLOAT = TensorProto.FLOAT


def value(name: str, shape: object = PICTURE, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    """An input or output of a graph."""
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    *nodes: onnx.NodeProto, inputs: object = None, outputs: object = None, constants: object = (), domains: object = ()
) -> onnx.ModelProto:
    """A model from `in` to `out`; with no nodes, one that returns its input."""
    graph = helper.make_graph(
        nodes or [helper.make_node("Identity", ["in"], ["out"])],
        "bad",
        inputs or [value("in")],
        outputs or [value("out")],
        list(constants),
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def constant(name: str, values: object, dtype: object = np.float32) -> onnx.TensorProto:
    """A constant tensor."""
    return numpy_helper.from_array(np.array(values, dtype), name)


def node(kind: str, inputs: str, outputs: str = "out", **attributes: object) -> onnx.NodeProto:
    """A node; inputs and outputs are separated by blanks."""
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def external(location: str, **more: str) -> onnx.ModelProto:
    """A model that adds a constant which it says is stored in another file."""
    tensor = constant("weight", [0.0])
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=text)
    return model(node("Add", "in weight"), constants=[tensor])


LOCATIONS = {
    "up": {"location": "../secret.bin"}, "up-twice": {"location": "../../etc/hostname"}, "absolute": {"location": "/etc/hostname"},
    "inner-up": {"location": "folder/../../secret.bin"}, "proc": {"location": "/proc/self/environ"}, "device": {"location": "/dev/zero"},
    "missing": {"location": "missing.bin"}, "empty": {"location": ""}, "folder": {"location": "folder"}, "dot": {"location": "."},
    "itself": {"location": "bad.onnx", "offset": "0", "length": "9999999"}, "url": {"location": "http://127.0.0.1:9/w.bin"},
    "windows": {"location": "C:\\windows\\win.ini"}, "back-slash": {"location": "..\\secret.bin"}, "zero-byte": {"location": "w.bin\0x"},
    "escapes": {"location": ESCAPES}, "very-long": {"location": "a" * 100_000}, "link": {"location": "link.bin"},
    "hard-link": {"location": "hard.bin"}, "fifo": {"location": "fifo.bin"}, "folder-link": {"location": "there/secret.bin"},
    "offset-huge": {"location": "w.bin", "offset": str(1 << 62)}, "offset-negative": {"location": "w.bin", "offset": "-4"},
    "offset-text": {"location": "w.bin", "offset": "x"}, "length-huge": {"location": "w.bin", "length": str(1 << 62)},
    "length-negative": {"location": "w.bin", "length": "-1"}, "length-overflow": {"location": "w.bin", "length": "9" * 5000},
}  # fmt: skip


def entries() -> Iterator[Entry]:
    """Yield about 120 entries."""
    for what, keys in LOCATIONS.items():
        yield Entry(f"onnx/external/{what}", translated(CLIP, model="bad.onnx"), MODEL, _beside_secrets(external(**keys)))
    for what, make in EXTERNAL_ELSEWHERE.items():
        yield Entry(f"onnx/external/{what}", translated(CLIP, model="bad.onnx"), MODEL, _beside_secrets(make()))
    for what, make in REFUSED.items():
        yield _entry(what, make, MODEL)
    for what, make in FAILING.items():
        yield _entry(what, make, MODEL | {1})
    for what, make in WORKING.items():
        yield _entry(what, make, FINE, (3, 3))
    sound = model().SerializeToString()
    for share in (0.0, 0.2, 0.5, 0.9):
        yield Entry(f"onnx/cut/{share:g}", ("info", "bad.onnx"), MODEL, file("bad.onnx", sound[: int(len(sound) * share)]))
    large = model(node("Mul", "in w"), constants=[constant("w", np.ones((1, 3, 1, 1)))]).SerializeToString()
    for count in (1, 8, 64):
        for seed in range(6):
            data = flipped(large, count, seed)
            codes = MODEL | FINE | {1}
            yield Entry(f"onnx/flip/{count}-{seed}", translated(CLIP, model="bad.onnx"), codes, file("bad.onnx", data))
    for what in ("text", "html", "lfs-pointer", "zip", "noise", "one-byte", "hdf5"):
        yield Entry(f"onnx/no-model/{what}", ("info", "bad.onnx"), MODEL, file("bad.onnx", NO_VIDEOS[what]))
    yield Entry("onnx/no-model/engine", ("info", "bad.engine"), MODEL | {2, 3}, file("bad.engine", b"ftrt" + bytes(100)))
    yield Entry("onnx/no-model/engine-as-onnx", ("info", "bad.onnx"), MODEL, file("bad.onnx", b"ftrt" + bytes(100)))


def _entry(what: str, make: Callable[[], onnx.ModelProto], codes: frozenset[int], frames: object = None) -> Entry:
    write = lambda folder: (folder / "bad.onnx").write_bytes(make().SerializeToString())  # noqa: E731
    return Entry(f"onnx/{what}", translated(CLIP, model="bad.onnx"), codes, write, frames)


def _beside_secrets(proto: onnx.ModelProto) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        inside = folder / "inside"
        inside.mkdir()
        (folder / "secret.bin").write_bytes(bytes(4))
        (folder / "w.bin").write_bytes(bytes(4))
        (folder / "folder").mkdir()
        (folder / "link.bin").symlink_to("secret.bin")
        (folder / "there").symlink_to(".")
        os.link(folder / "secret.bin", folder / "hard.bin")
        os.mkfifo(folder / "fifo.bin")
        (folder / "bad.onnx").write_bytes(proto.SerializeToString())

    return make


def _tensor_elsewhere(put: Callable[[onnx.ModelProto, onnx.TensorProto], None]) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        proto = model(node("Identity", "in"))
        tensor = external("/etc/hostname").graph.initializer[0]
        put(proto, tensor)
        return proto

    return make


def _in_branch(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    branch = helper.make_graph([node("Identity", "weight", "b")], "branch", [], [value("b", [1])], [tensor])
    proto.graph.initializer.append(constant("yes", True, bool))
    proto.graph.node.append(node("If", "yes", "unused", then_branch=branch, else_branch=branch))


def _in_function(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    inner = node("Constant", "", "c", value=tensor)
    proto.functions.append(
        helper.make_function("local", "f", [], ["c"], [inner], [helper.make_opsetid("", 18)])
    )
    proto.opset_import.append(helper.make_opsetid("local", 1))
    proto.graph.node.append(helper.make_node("f", [], ["unused"], domain="local"))


def _in_sparse(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    sparse = proto.graph.sparse_initializer.add(dims=[4])
    sparse.values.CopyFrom(tensor)
    sparse.indices.CopyFrom(constant("i", [0], np.int64))


EXTERNAL_ELSEWHERE = {
    "in-constant": _tensor_elsewhere(lambda p, t: p.graph.node.append(node("Constant", "", "c", value=t))),
    "in-branch": _tensor_elsewhere(_in_branch),
    "in-function": _tensor_elsewhere(_in_function),
    "in-sparse": _tensor_elsewhere(_in_sparse),
}


def _loop(count: int) -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", "go", "go_on"), node("Add", "carried one", "next")],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("carried")],
        [value("go_on", [], TensorProto.BOOL), value("next")],
        [constant("one", 1)],
    )
    constants = [constant("count", count, np.int64), constant("go0", True, bool)]
    return model(node("Loop", "count go0 in", body=body), constants=constants)


def _nested(depth: int) -> onnx.ModelProto:
    graph = helper.make_graph([node("Identity", "in", "b0")], "inner", [], [value("b0")])
    for level in range(1, depth):
        graph = helper.make_graph(
            [node("If", "yes", f"b{level}", then_branch=graph, else_branch=graph)], "inner", [], [value(f"b{level}")]
        )
    return model(node("If", "yes", then_branch=graph, else_branch=graph), constants=[constant("yes", True, bool)])


def _typed(dtype: int) -> onnx.ModelProto:
    proto = model(inputs=[value("in", PICTURE, FLOAT)])
    proto.graph.input[0].type.tensor_type.elem_type = dtype
    proto.graph.output[0].type.tensor_type.elem_type = dtype
    return proto


def _named(name: str) -> onnx.ModelProto:
    shape = constant("shape", [7, 7], np.int64)
    reshape = helper.make_node("Reshape", ["in", "shape"], ["q"], name=name)
    return model(reshape, node("Add", "in q"), constants=[shape])


def _properties(**items: str) -> onnx.ModelProto:
    proto = model()
    for key, text in items.items():
        proto.metadata_props.add(key=key, value=text)
    return proto


def _fill(*shape: int) -> onnx.ModelProto:
    made = node("ConstantOfShape", "shape", "large")
    return model(made, node("ReduceSum", "large", "sum", keepdims=0), node("Add", "in sum"), constants=[constant("shape", shape, np.int64)])


def _resize(factor: float) -> onnx.ModelProto:
    return model(
        helper.make_node("Resize", ["in", "", "scales"], ["out"], mode="nearest"),
        outputs=[value("out", ("N", 3, "OH", "OW"))], constants=[constant("scales", [1, 1, factor, factor])],
    )  # fmt: skip


REFUSED: dict[str, Callable[[], onnx.ModelProto]] = {
    "domain/custom": lambda: model(helper.make_node("Evil", ["in"], ["out"], domain="evil.ops"), domains=["evil.ops"]),
    "domain/escapes": lambda: model(helper.make_node("E", ["in"], ["out"], domain=ESCAPES), domains=[ESCAPES]),
    "domain/many": lambda: model(
        *(helper.make_node("E", ["in"], [f"o{i}"], domain=f"d{i}") for i in range(2000)), domains=[f"d{i}" for i in range(2000)]
    ),
    "domain/very-long": lambda: model(helper.make_node("E", ["in"], ["out"], domain="d" * 100_000), domains=["d" * 100_000]),
    "operator/unknown": lambda: model(node("NoSuchOperator", "in")),
    "operator/escapes": lambda: model(node("Foo\x1b[31m", "in")),
    "operator/future-opset": lambda: _opset(9999),
    "operator/no-opset": lambda: _opset(None),
    "operator/context": lambda: model(
        helper.make_node("EPContext", ["in"], ["out"], domain="com.microsoft", ep_cache_context="x", embed_mode=0), domains=["com.microsoft"]
    ),
    "end/never": lambda: _loop(1 << 62),
    "memory/fill-4-tebibyte": lambda: _fill(1 << 20, 1 << 20),
    "memory/fill-overflow": lambda: _fill(1 << 40, 1 << 40),
    "memory/fill-negative": lambda: _fill(-5),
    "memory/resize-4096": lambda: _resize(4096.0),
    "memory/resize-zero": lambda: _resize(0.0),
    "memory/resize-minus": lambda: _resize(-1.0),
    "memory/nested": lambda: _nested(12),
    "input/none": lambda: _without(lambda graph: graph.ClearField("input")),
    "input/two": lambda: model(node("Add", "in second"), inputs=[value("in"), value("second")]),
    "input/rank-2": lambda: model(inputs=[value("in", ["H", "W"])], outputs=[value("out", ["H", "W"])]),
    "input/rank-0": lambda: model(inputs=[value("in", [])], outputs=[value("out", [])]),
    "input/rank-9": lambda: model(inputs=[value("in", [1] * 9)], outputs=[value("out", [1] * 9)]),
    "input/no-shape": lambda: model(inputs=[value("in", None)], outputs=[value("out", None)]),
    "input/one-channel": lambda: model(inputs=[value("in", ("N", 1, "H", "W"))], outputs=[value("out", ("N", 1, "H", "W"))]),
    "input/all-dynamic": lambda: model(inputs=[value("in", list("abcd"))], outputs=[value("out", list("abcd"))]),
    "input/one-side-fixed": lambda: model(inputs=[value("in", ("N", 3, 64, "W"))]),
    "input/size-huge": lambda: model(inputs=[value("in", (1, 3, 1 << 40, 1 << 40))], outputs=[value("out", (1, 3, 1 << 40, 1 << 40))]),
    "input/size-60000": lambda: model(inputs=[value("in", (1, 3, 60000, 60000))], outputs=[value("out", (1, 3, 60000, 60000))]),
    "input/sequence": lambda: _sequence(),
    "input/type-999": lambda: _typed(999),
    "input/type-minus": lambda: _typed(-1),
    "input/int64": lambda: _typed(TensorProto.INT64),
    "input/string": lambda: _typed(TensorProto.STRING),
    "input/bfloat16": lambda: _typed(TensorProto.BFLOAT16),
    "input/name-escapes": lambda: model(
        helper.make_node("Add", [ESCAPES, "second"], ["out"]), inputs=[value(ESCAPES), value("second")]
    ),
    "input/many": lambda: model(
        node("Identity", "in0"), inputs=[value(f"in{i}") for i in range(3000)]
    ),
    "output/none": lambda: _without(lambda graph: graph.ClearField("output")),
    "output/rank-2": lambda: model(node("ReduceMean", "in", axes=None), outputs=[value("out", ["a", "b"])]),
    "output/missing": lambda: model(node("Identity", "in", "other")),
    "output/type-lies": lambda: model(node("Cast", "in", to=TensorProto.INT32)),
    "graph/cycle": lambda: model(node("Add", "in b", "a"), node("Add", "in a", "b"), node("Identity", "a")),
    "graph/unknown-tensor": lambda: model(node("Add", "in nowhere")),
    "graph/name-twice": lambda: model(node("Identity", "in"), node("Abs", "in")),
    "graph/empty": lambda: onnx.ModelProto(),
    "graph/no-graph": lambda: onnx.ModelProto(ir_version=10, producer_name=ESCAPES),
    "graph/version-9999": lambda: _version(9999),
    "graph/name-escapes": lambda: _named(ESCAPES),
    "graph/name-very-long": lambda: _named("n" * 1_000_000),
    "graph/dims-lie": lambda: _dims_lie(),
    "graph/dims-negative": lambda: _dims(-1),
    "graph/dims-overflow": lambda: _dims(1 << 62),
    "graph/constant-of-type-999": lambda: _constant_type(),
    "attribute/strides-zero": lambda: _conv(strides=[0, 0]),
    "attribute/strides-empty": lambda: _empty_strides(),
    "attribute/strides-negative": lambda: _conv(strides=[-1, -1]),
    "attribute/pads-huge": lambda: _conv(pads=[1 << 40] * 4),
    "attribute/group-zero": lambda: _conv(group=0),
    "attribute/block-zero": lambda: model(node("SpaceToDepth", "in", "a", blocksize=0), node("Identity", "a")),
    "attribute/upsample-nan": lambda: model(node("Upsample", "in", scales=[float("nan")] * 4)),
    "attribute/upsample-huge": lambda: model(node("DepthToSpace", "in", blocksize=1 << 40)),
}  # fmt: skip
FAILING: dict[str, Callable[[], onnx.ModelProto]] = {
    "values/not-a-number": lambda: model(node("Mul", "in w"), constants=[constant("w", float("nan"))]),
    "values/infinite": lambda: model(node("Add", "in w"), constants=[constant("w", float("inf"))]),
    "values/log-of-zero": lambda: model(node("Sub", "in in", "zero"), node("Log", "zero")),
    "values/wrong-size": lambda: model(node("Slice", "in b e a"), constants=[
        constant("b", [0], np.int64), constant("e", [5], np.int64), constant("a", [2], np.int64)]),
    "values/empty": lambda: model(node("Slice", "in b b a"), constants=[constant("b", [0], np.int64), constant("a", [2], np.int64)]),
    "values/fixed-batch-4": lambda: model(inputs=[value("in", (4, 3, "H", "W"))], outputs=[value("out", (4, 3, "H", "W"))]),
}  # fmt: skip
WORKING: dict[str, Callable[[], onnx.ModelProto]] = {
    "sound/metadata-escapes": lambda: _properties(**{ESCAPES: ESCAPES, "author": "<script>alert(1)</script>"}),
    "sound/metadata-large": lambda: _properties(author="a" * 5_000_000),
    "sound/many-nodes": lambda: model(
        node("Identity", "in", "a0"), *(node("Identity", f"a{i}", f"a{i + 1}") for i in range(3000)), node("Identity", "a3000")
    ),
    "sound/float16": lambda: _typed(TensorProto.FLOAT16),
    "sound/documented": lambda: _documented(),
}  # fmt: skip


def _opset(version: int | None) -> onnx.ModelProto:
    proto = model()
    del proto.opset_import[:]
    if version is not None:
        proto.opset_import.append(helper.make_opsetid("", version))
    return proto


def _version(number: int) -> onnx.ModelProto:
    proto = model()
    proto.ir_version = number
    return proto


def _without(change: Callable[[onnx.GraphProto], None]) -> onnx.ModelProto:
    proto = model()
    change(proto.graph)
    return proto


def _sequence() -> onnx.ModelProto:
    sequence = helper.make_tensor_sequence_value_info("in", FLOAT, PICTURE)
    return model(node("ConcatFromSequence", "in", axis=0), inputs=[sequence])


def _dims_lie() -> onnx.ModelProto:
    tensor = constant("w", [1.0])
    tensor.dims[0] = 1_000_000
    return model(node("Add", "in w"), constants=[tensor])


def _dims(side: int) -> onnx.ModelProto:
    tensor = constant("w", [1.0])
    tensor.dims[:] = [side, side]
    return model(node("Add", "in w"), constants=[tensor])


def _constant_type() -> onnx.ModelProto:
    tensor = constant("w", [1.0])
    tensor.data_type = 999
    return model(node("Add", "in w"), constants=[tensor])


def _conv(**attributes: object) -> onnx.ModelProto:
    return model(
        helper.make_node("Conv", ["in", "w"], ["out"], **attributes), constants=[constant("w", np.ones((3, 3, 1, 1)))]
    )


def _empty_strides() -> onnx.ModelProto:
    proto = _conv(strides=[1, 1])
    proto.graph.node[0].attribute[0].ClearField("ints")
    return proto


def _documented() -> onnx.ModelProto:
    proto = model()
    proto.doc_string = proto.graph.doc_string = ESCAPES * 1000
    proto.producer_name = ESCAPES
    return proto
