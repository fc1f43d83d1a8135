"""Tiles of networks that measure the whole picture: norms, means, largest values, sizes. The result is that of the whole."""

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import tiny_clips
import tiny_models
from onnx import TensorProto, helper, numpy_helper

import rotoscope
from rotoscope.assembly.engines import make_engine
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest, NumberInput, StateTensor
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.network.tiles import in_tiles

node = helper.make_node
rng = np.random.default_rng(0)


def floats(name, *shape, scale=1.0, shift=0.0):
    values = shift + rng.normal(0, scale / np.sqrt(max(1, np.prod(shape[1:]))), shape)
    return numpy_helper.from_array(values.astype(np.float32), name)


def number(name, *values, dtype=np.int64):
    return numpy_helper.from_array(np.array(values, dtype), name)


def conv(given, weights, made, side=3, **more):
    return node("Conv", [given, weights], [made], kernel_shape=[side, side], pads=[side // 2] * 4, **more)


def norms(given):
    """Instance norms before and after a convolution that takes every second pixel, and one on twice the size."""
    return [
        node("InstanceNormalization", [given, "s", "b"], ["n1"]), node("Relu", ["n1"], ["r1"]),
        conv("r1", "w2", "c2", strides=[2, 2]), node("InstanceNormalization", ["c2", "s", "b"], ["n2"], epsilon=1e-3),
        conv("n2", "w3", "c3"), node("Resize", ["c3", "", "twice"], ["u3"], mode="nearest"),
        node("InstanceNormalization", ["u3", "s", "b"], ["made"]),
    ]  # fmt: skip


def mean_and_deviation(given):
    """As AdaIN has them: the unbiased variance divides by a product of sizes that the graph computes."""
    return [
        node("ReduceMean", [given, "hw"], ["m"], keepdims=1), node("Sub", [given, "m"], ["d"]), node("Mul", ["d", "d"], ["q"]),
        node("ReduceSum", ["q", "hw"], ["sum"], keepdims=1), node("Shape", [given], ["size"]),
        node("Gather", ["size", "two"], ["h"]), node("Gather", ["size", "three"], ["w"]), node("Mul", ["h", "w"], ["hxw"]),
        node("Sub", ["hxw", "one"], ["less"]), node("Cast", ["less"], ["count"], to=TensorProto.FLOAT),
        node("Div", ["sum", "count"], ["variance"]), node("Sqrt", ["variance"], ["deviation"]),
        node("Div", ["d", "deviation"], ["made"]),
    ]  # fmt: skip


def sizes_by_range(given):
    """The same height and width as the exporter of torch asks for them, each by a range of the shape."""
    return [
        node("Shape", [given], ["h"], start=2, end=3), node("Shape", [given], ["w"], start=3, end=4),
        node("Mul", ["h", "w"], ["hxw"]), node("Cast", ["hxw"], ["count"], to=TensorProto.FLOAT),
        node("ReduceSum", [given, "hw"], ["sum"], keepdims=1), node("Div", ["sum", "count"], ["mean"]),
        node("Sub", [given, "mean"], ["made"]),
    ]  # fmt: skip


def gates(given):
    """Squeeze and excitation: a mean and a largest value of each channel, through a layer, times the channel."""
    return [
        node("GlobalAveragePool", [given], ["mean"]), node("GlobalMaxPool", [given], ["most"]),
        node("Add", ["mean", "most"], ["both"]), node("Conv", ["both", "w1x1"], ["gate"], kernel_shape=[1, 1]),
        node("Sigmoid", ["gate"], ["open"]), node("Mul", [given, "open"], ["opened"]),
        node("ReduceMin", ["opened", "all"], ["least"], keepdims=1), node("ReduceMax", ["opened", "all"], ["top"], keepdims=1),
        node("Sub", ["top", "least"], ["span"]), node("Sub", ["opened", "least"], ["above"]),
        node("Div", ["above", "span"], ["made"]),
    ]  # fmt: skip


def one_picture_at_a_time(given):
    """The number of pictures and of channels, read off the shape, are no statistics; a mean over channels is none either."""
    return [
        node("Shape", [given], ["size"]), node("Gather", ["size", "first"], ["n_and_c"]),
        node("Concat", ["n_and_c", "ones"], ["target"], axis=0), node("Expand", ["shift", "target"], ["shifts"]),
        node("Add", [given, "shifts"], ["shifted"]), node("ReduceMean", ["shifted", "channels"], ["grey"], keepdims=1),
        node("Sub", ["shifted", "grey"], ["made"]),
    ]  # fmt: skip


def network(path, middle, channels=6, precision=TensorProto.FLOAT):
    constants = [
        floats("w0", channels, 3, 5, 5, scale=2), floats("s", channels, shift=1, scale=0.3), floats("b", channels, scale=0.3),
        floats("w2", channels, channels, 3, 3), floats("w3", channels, channels, 3, 3),
        floats("w9", 3, channels, 3, 3, scale=0.3),
        floats("w1x1", channels, channels, 1, 1), floats("shift", 1, channels, 1, 1),
        number("twice", 1, 1, 2, 2, dtype=np.float32), number("hw", 2, 3), number("all", 1, 2, 3), number("channels", 1),
        number("first", 0, 1), number("ones", 1, 1), number("one", 1), number("two", 2), number("three", 3),
    ]  # fmt: skip
    nodes = [conv("in", "w0", "c1", side=5), *middle("c1"), conv("made", "w9", "last"), node("Tanh", ["last"], ["out"])]
    used = {name for one in nodes for name in one.input}
    return tiny_models.save(path, nodes, constants=[one for one in constants if one.name in used])


def tiled(path, text):
    file = open_model(path, {"frame.multiple": 2})
    engine = make_engine(file)
    return engine, in_tiles(
        file, engine, text, frozen=False, engine_of=lambda other: make_engine(replace(file, path=other))
    )


@pytest.mark.parametrize("middle", [norms, mean_and_deviation, sizes_by_range, gates, one_picture_at_a_time])
def test_tiles_give_what_the_whole_picture_gives(middle, tmp_path):
    whole, tiles = tiled(network(tmp_path / "net.onnx", middle), "64")
    picture = rng.random((1, 3, 150, 202), np.float32)
    picture[:, :, :70] *= 0.2  # tiles have other means than the whole
    results = []
    for engine in (whole, tiles, tiles):
        out = {"out": np.full(engine.shapes({"in": picture}, {})["out"], np.nan, np.float32)}
        engine.run({"in": picture}, {}, out, {})
        results.append(out["out"])
    assert np.ptp(results[0]) > 0.3
    assert np.abs(results[0] - results[1]).max() < 1e-4
    assert (results[1] == results[2]).all()
    assert ("measured in" in tiles.description) == (middle is not one_picture_at_a_time)


def test_norms_of_a_half_precision_network(tmp_path):
    path = tmp_path / "half.onnx"
    ones = [numpy_helper.from_array(np.full(3, value, np.float16), name) for name, value in (("s", 0.2), ("b", 0.5))]
    tiny_models.save(
        path, [node("InstanceNormalization", ["in", "s", "b"], ["out"])], constants=ones, dtype=TensorProto.FLOAT16
    )
    whole, tiles = tiled(path, "64")
    picture = rng.random((1, 3, 100, 130)).astype(np.float16)
    picture[:, :, 50:] *= np.float16(0.2)
    made = [{"out": np.empty_like(picture)} for _ in range(2)]
    for engine, out in zip((whole, tiles), made, strict=True):
        engine.run({"in": picture}, {}, out, {})
    assert np.abs(made[0]["out"].astype(float) - made[1]["out"]).max() < 2e-3


@pytest.mark.parametrize(("look", "tile"), [("scream", "320"), ("wash", "128")])
def test_bundled_looks(look, tile):
    image = rng.integers(0, 256, (140, int(tile) + 72, 3), np.uint8)
    image[:60] //= 4
    assert np.abs(rotoscope.load(look)(image).astype(int) - rotoscope.load(look, tile=tile)(image)).max() <= 1


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_video(engine, tmp_path):
    path = network(tmp_path / "net.onnx", norms)
    clip = tiny_clips.write_clip(tmp_path / "c.mkv", frames=2, size=(150, 90))
    for name, tile in (("a.mkv", None), ("b.mkv", "64")):
        rotoscope.translate(
            str(clip),
            str(tmp_path / name),
            model=path,
            codec="ffv1",
            steady="off",
            tile=tile,
            multiple=2,
            engine=engine,
        )
    pairs = zip(rotoscope.read(str(tmp_path / "a.mkv")), rotoscope.read(str(tmp_path / "b.mkv")), strict=True)
    for whole, tiles in pairs:
        for plane, other in zip(whole.source.planes, tiles.source.planes, strict=True):
            assert np.abs(plane.astype(int) - other).max() <= 1


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process comes from getrusage")
def test_memory_grows_with_the_picture_alone(tmp_path):
    """48 channels of a whole picture of 2048x2048 would take 805 MB at each layer; a child process says what it used."""
    path = network(tmp_path / "net.onnx", norms, channels=48)
    script = (
        "import resource, sys, numpy as np, rotoscope\n"
        "side = int(sys.argv[2])\n"
        "rotoscope.load(sys.argv[1], tile='256', multiple=2, threads=1)(np.zeros((side, side, 3), np.uint8))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for side in (1024, 2048):
        ran = subprocess.run(
            [sys.executable, "-c", script, str(path), str(side)], check=True, capture_output=True, text=True
        )
        peaks.append(int(ran.stdout.split()[-1]) * 1024)
    bytes_per_pixel = 3 + 3 + 2 * 12 + 16 + 2 * 12  # codes in and out, float in and out, RGB in float, room for copies
    assert peaks[1] - peaks[0] < (2048**2 - 1024**2) * bytes_per_pixel


def attention(given):
    return [
        node("Shape", [given], ["shape"]), node("Reshape", [given, "rows"], ["flat"]),
        node("Softmax", ["flat"], ["weights"]), node("Reshape", ["weights", "shape"], ["made"]),
    ]  # fmt: skip


def places(given):
    """A ramp over the picture, made from its size."""
    return [
        node("Shape", [given], ["size"]), node("Gather", ["size", "two"], ["h"]), node("Range", ["zero", "h", "one"], ["ramp"]),
        node("Cast", ["ramp"], ["values"], to=TensorProto.FLOAT), node("Unsqueeze", ["values", "channels"], ["column"]),
        node("Add", [given, "column"], ["made"]),
    ]  # fmt: skip


def along_rows(given):
    return [node("ReduceMean", [given, "three_axis"], ["mean"], keepdims=1), node("Sub", [given, "mean"], ["made"])]


def branches(given):
    """A picture that a branch reads without naming it as an input."""
    there = helper.make_graph(
        [node("Relu", [given], ["then"])], "then", [], [helper.make_tensor_value_info("then", TensorProto.FLOAT, None)]
    )
    other = helper.make_graph(
        [node("Neg", [given], ["else"])], "else", [], [helper.make_tensor_value_info("else", TensorProto.FLOAT, None)]
    )
    return [node("If", ["yes"], ["made"], then_branch=there, else_branch=other)]


@pytest.mark.parametrize(
    ("middle", "words"),
    [
        (attention, "it has Reshape"),
        (places, "Range to a size that depends on the picture's"),
        (along_rows, "ReduceMean along a side of the picture"),
        (branches, "it has If"),
    ],
)
def test_what_tiles_cannot_measure_is_refused_in_one_line(middle, words, tmp_path):
    path = tmp_path / "m.onnx"
    constants = [
        floats("w0", 6, 3, 5, 5), floats("w9", 3, 6, 3, 3), number("rows", 1, 6, -1), number("two", 2), number("channels", 1),
        numpy_helper.from_array(np.array(0), "zero"), numpy_helper.from_array(np.array(1), "one"), number("three_axis", 3),
        numpy_helper.from_array(np.array(True), "yes"),
    ]  # fmt: skip
    nodes = [conv("in", "w0", "c1", side=5), *middle("c1"), conv("made", "w9", "out")]
    used = {name for one in nodes for name in one.input}
    tiny_models.save(path, nodes, constants=[one for one in constants if one.name in used])
    with pytest.raises(rotoscope.UsageError, match=rf"depends on the whole picture: {words}.*--tile 96:16") as refused:
        tiled(path, "96")
    assert "\n" not in str(refused.value)


def test_frozen_statistics_need_no_passes(tmp_path):
    """As the exporter writes them: mean = kept * old + (1 - kept) * measured, and kept is 0 before the first measurement."""
    manifest = Manifest(
        name="shared", frame=FrameInput(tensor="in"), output=FrameOutput(tensor="out"),
        number=NumberInput(tensor="keep", what="keep", shape=(), value=1.0),
        state=(StateTensor(input="old", output="new", shape=(1, 3, 1, 1)),),
    )  # fmt: skip
    nodes = [
        node("ReduceMax", ["old"], ["most"], keepdims=0), node("Sign", ["most"], ["begun"]),
        node("Mul", ["keep", "begun"], ["share"]), node("Sub", ["one", "share"], ["rest"]),
        node("ReduceMean", ["in", "nhw"], ["now"], keepdims=1), node("Mul", ["old", "share"], ["kept"]),
        node("Mul", ["now", "rest"], ["added"]), node("Add", ["kept", "added"], ["new"]),
        node("Sub", ["in", "new"], ["centred"]), node("Add", ["centred", "half"], ["out"]),
    ]  # fmt: skip
    value = helper.make_tensor_value_info
    path = tiny_models.save(
        tmp_path / "shared.onnx", nodes, metadata={"rotoscope": manifest.model_dump_json()},
        constants=[number("nhw", 0, 2, 3), tiny_models.scalar("one", 1.0), tiny_models.scalar("half", 0.5)],
        inputs=[value("keep", TensorProto.FLOAT, ()), value("old", TensorProto.FLOAT, (1, 3, 1, 1))],
        outputs=[value("new", TensorProto.FLOAT, (1, 3, 1, 1))],
    )  # fmt: skip
    image = rng.integers(60, 180, (100, 150, 3), np.uint8)
    frames = [Frame(0, 0, Fraction(1, 25), 1, Picture((image,)))]
    made = []
    for tile in (None, "64"):
        with rotoscope.Translator(path, calibration=frames, steady="off", tile=tile) as translator:
            made.append(translator.push(image))
            assert "measured in" not in translator.description
    assert (made[0] == made[1]).all()
    with pytest.raises(rotoscope.UsageError, match="remembers the frame before"):
        rotoscope.Translator(path, steady="off", tile="64")
