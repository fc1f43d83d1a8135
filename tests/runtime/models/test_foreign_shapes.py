"""Files without a description in the shapes that exist: channels, layouts, batches, sides and outputs."""

import numpy as np
import onnx
import pytest
from foreign import FLOAT, FLOAT16, NCHW, UINT8, const, gain, ints, matrix, node, save, value

import rotoscope

ROWS, COLUMNS = np.mgrid[0:34, 0:46]
PICTURE = np.stack([COLUMNS * 5, 255 - ROWS * 7, ROWS + 4 * COLUMNS], -1).clip(0, 255).astype(np.uint8)
GREY = PICTURE @ np.array([0.299, 0.587, 0.114])


def painted(path, **options):
    return rotoscope.load(path, **options)(PICTURE).astype(float)


def conv(begin, end, weights="w"):
    return node("Conv", [begin, weights], [end], kernel_shape=[1, 1])


def clipped(begin, end):
    """0..1, so that no range is a guess."""
    return node("Clip", [begin, "lo", "hi"], [end])


LIMITS = [const("lo", 0.0), const("hi", 1.0)]


# Channels


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("into", "out"), [(1, 1), (3, 1), (1, 3), (4, 3), (3, 4), (4, 4), (1, 4)])
def test_every_number_of_channels_on_either_side(into, out, layout, tmp_path):
    weights = np.zeros((out, into))
    for c in range(min(out, 3)):
        weights[c, min(c, into - 1) if into != 3 or out != 1 else slice(None)] = 1 if into != 3 or out != 1 else 1 / 3
    if out == 4:
        weights[3, 0] = 0.5
    nodes, names = [], ("x", "y")
    if layout == "NHWC":
        nodes = [node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2])]
        names = ("a", "b")
    nodes += [conv(names[0], "c"), clipped("c", names[1])]
    if layout == "NHWC":
        nodes.append(node("Transpose", ["b"], ["y"], perm=[0, 2, 3, 1]))
    shapes = [("N", count, "H", "W") if layout == "NCHW" else ("N", "H", "W", count) for count in (into, out)]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [*LIMITS, const("w", matrix(weights))],
        inputs=[value("x", shapes[0])],
        outputs=[value("y", shapes[1])],
    )
    found = painted(path)
    if into == 1:
        expected = np.repeat(GREY[..., None], 3, axis=2)
    else:
        expected = np.repeat(PICTURE.mean(2)[..., None], 3, axis=2) if out == 1 else PICTURE
    if (into, out) == (4, 1):
        expected = PICTURE[..., :1]
    assert np.abs(found - expected).max() <= 1


def test_alpha_goes_in_as_white(tmp_path):
    """A network that shows alpha in every channel."""
    weights = const("w", matrix([[0, 0, 0, 1]] * 3))
    path = save(
        tmp_path / "m.onnx",
        [conv("x", "c"), clipped("c", "y")],
        [*LIMITS, weights],
        inputs=[value("x", ("N", 4, "H", "W"))],
    )
    assert (painted(path) == 255).all()


def test_a_network_that_enlarges_luma_keeps_the_colour(tmp_path):
    nodes = [node("Resize", ["x", "", "scales"], ["y"], mode="nearest")]
    grey = ("N", 1, "H", "W")
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [const("scales", [1, 1, 2, 2])],
        inputs=[value("x", grey)],
        outputs=[value("y", ("N", 1, "H2", "W2"))],
    )
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    found = rotoscope.load(path)(flat)
    assert found.shape == (32, 32, 3) and np.abs(found.astype(int) - (200, 100, 50)).max() <= 1


def test_keep_colour_gives_a_grey_result_the_colour_of_the_source(tmp_path):
    grey = ("N", 1, "H", "W")
    path = save(tmp_path / "m.onnx", [clipped("x", "y")], LIMITS, inputs=[value("x", grey)], outputs=[value("y", grey)])
    assert np.abs(painted(path, keep_colour=True) - PICTURE).max() <= 1
    assert np.ptp(painted(path), axis=2).max() == 0


# Axes, types and names


@pytest.mark.parametrize("shape", [(3, "H", "W"), ("H", "W", 3), (3, 34, 46)])
def test_a_tensor_without_a_batch_axis(shape, tmp_path):
    path = save(
        tmp_path / "m.onnx", [clipped("x", "y")], LIMITS, inputs=[value("x", shape)], outputs=[value("y", shape)]
    )
    np.testing.assert_array_equal(painted(path), PICTURE)


