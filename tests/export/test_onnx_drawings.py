"""vid2vid on lines and drawings: an exported file makes the video that the torch network makes, frame after frame."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from catalogue import vid2vid_scale

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.export.onnx import export_onnx
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict
from rotoscope.networks.vid2vid import Vid2Vid

WIDTH, HEIGHT = 64, 32
GREY = np.array([0.299, 0.587, 0.114], np.float32)
KINDS = {"lines": 1, "drawing": 3, "drawings": 6}  # input -> channels a frame


@pytest.fixture(scope="module", params=[("lines", 2), ("drawings", 0)], ids=str)
def drawn(request, tmp_path_factory):
    """Return the kind of input, the number of style features, the file, and the torch network."""
    kind, features = request.param
    torch.manual_seed(3)
    scale = vid2vid_scale(0, label_channels=3 * (KINDS[kind] + features), norm="batch_running", num_levels=1)
    hints = {"features": features} if features else {}
    network = Vid2Vid([scale])
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=1.5 / layer.weight[0].numel() ** 0.5)  # so that inputs count
    loaded = from_state_dict(network.state_dict(), input=kind, statistics="running", **hints)
    path = tmp_path_factory.mktemp("drawn") / f"{kind}.onnx"
    export_onnx(loaded, path, ExportOptions(name=kind))
    return kind, features, path, loaded.network


def drawings(count, start):
    """A white square on black that moves, with a colour of its own, (H,W,3) uint8."""
    made = []
    for index in range(count):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[8:24, start + 4 * index : start + 16 + 4 * index] = (255, 40 * index, 200)
        made.append(picture)
    return made


def by_hand(network, kind, first, second, style):
    """The pictures (H,W,3) in [0,1] that the network makes: the window repeats the first frame, the history begins empty."""

    def seen(index):
        one, other = (np.moveaxis(each[max(0, index)] / np.float32(127.5) - 1, 2, 0) for each in (first, second))
        if kind == "lines":
            one = np.tensordot(GREY, one, axes=1)[None]
        code = [] if style is None else [style.reshape(-1, 1, 1) * one.mean(axis=0)]
        return np.concatenate([one, *([other] if kind == "drawings" else []), *code]).astype(np.float32)

    state = (torch.zeros(1, 6, HEIGHT, WIDTH), torch.zeros(1, 1, 1, 1))
    for index in range(len(first)):
        window = torch.from_numpy(np.concatenate([seen(index - back) for back in (2, 1, 0)]))[None]
        with torch.inference_mode():
            picture, state = network(window, state)
        yield np.moveaxis(picture[0].numpy(), 0, 2) / 2 + 0.5


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_stream_of_drawings_is_what_the_network_makes_of_it(engine, drawn):
    kind, features, path, network = drawn
    first, second = drawings(4, 4), drawings(4, 30)
    style = np.linspace(-1, 1, features).astype(np.float32) if features else None
    options = {} if style is None else {"style": style.reshape(1, -1, 1, 1)}
    frames = [
        Frame(n, n, Fraction(1, 25), 1, Picture((one,)), instances=Picture((other,)) if kind == "drawings" else None)
        for n, (one, other) in enumerate(zip(first, second, strict=True))
    ]
    with rotoscope.Translator(path, steady="off", engine=engine, **options) as translator:
        made = [frame.pixels()[..., :3] for frame in translator.stream(frames)]
    wanted = [picture.clip(-0.1875, 1.1875) for picture in by_hand(network, kind, first, second, style)]
    np.testing.assert_allclose(made, wanted, atol=2e-3)
    others = [*by_hand(network, kind, first, first, None if style is None else -style)]
    assert np.abs(np.subtract(made, others)).max() > 0.05  # the second drawing, or the style, counts


def test_drawings_become_a_video_on_the_command_line(drawn, rotoscope_main, here):
    kind, _, path, _ = drawn
    for name, pictures in (("first", drawings(3, 4)), ("second", drawings(3, 30))):
        (here / name).mkdir()
        for index, picture in enumerate(pictures):
            cv2.imwrite(f"{name}/{index}.png", picture)
    more = ["--drawings", "second"] if kind == "drawings" else ["--style", "3"]
    code, _, said = rotoscope_main("translate", "first", "out.mkv", "-m", path, "--rate", "17", *more)
    assert code == 0, said
    with rotoscope.read("out.mkv") as reader:
        assert (reader.info.width, reader.info.height, len(list(reader))) == (WIDTH, HEIGHT, 3)
