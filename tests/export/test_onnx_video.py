"""vid2vid as a video: label maps in, frames out, with its history, its start and what a cut does to it."""

from fractions import Fraction

import cv2
import numpy as np
import onnx
import pytest
import torch
from catalogue import Case, named, street_scale

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.export.graph import as_graph
from rotoscope.export.onnx import export_onnx, run
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict, resnet, vid2vid
from rotoscope.runtime.models.golden import first_state

SIZE = (64, 32)  # width, height
ONE_SCALE = Case(
    "vid2vid",
    lambda: vid2vid.Vid2Vid([street_scale(0, foreground_width=4)], (26,)),
    hints={"foreground": (26,), "statistics": "running"},
    name="one scale",
)
TWO_SCALES = named("vid2vid of street scenes")


@pytest.fixture(scope="module")
def street(exported):
    return exported(TWO_SCALES)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One scale, with a generator for the first frames: (path, vid2vid, generator)."""
    torch.manual_seed(1)
    network = vid2vid.Vid2Vid([street_scale(0)])
    loaded = from_state_dict(network.state_dict(), statistics="running")
    first = from_state_dict(resnet.ResnetGenerator(35, width=2, num_blocks=1, num_downs=3).state_dict())
    path = tmp_path_factory.mktemp("started") / "started.onnx"
    export_onnx(loaded, path, ExportOptions(name="started"), first_frame=first)
    return path, loaded, first


def maps(count, seed=0):
    """A car (26) with an instance of its own drives over a road (7) below the sky (23)."""
    made = []
    for index in range(count):
        labels, instances = np.full(SIZE[::-1], 23, np.uint8), np.zeros(SIZE[::-1], np.uint16)
        labels[20:] = 7
        labels[12:24, 4 + 3 * index + seed : 20 + 3 * index + seed] = 26
        instances[labels == 26] = 26001
        made.append((labels, instances))
    return made


def frames(maps, cuts=()):
    return [
        Frame(n, n, Fraction(1, 25), 1, Picture((labels,)), instances=Picture((instances,)), cut=n in cuts)
        for n, (labels, instances) in enumerate(maps)
    ]


def stacked(window):
    """The inputs of one call."""
    return {
        name: np.stack([pair[place] for pair in window])[None, :, None].astype(np.int32)
        for place, name in enumerate(("labels", "instances"))
    }


def by_hand(graph, maps):
    """The same video by the torch network, frame after frame: the window repeats the first map, the history begins empty."""
    pictures, state = [], None
    for index in range(len(maps)):
        window = [maps[max(0, index - back)] for back in (2, 1, 0)]
        inputs = stacked(window)
        state = state or first_state(graph.manifest, inputs, SIZE[1], SIZE[0])
        made = run(graph, inputs, state)
        pictures.append(np.moveaxis(made["picture"][0], 0, 2) / 2 + 0.5)
        state = {tensor.input: made[tensor.output] for tensor in graph.manifest.state}
    return pictures


def results(path, frames, **options):
    with rotoscope.Translator(path, steady="off", **options) as translator:
        return [frame.pixels()[..., :3] for frame in translator.stream(frames)]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_stream_of_label_maps_is_what_the_network_makes_of_it_frame_by_frame(engine, street):
    path, _, loaded = street
    expected = by_hand(as_graph(loaded, ExportOptions(name="street")), maps(4))
    for picture, wanted in zip(results(path, frames(maps(4)), engine=engine), expected, strict=True):
        np.testing.assert_allclose(picture, wanted.clip(-0.1875, 1.1875), atol=5e-3)


def test_a_cut_begins_anew(street):
    path = street[0]
    once, twice = maps(3), [*maps(3, seed=9), *maps(3)]
    alone, after_a_cut = results(path, frames(once)), results(path, frames(twice, cuts=(3,)))
    for picture, wanted in zip(after_a_cut[3:], alone, strict=True):
        np.testing.assert_array_equal(picture, wanted)
    without = results(path, frames(twice))
    assert np.abs(without[3] - alone[0]).max() > 0.01


@pytest.mark.parametrize("case", [ONE_SCALE, pytest.param(TWO_SCALES, marks=pytest.mark.full)], ids=str)
def test_the_warp_outside_makes_the_same_video_step_by_step(case, exported):
    """From the same state at every step: left alone, an untrained network blows up any difference."""
    outside, manifest, loaded = exported(case, warp="outside")
    assert "GridSample" not in {node.op_type for node in onnx.load(outside).graph.node}
    assert manifest.state_outputs == ("begun_out",)
    graph = as_graph(loaded, ExportOptions(name="street"))
    sequence = maps(5)
    with rotoscope.Translator(outside, steady="off") as translator:
        network = translator.stages.network
        state = None
        for index in range(len(sequence)):
            places = [max(0, index - back) for back in (2, 1, 0)]
            inputs = stacked([sequence[place] for place in places])
            state = state or first_state(graph.manifest, inputs, SIZE[1], SIZE[0])
            expected = run(graph, inputs, state)
            picture = network.translated(tuple(frames(sequence)[place] for place in places)).pixels()
            wanted = np.moveaxis(expected["picture"][0], 0, 2) / 2 + 0.5
            np.testing.assert_allclose(picture[..., :3], wanted.clip(-0.1875, 1.1875), atol=1e-3)
            state = {tensor.input: expected[tensor.output] for tensor in graph.manifest.state}
            saved = network.networks[0].state.saved()
            assert saved.keys() <= state.keys()
            for name, value in saved.items():
                np.testing.assert_allclose(value, state[name], atol=2e-3)
            network.networks[0].state.restore({name: state[name] for name in saved})


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_first_frame_model_fills_the_history_of_every_scene(engine, started):
    """Two frames by the generator on labels alone, the third from their history; after a cut the same again."""
    path, loaded, first = started
    sequence = [*maps(4), *maps(4)]
    made = results(path, frames(sequence, cuts=(4,)), engine=engine)
    for index in (0, 1, 4, 5):
        ids = torch.from_numpy(sequence[index][0].astype(np.int32))
        one_hot = (ids == torch.arange(35).view(1, 35, 1, 1)).float()
        drawn = np.moveaxis(first.network(one_hot)[0].numpy(), 0, 2) / 2 + 0.5
        np.testing.assert_allclose(made[index], drawn, atol=1e-3)
    graph = as_graph(loaded, ExportOptions(name="street"))
    history = torch.cat([torch.from_numpy(np.moveaxis(made[n] * 2 - 1, 2, 0)[None]) for n in (0, 1)], dim=1)
    state = [tensor.numpy() for tensor in loaded.network.initial_state(history.contiguous())]
    window = [sequence[n] for n in (0, 1, 2)]
    third = run(graph, stacked(window), dict(zip(("history_0", "begun"), state, strict=True)))["picture"]
    np.testing.assert_allclose(made[2], np.moveaxis(third[0], 0, 2) / 2 + 0.5, atol=5e-3)
    for one, again in zip(made[:4], made[4:], strict=True):
        np.testing.assert_array_equal(one, again)


def test_a_first_frame_model_must_fit(street, tmp_path):
    loaded = street[2]
    other = from_state_dict(resnet.ResnetGenerator(7, width=2, num_blocks=1, num_downs=3).state_dict())
    with pytest.raises(rotoscope.UsageError, match="takes 7 channels; this vid2vid has 36 a frame"):
        as_graph(loaded, ExportOptions(name="net"), first_frame=other)
    with pytest.raises(rotoscope.UsageError, match="is for vid2vid"):
        as_graph(other, ExportOptions(name="net"), first_frame=other)


def test_folders_of_maps_become_a_video_on_the_command_line(street, rotoscope_main, here):
    for kind in ("labels", "instances"):
        (here / kind).mkdir()
    for index, (labels, instances) in enumerate(maps(3)):
        cv2.imwrite(f"labels/{index}.png", labels)
        cv2.imwrite(f"instances/{index}.png", instances)
    words = ("translate", "labels", "out.mp4", "-m", street[0], "--instances", "instances", "--rate", "17")
    code, _, said = rotoscope_main(*words)
    assert code == 0, said
    with rotoscope.read("out.mp4") as reader:
        assert (reader.info.width, reader.info.height, len(list(reader))) == (*SIZE, 3)
    assert rotoscope_main("translate", "labels", "other.mp4", "-m", street[0])[0] == 2


def test_the_street_scenes_become_videos(street, shared, tmp_path):
    folder = shared / "data" / "vid2vid_cityscapes"
    run = rotoscope.translate(
        folder / "train_A" / "seq0000", tmp_path / "out.mp4", model=street[0],
        instances=str(folder / "train_inst" / "seq0000"), duration=6 / 25,
    )  # fmt: skip
    assert (run.frames_out, run.width, run.height) == (6, 512, 256)
    assert run.stages["translate"]["share"] > 0
