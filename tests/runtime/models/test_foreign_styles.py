"""Files without a description that take a style: weights, a number, a code from an encoder, a second picture."""

import cv2
import numpy as np
import pytest
from foreign import FLOAT, NCHW, const, ints, node, save, value
from onnx import TensorProto

import rotoscope

ROWS, COLUMNS = np.mgrid[0:34, 0:46]
PICTURE = np.stack([COLUMNS * 5, 255 - ROWS * 7, ROWS + 4 * COLUMNS], -1).clip(0, 255).astype(np.uint8)
PAINTING = np.full((60, 80, 3), (250, 120, 30), np.uint8)
TINTS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5]])
LIMITS = [const("lo", 0.0), const("hi", 1.0)]
END = node("Clip", ["p", "lo", "hi"], ["y"])


def tinted(path, name="style_weights", shape=(4,), **ends):
    """The picture times the sum of the tints, weighted."""
    nodes = [
        node("Reshape", [name, "row"], ["r"]),
        node("MatMul", ["r", "tints"], ["t"]),
        node("Reshape", ["t", "colour"], ["tint"]),
        node("Mul", ["x", "tint"], ["p"]),
        END,
    ]
    constants = [*LIMITS, const("tints", TINTS), ints("row", [1, 4]), ints("colour", [1, 3, 1, 1])]
    return save(path, nodes, constants, inputs=[value("x", NCHW), value(name, shape)], **ends)


def encoder(path, *, out="code", shape=(1, 1, 1, 3), size=None):
    """The mean colour of a picture (1,H,W,3)."""
    nodes = [node("ReduceMean", ["picture"], ["m"], axes=[1, 2]), node("Reshape", ["m", "to"], [out])]
    side = size or "S"
    inputs = [value("picture", (1, side, side if size else "T", 3))]
    return save(path, nodes, [ints("to", shape)], inputs=inputs, outputs=[value(out, shape)])


def transformer(path, *, code="code", shape=(1, 1, 1, 3), last=END):
    """The picture (1,H,W,3) times a colour."""
    nodes = [node("Reshape", [code, "to"], ["tint"]), node("Mul", ["x", "tint"], ["p"]), last]
    inputs = [value("x", (1, "H", "W", 3)), value(code, shape)]
    return save(path, nodes, [*LIMITS, ints("to", [1, 1, 1, 3])], inputs=inputs, outputs=[value("y", (1, "H", "W", 3))])


def two_pictures(path, first="content", second="style", shape=NCHW, example=None, extra=()):
    """Adaptive instance normalisation in small: the content times the mean colour of the style."""
    nodes = [node("ReduceMean", [second], ["m"], axes=[2, 3]), node("Mul", [first, "m"], ["q"])]
    nodes += [node("Mul", ["q", "alpha"], ["p"]) if extra else node("Identity", ["q"], ["p"]), END]
    inputs = [value(first, shape), value(second, example or shape), *extra]
    return save(path, nodes, LIMITS, inputs=inputs, outputs=[value("y", shape)])


def difference(found, expected):
    return np.abs(found.astype(float) - expected).max()


# Weights and numbers


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("style_weights", (4,)),
        ("style", (1, 4)),
        ("weights", ("N", 4)),
        ("class_label", (1, 4)),
        ("domain", (4,)),
        ("c", (1, 4)),
    ],
)
def test_a_weight_for_each_style(name, shape, tmp_path):
    path = tinted(tmp_path / "m.onnx", name, shape)
    for style, tint in (
        (None, TINTS[0]),
        (2, TINTS[2]),
        ("1:0.5,2:0.5", (TINTS[1] + TINTS[2]) / 2),
        ("0:1,3:3", [0.625, 0.375, 0.375]),
    ):
        assert difference(rotoscope.load(path, style=style)(PICTURE), PICTURE * np.array(tint)) <= 1


def test_weights_may_be_an_array_or_a_file(tmp_path):
    path = tinted(tmp_path / "m.onnx")
    weights = np.array([0, 0.25, 0.75, 0], np.float32)
    np.save(tmp_path / "w.npy", weights)
    for style in (weights, str(tmp_path / "w.npy")):
        assert difference(rotoscope.load(path, style=style)(PICTURE), PICTURE * [0, 0.25, 0.75]) <= 1


