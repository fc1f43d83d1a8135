"""Small ONNX files with known results."""

import onnx
from onnx import TensorProto, helper

from rotoscope.base.manifest import (
    FrameInput,
    FrameOutput,
    FurtherOutput,
    InstanceInput,
    Manifest,
    MaskInput,
    NumberInput,
    SecondInput,
    StateTensor,
    Window,
)

ANY = ("N", 3, "H", "W")
NEXT = SecondInput(tensor="second", what="next")


def save(
    path,
    nodes,
    *,
    shape=ANY,
    out_shape=None,
    dtype=TensorProto.FLOAT,
    constants=(),
    inputs=(),
    outputs=(),
    metadata=None,
):
    """Write a graph from `in` to `out`; more inputs and outputs are given as value infos."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("in", dtype, shape), *inputs],
        [helper.make_tensor_value_info("out", dtype, out_shape or shape), *outputs],
        initializer=list(constants),
    )
    opsets = [
        helper.make_opsetid("", 18),
        *(helper.make_opsetid(name, 1) for name in {n.domain for n in nodes} if name),
    ]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    for key, value in (metadata or {}).items():
        proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, path)
    return path


def identity(path, **kwargs):
    return save(path, [helper.make_node("Identity", ["in"], ["out"])], **kwargs)


def identity_with(path, *, dtype="float32", layout="NCHW", range=(0.0, 1.0)):
    """The identity on pictures of this dtype, layout and range; what comes out is as what goes in."""
    element = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}[dtype]
    shape = ANY if layout == "NCHW" else ("N", "H", "W", 3)
    described = {"dtype": dtype, "layout": layout, "range": range}
    manifest = Manifest(
        name="identity", frame=FrameInput(tensor="in", **described), output=FrameOutput(tensor="out", **described)
    )
    return identity(path, shape=shape, dtype=element, metadata={"rotoscope": manifest.model_dump_json()})


def affine(path, factor, shift, **kwargs):
    """out = in * factor + shift."""
    constants = [scalar("factor", factor, **kwargs), scalar("shift", shift, **kwargs)]
    nodes = [
        helper.make_node("Mul", ["in", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["out"]),
    ]
    return save(path, nodes, constants=constants, **kwargs)


def painter(path, style):
    """A model that paints the whole picture in the colour of its style, a StyleInput "style" of the shape (1,3,1,1)."""
    nodes = [
        helper.make_node("Mul", ["in", "nothing"], ["black"]),
        helper.make_node("Add", ["black", "style"], ["out"]),
    ]
    manifest = Manifest(name="painter", frame=FrameInput(tensor="in"), output=FrameOutput(tensor="out"), style=style)
    return save(
        path, nodes, constants=[scalar("nothing", 0.0)], metadata={"rotoscope": manifest.model_dump_json()},
        inputs=[helper.make_tensor_value_info("style", TensorProto.FLOAT, ("N", 3, 1, 1))],
    )  # fmt: skip


def invert(path, **kwargs):
    return affine(path, -1.0, 1.0, **kwargs)


def upscale(path, factor):
    """Every pixel becomes factor x factor pixels."""
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, factor, factor])
    node = helper.make_node(
        "Resize",
        ["in", "", "scales"],
        ["out"],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return save(path, [node], constants=[scales], out_shape=("N", 3, "OH", "OW"))


def nan_above(path, limit):
    """out = in, but NaN for values above `limit`."""
    constants = [scalar("limit", limit), scalar("nan", float("nan"))]
    nodes = [
        helper.make_node("Greater", ["in", "limit"], ["bad"]),
        helper.make_node("Where", ["bad", "nan", "in"], ["out"]),
    ]
    return save(path, nodes, constants=constants)


def scalar(name, value, *, dtype=TensorProto.FLOAT, **_):
    return helper.make_tensor(name, dtype, [], [value])


def save_pair(path, nodes, manifest, outputs, constants, inputs=()):
    """Write a graph on two pictures, `in` and `second`, and more inputs; `outputs` maps names to shapes."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ANY) for name in ("in", "second")]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(nodes, "tiny", [*values, *inputs], made, constants)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    proto.metadata_props.add(key="rotoscope", value=manifest.model_dump_json())
    onnx.save(proto, path)
    return path


