"""ONNX files that never end, take the memory, hide names with escapes, or are no picture network."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper

from promises.corpus import onnx_graphs
from promises.corpus.cut_videos import NO_VIDEOS, flipped
from promises.corpus.entry import CLIP, FINE, MODEL, Entry, file, translated
from promises.corpus.onnx_graphs import ESCAPES, constant, model, node, value


def entries() -> Iterator[Entry]:
    """Yield about 120 entries."""
    for what, make in REFUSED.items():
        yield _entry(what, make, MODEL)
    for what, make in FAILING.items():
        yield _entry(what, make, MODEL | {1})
    for what, make in NEEDING_MORE.items():
        yield _entry(what, make, frozenset({2}))
    for what, make in WORKING.items():
        yield _entry(what, make, FINE, (3, 3))
    sound = model().SerializeToString()
    for share in (0.0, 0.2, 0.5, 0.9):
        yield Entry(
            f"onnx/cut/{share:g}", ("info", "bad.onnx"), MODEL, file("bad.onnx", sound[: int(len(sound) * share)])
        )
    large = model(node("Mul", "in w"), constants=[constant("w", np.ones((1, 3, 1, 1)))]).SerializeToString()
    for count in (1, 8, 64):
        for seed in range(6):
            data = flipped(large, count, seed)
            codes = MODEL | FINE | {1}
            yield Entry(f"onnx/flip/{count}-{seed}", translated(CLIP, model="bad.onnx"), codes, file("bad.onnx", data))
    for what in ("text", "html", "lfs-pointer", "zip", "noise", "one-byte", "hdf5"):
        yield Entry(f"onnx/no-model/{what}", ("info", "bad.onnx"), MODEL, file("bad.onnx", NO_VIDEOS[what]))
    yield Entry(
        "onnx/no-model/engine", ("info", "bad.engine"), MODEL | {2, 3}, file("bad.engine", b"ftrt" + bytes(100))
    )
    yield Entry("onnx/no-model/engine-as-onnx", ("info", "bad.onnx"), MODEL, file("bad.onnx", b"ftrt" + bytes(100)))


def _entry(what: str, make: Callable[[], onnx.ModelProto], codes: frozenset[int], frames: object = None) -> Entry:
    write = lambda folder: (folder / "bad.onnx").write_bytes(make().SerializeToString())  # noqa: E731
    return Entry(f"onnx/{what}", translated(CLIP, model="bad.onnx"), codes, write, frames)


REFUSED: dict[str, Callable[[], onnx.ModelProto]] = {
    "domain/custom": lambda: model(helper.make_node("Evil", ["in"], ["out"], domain="evil.ops"), domains=["evil.ops"]),
    "domain/escapes": lambda: model(helper.make_node("E", ["in"], ["out"], domain=ESCAPES), domains=[ESCAPES]),
    "domain/many": lambda: model(
        *(helper.make_node("E", ["in"], [f"o{i}"], domain=f"d{i}") for i in range(2000)),
        domains=[f"d{i}" for i in range(2000)],
    ),
    "domain/very-long": lambda: model(
        helper.make_node("E", ["in"], ["out"], domain="d" * 100_000), domains=["d" * 100_000]
    ),
    "operator/unknown": lambda: model(node("NoSuchOperator", "in")),
    "operator/escapes": lambda: model(node("Foo\x1b[31m", "in")),
    "operator/future-opset": lambda: onnx_graphs.opset_graph(9999),
    "operator/no-opset": lambda: onnx_graphs.opset_graph(None),
    "operator/context": lambda: model(
        helper.make_node("EPContext", ["in"], ["out"], domain="com.microsoft", ep_cache_context="x", embed_mode=0),
        domains=["com.microsoft"],
    ),
    "end/never": lambda: onnx_graphs.loop_graph(1 << 62),
    "memory/fill-4-tebibyte": lambda: onnx_graphs.fill_graph(1 << 20, 1 << 20),
    "memory/fill-overflow": lambda: onnx_graphs.fill_graph(1 << 40, 1 << 40),
    "memory/fill-negative": lambda: onnx_graphs.fill_graph(-5),
    "memory/resize-4096": lambda: onnx_graphs.resize_graph(4096.0),
    "memory/resize-zero": lambda: onnx_graphs.resize_graph(0.0),
    "memory/resize-minus": lambda: onnx_graphs.resize_graph(-1.0),
    "input/none": lambda: onnx_graphs.without_graph(lambda graph: graph.ClearField("input")),
    "input/rank-2": lambda: model(inputs=[value("in", ["H", "W"])], outputs=[value("out", ["H", "W"])]),
    "input/rank-0": lambda: model(inputs=[value("in", [])], outputs=[value("out", [])]),
    "input/rank-9": lambda: model(inputs=[value("in", [1] * 9)], outputs=[value("out", [1] * 9)]),
    "input/size-huge": lambda: model(
        inputs=[value("in", (1, 3, 1 << 40, 1 << 40))], outputs=[value("out", (1, 3, 1 << 40, 1 << 40))]
    ),
    "input/size-60000": lambda: model(
        inputs=[value("in", (1, 3, 60000, 60000))], outputs=[value("out", (1, 3, 60000, 60000))]
    ),
    "input/sequence": onnx_graphs.sequence_graph,
    "input/type-999": lambda: onnx_graphs.typed_graph(999),
    "input/type-minus": lambda: onnx_graphs.typed_graph(-1),
    "input/int64": lambda: onnx_graphs.typed_graph(TensorProto.INT64),
    "input/string": lambda: onnx_graphs.typed_graph(TensorProto.STRING),
    "input/bfloat16": lambda: onnx_graphs.typed_graph(TensorProto.BFLOAT16),
    "input/many": lambda: model(node("Identity", "in0"), inputs=[value(f"in{i}") for i in range(3000)]),
    "output/none": lambda: onnx_graphs.without_graph(lambda graph: graph.ClearField("output")),
    "output/missing": lambda: model(node("Identity", "in", "other")),
    "output/type-lies": lambda: model(node("Cast", "in", to=TensorProto.INT32)),
    "graph/cycle": lambda: model(node("Add", "in b", "a"), node("Add", "in a", "b"), node("Identity", "a")),
    "graph/unknown-tensor": lambda: model(node("Add", "in nowhere")),
    "graph/name-twice": lambda: model(node("Identity", "in"), node("Abs", "in")),
    "graph/empty": onnx.ModelProto,
    "graph/no-graph": lambda: onnx.ModelProto(ir_version=10, producer_name=ESCAPES),
    "graph/version-9999": lambda: onnx_graphs.version_graph(9999),
    "graph/name-escapes": lambda: onnx_graphs.named_graph(ESCAPES),
    "graph/name-very-long": lambda: onnx_graphs.named_graph("n" * 1_000_000),
    "graph/dims-lie": onnx_graphs.dims_lie_graph,
    "graph/dims-negative": lambda: onnx_graphs.dims_graph(-1),
    "graph/dims-overflow": lambda: onnx_graphs.dims_graph(1 << 62),
    "graph/constant-of-type-999": onnx_graphs.constant_type_graph,
    "attribute/strides-zero": lambda: onnx_graphs.conv_graph(strides=[0, 0]),
    "attribute/strides-empty": onnx_graphs.empty_strides_graph,
    "attribute/strides-negative": lambda: onnx_graphs.conv_graph(strides=[-1, -1]),
    "attribute/pads-huge": lambda: onnx_graphs.conv_graph(pads=[1 << 40] * 4),
    "attribute/group-zero": lambda: onnx_graphs.conv_graph(group=0),
    "attribute/block-zero": lambda: model(node("SpaceToDepth", "in", "a", blocksize=0), node("Identity", "a")),
    "attribute/block-missing": lambda: model(node("SpaceToDepth", "in", "a"), node("Identity", "a")),
    "attribute/block-missing-at-the-end": lambda: model(node("DepthToSpace", "in")),
    "attribute/upsample-nan": lambda: model(node("Upsample", "in", scales=[float("nan")] * 4)),
    "attribute/upsample-huge": lambda: model(node("DepthToSpace", "in", blocksize=1 << 40)),
}
FAILING: dict[str, Callable[[], onnx.ModelProto]] = {
    "values/not-a-number": lambda: model(node("Mul", "in w"), constants=[constant("w", float("nan"))]),
    "values/infinite": lambda: model(node("Add", "in w"), constants=[constant("w", float("inf"))]),
    "values/log-of-zero": lambda: model(node("Sub", "in in", "zero"), node("Log", "zero")),
    "values/wrong-size": lambda: model(
        node("Slice", "in b e a"),
        constants=[constant("b", [0], np.int64), constant("e", [5], np.int64), constant("a", [2], np.int64)],
    ),
    "values/empty": lambda: model(
        node("Slice", "in b b a"), constants=[constant("b", [0], np.int64), constant("a", [2], np.int64)]
    ),
}
NEEDING_MORE: dict[str, Callable[[], onnx.ModelProto]] = {  # another picture, or another use
    "input/two": lambda: model(node("Add", "in second"), inputs=[value("in"), value("second")]),
    "input/name-escapes": lambda: model(
        helper.make_node("Add", [ESCAPES, "second"], ["out"]), inputs=[value(ESCAPES), value("second")]
    ),
    "output/rank-2": lambda: model(node("ReduceMean", "in", axes=None), outputs=[value("out", ["a", "b"])]),
}
WORKING: dict[str, Callable[[], onnx.ModelProto]] = {
    "input/no-shape": lambda: model(inputs=[value("in", None)], outputs=[value("out", None)]),
    "input/one-channel": lambda: model(
        inputs=[value("in", ("N", 1, "H", "W"))], outputs=[value("out", ("N", 1, "H", "W"))]
    ),
    "input/all-dynamic": lambda: model(inputs=[value("in", list("abcd"))], outputs=[value("out", list("abcd"))]),
    "input/one-side-fixed": lambda: model(inputs=[value("in", ("N", 3, 64, "W"))]),
    "values/fixed-batch-4": lambda: model(
        inputs=[value("in", (4, 3, "H", "W"))], outputs=[value("out", (4, 3, "H", "W"))]
    ),
    "sound/metadata-escapes": lambda: onnx_graphs.properties_graph(
        **{ESCAPES: ESCAPES, "author": "<script>alert(1)</script>"}
    ),
    "sound/metadata-large": lambda: onnx_graphs.properties_graph(author="a" * 5_000_000),
    "sound/many-nodes": lambda: model(
        node("Identity", "in", "a0"),
        *(node("Identity", f"a{i}", f"a{i + 1}") for i in range(3000)),
        node("Identity", "a3000"),
    ),
    "sound/nested-branches": lambda: onnx_graphs.nested_graph(8),
    "sound/float16": lambda: onnx_graphs.typed_graph(TensorProto.FLOAT16),
    "sound/documented": onnx_graphs.documented_graph,
}