@pytest.mark.parametrize(
    ("style", "said"),
    [
        (4, "accepted: 0 to 3"),
        ("1:0.5,9:0.5", "accepted: 0 to 3"),
        ("1:x,2:1", "accepted: a whole number"),
        ("1:0,2:0", "all weights are 0"),
    ],
)
def test_a_style_that_is_not_there_is_refused(style, said, tmp_path):
    path = tinted(tmp_path / "m.onnx")
    with pytest.raises(rotoscope.UsageError, match=said):
        rotoscope.load(path, style=style)(PICTURE)


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
@pytest.mark.parametrize("shape", [(), (1,), ("N",)])
def test_the_number_of_a_style(shape, kind, tmp_path):
    nodes = [
        node("Reshape", ["style_id", "one"], ["i"]),
        node("Gather", ["tints", "i"], ["t"], axis=0),
        node("Reshape", ["t", "colour"], ["tint"]),
        node("Mul", ["x", "tint"], ["p"]),
        END,
    ]
    constants = [*LIMITS, const("tints", TINTS), ints("one", [1]), ints("colour", [1, 3, 1, 1])]
    path = save(tmp_path / "m.onnx", nodes, constants, inputs=[value("x", NCHW), value("style_id", shape, kind)])
    for style, tint in ((None, TINTS[0]), (1, TINTS[1]), (3, TINTS[3])):
        assert difference(rotoscope.load(path, style=style)(PICTURE), PICTURE * tint) <= 1


def test_the_command_line_takes_numbers_and_blends(tmp_path, monkeypatch, rotoscope_main):
    monkeypatch.chdir(tmp_path)
    tinted("m.onnx")
    cv2.imwrite("in.png", PICTURE[..., ::-1])
    for place, (style, tint) in enumerate((("1", TINTS[1]), ("1:0.5,2:0.5", [0, 0.5, 0.5]))):
        code, _, said = rotoscope_main("translate", "in.png", f"{place}.png", "-m", "m.onnx", "--style", style)
        assert code == 0, said
        assert difference(cv2.imread(f"{place}.png")[..., ::-1], PICTURE * np.array(tint)) <= 1


# A code from an encoder


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3), (1, 3, 1, 1)])
def test_an_encoder_and_a_transformer_in_two_files(shape, tmp_path, monkeypatch, rotoscope_main):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("painting.png", PAINTING[..., ::-1])
    cv2.imwrite("in.png", PICTURE[..., ::-1])
    encoder("encoder.onnx", shape=shape, out="latent")
    (tmp_path / "other").mkdir()
    transformer("other/transformer.onnx", shape=shape, code="z")
    expected = PICTURE * (PAINTING[0, 0] / 255)
    pair = ["encoder.onnx", "other/transformer.onnx"]
    for models in (pair, pair[::-1]):
        assert difference(rotoscope.load(models, style=PAINTING)(PICTURE), expected) <= 1
    code, _, said = rotoscope_main(
        "translate", "in.png", "o.png", "-m", pair[0], "-m", pair[1], "--like", "painting.png"
    )
    assert code == 0, said
    assert difference(cv2.imread("o.png")[..., ::-1], expected) <= 1


def test_two_pictures_are_blended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("painting.png", PAINTING[..., ::-1])
    cv2.imwrite("blue.png", np.uint8([255, 0, 0]) + np.zeros_like(PAINTING))
    encoder("predict.onnx")
    transformer("transform.onnx")
    for like, share in (("painting.png,blue.png", 0.5), ("painting.png:3,blue.png:1", 0.75)):
        expected = PICTURE * (share * PAINTING[0, 0] / 255 + [0, 0, 1 - share])
        assert difference(rotoscope.load("transform.onnx", like=like)(PICTURE), expected) <= 1
    with pytest.raises(rotoscope.UsageError, match=r"weights from 0 on"):
        rotoscope.load("transform.onnx", like="painting.png:-1,blue.png:1")
    with pytest.raises(rotoscope.UsageError, match=r"missing\.png: no such file"):
        rotoscope.load("transform.onnx", like="painting.png,missing.png")
    two_pictures("both.onnx")
    with pytest.raises(rotoscope.UsageError, match="with 2 pictures: both looks at one style picture"):
        rotoscope.load("both.onnx", like="painting.png,blue.png")


def test_the_encoder_beside_a_transformer_is_found_and_named(tmp_path, caplog):
    encoder(tmp_path / "predict.onnx", size=64)
    path = transformer(tmp_path / "transform.onnx")
    transformer(tmp_path / "another.onnx")
    with caplog.at_level("INFO", "rotoscope"):
        model = rotoscope.load(path, style=PAINTING)
    assert "style encoder: predict.onnx, beside transform.onnx" in caplog.text
    assert difference(model(PICTURE), PICTURE * (PAINTING[0, 0] / 255)) <= 1


