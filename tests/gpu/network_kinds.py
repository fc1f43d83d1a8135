"""Small networks of every kind, each with what a run needs beside it: masks, label maps, a second picture, memory."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import tiny_models
from onnx import TensorProto, helper

from rotoscope.base.manifest import (
    Composite,
    FrameInput,
    FrameOutput,
    InstanceInput,
    LabelMap,
    Manifest,
    MaskInput,
    SecondInput,
    StateTensor,
    Window,
)

ANY = tiny_models.ANY
PALETTE = ((0, 0, 0), (250, 40, 0), (0, 90, 200))


def write(path, nodes, manifest, inputs, outputs, **constants):
    """Write a graph; inputs and outputs map names to shapes, or to (shape, element type); constants map names to numbers."""

    def infos(values):
        pairs = {name: v if isinstance(v[0], tuple) else (v, TensorProto.FLOAT) for name, v in values.items()}
        return [helper.make_tensor_value_info(name, element, shape) for name, (shape, element) in pairs.items()]

    held = []
    for name, value in constants.items():
        element = TensorProto.INT64 if np.asarray(value).dtype.kind == "i" else TensorProto.FLOAT
        held.append(helper.make_tensor(name, element, np.shape(value), np.ravel(value)))
    graph = helper.make_graph([helper.make_node(*n[:3], **(n[3] if len(n) > 3 else {})) for n in nodes], "tiny",
                              infos(inputs), infos(outputs), held)  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    proto.metadata_props.add(key="rotoscope", value=manifest.model_dump_json())
    onnx.save(proto, path)
    return str(path)


def described(name, *, frame=(), output=(), **parts):
    frame = FrameInput(**{"tensor": "in", **dict(frame)})
    return Manifest(name=name, frame=frame, output=FrameOutput(**{"tensor": "out", **dict(output)}), **parts)


def filler(folder, **mask):
    """Paints the hole grey; outside it changes the picture too, which must not show."""
    path = folder / "filler.onnx"
    manifest = described("filler", frame={"multiple": 8}, mask=MaskInput(tensor="mask", **mask))
    nodes = [
        ("Mul", ["in", "share"], ["kept"]),
        ("Mul", ["mask", "paint"], ["painted"]),
        ("Add", ["kept", "painted"], ["out"]),
    ]
    return write(path, nodes, manifest, {"in": ANY, "mask": ("N", 1, "H", "W")}, {"out": ANY}, share=0.8, paint=0.4)


def half_filler(folder, **mask):
    """The same with a mask of half floats, which says what is known."""
    manifest = described("filler", frame={"multiple": 8}, mask=MaskInput(tensor="mask", **mask))
    nodes = [
        ("Cast", ["mask"], ["known"], {"to": TensorProto.FLOAT}),
        ("Mul", ["in", "share"], ["kept"]),
        ("Mul", ["known", "paint"], ["painted"]),
        ("Add", ["kept", "painted"], ["out"]),
    ]
    inputs = {"in": ANY, "mask": (("N", 1, "H", "W"), TensorProto.FLOAT16)}
    return write(folder / "half_filler.onnx", nodes, manifest, inputs, {"out": ANY}, share=0.6, paint=0.3)


def composer(folder):
    """Leaves its picture unfinished: 0.3 of the frame, 0.7 of the picture before, moved; two pictures of memory."""
    state = StateTensor(input="memory", output="memory_out", shape=("N", 6, "H", "W"))
    parts = Composite(state="memory", drawn="drawn", carried="carried", flow="flow")
    manifest = described("composer", output={"tensor": "drawn"}, state=(state,), composite=(parts,))
    nodes = [
        ("Mul", ["in", "new"], ["drawn"]),
        ("Slice", ["memory", "zero", "one", "one"], ["first"]),
        ("Slice", ["memory", "zero", "two", "one"], ["pair"]),
        ("Mul", ["first", "nothing"], ["zeros"]),
        ("Add", ["zeros", "old"], ["carried"]),
        ("Mul", ["pair", "nothing"], ["zero_pairs"]),
        ("Add", ["zero_pairs", "shift"], ["flow"]),
    ]
    outputs = {"drawn": ANY, "carried": ("N", 1, "H", "W"), "flow": ("N", 2, "H", "W")}
    return write(
        folder / "composer.onnx", nodes, manifest, {"in": ANY, "memory": ("N", 6, "H", "W")}, outputs,
        new=0.3, old=0.7, nothing=0.0, shift=np.array([1.5, -0.75], np.float32).reshape(1, 2, 1, 1), zero=[0], one=[1], two=[2],
    )  # fmt: skip


def of_numbers(folder):
    """Makes grey of class numbers."""
    labels = {"dtype": "int32", "padding": "edge", "labels": LabelMap(num=4), "multiple": 8}
    nodes = [
        ("Cast", ["in"], ["number"], {"to": TensorProto.FLOAT}),
        ("Mul", ["number", "quarter"], ["grey"]),
        ("Concat", ["grey", "grey", "grey"], ["out"], {"axis": 1}),
    ]
    inputs = {"in": (("N", 1, "H", "W"), TensorProto.INT32)}
    return write(folder / "labels.onnx", nodes, described("labels", frame=labels), inputs, {"out": ANY}, quarter=0.25)


def of_palette(folder):
    """Gives back the colours of a label map, which must not be mixed when they are scaled."""
    labels = {"range": (0, 255), "padding": "edge", "labels": LabelMap(num=3, palette=PALETTE)}
    manifest = described("palette", frame=labels, output={"range": (0, 255)})
    return write(folder / "palette.onnx", [("Identity", ["in"], ["out"])], manifest, {"in": ANY}, {"out": ANY})


def of_instances(folder):
    """Adds a tenth of the object's number to half the picture."""
    nodes = [
        ("Cast", ["objects"], ["number"], {"to": TensorProto.FLOAT}),
        ("Mul", ["number", "tenth"], ["shade"]),
        ("Mul", ["in", "half"], ["dark"]),
        ("Add", ["dark", "shade"], ["out"]),
    ]
    manifest = described("instances", instances=InstanceInput(tensor="objects"))
    inputs = {"in": ANY, "objects": (("N", 1, "H", "W"), TensorProto.INT32)}
    return write(folder / "instances.onnx", nodes, manifest, inputs, {"out": ANY}, tenth=0.1, half=0.5)


