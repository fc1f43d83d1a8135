"""rotoscope distill: what is said and what is refused."""

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file
from shared_data import SHARED, need_shared

import rotoscope
from rotoscope.api import training
from rotoscope.export import residual_body
from rotoscope.training.options import DistillOptions
from rotoscope.training.systems.distill import SIZES

TINY = [
    "--resize",
    36,
    "--crop",
    32,
    "--batch",
    1,
    "--perceptual",
    0,
    "--steps",
    1,
    "--device",
    "cpu",
    "--log-every",
    1,
]


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(2):
        picture = np.random.default_rng(index).integers(0, 255, (40, 40, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


def test_a_student_of_a_model_file_fits_its_multiply_adds_and_goes_on(frames, identity, tmp_path, rotoscope_main):
    run = tmp_path / "run"
    code, out, err = rotoscope_main("distill", identity, "--frames", frames, "--out", run, *TINY, "--macs", 0.6)
    assert (code, out) == (0, ""), err
    assert err.splitlines()[0] == "a student of 4 blocks of 16 channels: 0.50 G multiply-adds"
    assert (run / "student.safetensors").exists()
    assert "width = 16\nblocks = 4\n" in (run / "config.toml").read_text()
    code, _, err = rotoscope_main("train", "resume", run, "--steps", 2)
    assert code == 0
    assert "step 2/2" in err


def test_a_student_fits_its_time(frames, identity, tmp_path, rotoscope_main, monkeypatch):
    monkeypatch.setattr(training, "_seconds_of_student", lambda student, size: 1e-6 * student.width * size[0])
    words = ["distill", identity, "--frames", frames, "--out", tmp_path / "run", *TINY]
    code, _, err = rotoscope_main(*words, "--budget", "100fps@100x48")
    assert code == 0, err
    assert err.splitlines()[0] == "a student of 2 blocks of 16 channels: 1.6 ms a frame"
    assert "width = 96\n" in (tmp_path / "run" / "config.toml").read_text()


def test_blocks_of_a_small_teacher_are_offered_and_kept(frames, identity, tmp_path, rotoscope_main, monkeypatch):
    shapes = {f"conv{n}.weight": (8, 8, 3, 3) for n in (1, 2)}
    shapes |= {f"norm{n}.{name}": (8,) for n in (1, 2) for name in ("weight", "bias")}
    block = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    monkeypatch.setattr(residual_body, "residual_blocks", lambda file, style: [block, block])
    words = ["distill", identity, "--frames", frames, *TINY]
    code, _, err = rotoscope_main(*words, "--out", tmp_path / "new", "--width", 8, "--blocks", 1)
    assert code == 0, err
    assert (
        err.splitlines()[0] == "the teacher has 2 blocks of 8 channels: --keep-body starts with them and learns faster"
    )
    code, _, err = rotoscope_main(*words, "--out", tmp_path / "kept", "--keep-body")
    assert (code, "--keep-body" in err) == (0, False)
    assert "blocks.1.conv2.weight" in load_file(tmp_path / "kept" / "student.safetensors")
    code, _, err = rotoscope_main("train", "resume", tmp_path / "kept", "--steps", 2)
    assert code == 0, err


def test_a_style_is_refused_by_a_teacher_without_styles(frames, identity, tmp_path, rotoscope_main):
    code, _, err = rotoscope_main(
        "distill", identity, "--frames", frames, "--out", tmp_path / "run", *TINY, "--style", 1
    )
    assert (code, err.count("\n")) == (2, 1)
    assert "takes no style" in err


@pytest.fixture
def opened_on_a_gpu(monkeypatch):
    """Load for a GPU as for the CPU; collect the keywords."""
    given = []

    def load(model, **options):
        given.append(options)
        return rotoscope.load(model, **{name: options[name] for name in options if name not in ("device", "precision")})

    monkeypatch.setattr(training, "load", load)
    return given


def test_a_checkpoint_teaches_with_torch_on_the_gpu_of_the_run(opened_on_a_gpu, tmp_path):
    path = need_shared(SHARED / "data" / "weights" / "transformernet" / "candy_fp16.pth")
    options = DistillOptions(teacher=str(path), frames=tmp_path)
    there, here = training.open_teacher(options, "cuda:0"), training.open_teacher(options)
    assert opened_on_a_gpu == [{}, {"engine": "torch", "device": "cuda:0", "precision": "tf32"}, {}]
    assert (there.paint.options.engine, here.paint.options.engine) == ("torch", "onnxruntime")
    assert [len(teacher.body) for teacher in (there, here)] == [5, 5]
    assert there.body[0]["conv1.weight"].shape == (128, 128, 3, 3)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    difference = there.paint(picture).astype(int) - here.paint(picture)
    assert np.abs(difference).max() <= 1  # both round to 8 bits


def test_an_onnx_file_teaches_on_the_cpu_beside_a_training_on_a_gpu(opened_on_a_gpu, identity, tmp_path):
    for teacher in (str(identity), "ink"):
        opened = training.open_teacher(DistillOptions(teacher=teacher, frames=tmp_path), "cuda:0")
        assert (opened.paint.options.engine, opened.paint.options.device) == ("onnxruntime", "cpu")
    assert opened_on_a_gpu == [{}, {}]


@pytest.mark.slow  # exports two students
def test_a_wider_student_takes_longer():
    narrow, wide = (training._seconds_of_student(size, (320, 180)) for size in (SIZES[0], SIZES[-1]))
    assert 0 < narrow < wide


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--budget", "30fps@big"], 2, "size 'big'; accepted: WIDTHxHEIGHT"),
        (["--budget", "fast"], 2, "--budget fast; accepted: frames per second at a size, such as 30fps@640x360"),
        (["--budget", "0fps@64x48"], 2, "accepted: frames per second"),
        (["--budget", "1fps@64x48", "--macs", 1], 2, "--budget and --macs: give one of them"),
        (["--macs", 0.001], 2, "no student fits this budget"),
        (["--macs", 1, "--size", "640"], 2, "size '640'; accepted: WIDTHxHEIGHT"),
    ],
)
def test_mistakes_get_one_line(words, code, says, frames, identity, tmp_path, rotoscope_main):
    found, out, err = rotoscope_main("distill", identity, "--frames", frames, "--out", tmp_path / "run", *TINY, *words)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert says in err


def test_a_missing_teacher_is_refused(frames, tmp_path, rotoscope_main):
    code, _, err = rotoscope_main("distill", "nothing", "--frames", frames, "--out", tmp_path / "run", *TINY)
    assert (code, err.count("\n")) == (4, 1)
    assert "nothing: neither a file nor a bundled look" in err
