"""What networks are fed beside plain pictures, and what comes of it: label maps, masks, windows, second pictures, state."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import onnx
import pytest
import tiny_clips
import tiny_models
from flat_frames import frame, values
from onnx import TensorProto, helper

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import (
    FrameInput,
    FrameOutput,
    LabelMap,
    Manifest,
    MaskInput,
    SecondInput,
    StateTensor,
    Window,
)
from rotoscope.base.sizes import place
from rotoscope.kernels.place_map import widened
from rotoscope.runtime.engines.fake import FakeEngine
from rotoscope.runtime.network.feed import Feed
from rotoscope.runtime.network.state import NetworkState


def fed(frame, picture, *, working=None, fit="pad", **parts):
    """The feed of a network for pictures of this size."""
    manifest = Manifest(name="net", frame=frame, output=FrameOutput(tensor="out"), **parts)
    return Feed(manifest, place(picture, frame, working=working, fit=fit))


IDS = np.array([[0, 1, 2], [3, 4, 33]], np.uint8)
LABELS = FrameInput(tensor="in", dtype="int32", padding="edge", labels=LabelMap(num=34), multiple=4)


def test_label_numbers_go_in_as_they_are_and_the_edge_repeats():
    feed = fed(LABELS, (3, 2))
    feed.pictures([Picture((IDS,))])
    expected = [[0, 1, 2, 2], [3, 4, 33, 33], [3, 4, 33, 33], [3, 4, 33, 33]]
    assert feed.arrays["in"].dtype == np.int32
    np.testing.assert_array_equal(feed.arrays["in"], [[expected]])


def test_labels_are_never_mixed_when_they_are_scaled():
    feed = fed(LABELS.model_copy(update={"multiple": 1}), (3, 2), working="6x4")
    feed.pictures([Picture((IDS,))])
    np.testing.assert_array_equal(feed.arrays["in"][0, 0], IDS.repeat(2, axis=0).repeat(2, axis=1))
    shrunk = fed(LABELS.model_copy(update={"multiple": 1}), (64, 48), working="13x7")
    ids = np.random.default_rng(0).choice([3, 30], (48, 64)).astype(np.uint8)
    shrunk.pictures([Picture((ids,))])
    assert set(np.unique(shrunk.arrays["in"])) == {3, 30}


def test_colours_of_label_maps_are_never_mixed_either():
    palette = ((0, 0, 0), (200, 0, 0))
    frame = FrameInput(tensor="in", range=(0, 255), padding="edge", labels=LabelMap(num=2, palette=palette))
    feed = fed(frame, (64, 48), working="13x7")
    red = np.random.default_rng(0).choice([0, 200], (48, 64)).astype(np.uint8)
    feed.pictures([Picture((np.stack([red, red * 0, red * 0], axis=2),))])
    assert np.abs(np.unique(feed.arrays["in"].round(3))).tolist() == [0, 200]


def test_a_colour_picture_is_no_map_of_numbers():
    with pytest.raises(rotoscope.RotoscopeError, match="label numbers are needed"):
        fed(LABELS, (3, 2)).pictures([Picture((np.zeros((2, 3, 3), np.uint8),))])


def test_eight_bit_inputs_are_rounded_and_stand_as_the_graph_wants_them():
    frame = FrameInput(tensor="in", dtype="uint8", layout="NHWC", order="BGR", range=(0, 255), multiple=2)
    feed = fed(frame, (3, 1))
    picture = np.array([[[1, 2, 3], [4, 5, 6], [250, 251, 252]]], np.uint8)
    feed.pictures([Picture((picture,))])
    assert feed.arrays["in"].shape == (1, 2, 4, 3)
    np.testing.assert_array_equal(feed.arrays["in"][0, 0, :3], picture[0, :, ::-1])


def test_a_window_stands_in_one_tensor_oldest_first():
    feed = fed(FrameInput(tensor="in", range=(0, 255), window=Window(offsets=(-1, 0))), (2, 2))
    feed.pictures([Picture((np.full((2, 2, 3), value, np.uint8),)) for value in (7, 9)])
    assert feed.arrays["in"].shape == (1, 2, 3, 2, 2)
    np.testing.assert_allclose(feed.arrays["in"].mean(axis=(0, 2, 3, 4)), [7, 9], rtol=1e-6)


def test_a_hole_grows_to_all_pixels_that_show_some_of_it():
    mask = np.zeros((8, 8), bool)
    mask[3, 3] = True
    assert widened(mask, (4, 4)).sum() == 1
    assert widened(mask, (3, 3)).sum() == 1
    mask[2:4, 2:4] = True
    assert widened(mask, (3, 3)).tolist() == [[True, True, False], [True, True, False], [False, False, False]]
    assert widened(mask, (8, 8)) is mask


# Holes: only they change


def painter(path, value=1.0, **frame):
    """Paints the hole: out = in * (1 - mask) + value * mask; the known part comes out changed by 0.25, as networks do."""
    manifest = Manifest(
        name="painter",
        frame=FrameInput(tensor="in", **frame),
        mask=MaskInput(tensor="mask"),
        output=FrameOutput(tensor="out"),
    )
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ("N", 1, "H", "W"))
    nodes = [
        helper.make_node("Sub", ["one", "mask"], ["known"]),
        helper.make_node("Mul", ["in", "known"], ["kept"]),
        helper.make_node("Mul", ["mask", "value"], ["paint"]),
        helper.make_node("Add", ["kept", "paint"], ["painted"]),
        helper.make_node("Add", ["painted", "error"], ["out"]),
    ]
    constants = [
        tiny_models.scalar(name, number) for name, number in (("one", 1.0), ("value", value - 0.25), ("error", 0.25))
    ]
    return tiny_models.save(
        path, nodes, constants=constants, inputs=[mask], metadata={"rotoscope": manifest.model_dump_json()}
    )


@pytest.fixture
def clip(tmp_path):
    return tiny_clips.write_clip(tmp_path / "clip.mkv", frames=4, size=(64, 48), codec="ffv1", pixel_format="bgr0")


def write_mask(path, box=(slice(10, 20), slice(30, 50)), value=255):
    mask = np.zeros((48, 64), np.uint8)
    mask[box] = value
    cv2.imwrite(str(path), mask)
    return path


def pictures(path):
    with rotoscope.read(path) as reader:
        return [rotoscope.rgb(frame.source) for frame in reader]


@pytest.mark.parametrize("options", [{}, {"working_size": "30x22"}, {"steady": "blend", "strength": 1.0}])
def test_a_mask_lets_only_its_hole_change(options, clip, tmp_path):
    model = painter(tmp_path / "painter.onnx")
    mask = write_mask(tmp_path / "mask.png")
    rotoscope.translate(
        clip, tmp_path / "out.mkv", model=model, mask=str(mask), codec="ffv1", **{"steady": "off"} | options
    )
    before, after = pictures(clip), pictures(tmp_path / "out.mkv")
    assert len(after) == 4
    for one, other in zip(before, after, strict=True):
        changed = np.zeros((48, 64), bool)
        changed[10:20, 30:50] = True
        np.testing.assert_array_equal(one[~changed], other[~changed])
        assert (other[12:18, 32:48] >= 250).all()


def test_every_frame_has_its_own_mask(clip, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    for index in range(4):
        write_mask(folder / f"{index}.png", (slice(0, 48), slice(16 * index, 16 * index + 16)))
    rotoscope.translate(
        clip, tmp_path / "out.mkv", model=painter(tmp_path / "p.onnx"), mask=str(folder), codec="ffv1", steady="off"
    )
    for index, picture in enumerate(pictures(tmp_path / "out.mkv")):
        assert (picture[:, 16 * index : 16 * index + 16] == 255).all()


def test_masks_that_end_early_say_at_which_frame(clip, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    for index in range(2):
        write_mask(folder / f"{index}.png")
    with pytest.raises(rotoscope.InputRefused, match="no mask for frame 2"):
        rotoscope.translate(
            clip, tmp_path / "out.mkv", model=painter(tmp_path / "p.onnx"), mask=str(folder), codec="ffv1"
        )


def test_a_mask_of_another_size_is_refused(clip, tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((10, 10), np.uint8))
    with pytest.raises(rotoscope.InputRefused, match="a mask of 10x10 for a frame of 64x48"):
        rotoscope.translate(
            clip, tmp_path / "out.mkv", model=painter(tmp_path / "p.onnx"), mask=str(tmp_path / "mask.png")
        )


def test_a_model_that_fills_holes_asks_for_a_mask(clip, tmp_path):
    with pytest.raises(rotoscope.UsageError, match="--mask"):
        rotoscope.translate(clip, tmp_path / "out.mkv", model=painter(tmp_path / "p.onnx"))


# Label maps as a video


def colouring(path):
    """Numbers 0..255 become grey: out = labels / 255 on three channels."""
    manifest = Manifest(
        name="grey", frame=FrameInput(tensor="in", dtype="int32", padding="edge", labels=LabelMap(num=256)),
        output=FrameOutput(tensor="out"),
    )  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["in"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["values", "step"], ["grey"]),
        helper.make_node("Concat", ["grey", "grey", "grey"], ["out"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("in", TensorProto.INT32, ("N", 1, "H", "W"))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ("N", 3, "H", "W"))],
        [tiny_models.scalar("step", 1 / 255)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    proto.metadata_props.add(key="rotoscope", value=manifest.model_dump_json())
    onnx.save(proto, path)
    return path


def test_a_folder_of_label_maps_is_read_unconverted_and_becomes_a_colour_video(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((48, 64), 40 + index, np.uint8))
    run = rotoscope.translate(
        folder, tmp_path / "out.mkv", model=colouring(tmp_path / "grey.onnx"), codec="ffv1", steady="off"
    )
    assert run.frames_out == 3
    made = pictures(tmp_path / "out.mkv")
    assert made[0].shape == (48, 64, 3)
    assert [int(picture.mean().round()) for picture in made] == [40, 41, 42]


# Several pictures, and state


def averaging(path, **parts):
    """out = (in + other) / 2."""
    manifest = Manifest(name="steadier", frame=FrameInput(tensor="in"), output=FrameOutput(tensor="out"), **parts)
    other = helper.make_tensor_value_info("other", TensorProto.FLOAT, tiny_models.ANY)
    nodes = [helper.make_node("Add", ["in", "other"], ["sum"]), helper.make_node("Mul", ["sum", "half"], ["out"])]
    return tiny_models.save(
        path, nodes, constants=[tiny_models.scalar("half", 0.5)], inputs=[other],
        metadata={"rotoscope": manifest.model_dump_json()},
    )  # fmt: skip


def test_a_stabiliser_sees_the_source_and_what_was_made_of_it(tmp_path):
    invert = tiny_models.invert(tmp_path / "invert.onnx")
    steadier = averaging(
        tmp_path / "steadier.onnx", kind="stabilise", second=SecondInput(tensor="other", what="translated")
    )
    picture = np.full((16, 24, 3), 200, np.uint8)
    chain = [rotoscope.load(path) for path in (invert, steadier)]
    with rotoscope.Translator(chain, steady="off") as translator:
        (done,) = translator.stream([Frame(0, 0, Fraction(1), 1, Picture((picture,)))])
    result = done.pixels()
    np.testing.assert_allclose(result[..., :3] * 255, (200 + 55) / 2, atol=1e-3)
    with pytest.raises(rotoscope.UsageError, match="give that one first"):
        rotoscope.Translator(steadier)


def test_what_makes_no_pictures_cannot_translate(tmp_path):
    second = SecondInput(tensor="other", what="next")
    path = averaging(tmp_path / "between.onnx", kind="interpolate", second=second)
    with pytest.raises(rotoscope.UsageError, match="of kind interpolate"):
        rotoscope.Translator(path)


def counting():
    return Manifest(
        name="net", frame=FrameInput(tensor="in"), output=FrameOutput(tensor="out"),
        state=(StateTensor(input="was", output="is", shape=("N", 1, "H/2", "W/2")),),
    )  # fmt: skip


def test_a_saved_state_goes_on_where_it_was():
    state = NetworkState(counting(), FakeEngine(counting()))
    assert state.saved() is None
    given, taken = state.current({}, 8, 4)
    assert given["was"].shape == (1, 1, 4, 2)
    taken["is"][...] = 5
    state.advance()
    saved = state.saved()
    given, taken = state.current({}, 8, 4)
    taken["is"][...] = 6
    state.advance()
    assert (saved["was"] == 5).all()
    state.restore(saved)
    assert (state.current({}, 8, 4)[0]["was"] == 5).all()
    state.restore(None)
    assert (state.current({}, 8, 4)[0]["was"] == 0).all()


def test_a_state_of_another_model_is_refused():
    with pytest.raises(rotoscope.UsageError, match="state memory; net has was"):
        NetworkState(counting(), FakeEngine(counting())).restore({"memory": np.zeros(1)})


def test_a_cut_forgets_the_state(tmp_path):
    with rotoscope.Translator(tiny_models.smoother(tmp_path / "smoother.onnx")) as translator:
        frames = [frame(n, 128) for n in range(6)]
        frames[3] = replace(frames[3], cut=True)
        assert values(translator.stream(frames)) == pytest.approx([64.0, 96.0, 112.0] * 2, abs=1e-3)
