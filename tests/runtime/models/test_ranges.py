"""Ranges and order of files without a description: what the graph shows is found, and the picture is right with no flag."""

import cv2
import numpy as np
import pytest
from foreign import NHWC, UINT8, const, gain, ints, matrix, node, save, steps, value

import rotoscope

ROWS, COLUMNS = np.mgrid[0:48, 0:64]
PICTURE = np.stack([COLUMNS * 4, 255 - ROWS * 5, ROWS + 3 * COLUMNS], -1).clip(0, 255).astype(np.uint8)
UNIT = PICTURE / 255

to_signed = (("Mul", 2.0), ("Sub", 1.0))
bytes_to_signed = (("Div", 127.5), ("Sub", 1.0))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE = (103.939, 116.779, 123.68)  # B, G, R


def per_channel(values):
    return np.reshape(values, (1, 3, 1, 1))


def painted(path, **options):
    """(the result, the file) for the picture, with no flag but those given."""
    model = rotoscope.load(path, **options)
    return model(PICTURE).astype(float), model.file


def network(begin, end, last="Tanh"):
    """1.5 times the picture, and an activation."""
    nodes = [node("Conv", [begin, "w"], ["c" if last else end], kernel_shape=[1, 1])]
    return nodes + ([node(last, ["c"], [end])] if last else []), [const("w", gain(1.5))]


def built(path, before=(), after=(), *, tail=(), constants=(), last="Tanh"):
    """x, scalar steps, the network, scalar steps, nodes from "t" to "y"."""
    nodes, more = steps("x", "a", *before) if before else ([node("Identity", ["x"], ["a"])], [])
    core, weights = network("a", "n", last)
    end, extra = steps("n", "t", *after) if after else ([node("Identity", ["n"], ["t"])], [])
    tail = list(tail) or [node("Identity", ["t"], ["y"])]
    return save(path, [*nodes, *core, *end, *tail], [*more, *weights, *extra, *constants])


TANH = (np.tanh(1.5 * (2 * UNIT - 1)) + 1) * 127.5


@pytest.mark.parametrize("options", [
    {}, {"before": to_signed}, {"before": bytes_to_signed},
    {"before": (("Sub", 0.5), ("Div", 0.5))}, {"before": (("Sub", 127.5), ("Mul", 1 / 127.5))},
    {"before": (("Mul", 1 / 255), ("Mul", 2.0), ("Add", -1.0))}, {"before": (("Div", 128.0), ("Sub", 0.99609375))},
    {"before": to_signed, "after": (("Add", 1.0), ("Div", 2.0))}, {"after": (("Mul", 0.5), ("Add", 0.5))},
    {"before": bytes_to_signed, "after": (("Add", 1.0), ("Mul", 127.5))},
    {"before": bytes_to_signed, "after": (("Mul", 127.5), ("Add", 127.5))},
    {"after": (("Mul", 127.5), ("Add", 127.5))},
], ids=str)  # fmt: skip
def test_scalar_arithmetic_around_a_tanh(options, tmp_path):
    found, _ = painted(built(tmp_path / "m.onnx", **options))
    assert np.abs(found - TANH).max() <= 1.5


