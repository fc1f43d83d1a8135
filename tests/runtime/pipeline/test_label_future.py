"""Future prediction: a stream of label maps goes on after its end, alone and before a network that makes frames of them."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, LabelMap, Manifest, Window
from rotoscope.export.graph import as_graph
from rotoscope.export.onnx import export_onnx
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict
from rotoscope.networks.label_maps import encode_labels
from rotoscope.networks.label_predictor import LabelPredictor
from rotoscope.networks.vid2vid import Vid2Vid
from rotoscope.runtime.engines.fake import FakeEngine
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.label_future import continued

NUM_LABELS, NUM_MAPS = 5, 3
COLOURS = ("000000", "ff0000", "00ff00", "0000ff", "ffff00")
SIZE = (24, 16)  # width, height


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """(predictor.onnx, predictor with a palette, synthesis.onnx, the torch network)."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("future")
    loaded = from_state_dict(LabelPredictor(NUM_LABELS, NUM_MAPS, 4, 1, 2).state_dict())
    export_onnx(loaded, folder / "predictor.onnx", ExportOptions(name="predictor"))
    export_onnx(loaded, folder / "colours.onnx", ExportOptions(name="colours", labels=NUM_LABELS, palette=COLOURS))
    scale = {"label_channels": 3 * NUM_LABELS, "width": 4, "num_levels": 1, "num_blocks": 2, "norm": "batch_running"}
    made = from_state_dict(Vid2Vid([scale]).state_dict(), statistics="running")
    export_onnx(made, folder / "synthesis.onnx", ExportOptions(name="synthesis"))
    return folder / "predictor.onnx", folder / "colours.onnx", folder / "synthesis.onnx", loaded.network


def maps(count):
    """A square of 3 moves over 1 and 2."""
    made = []
    for index in range(count):
        labels = np.ones(SIZE[::-1], np.uint8)
        labels[9:] = 2
        labels[5:11, index + 2 : index + 8] = 3
        made.append(labels)
    return made


def by_hand(network, given, ahead):
    """The maps that the torch network predicts one after the other."""
    past = list(given)
    for _ in range(ahead):
        ids = torch.from_numpy(np.stack(past[-NUM_MAPS:]).astype(np.int64))[None]
        with torch.inference_mode():
            past.append(network(encode_labels(ids, NUM_LABELS))[0].argmax(0).numpy().astype(np.uint8))
    return past[len(given) :]


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


def test_numbers_go_on_as_the_network_predicts_them(predictor, rotoscope_main, here):
    path, _, _, network = predictor
    given = maps(5)
    write_maps(here / "labels", given)
    code, _, said = rotoscope_main("translate", "labels", "out", "-m", path, "--ahead", "4", "--report", "run.json")
    assert code == 0, said
    names = sorted(file.name for file in (here / "out").iterdir())
    assert names == [f"map{number:03d}.png" for number in range(7, 16)]
    found = [cv2.imread(f"out/{name}", cv2.IMREAD_UNCHANGED) for name in names]
    for picture, expected in zip(found, [*given, *by_hand(network, given, 4)], strict=True):
        np.testing.assert_array_equal(picture, expected)
    code, _, said = rotoscope_main("translate", "out", "null:", "-m", path, "--ahead", "1")  # its result is its input
    assert code == 0, said


def test_a_clip_in_colours_goes_on_as_a_video(predictor, here):
    _, path, _, network = predictor
    colours = np.array([list(bytes.fromhex(colour)) for colour in COLOURS], np.uint8)
    write_maps(here / "labels", maps(4), colours)
    run = rotoscope.translate("labels", "clip.mkv", model=path, ahead=3, rate=29.97, codec="ffv1")
    assert (run.frames_in, run.frames_out, run.models) == (4, 7, ("colours",))
    with rotoscope.read("clip.mkv") as reader:
        frames = list(reader)
    seconds = [frame.seconds for frame in frames]
    wanted = [Fraction(1001 * n, 30000) for n in range(7)]
    assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(seconds, wanted, strict=True))
    last = rotoscope.rgb(frames[-1].source).astype(int)
    found = np.square(last[..., None, :] - colours.astype(int)).sum(axis=-1).argmin(axis=-1)
    assert (found == by_hand(network, maps(4), 3)[-1]).mean() > 0.97


def test_the_next_network_makes_frames_of_given_and_predicted_maps(predictor, here):
    path, _, synthesis, network = predictor
    given = maps(4)
    write_maps(here / "labels", given)
    write_maps(here / "all", [*given, *by_hand(network, given, 3)])
    run = rotoscope.translate("labels", "ahead", model=[path, synthesis], ahead=3)
    assert (run.frames_out, run.models) == (7, ("predictor", "synthesis"))
    rotoscope.translate("all", "whole", model=synthesis)
    for name in ("map007.png", "map010.png", "map013.png"):
        np.testing.assert_array_equal(cv2.imread(f"ahead/{name}"), cv2.imread(f"whole/{name}"))


def test_what_does_not_go_together_is_refused(predictor, here):
    path, coloured, synthesis, _ = predictor
    write_maps(here / "labels", maps(3))
    for options, said in (
        ({"model": path}, "--ahead 30 says how many"),
        ({"model": synthesis, "ahead": 3}, "synthesis predicts nothing"),
        ({"model": [coloured, synthesis], "ahead": 3}, "does not take the label maps of colours"),
        ({"model": path, "ahead": 3, "resume": True}, "--resume with --ahead"),
        ({"model": path, "ahead": 0.5}, "ahead"),
    ):
        with pytest.raises(rotoscope.UsageError, match=said):
            rotoscope.translate("labels", "out", **options)
    with pytest.raises(rotoscope.UsageError, match=r"out.mp4: label numbers go into PNG"):
        rotoscope.translate("labels", "out.mp4", model=path, ahead=3)
    with pytest.raises(rotoscope.UsageError, match="kind predict"), rotoscope.Translator(path):
        pass
    assert not (here / "out").exists()


def test_the_manifest_of_a_predictor(predictor):
    graph = as_graph(from_state_dict(predictor[3].state_dict()), ExportOptions(name="predictor"))
    manifest = graph.manifest
    assert (manifest.kind, manifest.output.content) == ("predict", "scores")
    assert manifest.frame.window.offsets == (-2, -1, 0)
    assert manifest.frame.labels.num == NUM_LABELS
    with pytest.raises(rotoscope.UsageError, match="sees no instances"):
        as_graph(from_state_dict(predictor[3].state_dict()), ExportOptions(labels=4, edges=True))