def interpolator(path, *, flow):
    """out = first + time * (second - first); flow to the first is constant, to the second its negative; visibility = time."""
    manifest = Manifest(
        name="between", kind="interpolate", frame=FrameInput(tensor="in", multiple=4), second=NEXT,
        number=NumberInput(tensor="time", what="time", shape=(1, 1, 1, 1), value=0.5), output=FrameOutput(tensor="out"),
        further=(
            FurtherOutput(tensor="to_first", what="flow to frame"), FurtherOutput(tensor="to_second", what="flow to second"),
            FurtherOutput(tensor="seen", what="visibility"),
        ),
    )  # fmt: skip
    nodes = [
        helper.make_node("Sub", ["second", "in"], ["difference"]),
        helper.make_node("Mul", ["difference", "time"], ["part"]),
        helper.make_node("Add", ["in", "part"], ["out"]),
        helper.make_node("Slice", ["out", "zero", "two", "axis"], ["shape"]),
        helper.make_node("Mul", ["shape", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "first_flow"], ["to_first"]),
        helper.make_node("Sub", ["zeros", "first_flow"], ["to_second"]),
        helper.make_node("Slice", ["zeros", "zero", "axis", "axis"], ["one"]),
        helper.make_node("Add", ["one", "time"], ["seen"]),
    ]
    constants = [
        *(
            helper.make_tensor(name, TensorProto.INT64, [1], [value])
            for name, value in (("zero", 0), ("two", 2), ("axis", 1))
        ),
        scalar("nothing", 0.0),
        helper.make_tensor("first_flow", TensorProto.FLOAT, [1, 2, 1, 1], list(flow)),
    ]
    time = helper.make_tensor_value_info("time", TensorProto.FLOAT, (1, 1, 1, 1))
    outputs = {"out": ANY, "to_first": ("N", 2, "H", "W"), "to_second": ("N", 2, "H", "W"), "seen": ("N", 1, "H", "W")}
    return save_pair(path, nodes, manifest, outputs, constants, [time])


def mean_of(path, offsets):
    """The mean of the frames of a window."""
    manifest = Manifest(
        name="mean", frame=FrameInput(tensor="in", window=Window(offsets=offsets)), output=FrameOutput(tensor="out")
    )
    return save(
        path, [helper.make_node("ReduceMean", ["in", "axes"], ["out"], keepdims=0)],
        shape=("N", len(offsets), 3, "H", "W"), out_shape=ANY,
        constants=[helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
        metadata={"rotoscope": manifest.model_dump_json()},
    )  # fmt: skip


def smoother(path):
    """out = (in + memory) / 2, and what came out is the memory of the next frame."""
    state = helper.make_tensor_value_info("memory", TensorProto.FLOAT, ANY)
    following = helper.make_tensor_value_info("memory_out", TensorProto.FLOAT, ANY)
    nodes = [
        helper.make_node("Add", ["in", "memory"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["out"]),
        helper.make_node("Identity", ["out"], ["memory_out"]),
    ]
    manifest = Manifest(
        name="smoother",
        frame=FrameInput(tensor="in"),
        output=FrameOutput(tensor="out"),
        state=(StateTensor(input="memory", output="memory_out", shape=("N", 3, "H", "W")),),
    )
    return save(
        path, nodes, constants=[scalar("half", 0.5)], inputs=[state], outputs=[following],
        metadata={"rotoscope": manifest.model_dump_json()},
    )  # fmt: skip


def with_companion(path, kind):
    """The identity with a second input that is not used, a "mask" or "instances"."""
    dtype = {"mask": TensorProto.FLOAT, "instances": TensorProto.INT32}[kind]
    inputs = {"mask": MaskInput, "instances": InstanceInput}[kind]
    manifest = Manifest(
        name="companion",
        frame=FrameInput(tensor="in"),
        output=FrameOutput(tensor="out"),
        **{kind: inputs(tensor="beside")},
    )
    beside = helper.make_tensor_value_info("beside", dtype, ("N", 1, "H", "W"))
    nodes = [helper.make_node("Identity", ["in"], ["out"])]
    return save(path, nodes, inputs=[beside], metadata={"rotoscope": manifest.model_dump_json()})