@pytest.mark.parametrize("tail", ["Cast", "Transpose", "Clip", "Slice", "Squeeze", "Reshape", "Pad", "Min", "Flip"])
def test_operators_that_change_no_value_are_looked_through(tail, tmp_path):
    shape = {"outputs": [value("y", NHWC)]} if tail == "Transpose" else {}
    nodes = {
        "Cast": [node("Cast", ["t"], ["u"], to=10), node("Cast", ["u"], ["y"], to=1)],
        "Transpose": [node("Transpose", ["t"], ["y"], perm=[0, 2, 3, 1])],
        "Clip": [node("Clip", ["t", "lo", "hi"], ["y"])],
        "Slice": [node("Slice", ["t", "at", "end", "axes"], ["y"])],
        "Squeeze": [node("Unsqueeze", ["t", "zero"], ["u"]), node("Squeeze", ["u", "zero"], ["y"])],
        "Reshape": [node("Reshape", ["t", "same"], ["y"])],
        "Pad": [node("Pad", ["t", "pads"], ["u"], mode="edge"), node("Slice", ["u", "at", "end", "axes"], ["y"])],
        "Min": [node("Min", ["t", "hi"], ["u"]), node("Max", ["u", "lo"], ["y"])],
        "Flip": [node("Gather", ["t", "turn"], ["u"], axis=1), node("Gather", ["u", "turn"], ["y"], axis=1)],
    }[tail]
    constants = [
        const("lo", -1.0), const("hi", 1.0), ints("at", [0, 0]), ints("end", [1 << 40, 1 << 40]), ints("axes", [2, 3]),
        ints("zero", [0]), ints("same", [0, 0, 0, -1]), ints("pads", [0, 0, 0, 0, 0, 0, 3, 5]), ints("turn", [2, 1, 0]),
    ]  # fmt: skip
    if tail == "Pad":  # cut off again what was added
        constants[3] = ints("end", [-3, -5])
    core, weights = network("x", "t")
    found, file = painted(save(tmp_path / "m.onnx", [*core, *nodes], [*weights, *constants], **shape))
    assert (file.manifest.frame.range, file.manifest.output.range) == ((-1, 1), (-1, 1))
    assert np.abs(found - TANH).max() <= 1.5


@pytest.mark.parametrize(("last", "scale", "expected"), [
    ("Sigmoid", (), 255 / (1 + np.exp(-1.5 * UNIT))), ("Sigmoid", (("Mul", 255.0),), 255 / (1 + np.exp(-1.5 * UNIT))),
])  # fmt: skip
def test_a_sigmoid_gives_0_to_1(last, scale, expected, tmp_path):
    found, _ = painted(built(tmp_path / "m.onnx", after=scale, last=last))
    assert np.abs(found - expected).max() <= 1.5


def test_a_tanh_of_150_is_a_picture_in_8_bits(tmp_path):
    """tanh * 150 + 127.5 overshoots 0..255 on purpose, and what goes in is in 0..255 too."""
    core, weights = network("a", "n")
    nodes, more = steps("x", "a", ("Mul", 1 / 255))
    after, extra = steps("n", "y", ("Mul", 150.0), ("Add", 127.5))
    found, file = painted(save(tmp_path / "m.onnx", [*nodes, *core, *after], [*weights, *more, *extra]))
    assert file.manifest.frame.range == file.manifest.output.range == (0, 255)
    assert np.abs(found - np.clip(np.tanh(1.5 * UNIT) * 150 + 127.5, 0, 255)).max() <= 1.5


@pytest.mark.parametrize("unit", [1, 255])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_the_means_of_imagenet_say_range_and_order(unit, order, tmp_path):
    """x - mean, / std, a convolution, * std, + mean."""
    turn = 1 if order == "RGB" else -1
    mean, std = per_channel(MEAN[::turn]) * unit, per_channel(STD[::turn]) * unit
    nodes = [
        node("Sub", ["x", "m"], ["a"]), node("Div", ["a", "s"], ["b"]), node("Conv", ["b", "w"], ["c"], kernel_shape=[1, 1]),
        node("Mul", ["c", "s"], ["d"]), node("Add", ["d", "m"], ["y"]),
    ]  # fmt: skip
    path = save(tmp_path / "m.onnx", nodes, [const("m", mean), const("s", std), const("w", gain(1))])
    found, file = painted(path)
    assert (file.manifest.frame.range, file.manifest.frame.order) == ((0, unit), order)
    assert (file.manifest.output.range, file.manifest.output.order) == ((0, unit), order)
    assert np.abs(found - PICTURE).max() <= 1


