"""Model files: a manifest is kept exactly, a missing one is inferred, and files that are not usable are refused."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import tiny_clips
import tiny_models
from onnx import TensorProto, helper, numpy_helper

import rotoscope
from rotoscope.base.device import CPU
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, GoldenCheck, Manifest, StateTensor, StyleInput
from rotoscope.runtime.models.golden import golden_difference
from rotoscope.runtime.models.model_file import open_model, write_described

FULL = Manifest(
    name="everything",
    system="CycleGAN",
    direction="horse -> zebra",
    licence="Apache-2.0",
    source="https://example.org",
    frame=FrameInput(
        tensor="in", order="BGR", range=(-1, 1), mean=(0.1, 0.2, 0.3), std=(1, 2, 3), multiple=4, padding="edge"
    ),
    output=FrameOutput(tensor="out", range=(0, 255), scale=1),
    normalisation="instance",
    golden=GoldenCheck(seed=1, height=8, width=8, values=tuple(float(n) for n in range(64)), tolerance=1e-3),
)


@pytest.fixture
def described(identity, tmp_path):
    write_described(identity, FULL, tmp_path / "described.onnx")
    return tmp_path / "described.onnx"


def refused(path, **overrides):
    with pytest.raises(rotoscope.ModelRefused) as error:
        rotoscope.load(path, **overrides)
    assert "\n" not in str(error.value) and path.name in str(error.value)
    return str(error.value)


# The manifest


def test_a_manifest_survives_json_and_the_file(described):
    assert Manifest.from_json(FULL.model_dump_json(), where="here") == FULL
    file = open_model(described)
    assert file.manifest == FULL
    assert file.inferred == ()


def test_a_new_description_replaces_the_old_one(described, tmp_path):
    write_described(described, FULL.model_copy(update={"name": "renamed"}), tmp_path / "copy.onnx")
    assert open_model(tmp_path / "copy.onnx").name == "renamed"
    assert open_model(described).name == "everything"
    entries = [prop.key for prop in onnx.load(tmp_path / "copy.onnx").metadata_props]
    assert entries == ["rotoscope"]


@pytest.mark.parametrize(("change", "words"), [
    ({"nmae": "x"}, "nmae: Extra inputs are not permitted"),
    ({"schema_version": 2}, "schema_version"),
    ({"name": None}, "name"),
    ({"frame": {"tensor": "in", "rage": [0, 1]}}, "frame.rage"),
    ({"frame": {"tensor": "in", "layout": "CHW"}}, "frame.layout"),
    ({"frame": {"tensor": "in", "channels": 2}}, "frame.channels"),
    ({"frame": {"tensor": "in", "range": [1, 1]}}, "range must not be empty"),
    ({"frame": {"tensor": "in", "std": [1, 0, 1]}}, "std not zero"),
    ({"frame": {"tensor": "in", "multiple": 0}}, "frame.multiple"),
    ({"output": {"tensor": "out", "scale": 17}}, "output.scale"),
    ({"golden": {"seed": 0, "height": 1, "width": 1, "values": [0], "tolerance": 1}}, "golden.values"),
])  # fmt: skip
def test_a_wrong_description_is_refused_by_the_name_of_its_field(change, words, identity, tmp_path):
    text = json.dumps({**json.loads(FULL.model_dump_json()), **change})
    path = tiny_models.identity(tmp_path / "model.onnx", metadata={"rotoscope": text})
    assert words in refused(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"'])
def test_a_description_that_is_not_an_object_is_refused(text, tmp_path):
    assert "its description is not valid" in refused(
        tiny_models.identity(tmp_path / "m.onnx", metadata={"rotoscope": text})
    )


@pytest.mark.parametrize(("change", "words"), [
    ({"frame": FrameInput(tensor="picture")}, "disagree about the inputs (in, picture)"),
    ({"output": FrameOutput(tensor="result")}, "the graph has no output result"),
    ({"state": (StateTensor(input="s", output="t", shape=(1,)),)}, "disagree about the inputs (s)"),
    ({"style": StyleInput(tensor="z", shape=(1, 8))}, "disagree about the inputs (z)"),
])  # fmt: skip
def test_description_and_graph_must_agree(change, words, identity, tmp_path):
    write_described(identity, FULL.model_copy(update=change), tmp_path / "m.onnx")
    assert words in refused(tmp_path / "m.onnx")


def test_a_scale_that_the_graph_does_not_have_is_refused(tmp_path):
    path = tiny_models.upscale(tmp_path / "up.onnx", 2)
    write_described(path, FULL.model_copy(update={"golden": None}), tmp_path / "m.onnx")
    with pytest.raises(rotoscope.ModelRefused, match="says scale 1"):
        rotoscope.load(tmp_path / "m.onnx")(tiny_clips.pattern(0))


@pytest.mark.parametrize(("item", "expected"), [(7, 7), ("N", 1), ("H", 33), ("W/4", 13), ("H/8", 5)])
def test_state_shapes_are_expressions_of_the_input_size(item, expected):
    assert StateTensor(input="a", output="b", shape=(item,)).resolve(33, 50) == (expected,)


@pytest.mark.parametrize("item", ["C", "H*2", "H/", "H/x", "H/0", ""])
def test_other_expressions_are_refused(item):
    with pytest.raises(rotoscope.ModelRefused, match="accepted: a number, N, H, W"):
        StateTensor(input="a", output="b", shape=(item,)).resolve(32, 32)


# Range, mean, channel order and layout, checked on the network's input


def test_range_mean_std_and_order_are_applied(identity, tmp_path):
    frame = FrameInput(tensor="in", order="BGR", range=(0, 255), mean=(103, 116, 123), std=(2, 4, 5))
    write_described(identity, Manifest(name="m", frame=frame, output=FrameOutput(tensor="out")), tmp_path / "m.onnx")
    seen = []

    class Spy:
        device = CPU
        description = "spy"

        def run(self, inputs, state, out, out_state):
            seen.append(inputs["in"].copy())
            out["out"][...] = 0

        def shapes(self, inputs, state):
            return {"out": inputs["in"].shape}

    picture = np.empty((8, 8, 3), np.uint8)
    picture[...] = (200, 100, 50)
    with rotoscope.Translator(tmp_path / "m.onnx", engine=Spy()) as translator:
        list(translator.stream([Frame(0, 0, Fraction(1), 1, Picture((picture,)))]))
    np.testing.assert_allclose(seen[-1][0, :, 0, 0], [(50 - 103) / 2, (100 - 116) / 4, (200 - 123) / 5], rtol=1e-5)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("shape", "dtype"), [
    (tiny_models.ANY, TensorProto.FLOAT), (("N", "H", "W", 3), TensorProto.FLOAT), (tiny_models.ANY, TensorProto.FLOAT16),
    (("N", "H", "W", 3), TensorProto.FLOAT16),
])  # fmt: skip
def test_every_layout_and_type_gives_the_same_picture(engine, shape, dtype, tmp_path):
    model = tiny_models.identity(tmp_path / "m.onnx", shape=shape, dtype=dtype)
    picture = tiny_clips.pattern(3, 40, 30)
    np.testing.assert_array_equal(rotoscope.load(model, engine=engine)(picture), picture)


@pytest.mark.parametrize("options", [
    {"input_range": (0.0, 255.0), "output_range": (0.0, 255.0)}, {"input_range": (-1.0, 1.0), "output_range": (-1.0, 1.0)},
    {"channel_order": "bgr"}, {"multiple": 32},
])  # fmt: skip
def test_an_identity_is_one_under_any_consistent_override(options, identity):
    picture = tiny_clips.pattern(3, 41, 30)
    np.testing.assert_array_equal(rotoscope.load(identity, **options)(picture), picture)


def test_overrides_are_applied_and_no_longer_called_inferred(identity):
    file = rotoscope.load(identity, input_range=(0.0, 255.0), multiple=8, channel_order="bgr").file
    assert (file.manifest.frame.range, file.manifest.frame.multiple) == ((0, 255), 8)
    assert (file.manifest.frame.order, file.manifest.output.order) == ("BGR", "BGR")
    assert not [line for line in file.inferred if line.startswith(("input range", "multiple", "order"))]
    assert [line for line in file.inferred if line.startswith("layout: NCHW")]


@pytest.mark.parametrize(
    ("options", "words"), [({"multiple": 0}, "multiple=0"), ({"input_range": (1.0, 1.0)}, "two different numbers")]
)
def test_impossible_overrides_are_usage_errors(options, words, identity):
    with pytest.raises(rotoscope.UsageError, match=words):
        rotoscope.load(identity, **options)


# Inference for foreign files


@pytest.mark.parametrize("name", ["candy", "mosaic"])
def test_windows_ml_style_models_are_understood(name, shared):
    file = rotoscope.load(shared / "data" / "weights" / "fns_onnx" / f"{name}.onnx").file
    frame = file.manifest.frame
    assert (frame.order, frame.range, frame.fixed_size, frame.layout) == ("BGR", (0, 255), (720, 720), "NCHW")
    assert (file.manifest.output.order, file.manifest.output.range) == ("BGR", (0, 255))
    assert any(line.startswith("order: BGR") for line in file.inferred)


def reference(shared, name):
    with np.load(shared / "data" / "reference" / name) as arrays:
        return arrays["output"]


def test_a_fixed_style_model_gives_its_reference_output(shared):
    picture = cv2.imread(str(shared / "data" / "reference" / "input_160x120.png"))[..., ::-1]
    square = cv2.resize(picture, (720, 720), interpolation=cv2.INTER_LINEAR)
    made = rotoscope.load(shared / "data" / "weights" / "fns_onnx" / "candy.onnx")(np.ascontiguousarray(square))
    expected = np.clip(reference(shared, "fns_onnx_candy_every8th.npz"), 0, 255)[::-1].transpose(1, 2, 0)
    assert np.abs(made[::8, ::8] - expected).max() <= 1


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_half_precision_upscaler_gives_its_reference_output(engine, shared):
    picture = cv2.imread(str(shared / "data" / "reference" / "input_48x36.png"))[..., ::-1]
    model = rotoscope.load(
        shared / "data" / "weights" / "animejanai_onnx" / "2x_AnimeJaNai_HD_V3_SuperUltraCompact.onnx", engine=engine
    )
    frame, output = model.file.manifest.frame, model.file.manifest.output
    assert (frame.dtype, frame.range, frame.order, output.scale) == ("float16", (0, 1), "RGB", 2)
    made = model(np.ascontiguousarray(picture))
    expected = np.clip(reference(shared, "2x_AnimeJaNai_HD_V3_SuperUltraCompact_from_48x36.npz"), 0, 1).transpose(
        1, 2, 0
    )
    assert made.shape == (72, 96, 3)
    assert np.abs(made / 255 - expected).max() <= 0.012  # a graph in half precision: 1e-2, and rounding to 8 bits


def convolution(path, *, stride=1, last=None, up=None):
    """A strided 3x3 convolution, perhaps an activation, perhaps a depth-to-space by `up`."""
    channels = 3 * (up or 1) ** 2
    weights = numpy_helper.from_array(np.zeros((channels, 3, 3, 3), np.float32), "w")
    nodes = [helper.make_node("Conv", ["in", "w"], ["c"], pads=[1, 1, 1, 1], strides=[stride, stride])]
    value = "c"
    if up:
        nodes.append(helper.make_node("DepthToSpace", [value], ["d"], blocksize=up))
        value = "d"
    nodes.append(helper.make_node(last or "Identity", [value], ["out"]))
    return tiny_models.save(path, nodes, constants=[weights], out_shape=("N", 3, "OH", "OW"))


def test_ranges_follow_the_last_operator(tmp_path):
    tanh = rotoscope.load(convolution(tmp_path / "tanh.onnx", last="Tanh")).file.manifest
    assert (tanh.frame.range, tanh.output.range) == ((-1, 1), (-1, 1))
    sigmoid = rotoscope.load(convolution(tmp_path / "sigmoid.onnx", last="Sigmoid")).file.manifest
    assert (sigmoid.frame.range, sigmoid.output.range) == ((0, 1), (0, 1))


def test_strides_give_the_multiple_and_depth_to_space_the_scale(tmp_path):
    down_up = rotoscope.load(convolution(tmp_path / "a.onnx", stride=4, up=4)).file.manifest
    assert (down_up.frame.multiple, down_up.output.scale) == (4, 1)
    upscaler = rotoscope.load(convolution(tmp_path / "b.onnx", up=2)).file.manifest
    assert (upscaler.frame.multiple, upscaler.output.scale) == (1, 2)


def test_every_inference_gives_its_reason(identity):
    assert [line.split(":")[0] for line in rotoscope.load(identity).file.inferred] == [
        "layout", "size", "order", "input range", "output range", "multiple",
    ]  # fmt: skip


# What is refused


def test_files_that_are_not_models_are_named(tmp_path):
    for content, words in (
        (b"PK\x03\x04rest", "not an ONNX file but a zip archive or a PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"garbage" * 100, "not an ONNX file but a file of no known kind"),
    ):
        (tmp_path / "model.onnx").write_bytes(content)
        assert words in refused(tmp_path / "model.onnx")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.onnx").write_bytes(b"")
    refused(tmp_path / "empty.onnx")


def test_a_name_that_does_not_exist_and_a_folder_are_refused(tmp_path):
    with pytest.raises(rotoscope.ModelRefused, match="neither a file nor a bundled look"):
        rotoscope.load("stary")
    with pytest.raises(rotoscope.ModelRefused):
        rotoscope.load(tmp_path)


@pytest.mark.parametrize("make", [str, Path])
@pytest.mark.parametrize("address", ["https://user:secret@host/net.onnx?token=secret", "rtsp://user:secret@host/net"])
def test_an_address_is_no_model_and_its_password_is_not_shown(address, make):
    with pytest.raises(rotoscope.ModelRefused, match=r"://host/net.*: an address; accepted") as refused:
        rotoscope.load(make(address))
    assert "secret" not in str(refused.value)


def test_unknown_operators_are_refused(tmp_path):
    path = tiny_models.save(tmp_path / "m.onnx", [helper.make_node("Paint", ["in"], ["out"], domain="com.stranger")])
    assert "operators of com.stranger" in refused(path)


def test_unknown_operators_inside_a_branch_are_refused(tmp_path):
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("Paint", ["in"], ["x"], domain="com.stranger")], "b", [], [picture])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    path = tiny_models.save(
        tmp_path / "m.onnx",
        [helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)],
        constants=[yes],
    )
    assert "operators of com.stranger" in refused(path)


@pytest.mark.parametrize(("kwargs", "words"), [
    ({"shape": ("N", 5, "H", "W")}, "none of its dimensions is 1, 3 or 4 channels"),
    ({"shape": ("N", 3)}, "has 2 dimensions"),
    ({"dtype": TensorProto.INT64}, "is INT64; pictures are FLOAT, FLOAT16 or UINT8"),
    ({"inputs": [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, "K"])]}, "input z [1,?] is neither a picture nor"),
])  # fmt: skip
def test_graphs_that_do_not_take_and_make_pictures_are_refused(kwargs, words, tmp_path):
    assert words in refused(tiny_models.identity(tmp_path / "m.onnx", **kwargs))


def test_a_graph_that_an_engine_cannot_run_is_refused_in_one_line(tmp_path):
    path = tiny_models.save(tmp_path / "m.onnx", [helper.make_node("NoSuchOperator", ["in"], ["out"])])
    for engine in ("onnxruntime", "openvino"):
        with pytest.raises(rotoscope.ModelRefused) as error:
            rotoscope.load(path, engine=engine)(tiny_clips.pattern(0))
        assert "\n" not in str(error.value)


def test_an_output_smaller_than_promised_suggests_the_multiple(tmp_path):
    """A network that halves and doubles its input loses an odd row if --multiple is wrong."""
    path = convolution(tmp_path / "m.onnx", stride=2, up=2)
    good = rotoscope.load(path)(tiny_clips.pattern(0, 33, 33))
    assert good.shape == (33, 33, 3)


# Engines


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_bundled_look_passes_its_golden_check(engine):
    translator = rotoscope.Translator("starry", engine=engine)
    network = translator.stages.network.networks[0]
    assert golden_difference(network.model.manifest, network.engine) <= network.model.manifest.golden.tolerance
    assert network.engine.description == f"{engine} fp32 cpu"


def raw_outputs(engine, precision):
    """The raw output of the bundled look for a photograph-like input, in its own range."""
    model = rotoscope.load("starry", engine=engine, precision=precision)
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((240, 320, 3)).astype(np.float32), (0, 0), 6)
    picture = np.clip((noise - 0.5) * 4 + 0.5, 0, 1)
    return model((picture * 255).astype(np.uint8)).astype(float)


def test_both_engines_agree():
    assert (
        np.abs(raw_outputs("onnxruntime", "fp32") - raw_outputs("openvino", "fp32")).max() <= 1
    )  # of 255, once rounded


@pytest.mark.parametrize("look", ["starry", "comic"])
def test_both_engines_agree_to_a_thousandth_before_rounding(look):
    results = []
    for engine in ("onnxruntime", "openvino"):
        network = rotoscope.Translator(look, engine=engine).stages.network.networks[0]
        manifest = network.model.manifest
        inputs = {manifest.frame.tensor: np.random.default_rng(2).random((1, 3, 96, 128), np.float32)}
        out = {name: np.empty(shape, np.float32) for name, shape in network.engine.shapes(inputs, {}).items()}
        assert list(out) == list(manifest.outputs)
        network.engine.run(inputs, {}, out, {})
        low, high = manifest.output.range
        results.append((out[manifest.output.tensor] - low) / (high - low) * 2 - 1)
    assert np.abs(results[0] - results[1]).max() <= 1e-3


def test_bf16_stays_within_forty_decibels():
    try:
        half = raw_outputs("openvino", "bf16")
    except rotoscope.UsageError as error:
        pytest.skip(str(error))
    error = ((raw_outputs("openvino", "fp32") - half) ** 2).mean()
    assert error > 0
    assert 10 * np.log10(255**2 / error) >= 40


@pytest.mark.parametrize(("options", "words"), [
    ({"engine": "tensorflow"}, "accepted: '?onnxruntime'?, '?openvino"),
    ({"engine": "onnxruntime", "precision": "bf16"}, "is fp32, and onnxruntime runs a file as it is"),
    ({"engine": "openvino", "precision": "fp16"}, "accepted: fp32, bf16"),
    ({"engine": "openvino", "device": "cuda"}, "accepted: cpu"),
    ({"engine": "onnxruntime", "device": "tpu"}, "accepted: cpu, cuda"),
])  # fmt: skip
def test_what_an_engine_cannot_do_is_a_usage_error(options, words, identity):
    with pytest.raises(rotoscope.UsageError, match=words):
        rotoscope.load(identity, **options)(tiny_clips.pattern(0))