@pytest.mark.parametrize("shape", [(4, 3, "H", "W"), (2, "H", "W", 3), (2, 3, 34, 46)])
def test_a_fixed_batch_is_filled_with_the_frame(shape, tmp_path):
    nodes = [
        node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
        node("Add", ["x", "m"], ["s"]),
        node("Mul", ["s", "half"], ["a"]),
        clipped("a", "y"),
    ]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [*LIMITS, const("half", 0.5)],
        inputs=[value("x", shape)],
        outputs=[value("y", shape)],
    )
    assert np.abs(painted(path) - PICTURE).max() <= 1


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 3, 68, "W"), (92, 68)), ((1, 3, "H", 23), (23, 17)), ((1, 17, "W", 3), (23, 17))]
)
def test_one_fixed_side_scales_the_picture_to_it(shape, size, tmp_path):
    path = save(
        tmp_path / "m.onnx", [clipped("x", "y")], LIMITS, inputs=[value("x", shape)], outputs=[value("y", shape)]
    )
    model = rotoscope.load(path)
    assert model(PICTURE).shape == PICTURE.shape
    flat = np.full((34, 46, 3), (200, 100, 50), np.uint8)
    assert np.abs(model(flat).astype(int) - (200, 100, 50)).max() <= 1
    assert any("size: any" in line and "only" in line for line in model.file.inferred)


@pytest.mark.parametrize("dims", [None, ("N", "C", "H", "W"), (None, None, None, None)])
def test_channels_that_the_shape_does_not_say_come_from_the_first_convolution(dims, tmp_path):
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        conv("a", "b"),
        clipped("b", "c"),
        node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    ends = {"inputs": [value("x", dims)], "outputs": [value("y", dims)]}
    np.testing.assert_array_equal(
        painted(save(tmp_path / "m.onnx", nodes, [*LIMITS, const("w", gain(1))], **ends)), PICTURE
    )
    nodes = [conv("x", "b"), clipped("b", "y")]
    np.testing.assert_array_equal(
        painted(save(tmp_path / "n.onnx", nodes, [*LIMITS, const("w", gain(1))], **ends)), PICTURE
    )


@pytest.mark.parametrize("name", ["input:0", "a/b c", "größe 图", "x" * 300, "-x", "{x}", "%s", "'\"", "../x"])
def test_tensors_and_files_of_any_name(name, tmp_path):
    nodes = [node("Clip", [name, "lo", "hi"], [f"{name}!"])]
    ends = {"inputs": [value(name, NCHW)], "outputs": [value(f"{name}!", NCHW)]}
    file = tmp_path / (name.replace("/", "_")[:100] + ".onnx")
    np.testing.assert_array_equal(painted(save(file, nodes, LIMITS, **ends)), PICTURE)


@pytest.mark.parametrize(
    ("into", "out"), [(FLOAT16, FLOAT16), (FLOAT16, FLOAT), (FLOAT, FLOAT16), (UINT8, FLOAT), (FLOAT, UINT8)]
)
def test_types_may_differ_between_the_ends(into, out, tmp_path):
    nodes = [node("Cast", ["x"], ["f"], to=FLOAT)]
    nodes += [node("Div", ["f", "k"], ["a"])] if into == UINT8 else [node("Identity", ["f"], ["a"])]
    nodes += [clipped("a", "b")]
    nodes += [node("Mul", ["b", "k"], ["c"])] if out == UINT8 else [node("Identity", ["b"], ["c"])]
    nodes += [
        node("Round", ["c"], ["d"]) if out == UINT8 else node("Identity", ["c"], ["d"]),
        node("Cast", ["d"], ["y"], to=out),
    ]
    ends = {"inputs": [value("x", NCHW, into)], "outputs": [value("y", NCHW, out)]}
    assert np.abs(painted(save(tmp_path / "m.onnx", nodes, [*LIMITS, const("k", 255.0)], **ends)) - PICTURE).max() <= 1


def test_initialisers_among_the_inputs_as_old_files_have_them(tmp_path):
    inputs = [value("x", NCHW), value("w", (3, 3, 1, 1)), value("lo", ()), value("hi", ())]
    path = save(
        tmp_path / "m.onnx",
        [conv("x", "c"), clipped("c", "y")],
        [*LIMITS, const("w", gain(1))],
        inputs=inputs,
        ir=3,
        opset=11,
    )
    np.testing.assert_array_equal(painted(path), PICTURE)


# Sizes


