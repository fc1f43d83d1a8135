"""ONNX files whose own description has absurd numbers, names or shapes, or contradicts the graph."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper

from promises.corpus.entry import CLIP, FINE, MODEL, Entry, translated
from promises.corpus.onnx_graphs import ESCAPES, constant, model, node, value

ANY4 = list("abcd")
NAN, INFINITY = float("nan"), float("inf")


def described(text: str | None = None, *, graph: Any = None, **items: Any) -> bytes:
    """A model with this description: JSON text, or items that replace those of a sound one."""
    proto = graph or model()
    sound = {"name": "bad", "frame": {"tensor": "in"}, "output": {"tensor": "out"}}
    proto.metadata_props.add(key="rotoscope", value=json.dumps({**sound, **items}) if text is None else text)
    return proto.SerializeToString()


def _frame(**items: Any) -> bytes:
    return described(frame={"tensor": "in", **items})


def _output(**items: Any) -> bytes:
    return described(output={"tensor": "out", **items})


def _state(shape: Any, **items: Any) -> bytes:
    graph = model(
        node("Identity", "in"),
        node("Identity", "s", "s2"),
        inputs=[value("in"), value("s", ANY4)],
        outputs=[value("out"), value("s2", ANY4)],
    )
    return described(graph=graph, state=[{"input": "s", "output": "s2", "shape": shape, **items}])


def _style(shape: Any, **items: Any) -> bytes:
    graph = model(
        node("Identity", "in"),
        node("Identity", "s", "s2"),
        inputs=[value("in"), value("s", None)],
        outputs=[value("out"), value("s2", None)],
    )
    return described(graph=graph, style={"tensor": "s", "shape": shape, **items})


def _window(offsets: Any, **items: Any) -> bytes:
    mean = helper.make_node("ReduceMean", ["in", "axis"], ["out"], keepdims=0)
    graph = model(mean, inputs=[value("in", ("N", "K", 3, "H", "W"))], constants=[constant("axis", [1], np.int64)])
    return described(graph=graph, frame={"tensor": "in", "window": {"offsets": offsets, **items}})


def _labels(num: Any, **items: Any) -> bytes:
    cast = node("Cast", "in", to=1)
    from onnx import TensorProto

    graph = model(cast, inputs=[value("in", ("N", 1, "H", "W"), TensorProto.INT32)], outputs=[value("out", None)])
    frame = {"tensor": "in", "dtype": "int32", "padding": "edge", "labels": {"num": num, **items}}
    return described(graph=graph, frame=frame)


DESCRIPTIONS: dict[str, Callable[[], bytes]] = {
    "text/empty": lambda: described(""),
    "text/not-json": lambda: described("frame: in"),
    "text/list": lambda: described("[1, 2]"),
    "text/number": lambda: described("5"),
    "text/null": lambda: described("null"),
    "text/deep": lambda: described('{"frame": ' * 20_000 + "1" + "}" * 20_000),
    "text/deep-list": lambda: described("[" * 100_000 + "]" * 100_000),
    "text/large": lambda: described('{"name": "' + "x" * 5_000_000 + '"}'),
    "text/long-key": lambda: described(**{"k" * 200_000: 1}),
    "text/many-keys": lambda: described(**{f"key{i}": i for i in range(20_000)}),
    "text/escapes-in-key": lambda: described(**{ESCAPES: 1}),
    "text/number-of-5000-digits": lambda: described('{"frame": {"multiple": ' + "9" * 5000 + "}}"),
    "text/key-twice": lambda: described('{"name": "a", "name": "b"}'),
    "text/no-frame": lambda: described('{"name": "a", "output": {"tensor": "out"}}'),
    "name/empty": lambda: described(name=""),
    "name/escapes": lambda: described(name=ESCAPES),
    "name/newline": lambda: described(name="a\nrotoscope: written: x\n"),
    "name/zero-byte": lambda: described(name="a\0b"),
    "name/folder": lambda: described(name="../../pwned"),
    "name/very-long": lambda: described(name="n" * 5000),
    "name/number": lambda: described(name=5),
    "name/turned": lambda: described(name="\u202egnp.x"),
    "frame/minimum-huge": lambda: _frame(minimum=10**9),
    "frame/minimum-zero": lambda: _frame(minimum=0),
    "frame/multiple-huge": lambda: _frame(multiple=10**9),
    "frame/multiple-negative": lambda: _frame(multiple=-8),
    "frame/multiple-fraction": lambda: _frame(multiple=1.5),
    "frame/fixed-huge": lambda: _frame(height=60_000, width=60_000),
    "frame/fixed-1e30": lambda: _frame(height=10**30, width=10**30),
    "frame/fixed-one-side": lambda: _frame(height=64),
    "frame/range-equal": lambda: _frame(range=[1, 1]),
    "frame/range-nan": lambda: _frame(range=[NAN, 1]),
    "frame/range-infinite": lambda: _frame(range=[0, INFINITY]),
    "frame/range-three": lambda: _frame(range=[0, 1, 2]),
    "frame/mean-nan": lambda: _frame(mean=[NAN, 0, 0]),
    "frame/mean-infinite": lambda: _frame(mean=[INFINITY, 0, 0]),
    "frame/std-zero": lambda: _frame(std=[0, 1, 1]),
    "frame/std-nan": lambda: _frame(std=[NAN, 1, 1]),
    "frame/std-tiny": lambda: _frame(std=[1e-320, 1, 1]),
    "frame/std-two": lambda: _frame(std=[1, 1]),
    "frame/tensor-unknown": lambda: _frame(tensor="nowhere"),
    "frame/tensor-escapes": lambda: _frame(tensor=ESCAPES),
    "frame/dtype-lies": lambda: _frame(dtype="uint8"),
    "frame/dtype-unknown": lambda: _frame(dtype="float8"),
    "frame/layout-lies": lambda: _frame(layout="NHWC"),
    "output/range-equal": lambda: _output(range=[1, 1]),
    "output/range-nan": lambda: _output(range=[NAN, 1]),
    "output/range-infinite": lambda: _output(range=[-INFINITY, INFINITY]),
    "output/scale-zero": lambda: _output(scale=0),
    "output/scale-huge": lambda: _output(scale=10**6),
    "output/scale-lies": lambda: _output(scale=4),
    "output/tensor-unknown": lambda: _output(tensor="nowhere"),
    "output/content-flow": lambda: _output(content="flow"),
    "state/negative": lambda: _state([-1, 1, 1, 1]),
    "state/zero": lambda: _state([0, 1, 1, 1]),
    "state/1e12": lambda: _state(["N", 10**6, 10**6, 1]),
    "state/1e30": lambda: _state([10**30, 1, 1, 1]),
    "state/divided-by-zero": lambda: _state(["H/0", 1, 1, 1]),
    "state/divided-by-5000-digits": lambda: _state(["H/" + "9" * 5000, 1, 1, 1]),
    "state/letter-unknown": lambda: _state(["Q", 1, 1, 1]),
    "state/code": lambda: _state(["__import__('os')", 1, 1, 1]),
    "state/rank-1000": lambda: _state([1] * 1000),
    "state/unlike-initial": lambda: _state(["N", 7, "H", "W"], initial="in"),
    "state/initial-unknown": lambda: _state(["N", 3, "H", "W"], initial="nowhere"),
    "state/dtype-unknown": lambda: _state(["N", 3, "H", "W"], dtype="int4"),
    "style/negative": lambda: _style([-1, 4]),
    "style/1e12": lambda: _style([10**6, 10**6]),
    "style/30000x30000": lambda: _style([30_000, 30_000]),
    "style/rank-1000": lambda: _style([1] * 1000),
    "style/deviation-nan": lambda: _style([1, 4], deviation=NAN),
    "style/deviation-infinite": lambda: _style([1, 4], deviation=INFINITY),
    "style/deviation-negative": lambda: _style([1, 4], deviation=-1),
    "window/1e30": lambda: _window([0, 10**30]),
    "window/10001": lambda: _window(list(range(-10_000, 1))),
    "window/far": lambda: _window([-1_000_000, 0]),
    "window/ahead-far": lambda: _window([0, 1_000_000]),
    "window/backwards": lambda: _window([0, -1]),
    "window/no-zero": lambda: _window([-2, -1]),
    "window/empty": lambda: _window([]),
    "window/edge-unknown": lambda: _window([-1, 0], edge="pwn"),
    "window/on-one-frame": lambda: described(frame={"tensor": "in", "window": {"offsets": [-1, 0]}}),
    "labels/1e12": lambda: _labels(10**12),
    "labels/zero": lambda: _labels(0),
    "labels/palette-lies": lambda: _labels(3, palette=[[0, 0, 0]]),
    "labels/palette-outside": lambda: _labels(1, palette=[[0, 0, 10**9]]),
    "kind/unknown": lambda: described(kind="paint"),
    "kind/interpolate-without-second": lambda: described(kind="interpolate"),
    "version/2": lambda: described(schema_version=2),
    "golden/nan": lambda: described(golden={"seed": 0, "height": 8, "width": 8, "values": [NAN] * 64, "tolerance": 1}),
    "golden/1e9": lambda: described(
        golden={"seed": 0, "height": 10**9, "width": 10**9, "values": [0] * 64, "tolerance": 1}
    ),
    "number/value-nan": lambda: described(number={"tensor": "n", "what": "time", "value": NAN}),
    "composite/unknown": lambda: described(composite=[{"state": "s", "drawn": "d", "carried": "c", "flow": "f"}]),
}


def entries() -> Iterator[Entry]:
    """Yield about 95 entries."""
    for what, make in DESCRIPTIONS.items():
        # Golden values are used by other commands; one fixed side is supported.
        codes = MODEL | FINE if what.startswith("golden/") or what == "frame/fixed-one-side" else MODEL
        yield Entry(f"description/{what}", translated(CLIP, model="bad.onnx"), codes, _written(make))
    for what in ("name/escapes", "name/newline", "text/long-key", "frame/minimum-huge", "text/deep"):
        yield Entry(f"description/info-{what}", ("info", "bad.onnx"), MODEL, _written(DESCRIPTIONS[what]))


def _written(make: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / "bad.onnx").write_bytes(make())