def grey(folder, dtype="float32"):
    """The identity on one channel."""
    element = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}[dtype]
    shape = (("N", 1, "H", "W"), element)
    coded = {"channels": 1, "dtype": dtype, "range": (0, 255) if dtype == "uint8" else (0, 1)}
    manifest = described("grey", frame=coded, output={key: v for key, v in coded.items() if key != "batch"})
    return write(
        folder / f"grey_{dtype}.onnx", [("Identity", ["in"], ["out"])], manifest, {"in": shape}, {"out": shape}
    )


def of_window(folder):
    """The mean of three frames."""
    manifest = described("window", frame={"window": Window(offsets=(-1, 0, 1))})
    nodes = [("ReduceMean", ["in", "axis"], ["out"], {"keepdims": 0})]
    return write(folder / "window.onnx", nodes, manifest, {"in": ("N", 3, 3, "H", "W")}, {"out": ANY}, axis=[1])


def stabiliser(folder):
    """A quarter of the frame and three of what another network made of it."""
    manifest = described("stabiliser", kind="stabilise", second=SecondInput(tensor="second", what="translated"))
    nodes = [
        ("Mul", ["in", "quarter"], ["some"]), ("Mul", ["second", "rest"], ["more"]), ("Add", ["some", "more"], ["out"]),
    ]  # fmt: skip
    inputs = {"in": ANY, "second": ANY}
    return write(folder / "stabiliser.onnx", nodes, manifest, inputs, {"out": ANY}, quarter=0.25, rest=0.75)


def of_batch(folder):
    """The identity on a batch of exactly two."""
    shape = (2, 3, "H", "W")
    manifest = described("batch", frame={"batch": 2})
    return write(folder / "batch.onnx", [("Identity", ["in"], ["out"])], manifest, {"in": shape}, {"out": shape})


def flow_network(folder):
    """Flow of (R, G) of the difference of two pictures, six pixels at most."""
    manifest = described(
        "flow", kind="flow", second=SecondInput(tensor="second", what="next"), output={"content": "flow"}
    )
    nodes = [
        ("Sub", ["in", "second"], ["difference"]),
        ("Slice", ["difference", "zero", "two", "one"], ["pair"]),
        ("Mul", ["pair", "six"], ["out"]),
    ]
    inputs, outputs = {"in": ANY, "second": ANY}, {"out": ("N", 2, "H", "W")}
    return write(folder / "flow.onnx", nodes, manifest, inputs, outputs, zero=[0], two=[2], one=[1], six=6.0)


def mask_picture(folder, size):
    """A mask with two holes."""
    mask = np.zeros(size[::-1], np.uint8)
    mask[10:31, 20:45] = mask[40:44, 70:90] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    return str(folder / "mask.png")


def number_maps(folder, count, size, num):
    """Maps of numbers 0 to num - 1 as PNG files, in which rectangles move."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for index in range(count):
        ids = np.zeros(size[::-1], np.uint8)
        for number in range(1, num):
            ids[8 * number : 8 * number + 20, 2 * index + 9 * number : 2 * index + 9 * number + 25] = number
        cv2.imwrite(str(folder / f"{index:03d}.png"), ids)
    return str(folder)


def colour_maps(folder, count, size):
    """The same in the colours of PALETTE."""
    numbers = number_maps(folder, count, size, len(PALETTE))
    for file in sorted(Path(numbers).glob("*.png")):
        ids = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(file), np.array(PALETTE, np.uint8)[ids][..., ::-1])
    return numbers
