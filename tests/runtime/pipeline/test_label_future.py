"""Future prediction: a stream of label maps goes on after its end, alone and before a network that makes frames of them."""

from fractions import Fraction

import cv2
import numpy as np
import onnx
import pytest
import tiny_models
import torch
from onnx import TensorProto, helper, numpy_helper

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, LabelMap, Manifest, Window
from rotoscope.export.graph import as_graph
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict
from rotoscope.networks.label_maps import encode_labels
from rotoscope.networks.label_predictor import LabelPredictor
from rotoscope.runtime.engines.fake import FakeEngine
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.label_future import continued

NUM_LABELS = 5
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], np.uint8)
SIZE = (24, 16)  # width, height


def newest_moved(nodes_after, constants, dtype, planes, out_shape, manifest, path):
    """Write a model on the newest of two maps, (N,planes,H,W) float "moved": the map one pixel further right."""
    nodes = [
        helper.make_node("Gather", ["in", "one"], ["newest"], axis=1),
        helper.make_node("Cast", ["newest"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Slice", ["values", "zeros", "last", "axes"], ["rest"]),
        helper.make_node("Slice", ["values", "zeros", "ones", "axes"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["moved"], axis=3),
        *nodes_after,
    ]
    numbers = {"one": np.array(1), "zeros": np.array([0]), "last": np.array([-1]), "axes": np.array([3])}
    numbers |= {"ones": np.array([1])} | constants
    tensors = [numpy_helper.from_array(array, name) for name, array in numbers.items()]
    tiny_models.save(
        path, nodes, shape=("N", 2, planes, "H", "W"), out_shape=out_shape, dtype=dtype, constants=tensors,
        metadata={"rotoscope": manifest.model_dump_json()},
    )  # fmt: skip
    output = onnx.load(path)
    output.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    onnx.save(output, path)
    return path


def manifest_of(name, kind, palette=()):
    ids = {} if palette else {"dtype": "int32"}
    frame = FrameInput(
        tensor="in",
        padding="edge",
        range=(0.0, 255.0) if palette else (0.0, 1.0),
        labels=LabelMap(num=NUM_LABELS, palette=palette),
        window=Window(offsets=(-1, 0)),
        **ids,
    )
    content = "scores" if kind == "predict" else "picture"
    return Manifest(name=name, kind=kind, frame=frame, output=FrameOutput(tensor="out", content=content))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """(a predictor that moves maps right by a pixel, the same on colours, a network that makes grey pictures of maps)."""
    folder = tmp_path_factory.mktemp("future")
    labels = np.arange(NUM_LABELS, dtype=np.float32).reshape(1, -1, 1, 1)
    scores = ("N", NUM_LABELS, "H", "W")
    by_number = [
        helper.make_node("Sub", ["moved", "labels"], ["apart"]),
        helper.make_node("Abs", ["apart"], ["distance"]),
        helper.make_node("Neg", ["distance"], ["out"]),
    ]
    predictor = newest_moved(
        by_number, {"labels": labels}, TensorProto.INT32, 1, scores, manifest_of("predictor", "predict"),
        folder / "predictor.onnx",
    )  # fmt: skip
    by_colour = [
        helper.make_node("Unsqueeze", ["moved", "ones"], ["each"]),
        helper.make_node("Sub", ["each", "palette"], ["apart"]),
        helper.make_node("Mul", ["apart", "apart"], ["squared"]),
        helper.make_node("ReduceSum", ["squared", "two"], ["distance"], keepdims=0),
        helper.make_node("Neg", ["distance"], ["out"]),
    ]
    palette = COLOURS.astype(np.float32).reshape(1, -1, 3, 1, 1)
    coloured = newest_moved(
        by_colour, {"palette": palette, "two": np.array([2])}, TensorProto.FLOAT, 3, scores,
        manifest_of("colours", "predict", tuple(map(tuple, COLOURS.tolist()))), folder / "colours.onnx",
    )  # fmt: skip
    grey = [
        helper.make_node("Mul", ["moved", "step"], ["plane"]),
        helper.make_node("Concat", ["plane", "plane", "plane"], ["out"], axis=1),
    ]
    synthesis = newest_moved(
        grey, {"step": np.array(0.2, np.float32)}, TensorProto.INT32, 1, ("N", 3, "H", "W"),
        manifest_of("synthesis", "translate"), folder / "synthesis.onnx",
    )  # fmt: skip
    return predictor, coloured, synthesis


def maps(count):
    """A square of 3 moves over 1 and 2."""
    made = []
    for index in range(count):
        labels = np.ones(SIZE[::-1], np.uint8)
        labels[9:] = 2
        labels[5:11, index + 2 : index + 8] = 3
        made.append(labels)
    return made


def moved(labels, pixels):
    """The map so many pixels further right."""
    return np.hstack([np.repeat(labels[:, :1], pixels, axis=1), labels[:, : labels.shape[1] - pixels]])


def write_maps(folder, given, colours=None):
    folder.mkdir()
    for index, labels in enumerate(given):
        picture = labels if colours is None else colours[labels][..., ::-1]
        cv2.imwrite(str(folder / f"map{index + 7:03d}.png"), picture)
    return folder


def stream(times, time_base, duration):
    """Frames of maps 0, 1, 2 ... in one class each."""
    return [Frame(n, pts, time_base, duration, Picture((np.full((8, 8), n, np.uint8),))) for n, pts in enumerate(times)]


@pytest.mark.parametrize(
    ("times", "time_base", "expected"),
    [
        ([0, 1001, 2002, 3003], Fraction(1, 30000), [4004, 5005, 6006]),
        ([0, 33, 67, 100], Fraction(1, 1000), [133, 167, 200]),
        ([500], Fraction(1, 1000), [540, 580, 620]),
    ],
    ids=["30000/1001", "rounded to milliseconds", "one frame"],
)
def test_predicted_frames_stand_at_exact_times(times, time_base, expected):
    manifest = Manifest(
        name="next",
        kind="predict",
        frame=FrameInput(
            tensor="labels", dtype="int32", padding="edge", labels=LabelMap(num=20), window=Window(offsets=(-1, 0))
        ),
        output=FrameOutput(tensor="scores", content="scores"),
    )

    def one_more(window, _call):
        """The scores of the newest map plus 1."""
        return (np.arange(20).reshape(1, 20, 1, 1) == window[:, -1] + 1).astype(np.float32)

    file = ModelFile(None, manifest, "", 0, "fp32")
    frames = list(continued(stream(times, time_base, 40), file, FakeEngine(manifest, one_more), 3))
    assert [frame.pts for frame in frames] == times + expected
    assert [frame.index for frame in frames] == list(range(len(times) + 3))
    assert [int(frame.source.planes[0][0, 0]) for frame in frames] == list(range(len(times) + 3))
    assert all(a.pts + a.duration == b.pts for a, b in zip(frames[-3:], frames[-2:], strict=False))
    assert not list(continued([], file, FakeEngine(manifest, one_more), 3))


def test_numbers_go_on_as_they_are_predicted(models, rotoscope_main, here):
    predictor, given = models[0], maps(3)
    write_maps(here / "labels", given)
    code, _, said = rotoscope_main("translate", "labels", "out", "-m", predictor, "--ahead", "4")
    assert code == 0, said
    names = sorted(file.name for file in (here / "out").iterdir())
    assert names == [f"map{number:03d}.png" for number in range(7, 14)]
    found = [cv2.imread(f"out/{name}", cv2.IMREAD_UNCHANGED) for name in names]
    for picture, expected in zip(found, [*given, *(moved(given[-1], n) for n in (1, 2, 3, 4))], strict=True):
        np.testing.assert_array_equal(picture, expected)
    code, _, said = rotoscope_main("translate", "out", "null:", "-m", predictor, "--ahead", "1")  # results are inputs
    assert code == 0, said


def test_a_clip_in_colours_goes_on_as_a_video(models, here):
    given = maps(3)
    write_maps(here / "labels", given, COLOURS)
    run = rotoscope.translate("labels", "clip.mkv", model=models[1], ahead=3, rate=29.97, codec="ffv1")
    assert (run.frames_in, run.frames_out, run.models) == (3, 6, ("colours",))
    with rotoscope.read("clip.mkv") as reader:
        frames = list(reader)
    wanted = [Fraction(1001 * n, 30000) for n in range(6)]
    assert all(abs(a.seconds - b) <= Fraction(1, 1000) for a, b in zip(frames, wanted, strict=True))
    last = rotoscope.rgb(frames[-1].source).astype(int)
    found = np.square(last[..., None, :] - COLOURS.astype(int)).sum(axis=-1).argmin(axis=-1)
    assert (found == moved(given[-1], 3)).mean() > 0.95  # ffv1 keeps colours at half the size


def test_the_next_network_makes_frames_of_given_and_predicted_maps(models, here):
    predictor, _, synthesis = models
    given = maps(3)
    write_maps(here / "labels", given)
    run = rotoscope.translate("labels", "ahead", model=[predictor, synthesis], ahead=2)
    assert (run.frames_out, run.models) == (5, ("predictor", "synthesis"))
    for name, source in (
        ("map007", moved(given[0], 1)),
        ("map010", moved(given[2], 2)),
        ("map011", moved(given[2], 3)),
    ):
        np.testing.assert_array_equal(cv2.imread(f"ahead/{name}.png")[..., 0], np.round(source * 51.0))


def test_what_does_not_go_together_is_refused(models, here):
    predictor, coloured, synthesis = models
    write_maps(here / "labels", maps(3))
    for options, said in (
        ({"model": predictor}, "--ahead 30 says how many"),
        ({"model": synthesis, "ahead": 3}, "synthesis predicts nothing"),
        ({"model": [predictor, coloured], "ahead": 3}, "does not take the label maps of predictor"),
        ({"model": predictor, "ahead": 3, "resume": True}, "--resume with --ahead"),
        ({"model": predictor, "ahead": -1}, "ahead"),
        ({"model": predictor, "ahead": 3, "steady": "blend"}, "labels cannot be blended"),
        ({"model": predictor, "ahead": 3, "output_size": "12x8"}, "cannot be mixed"),
    ):
        with pytest.raises(rotoscope.UsageError, match=said):
            rotoscope.translate("labels", "out", **options)
    with pytest.raises(rotoscope.UsageError, match=r"out.mp4: label numbers go into PNG"):
        rotoscope.translate("labels", "out.mp4", model=predictor, ahead=3)
    with pytest.raises(rotoscope.UsageError, match="kind predict"), rotoscope.Translator(predictor):
        pass
    assert not (here / "out").exists()


def test_the_model_file_of_a_predictor_takes_maps_and_gives_what_the_network_does():
    loaded = from_state_dict(LabelPredictor(NUM_LABELS, 3, 4, 1, 2).state_dict())
    module, manifest = as_graph(loaded, ExportOptions(name="predictor"))
    assert (manifest.kind, manifest.output.content) == ("predict", "scores")
    assert manifest.frame.window.offsets == (-2, -1, 0)
    assert manifest.frame.labels.num == NUM_LABELS
    ids = torch.randint(NUM_LABELS, (1, 3, 1, 16, 24))
    with torch.inference_mode():
        (scores,) = module(ids)
        torch.testing.assert_close(scores, loaded.network(encode_labels(ids[:, :, 0], NUM_LABELS)))
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(1, 16, 24))
    with pytest.raises(rotoscope.UsageError, match="sees no instances"):
        as_graph(loaded, ExportOptions(labels=4, edges=True))