def test_subtracted_means_of_caffe_say_bgr_in_8_bits(tmp_path):
    nodes = [
        node("Sub", ["x", "m"], ["a"]), node("Conv", ["a", "w"], ["c"], kernel_shape=[1, 1]), node("Add", ["c", "m"], ["y"]),
    ]  # fmt: skip
    red_away = gain(1)
    red_away[2, 2] = 0  # the last channel of BGR
    found, file = painted(save(tmp_path / "m.onnx", nodes, [const("m", per_channel(CAFFE)), const("w", red_away)]))
    assert (file.manifest.frame.order, file.manifest.frame.range) == ("BGR", (0, 255))
    assert np.abs(found[..., 1:] - PICTURE[..., 1:]).max() <= 1 and np.abs(found[..., 0] - CAFFE[2]).max() <= 1


def test_means_behind_an_exchange_of_red_and_blue_say_rgb(tmp_path):
    nodes = [
        node("Gather", ["x", "turn"], ["g"], axis=1), node("Sub", ["g", "m"], ["a"]),
        node("Conv", ["a", "w"], ["c"], kernel_shape=[1, 1]), node("Add", ["c", "m"], ["d"]),
        node("Gather", ["d", "turn"], ["y"], axis=1),
    ]  # fmt: skip
    found, file = painted(
        save(tmp_path / "m.onnx", nodes, [ints("turn", [2, 1, 0]), const("m", per_channel(CAFFE)), const("w", gain(1))])
    )
    assert (file.manifest.frame.order, file.manifest.frame.range) == ("RGB", (0, 255))
    assert np.abs(found - PICTURE).max() <= 1


def test_uint8_in_or_out_says_8_bits(tmp_path):
    both = [node("Cast", ["x"], ["f"], to=1), node("Conv", ["f", "w"], ["c"], kernel_shape=[1, 1]),
            node("Clip", ["c", "lo", "hi"], ["q"]), node("Cast", ["q"], ["y"], to=2)]  # fmt: skip
    limits = [const("w", gain(0.5)), const("lo", 0.0), const("hi", 255.0)]
    kinds = {"inputs": [value("x", ("N", 3, "H", "W"), UINT8)], "outputs": [value("y", ("N", 3, "H", "W"), UINT8)]}
    found, _ = painted(save(tmp_path / "both.onnx", both, limits, **kinds))
    assert np.abs(found - PICTURE * 0.5).max() <= 1
    only_in = [node("Cast", ["x"], ["f"], to=1), node("Div", ["f", "k"], ["a"]),
               node("Conv", ["a", "w"], ["c"], kernel_shape=[1, 1]), node("Sigmoid", ["c"], ["y"])]  # fmt: skip
    path = save(tmp_path / "in.onnx", only_in, [const("w", gain(0.5)), const("k", 255.0)], inputs=kinds["inputs"])
    found, _ = painted(path)
    assert np.abs(found - 255 / (1 + np.exp(-0.5 * UNIT))).max() <= 1
    only_out = [node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]), node("Sigmoid", ["c"], ["s"]),
                node("Mul", ["s", "k"], ["m"]), node("Cast", ["m"], ["y"], to=2)]  # fmt: skip
    path = save(tmp_path / "out.onnx", only_out, [const("w", gain(0.5)), const("k", 255.0)], outputs=kinds["outputs"])
    found, _ = painted(path)
    assert np.abs(found - 255 / (1 + np.exp(-0.5 * UNIT))).max() <= 1


def test_a_sum_with_the_input_has_the_range_of_the_input(tmp_path):
    nodes = [node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]), node("Sub", ["x", "c"], ["y"])]
    found, file = painted(save(tmp_path / "m.onnx", nodes, [const("w", gain(0.25))]), input_range=(0, 255))
    assert file.manifest.output.range == (0, 255)
    assert np.abs(found - 0.75 * PICTURE).max() <= 1


def test_a_blend_of_input_and_drawing_has_the_range_of_the_drawing(tmp_path):
    """Attention: y = tanh * share + x * (1 - share)."""
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]), node("Tanh", ["c"], ["t"]), node("Sigmoid", ["c"], ["s"]),
        node("Sub", ["one", "s"], ["r"]), node("Mul", ["t", "s"], ["p"]), node("Mul", ["x", "r"], ["q"]),
        node("Add", ["p", "q"], ["y"]),
    ]  # fmt: skip
    found, file = painted(save(tmp_path / "m.onnx", nodes, [const("w", gain(1.5)), const("one", 1.0)]))
    signed = 2 * UNIT - 1
    share = 1 / (1 + np.exp(-1.5 * signed))
    assert file.manifest.frame.range == (-1, 1)
    assert np.abs(found - (np.tanh(1.5 * signed) * share + signed * (1 - share) + 1) * 127.5).max() <= 1.5


