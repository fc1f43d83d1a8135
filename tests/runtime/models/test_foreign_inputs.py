"""Files without a description that take more than a picture: numbers and masks."""

import numpy as np
import pytest
from foreign import FLOAT, FLOAT16, NCHW, NHWC, UINT8, const, ints, node, save, value
from onnx import TensorProto

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


# Further inputs


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((), FLOAT), ((1,), FLOAT), ((1, 1), FLOAT), (("N", 1, 1, 1), FLOAT16), ((1,), TensorProto.DOUBLE)],
)
def test_a_number_beside_the_picture_is_set_by_name(shape, kind, tmp_path):
    nodes = [node("Cast", ["strength"], ["f"], to=FLOAT), node("Mul", ["x", "f"], ["a"]), clipped("a", "y")]
    path = save(tmp_path / "m.onnx", nodes, LIMITS, inputs=[value("x", NCHW), value("strength", shape, kind)])
    np.testing.assert_array_equal(painted(path), PICTURE)  # 1 by default
    assert np.abs(painted(path, settings=("strength=0.5",)) - PICTURE / 2).max() <= 1
    assert any("strength" in note and "--set strength=1" in note for note in rotoscope.load(path).file.guesses)


def test_whole_numbers_truth_values_and_several_numbers(tmp_path):
    nodes = [
        node("Cast", ["level"], ["l"], to=FLOAT),
        node("Cast", ["on"], ["o"], to=FLOAT),
        node("Mul", ["x", "o"], ["a"]),
        node("Mul", ["a", "l"], ["b"]),
        node("Reshape", ["tint", "shape"], ["t"]),
        node("Mul", ["b", "t"], ["c"]),
        clipped("c", "y"),
    ]
    inputs = [
        value("level", (1,), TensorProto.INT64),
        value("x", NCHW),
        value("on", (), TensorProto.BOOL),
        value("z", (1, 7)),
        value("tint", (3,)),
    ]
    path = save(tmp_path / "m.onnx", nodes, [*LIMITS, ints("shape", [1, 3, 1, 1])], inputs=inputs)
    found = painted(path, settings=("level=2", "on=true", "tint=0.25,0.25,0.5"))
    assert np.abs(found - np.clip(PICTURE * [0.5, 0.5, 1.0], 0, 255)).max() <= 1


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("strngth=1", "no input of this name; accepted: strength"),
        ("strength", "accepted: NAME=VALUE"),
        ("strength=a", "accepted: a number"),
        ("strength=1,2", "accepted: a number"),
        ("strength=nan", "accepted: a number"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(setting, said, tmp_path):
    nodes = [node("Mul", ["x", "strength"], ["a"]), clipped("a", "y")]
    path = save(tmp_path / "m.onnx", nodes, LIMITS, inputs=[value("x", NCHW), value("strength", (1,))])
    with pytest.raises(rotoscope.UsageError, match=said):
        painted(path, settings=(setting,))


MASK = np.zeros((34, 46), bool)
MASK[8:20, 10:30] = True


@pytest.mark.parametrize("kind", [FLOAT, UINT8, TensorProto.BOOL])
@pytest.mark.parametrize("inverted", [False, True])
def test_image_and_mask_fill_a_hole(kind, inverted, tmp_path):
    """Cut the hole out and fill it with white, for a mask that is high in the hole, or where the picture is known."""
    most = 255.0 if kind == UINT8 else 1.0
    nodes = [
        node("Cast", ["mask"], ["f"], to=FLOAT),
        node("Div", ["f", "most"], ["m"]),
        node("Sub", ["one", "m"], ["r"]),
    ]
    known, hole = ("m", "r") if inverted else ("r", "m")
    nodes += [node("Mul", ["image", known], ["a"]), node("Add", ["a", hole], ["b"]), clipped("b", "y")]
    inputs = [value("image", NCHW), value("mask", ("N", 1, "H", "W"), kind)]
    path = save(tmp_path / "m.onnx", nodes, [*LIMITS, const("most", most), const("one", 1.0)], inputs=inputs)
    found = rotoscope.load(path)(PICTURE, mask=MASK)
    assert (found[MASK] == 255).all() and (found[~MASK] == PICTURE[~MASK]).all()
    np.testing.assert_array_equal(rotoscope.load(path)(PICTURE), PICTURE)  # no hole


def test_a_mask_before_the_picture_and_in_nhwc(tmp_path):
    nodes = [
        node("Sub", ["one", "hole"], ["r"]),
        node("Mul", ["photo", "r"], ["a"]),
        node("Add", ["a", "hole"], ["b"]),
        clipped("b", "y"),
    ]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [*LIMITS, const("one", 1.0)],
        inputs=[value("hole", (1, "H", "W", 1)), value("photo", NHWC)],
        outputs=[value("y", NHWC)],
    )
    found = rotoscope.load(path)(PICTURE, mask=MASK)
    assert (found[MASK] == 255).all() and (found[~MASK] == PICTURE[~MASK]).all()