def test_without_an_encoder_the_message_says_how_to_give_one(tmp_path):
    path = transformer(tmp_path / "transform.onnx")
    with pytest.raises(rotoscope.UsageError, match=r"-m ENCODER\.onnx -m transform\.onnx"):
        rotoscope.load(path, style=PAINTING)
    with pytest.raises(rotoscope.UsageError, match="--like PICTURE names it"):
        rotoscope.load([encoder(tmp_path / "e.onnx"), path])
    two_numbers = encoder(tmp_path / "f.onnx", shape=(1, 3))
    nodes = [node("ReduceMean", ["z"], ["m"], keepdims=0), node("Mul", ["x", "m"], ["p"]), END]
    ends = {"inputs": [value("x", NCHW), value("z", (1, 1, 5))], "outputs": [value("y", NCHW)]}
    path = save(tmp_path / "five.onnx", nodes, LIMITS, **ends)
    with pytest.raises(rotoscope.UsageError, match="makes a code of"):
        rotoscope.load([two_numbers, path], style=PAINTING)


# Two pictures


@pytest.mark.parametrize(
    ("first", "second"), [("content", "style"), ("input", "reference"), ("x1", "x2"), ("content_image", "style_image")]
)
def test_two_pictures_in_one_file(first, second, tmp_path):
    path = two_pictures(tmp_path / "m.onnx", first, second)
    assert difference(rotoscope.load(path, style=PAINTING)(PICTURE), PICTURE * (PAINTING[0, 0] / 255)) <= 1


def test_the_style_may_come_first_have_another_size_and_a_strength(tmp_path):
    path = two_pictures(
        tmp_path / "m.onnx", "style", "content"
    )  # the graph multiplies by the mean of "content": names decide
    assert rotoscope.load(path, style=PAINTING).file.manifest.frame.tensor == "content"
    path = two_pictures(tmp_path / "n.onnx", example=(1, 3, 32, 32), extra=[value("alpha", (1,), FLOAT)])
    model = rotoscope.load(path, style=PAINTING, settings=("alpha=0.5",))
    assert difference(model(PICTURE), PICTURE * (PAINTING[0, 0] / 510)) <= 1


def test_a_picture_by_name_and_none_at_all(tmp_path):
    path = two_pictures(tmp_path / "m.onnx")
    cv2.imwrite(str(tmp_path / "painting.png"), PAINTING[..., ::-1])
    for options in ({"like": str(tmp_path / "painting.png")}, {"style": str(tmp_path / "painting.png")}):
        assert difference(rotoscope.load(path, **options)(PICTURE), PICTURE * (PAINTING[0, 0] / 255)) <= 1
    with pytest.raises(rotoscope.UsageError, match="--like PICTURE"):
        rotoscope.load(path)(PICTURE)
    with pytest.raises(rotoscope.UsageError, match="takes no style"):
        rotoscope.load("starry", style=PAINTING)
    with pytest.raises(rotoscope.UsageError, match="4 styles of its own"):
        rotoscope.load(tinted(tmp_path / "t.onnx"), style=PAINTING)


# While a stream runs


def test_the_style_is_changed_while_a_stream_runs(tmp_path):
    with rotoscope.Translator(tinted(tmp_path / "m.onnx"), steady="off") as translator:
        for style, tint in ((0, TINTS[0]), (2, TINTS[2]), ("0:0.5,1:0.5", [0.5, 0.5, 0])):
            translator.style = style
            assert difference(translator.push(PICTURE), PICTURE * np.array(tint)) <= 1


def test_a_code_is_changed_and_blended_while_a_stream_runs(tmp_path):
    encoder(tmp_path / "encoder.onnx")
    model = rotoscope.load(transformer(tmp_path / "m.onnx"), style=PAINTING)
    blue = np.zeros_like(PAINTING)
    blue[..., 2] = 255
    with rotoscope.Translator(model, steady="off") as translator:
        (code,) = translator.style
        assert difference(translator.push(PICTURE), PICTURE * (PAINTING[0, 0] / 255)) <= 1
        translator.style = blue
        assert difference(translator.push(PICTURE), PICTURE * [0, 0, 1]) <= 1
        translator.style = 0.5 * code + 0.5 * translator.style[0]
        assert difference(translator.push(PICTURE), PICTURE * (PAINTING[0, 0] / 510 + [0, 0, 0.5])) <= 1


def test_a_picture_is_changed_while_a_stream_runs(tmp_path):
    with rotoscope.Translator(two_pictures(tmp_path / "m.onnx"), style=PAINTING, steady="off") as translator:
        assert difference(translator.push(PICTURE), PICTURE * (PAINTING[0, 0] / 255)) <= 1
        translator.style = np.full((9, 9, 3), 128, np.uint8)
        assert difference(translator.push(PICTURE), PICTURE * (128 / 255)) <= 1
