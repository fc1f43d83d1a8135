"""rotoscope train, frames: what is said, what is refused, what is left behind."""

import json
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tiny_clips

TINY = ["--resize", 36, "--crop", 32, "--width", 2, "--blocks", 1, "--discriminator-width", 2, "--device", "cpu"]
TINY += ["--discriminator-layers", 2]


@pytest.fixture
def photos(tmp_path):
    for domain in "ab":
        (tmp_path / domain).mkdir()
        for index in range(3):
            picture = np.random.default_rng(index).integers(0, 255, (40, 40, 3), np.uint8)
            cv2.imwrite(str(tmp_path / domain / f"{index}.png"), picture)
    return ["--a", tmp_path / "a", "--b", tmp_path / "b"]


def test_a_run_goes_from_flags_to_weights(photos, tmp_path, rotoscope_main):
    run = tmp_path / "run"
    code, out, err = rotoscope_main("train", "cyclegan", *photos, *TINY, "--out", run, "--steps", 2, "--log-every", 1)
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert lines[0].startswith("step 1/2")
    assert lines[-1] == f"{run}/*.safetensors; curves and samples in {run}/run.html"
    config = (run / "config.toml").read_text()
    assert 'system = "cyclegan"\n' in config and "steps = 2\n" in config and "identity = 0.5\n" in config


def test_machines_get_a_json_line_a_report(photos, tmp_path, rotoscope_main):
    words = ["train", "cyclegan", *photos, *TINY, "--out", tmp_path / "run", "--log-every", 1]
    code, _, err = rotoscope_main(*words, "--steps", 2, "--progress", "json")
    first, second = (json.loads(line) for line in err.splitlines() if line.startswith("{"))
    assert (code, first["step"], second["step"], second["total"], second["eta_seconds"]) == (0, 1, 2, 2, 0)
    assert first["eta_seconds"] > 0 and 0 < first["losses"]["cycle_a"] < 100
    assert rotoscope_main("train", "resume", tmp_path / "run", "--steps", 3, "--progress", "none")[2].count("\n") == 1


def test_a_finished_run_is_not_started_again_but_goes_on(photos, tmp_path, rotoscope_main):
    words = ["train", "cyclegan", *photos, *TINY, "--out", tmp_path / "run", "--steps", 2]
    assert rotoscope_main(*words)[0] == 0
    code, _, err = rotoscope_main(*words)
    assert code == 2
    assert "holds a run already; `rotoscope train resume" in err
    code, _, err = rotoscope_main("train", "resume", tmp_path / "run", "--steps", 3)
    assert code == 0
    assert "step 3/3" in err


def test_a_configuration_stands_behind_flags(photos, tmp_path, rotoscope_main):
    first = tmp_path / "first"
    assert rotoscope_main("train", "cyclegan", *photos, *TINY, "--out", first, "--steps", 1, "--pool", 7)[0] == 0
    mine = tmp_path / "mine.toml"
    mine.write_bytes((first / "config.toml").read_bytes())
    second = tmp_path / "second"
    code, _, err = rotoscope_main("train", "cyclegan", "--config", mine, "--out", second, "--seed", 5)
    assert code == 0, err
    config = (second / "config.toml").read_text()
    assert "pool = 7\n" in config and "seed = 5\n" in config and "width = 2\n" in config


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("sede = 5", "sede"),
        ("[cyclegan]\nwidth = 3", "unknown table [cyclegan]; options stand at the top"),
        ('system = "munit"', "is for munit, not for cyclegan"),
        ("seed", "not TOML"),
    ],
)
def test_what_a_configuration_should_not_hold_is_refused(content, says, photos, tmp_path, rotoscope_main):
    mine = tmp_path / "mine.toml"
    mine.write_text(content)
    code, _, err = rotoscope_main("train", "cyclegan", *photos, *TINY, "--out", tmp_path / "run", "--config", mine)
    assert (code, err.count("\n")) == (2, 1)
    assert says in err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["train", "cyclegna"], 2, "cyclegan"),
        (["train", "cyclegan", "--b", "x", "--out", "run"], 2, "--a"),
        (["train", "cyclegan", "--a", "none", "--b", "none", "--out", "run"], 3, "none: no such file or folder"),
        (
            ["train", "cyclegan", "--a", "a", "--b", "b", "--out", "run", "--crop", 300],
            2,
            "does not fit into --resize 286",
        ),
        (["train", "cyclegan", "--a", "a", "--b", "b", "--out", "run", "--device", "cuda"], 2, "no CUDA device here"),
        (
            ["train", "cyclegan", "--a", "a", "--b", "b", "--out", "run", "--device", "cpu", "--precision", "fp16"],
            2,
            "bf16 or fp32",
        ),
        (["train", "resume", "nowhere"], 2, "nowhere: no run here"),
        (["train", "cyclegan", "--config", "none.toml"], 2, "--config none.toml: no such file"),
        (["frames", "none.mp4", "out"], 3, "none.mp4"),
    ],
)
def test_mistakes_get_one_line(words, code, says, here, rotoscope_main):
    if "cuda" in words:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device")
    found, out, err = rotoscope_main(*words)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert says in err