def test_an_image_and_mask_as_lama_has_them(tmp_path):
    """0..1 in, 0..255 out, 512x512 only; outside the hole the source stays as it is."""
    nodes = [
        node("Sub", ["one", "mask"], ["r"]),
        node("Mul", ["image", "r"], ["a"]),
        node("Add", ["a", "mask"], ["b"]),
        node("Sigmoid", ["b"], ["s"]),
        node("Mul", ["s", "k"], ["output"]),
    ]
    inputs = [value("image", (1, 3, 64, 64)), value("mask", (1, 1, 64, 64))]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [const("one", 1.0), const("k", 255.0)],
        inputs=inputs,
        outputs=[value("output", (1, 3, 64, 64))],
    )
    model = rotoscope.load(path)
    assert (model.file.manifest.frame.range, model.file.manifest.output.range) == ((0, 1), (0, 255))
    found = model(PICTURE, mask=MASK)
    assert (found[~MASK] == PICTURE[~MASK]).all() and np.abs(
        found[12:16, 15:25].astype(int) - 255 / (1 + np.exp(-1))
    ).max() <= 2


def test_a_mask_of_three_channels(tmp_path):
    nodes = [
        node("Sub", ["one", "mask"], ["r"]),
        node("Mul", ["image", "r"], ["a"]),
        node("Add", ["a", "mask"], ["b"]),
        clipped("b", "y"),
    ]
    inputs = [value("image", NCHW), value("mask", NCHW)]
    path = save(tmp_path / "m.onnx", nodes, [*LIMITS, const("one", 1.0)], inputs=inputs)
    found = rotoscope.load(path)(PICTURE, mask=MASK)
    assert (found[MASK] == 255).all() and (found[~MASK] == PICTURE[~MASK]).all()


def test_a_described_copy_keeps_what_was_inferred(tmp_path):
    """One channel, a batch of two, a style, a setting and a mask, all in the copy."""
    nodes = [
        node("ReduceSum", ["style"], ["s"], keepdims=0),
        node("Mul", ["x", "s"], ["a"]),
        node("Mul", ["a", "strength"], ["b"]),
        node("Sub", ["one", "mask"], ["r"]),
        node("Mul", ["b", "r"], ["c"]),
        clipped("c", "y"),
    ]
    inputs = [
        value("x", (2, 1, "H", "W")),
        value("mask", (2, 1, "H", "W")),
        value("style", (3,)),
        value("strength", (1,)),
    ]
    shape = (2, 1, "H", "W")
    path = save(tmp_path / "m.onnx", nodes, [*LIMITS, const("one", 1.0)], inputs=inputs, outputs=[value("y", shape)])
    inferred = rotoscope.info(path, write=tmp_path / "described.onnx").manifest
    described = rotoscope.info(tmp_path / "described.onnx")
    assert described.manifest == inferred and described.inferred == ()
    for options in ({}, {"style": 2, "settings": ("strength=0.5",)}):
        made = [rotoscope.load(file, **options)(PICTURE, mask=MASK) for file in (path, tmp_path / "described.onnx")]
        np.testing.assert_array_equal(*made)


def test_a_style_and_names_inside_scopes_are_set_too(tmp_path):
    nodes = [
        node("ReduceSum", ["w"], ["s"], keepdims=0),
        node("Mul", ["x", "s"], ["a"]),
        node("Mul", ["a", "scope/alpha:0"], ["b"]),
        clipped("b", "y"),
    ]
    inputs = [value("x", NCHW), value("w", (4,)), value("scope/alpha:0", ())]
    path = save(tmp_path / "m.onnx", nodes, LIMITS, inputs=inputs)
    assert np.abs(painted(path, settings=("w=1:0.5,2:0.5", "alpha=0.5")) - PICTURE / 2).max() <= 1
    assert np.abs(painted(path, settings=("w=0.1,0.1,0.1,0.2",)) - PICTURE / 2).max() <= 1


def test_an_earlier_frame_and_too_many_pictures_are_refused(tmp_path):
    for names, said in ((("x", "prev_frame"), "a picture of an earlier frame"), ("abc", "3 pictures \\(a, b, c\\)")):
        nodes = [node("Sum", list(names), ["a"]), clipped("a", "y")]
        path = save(tmp_path / "m.onnx", nodes, LIMITS, inputs=[value(name, NCHW) for name in names])
        with pytest.raises(rotoscope.ModelRefused, match=said):
            rotoscope.load(path)
