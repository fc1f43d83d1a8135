"""Any look, from a run to a painted clip: export of the folder of a run, --like, and blends."""

import cv2
import numpy as np
import pytest
import tiny_clips
import torch

import rotoscope
from rotoscope.cli.export import export
from rotoscope.networks.any_look import PAINTING_PX, AnyLook
from rotoscope.training.loop.checkpoints import save_weights

SIDE = 48


def blobs(seed, side):
    """A smooth random picture (H,W,3) uint8."""
    small = np.random.default_rng(seed).integers(30, 226, (5, 5, 3), np.uint8)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def network():
    """A network whose result depends much on the painting."""
    torch.manual_seed(3)
    made = AnyLook(8, 1, 4, 4)
    torch.nn.init.normal_(made.encoder.linear.weight)
    for name, weight in made.student.named_parameters():
        if "affine" in name:
            torch.nn.init.normal_(weight, 0, 0.5)
    return made.eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """The model file that `rotoscope export RUN` makes."""
    folder = tmp_path_factory.mktemp("any")
    run = folder / "marble"
    run.mkdir()
    (run / "config.toml").write_text('system = "any-look"\n')
    save_weights(run / "any-look.safetensors", network, {"hints": {}, "system": "any-look", "steps": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert export(run) == 0
    return folder / "marble.onnx"


@pytest.fixture(scope="module")
def paintings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paintings")
    for index in range(2):
        cv2.imwrite(str(folder / f"{index}.png"), blobs(20 + index, PAINTING_PX)[..., ::-1])
    return [folder / "0.png", folder / "1.png"]


def as_input(rgb):
    return torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1


@torch.inference_mode()
def painted(network, picture, *codes):
    """What the torch network makes of a picture (H,W,3) uint8, in levels of 255."""
    code = sum(network.encoder(as_input(blobs(seed, PAINTING_PX))) * weight for seed, weight in codes)
    made = network(as_input(picture), code)[0].permute(1, 2, 0).numpy()
    return (np.clip(made, -1, 1) + 1) * 127.5


def test_an_export_writes_student_and_encoder(exported):
    encoder = exported.with_name("marble-style-encoder.onnx")
    assert rotoscope.info(encoder).manifest.kind == "encode"
    assert rotoscope.info(exported).manifest.style.shape == (1, 4, 1, 1)
    assert rotoscope.info(exported).manifest.normalisation == "instance"


def test_like_paints_as_the_trained_network_does(exported, paintings, network):
    picture = blobs(1, SIDE)
    for seed, painting in zip((20, 21), paintings, strict=True):
        made = rotoscope.load(exported, like=str(painting))(picture)
        assert np.abs(made - painted(network, picture, (seed, 1))).max() < 1
    blend = f"{paintings[0]}:3,{paintings[1]}:1"
    made = rotoscope.load(exported, like=blend)(picture)
    assert np.abs(made - painted(network, picture, (20, 0.75), (21, 0.25))).max() < 1
    assert np.abs(painted(network, picture, (20, 1)) - painted(network, picture, (21, 1))).mean() > 3


def test_a_clip_is_painted_like_a_painting_without_a_flag(exported, paintings, tmp_path, rotoscope_main):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    code, _, err = rotoscope_main("translate", clip, tmp_path / "out.mp4", "-m", exported, "--like", paintings[0])
    assert code == 0, err
    assert (tmp_path / "out.mp4").stat().st_size > 100


def test_a_run_without_weights_yet_says_when_they_come(tmp_path, rotoscope_main):
    run = tmp_path / "sea"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.toml").write_text('system = "look"\n')
    code, _, err = rotoscope_main("export", run)
    assert (code, err.count("\n")) == (4, 1)
    assert "a run without a checkpoint; the first comes after a minute" in err