def test_a_mistake_in_the_data_leaves_no_run_behind(here, rotoscope_main):
    words = ["train", "cyclegan", "--a", "none", "--b", "none", "--out", "run"]
    assert rotoscope_main(*words)[0] == 3
    assert rotoscope_main(*words)[0] == 3  # and not: holds a run already


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 0), (signal.SIGINT, 1), (signal.SIGTERM, 0)])
def test_a_stopped_run_says_how_to_go_on(number, workers, photos, tmp_path):
    run = tmp_path / "run"
    words = [
        "train",
        "cyclegan",
        *photos,
        *TINY,
        "--out",
        run,
        "--epochs",
        100_000,
        "--log-every",
        1,
        "--workers",
        workers,
    ]
    command = [sys.executable, "-m", "rotoscope", *map(str, words), "--progress", "json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("{") for line in lines)  # the first step is done
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does it: those that read pictures get it too
        else:
            process.send_signal(number)
        err = process.stderr.read()
    assert process.returncode == 128 + number
    assert err.splitlines()[-1].startswith(f"stopped; rotoscope train resume {run} continues; weights of step ")
    assert list((run / "checkpoints").glob("step-*.safetensors"))
    assert (run / "AtoB.safetensors").is_file()


def test_frames_of_a_video(tmp_path, rotoscope_main):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=6, size=(48, 32))
    code, out, err = rotoscope_main("frames", video, tmp_path / "frames", "--every", 2, "--shorter-side", 16)
    assert (code, out, err) == (0, "", f"3 frames -> {tmp_path / 'frames'}\n")
    assert cv2.imread(str(tmp_path / "frames" / "00002.png")).shape == (16, 24, 3)
    code, _, err = rotoscope_main("frames", video, tmp_path / "frames")
    assert code == 2
    assert "exists; give a new folder" in err


FOREIGN = 'baseURL = "https://example.org/"\n'


@pytest.mark.parametrize(
    "name",
    [
        "config.toml",
        "run.html",
        "log.jsonl",
        "AtoB.safetensors",
        "notes.txt",
        "samples/step-00000000.jpg",
        "checkpoints/model.pt",
        "best/AtoB.safetensors",
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_train_refuses_a_folder_with_foreign_files_and_changes_none(name, linked, photos, tmp_path, rotoscope_main):
    file = tmp_path / "site" / name
    file.parent.mkdir(parents=True)
    file.write_text(FOREIGN)
    out = tmp_path / "site"
    if linked:
        out = tmp_path / "link"
        out.symlink_to(tmp_path / "site")
    code, _, err = rotoscope_main("train", "cyclegan", *photos, *TINY, "--out", out, "--steps", 1)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{out} is not empty; a new run needs a new or empty folder" in err
    assert [path for path in (tmp_path / "site").rglob("*") if path.is_file()] == [file]
    assert file.read_text() == FOREIGN


@pytest.mark.parametrize("name", ["distill", "look"])
def test_a_wrong_option_leaves_a_foreign_configuration_as_it_is(name, tmp_path, rotoscope_main):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "config.toml").write_text(FOREIGN)
    words = {
        "distill": ["distill", "nowhere", "--frames", "nowhere", "--perceptual", 0, "--macs", 1],
        "look": ["train", "look", "--photos", "nowhere", "--painting", "x", "--squeezenet", "y"],
    }[name]
    code, _, err = rotoscope_main(*words, "--out", tmp_path / "site")
    assert (code, err.count("\n")) == (2, 1)
    assert "is not empty" in err
    assert (tmp_path / "site" / "config.toml").read_text() == FOREIGN


@pytest.mark.parametrize("place", ["out", "out/run", "dangling"])
def test_train_refuses_a_file_and_a_broken_link_in_place_of_the_folder(place, photos, tmp_path, rotoscope_main):
    (tmp_path / "out").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    code, _, err = rotoscope_main("train", "cyclegan", *photos, *TINY, "--out", tmp_path / place, "--steps", 1)
    assert (code, err.count("\n")) == (2, 1)
    assert "is not a folder" in err or "broken link" in err
    assert (tmp_path / "out").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_with_hidden_files_only_takes_a_run(photos, tmp_path, rotoscope_main):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".DS_Store").write_text("mine")
    assert rotoscope_main("train", "cyclegan", *photos, *TINY, "--out", tmp_path / "run", "--steps", 1)[0] == 0
    assert (tmp_path / "run" / ".DS_Store").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_run_interrupted_before_its_first_step_leaves_nothing_or_a_run_that_resumes(
    photos, tmp_path, rotoscope_main, monkeypatch
):
    from rotoscope.training.loop import run as loop_run

    def interrupted(self, *_arguments):
        raise KeyboardInterrupt  # as a second Ctrl-C does

    run = tmp_path / "run"
    words = ["train", "cyclegan", *photos, *TINY, "--out", run, "--steps", 1]
    with monkeypatch.context() as patch:
        patch.setattr(loop_run, "create_run", interrupted)
        assert rotoscope_main(*words)[0] == 130
        assert not run.exists()
    with monkeypatch.context() as patch:
        patch.setattr(loop_run.Trainer, "train_step", interrupted)
        assert rotoscope_main(*words)[0] == 130
        assert (run / "config.toml").exists()
    code, _, err = rotoscope_main("train", "resume", run)
    assert code == 0, err
    assert (run / "AtoB.safetensors").is_file()


def test_frames_refuses_a_link_to_nothing(tmp_path, rotoscope_main):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2, size=(48, 32))
    (tmp_path / "frames").symlink_to(tmp_path / "nowhere")
    code, _, err = rotoscope_main("frames", video, tmp_path / "frames")
    assert (code, err.count("\n")) == (2, 1)
    assert "exists; give a new folder" in err
    assert not (tmp_path / "nowhere").exists()