def test_a_reshape_that_needs_even_sides_is_noticed(tmp_path):
    """Space to depth by Reshape, as Real-ESRGAN x2plus has it, and back."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "i2"], ["h"], axis=0),
        node("Gather", ["s", "i3"], ["w"], axis=0),
        node("Div", ["h", "two"], ["h2"]),
        node("Div", ["w", "two"], ["w2"]),
        node("Concat", ["n3", "h2", "two", "w2", "two"], ["to"], axis=0),
        node("Reshape", ["x", "to"], ["r"]),
        node("Concat", ["n3", "h", "w"], ["back"], axis=0),
        node("Reshape", ["r", "back"], ["q"]),
        clipped("q", "y"),
    ]
    constants = [*LIMITS, ints("i2", [2]), ints("i3", [3]), ints("two", [2]), ints("n3", [1, 3])]
    path = save(tmp_path / "m.onnx", nodes, constants)
    model = rotoscope.load(path)
    assert model.file.manifest.frame.multiple == 2
    odd = PICTURE[:33, :45]
    np.testing.assert_array_equal(model(np.ascontiguousarray(odd)), odd)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_scale_of_upscalers_is_the_true_one(factor, tmp_path):
    by_scales = save(
        tmp_path / "scales.onnx",
        [node("Resize", ["x", "", "s"], ["r"], mode="nearest"), clipped("r", "y")],
        [*LIMITS, const("s", [1, 1, factor, factor])],
        outputs=[value("y", ("N", 3, "A", "B"))],
    )
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Mul", ["s", "f"], ["to"]),
        node("Resize", ["x", "", "", "to"], ["r"], mode="nearest"),
        clipped("r", "y"),
    ]
    by_sizes = save(
        tmp_path / "sizes.onnx",
        nodes,
        [*LIMITS, ints("f", [1, 1, factor, factor])],
        outputs=[value("y", ("N", 3, "A", "B"))],
    )
    twice = [
        conv("x", "a", "v"),
        node("DepthToSpace", ["a"], ["b"], blocksize=factor),
        conv("x", "c", "v"),
        node("DepthToSpace", ["c"], ["d"], blocksize=factor),
        node("Add", ["b", "d"], ["e"]),
        clipped("e", "y"),
    ]
    weights = const("v", np.tile(gain(0.5), (factor**2, 1, 1, 1)))
    two_ways = save(tmp_path / "two.onnx", twice, [*LIMITS, weights], outputs=[value("y", ("N", 3, "A", "B"))])
    for path in (by_scales, by_sizes, two_ways):
        assert rotoscope.info(path).manifest.output.scale == factor
        assert rotoscope.load(path)(PICTURE).shape == (34 * factor, 46 * factor, 3)


# Outputs


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_picture_is_found_among_several_outputs(order, tmp_path):
    outputs = [value("features", ("N", 16, "H", "W")), value("heat", ("N", 1, "H", "W")), value("score", ("N", 1))]
    outputs.insert(order, value("y", NCHW))
    nodes = [
        conv("x", "features", "f"),
        conv("x", "heat", "g"),
        node("Flatten", ["heat"], ["flat"]),
        node("ReduceMean", ["flat"], ["score"], axes=[1]),
        clipped("x", "y"),
    ]
    constants = [*LIMITS, const("f", np.ones((16, 3, 1, 1))), const("g", np.ones((1, 3, 1, 1)))]
    path = save(tmp_path / "m.onnx", nodes, constants, outputs=outputs)
    np.testing.assert_array_equal(painted(path), PICTURE)


def test_a_mask_of_three_channels_is_not_the_picture(tmp_path):
    outputs = [value("attention_mask", NCHW), value("y", NCHW)]
    path = save(
        tmp_path / "m.onnx", [node("Sigmoid", ["x"], ["attention_mask"]), clipped("x", "y")], LIMITS, outputs=outputs
    )
    np.testing.assert_array_equal(painted(path), PICTURE)


# Names and places of files


def test_links_into_one_real_folder_as_the_hugging_face_cache_has_them(tmp_path):
    source = save(tmp_path / "one.onnx", [conv("x", "c"), clipped("c", "y")], [*LIMITS, const("w", gain(1))])
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    onnx.save(
        onnx.load(source),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=0,
    )
    for name, blob in (("model.onnx", "aaa"), ("model.onnx_data", "bbb")):
        (tmp_path / name).rename(blobs / blob)
        (snapshot / name).symlink_to(f"../../blobs/{blob}")
    np.testing.assert_array_equal(painted(snapshot / "model.onnx"), PICTURE)
    (tmp_path / "elsewhere").mkdir()
    (blobs / "bbb").rename(tmp_path / "elsewhere" / "bbb")
    (snapshot / "model.onnx_data").unlink()
    (snapshot / "model.onnx_data").symlink_to("../../../elsewhere/bbb")
    with pytest.raises(rotoscope.ModelRefused, match=r"outside its folder.*links followed"):
        painted(snapshot / "model.onnx")