# What nothing in the graph shows


def open_network(path, factor=20.0, bias=120.0):
    nodes = [
        node("Conv", ["x", "w"], ["a"], kernel_shape=[1, 1]), node("InstanceNormalization", ["a", "s", "z"], ["n"]),
        node("Conv", ["n", "v", "b"], ["y"], kernel_shape=[1, 1]),
    ]  # fmt: skip
    constants = [
        const("w", gain(1)),
        const("s", [1] * 3),
        const("z", [0] * 3),
        const("v", gain(factor)),
        const("b", [bias] * 3),
    ]
    return save(path, nodes, constants)


def test_a_call_shows_that_a_network_gives_8_bit_values(tmp_path):
    found, file = painted(open_network(tmp_path / "m.onnx"))
    assert file.manifest.frame.range == file.manifest.output.range == (0, 255)
    assert any("output range: 0..255 (likely)" in line and "trial picture" in line for line in file.inferred)
    expected = 120 + 20 * (UNIT - UNIT.mean((0, 1))) / np.sqrt(UNIT.var((0, 1)) + 1e-5)
    assert np.abs(found - expected.clip(0, 255)).max() <= 2


def test_what_stays_a_guess_is_a_note_with_the_flag(tmp_path):
    _, file = painted(open_network(tmp_path / "m.onnx", factor=0.2, bias=0.5))
    assert file.manifest.frame.range == file.manifest.output.range == (0, 1)
    (note,) = file.guesses
    assert "input range 0..1 and output range 0..1 are guesses" in note and "--input-range 0,255 or -1,1" in note


def test_a_flag_for_one_end_settles_the_other(tmp_path):
    path = open_network(tmp_path / "m.onnx", factor=0.2, bias=0.5)
    for options in ({"input_range": (0, 255)}, {"output_range": (0, 255)}):
        file = rotoscope.load(path, **options).file
        assert file.manifest.frame.range == file.manifest.output.range == (0, 255)
        assert file.guesses == ()
    tanh = built(tmp_path / "t.onnx")
    assert rotoscope.load(tanh, input_range=(0, 255)).file.manifest.output.range == (-1, 1)


def test_a_network_that_treats_all_ranges_alike_needs_no_note(tmp_path):
    found, file = painted(save(tmp_path / "m.onnx", [node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])],
                               [const("w", matrix([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]))]))  # fmt: skip
    assert file.guesses == () and np.abs(found[..., 1:] - PICTURE[..., 1:]).max() <= 1


def test_a_clip_alone_is_the_range_of_both_ends(tmp_path):
    nodes = [node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[1, 1]), node("Clip", ["c", "lo", "hi"], ["y"])]
    constants = [const("w", gain(0.8)), const("b", [30, 20, 10]), const("lo", 0.0), const("hi", 255.0)]
    found, _ = painted(save(tmp_path / "m.onnx", nodes, constants))
    assert np.abs(found - np.clip(PICTURE * 0.8 + [30, 20, 10], 0, 255)).max() <= 1


def test_a_run_says_that_most_of_its_output_was_clipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[1, 1]),
        node("Tanh", ["c"], ["t"]),
        node("Mul", ["t", "k"], ["y"]),
    ]
    save("m.onnx", nodes, [const("w", gain(1)), const("b", [3, 3, 3]), const("k", 250.0)])
    cv2.imwrite("in.png", PICTURE)
    run = rotoscope.translate("in.png", "out.png", model="m.onnx", output_range=(0, 1), steady="off")
    assert any(
        "% of its output lay outside the output range 0..1" in note and "--output-range" in note for note in run.notes
    )
