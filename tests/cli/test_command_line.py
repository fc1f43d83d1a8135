"""The command line: help, one-line errors with their exit codes, reports, progress, settings and their precedence."""

import importlib.util
import json
import re
import signal
import subprocess
import sys
import threading
from functools import partial

import av
import cv2
import independent
import onnx
import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope import cli
from rotoscope.assembly.models import bundled_looks
from rotoscope.demo.clip import make_clip

LOOKS = ", ".join(bundled_looks())


@pytest.fixture
def clip(here):
    return tiny_clips.write_clip(here / "clip.mp4", sound=True)


def names(folder):
    return sorted(item.name for item in folder.iterdir())


def test_help_lists_the_commands(rotoscope_main):
    code, out, err = rotoscope_main("--help")
    assert (code, err) == (0, "")
    for command in (*cli.COMMANDS, "help"):
        assert command in out


def test_help_of_translate_tells_every_option(rotoscope_main):
    code, out, _ = rotoscope_main("translate", "--help")
    assert code == 0
    for flag in (
        "--model",
        "-m",
        "--engine",
        "--precision",
        "--working-size",
        "--mix",
        "--compare",
        "-e",
        "--overwrite",
        "--report",
    ):
        assert flag in out


def test_version(rotoscope_main):
    assert rotoscope_main("--version")[1].strip() == rotoscope.__version__


def test_a_command_may_run_in_any_thread_and_leaves_the_signal_handlers(rotoscope_main):
    before = signal.getsignal(signal.SIGTERM)
    assert rotoscope_main("--version")[0] == 0
    assert signal.getsignal(signal.SIGTERM) is before
    codes = []
    thread = threading.Thread(target=lambda: codes.append(rotoscope_main("--version")[0]))
    thread.start()
    thread.join()
    assert codes == [0]


def test_python_m_is_the_same_program(here):
    done = subprocess.run([sys.executable, "-m", "rotoscope", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == rotoscope.__version__


# The main job


def test_translate_says_what_came_out_and_what_ran(clip, identity, rotoscope_main):
    code, out, err = rotoscope_main("translate", clip, "out.mp4", "-m", identity)
    assert (code, out) == (0, "")
    first, second = err.splitlines()
    assert first.startswith("8/8 frames") and first.endswith("sound kept -> out.mp4")
    assert second.startswith("onnxruntime fp32 cpu, ") and "libx264 yuv420p" in second and "translate" in second


@pytest.mark.parametrize(("source", "target"), [
    ("clip.mp4", "clip.identity.mp4"), ("clip.avi", "clip.identity.mp4"), ("clip.mkv", "clip.identity.mkv"),
    ("clip.gif", "clip.identity.gif"), ("photo.jpg", "photo.identity.jpg"), ("photo.bmp", "photo.identity.png"),
    ("shots", "shots-identity"), ("shots/*.png", "frames-identity"), ("shots/f_%02d.png", "f-identity"),
])  # fmt: skip
def test_without_a_target_the_result_is_named_after_source_and_model(source, target, here, identity, rotoscope_main):
    if source.startswith("clip"):
        codec = {"clip.gif": "gif", "clip.avi": "mpeg4"}.get(source, "libx264")
        tiny_clips.write_clip(here / source, codec=codec, pixel_format="rgb8" if codec == "gif" else "yuv420p")
    elif source.startswith("photo"):
        cv2.imwrite(source, tiny_clips.pattern(0))
    else:
        (here / "shots").mkdir()
        cv2.imwrite("shots/f_01.png", tiny_clips.pattern(0))
    assert rotoscope_main("translate", source, "-m", identity)[0] == 0
    assert (here / target).exists()


def test_several_models_make_a_chain(clip, here, identity, rotoscope_main):
    invert = tiny_models.invert(here / "invert.onnx")
    assert rotoscope_main("translate", clip, "-m", identity, "-m", invert)[0] == 0
    assert (here / "clip.identity+invert.mp4").exists()


def test_encoder_options_are_repeated(clip, identity, rotoscope_main):
    assert rotoscope_main("translate", clip, "out.mp4", "-m", identity, "-e", "crf=30", "-e", "pix_fmt=yuv444p")[0] == 0
    with av.open("out.mp4") as opened:
        assert opened.streams.video[0].pix_fmt == "yuv444p"


def test_ranges_are_two_numbers(clip, identity, rotoscope_main):
    words = ["translate", clip, "-o", "out.mp4", "-m", identity, "--overwrite"]
    assert rotoscope_main(*words, "--input-range", "-1,1", "--output-range", "-1,1")[0] == 0
    code, _, err = rotoscope_main(*words, "--input-range", "low,high")
    assert code == 2 and "'low,high'; accepted: two numbers such as 0,255" in err


def test_y4m_runs_through_pipes(here, identity):
    source = tiny_clips.write_clip(here / "in.y4m", codec="rawvideo", muxer="yuv4mpegpipe", options={})
    words = [sys.executable, "-m", "rotoscope", "translate", "-", "-", "-m", str(identity), "--steady", "off"]
    done = subprocess.run(words, input=source.read_bytes(), capture_output=True, check=True)
    (here / "out.y4m").write_bytes(done.stdout)
    pairs = zip(independent.video_frames(source), independent.video_frames("out.y4m"), strict=True)
    assert min(independent.psnr(independent.rgb(a), independent.rgb(b)) for a, b in pairs) == 99
    assert b"8/8 frames" in done.stderr


def test_y4m_from_a_pipe_into_a_file(here, identity):
    source = tiny_clips.write_clip(here / "in.y4m", codec="rawvideo", muxer="yuv4mpegpipe", options={})
    words = [sys.executable, "-m", "rotoscope", "translate", "-", "out.mp4", "-m", str(identity)]
    subprocess.run(words, input=source.read_bytes(), capture_output=True, check=True)
    assert len(independent.video_times("out.mp4")) == 8


# Errors


@pytest.mark.parametrize(("words", "code", "said"), [
    (["translate"], 2, "SOURCE"),
    (["translate", "clip.mp4"], 2, f"-m is missing; accepted: a bundled look ({LOOKS})"),
    (["paint", "clip.mp4"], 2, "paint"),
    (["translate", "clip.mp4", "-m", "M", "--engin", "openvino"], 2, "--engin: no such option; did you mean --engine?"),
    (["translate", "clip.mp4", "out.mp4", "-m", "M", "--engin", "openvino"], 2, "--engin"),
    (["translate", "clip.mp4", "-m", "M", "--overwite"], 2, "--overwite: no such option; did you mean --overwrite?"),
    (["translate", "--compre", "-m", "M"], 2, "did you mean --compare?"),
    (["translate", "clip.mp4", "-m", "M", "--engine", "tensorflow"], 2, "tensorflow"),
    (["translate", "clip.mp4", "-m", "M", "--mix", "2"], 2, "mix"),
    (["translate", "clip.mp4", "-m", "M", "--mix", "much"], 2, "much"),
    (["translate", "clip.mp4", "-m", "M", "--threads", "0"], 2, "threads"),
    (["translate", "clip.mp4", "-m", "M", "--in-flight", "0"], 2, "in_flight=0; accepted: 1 to 256"),
    (["translate", "clip.mp4", "-m", "M", "--working-size", "big"], 2, "'big'; accepted: WIDTHxHEIGHT"),
    (["translate", "clip.mp4", "-m", "M", "--start", "-1"], 2, "seconds from the first frame"),
    (["translate", "clip.mp4", "-m", "M", "--start", "nan"], 2, "start"),
    (["translate", "clip.mp4", "-m", "M", "--rate", "0"], 2, "rate"),
    (["translate", "clip.mp4", "-m", "M", "--multiple", "0"], 2, "multiple"),
    (["translate", "clip.mp4", "-m", "M", "--precision", "bf16"], 2, "bf16"),
    (["translate", "clip.mp4", "clip.mp4", "-m", "M", "--overwrite"], 2, "the same file"),
    (["translate", "clip.mp4", "old.mp4", "-m", "M"], 2, "--overwrite"),
    (["translate", "clip.mp4", "no/out.mp4", "-m", "M"], 2, "no such folder"),
    (["translate", "clip.mp4", "out.docx", "-m", "M"], 2, "unknown ending .docx"),
    (["translate", "clip.mp4", "out.mp4", "-m", "M", "--codec", "libx624"], 2, "near:"),
    (["translate", "clip.mp4", "out.png", "-m", "M"], 2, "more than one frame"),
    (["translate", "missing.mp4", "-m", "M"], 3, "no such file"),
    (["translate", "text.mp4", "-m", "M"], 3, "not a video or picture"),
    (["translate", "http://x.test/a.mp4", "-m", "M"], 3, "addresses are not read"),
    (["translate", "clip.mp4", "-m", "stary"], 4, "neither a file nor a bundled look (those are:"),
    (["translate", "clip.mp4", "-m", "no.onnx"], 4, "rotoscope: no.onnx: no such file\n"),
    (["translate", "clip.mp4", "-m", "M", "--flow", "onnx:no.onnx"], 4, "rotoscope: --flow onnx:no.onnx: no such file\n"),
    (["info", "no.onnx"], 4, "rotoscope: no.onnx: no such file\n"),
    (["info", "no.pth"], 4, "rotoscope: no.pth: no such file\n"),
    (["translate", "clip.mp4", "-m", "text.onnx"], 4, "not an ONNX file"),
    (["translate", "clip.mp4", "-m", "NAN"], 1, "frame 0 (0.000 s)"),
    (["translate", "clip.mp4", "-m", "."], 4, "a folder; give the file in it"),
    (["translate", "clip.mp4", "-m", "M", "--mask", "clip.mp4"], 2, "takes none"),
    (["translate", "clip.mp4", "-m", "M", "--report", "."], 2, "is a folder"),
    (["export", "M", "copy.onnx"], 4, "a model file already"),
    (["parity", "M", "M", "--frames", "0"], 2, "at least 1"),
    (["info", "missing.mp4"], 3, "no such file"),
    (["info", "clip.mp4", "--write", "copy.onnx"], 2, "--write is for models"),
])  # fmt: skip
def test_errors_are_one_line_with_their_exit_code(words, code, said, clip, here, identity, rotoscope_main):
    (here / "old.mp4").write_bytes(b"old")
    (here / "text.mp4").write_text("hello" * 100)
    (here / "text.onnx").write_text("hello" * 100)
    nan = tiny_models.nan_above(here / "nan.onnx", -1.0)
    before = names(here)
    got, out, err = rotoscope_main(*({"M": identity, "NAN": nan}.get(word, word) for word in words))
    assert (got, out) == (code, "")
    assert err.startswith("rotoscope: ") and err.count("\n") == 1
    assert said in err
    assert len(err) <= 400 and "Traceback" not in err
    assert names(here) == before


def test_a_broken_file_of_defaults_is_named(here, clip, rotoscope_main):
    (here / "rotoscope.toml").write_text("[translate")
    code, _, err = rotoscope_main("info", clip)
    assert code == 2 and err.startswith("rotoscope: rotoscope.toml: not TOML (") and err.count("\n") == 1


def test_debug_shows_the_traceback(clip, rotoscope_main):
    code, _, err = rotoscope_main("translate", "missing.mp4", "-m", "starry", "--debug")
    assert code == 3
    assert "Traceback" in err and err.splitlines()[-1].startswith("rotoscope: missing.mp4: no such file")


def test_control_characters_in_names_do_not_reach_the_terminal(here, rotoscope_main):
    _, _, err = rotoscope_main("translate", "evil\x1b[31m\n.mp4", "-m", "starry")
    assert "\x1b" not in err and err.count("\n") == 1


# Progress and report


def test_progress_as_json_lines(clip, identity, rotoscope_main):
    code, out, err = rotoscope_main("translate", clip, "out.mp4", "-m", identity, "--progress", "json")
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert (code, out) == (0, "")
    assert lines[-1]["done"] == lines[-1]["total"] == 8
    assert lines[-1]["eta_seconds"] == 0
    assert set(lines[-1]) == {"done", "total", "fps", "eta_seconds", "shares"}
    assert sum(lines[-1]["shares"].values()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("style", ["bar", "none", "auto"])
def test_other_progress_styles_run(style, clip, identity, rotoscope_main):
    code, out, _ = rotoscope_main("translate", clip, "out.mp4", "-m", identity, "--progress", style)
    assert (code, out) == (0, "")


def test_the_report_says_what_ran(clip, identity, rotoscope_main):
    words = ["translate", clip, "out.mp4", "-m", identity, "--report", "run.json", "--in-flight", "2"]
    assert rotoscope_main(*words)[0] == 0
    with open("run.json") as file:  # noqa: PTH123
        report = json.load(file)
    assert report["source"] == str(clip) and report["target"] == "out.mp4" and report["models"] == ["identity"]
    assert (report["frames_in"], report["frames_out"], report["losses"]) == (8, 8, {})
    assert (report["width"], report["height"], report["encoder"]) == (64, 48, "libx264 yuv420p")
    assert report["engine"] == "onnxruntime fp32 cpu, 2 in flight"
    assert report["steady"] == "blend 0.75"
    stages = {"decode", "flow", "prepare", "translate", "unpack", "steady", "finish", "encode"}
    assert set(report["stages"]) == stages
    for stage in report["stages"].values():
        assert stage["p50_ms"] <= stage["p95_ms"] <= stage["p99_ms"]
    assert (
        report["peak_memory_mb"] > 10 and report["fps"] > 0 and report["seconds"] >= report["first_frame_seconds"] > 0
    )
    assert report["options"]["in_flight"] == 2
    assert report["versions"]["rotoscope"] == rotoscope.__version__


def test_the_report_of_a_damaged_clip_counts_its_losses(videos, here, identity, rotoscope_main):
    source = videos / "nasty" / "decord_corrupted.mp4"
    words = ["translate", source, "out.mp4", "-m", identity, "--output-size", "64x36", "--report", "run.json"]
    code, _, err = rotoscope_main(*words)
    report = json.loads((here / "run.json").read_text())
    assert code == 5
    assert report["losses"] == {"damaged frames": 1, "packets that could not be decoded": 1}
    assert (report["frames_in"], report["frames_out"]) == (50, 49)
    assert "lost: 1 packets that could not be decoded" in err


# Settings


def test_flags_go_before_environment_before_file(clip, here, identity, rotoscope_main, monkeypatch):
    def size_of_result(*flags):
        assert rotoscope_main("translate", clip, "-o", "out.mp4", "-m", identity, "--overwrite", *flags)[0] == 0
        return independent.sizes("out.mp4")[:2]

    assert size_of_result() == (64, 48)
    (here / "rotoscope.toml").write_text('[translate]\noutput_size = "32x24"\n')
    assert size_of_result() == (32, 24)
    monkeypatch.setenv("ROTOSCOPE_TRANSLATE_OUTPUT_SIZE", "40x30")
    assert size_of_result() == (40, 30)
    assert size_of_result("--output-size", "48x36") == (48, 36)


@pytest.mark.parametrize("text", ["[translate]\nouput_size = '32x24'\n", "[translate\n", "[translate]\nmix = 'much'\n"])
def test_a_wrong_settings_file_is_one_line(text, clip, here, identity, rotoscope_main):
    (here / "rotoscope.toml").write_text(text)
    code, _, err = rotoscope_main("translate", clip, "out.mp4", "-m", identity)
    assert code == 2
    assert err.count("\n") == 1 and "Traceback" not in err
    assert not (here / "out.mp4").exists()


# info


def test_info_of_a_video(videos, rotoscope_main):
    path = videos / "timing" / "bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4"
    code, out, _ = rotoscope_main("info", path)
    assert code == 0
    assert (
        "800x640, pixels 1137:800" in out
        and "h264, yuv420p, 601, limited range" in out
        and "120 frames (header)" in out
    )
    content = json.loads(rotoscope_main("info", path, "--json")[1])
    assert (content["width"], content["height"], content["sample_aspect"]) == (800, 640, "1137/800")
    assert content["streams"][0]["kind"] == "video"


def test_info_of_a_model_and_a_described_copy(here, identity, rotoscope_main):
    code, out, _ = rotoscope_main("info", identity)
    assert code == 0
    assert "in: float32 NCHW RGB, 0..1" in out and "inferred" in out and "layout: NCHW" in out
    words = [
        "info",
        identity,
        "--input-range",
        "0,255",
        "--output-range",
        "0,255",
        "--channel-order",
        "bgr",
        "--multiple",
        "4",
    ]
    assert rotoscope_main(*words, "--write", "copy.onnx")[0] == 0
    content = json.loads(rotoscope_main("info", "copy.onnx", "--json")[1])
    assert content["inferred"] == []
    assert content["manifest"]["frame"]["range"] == [0, 255] and content["manifest"]["frame"]["order"] == "BGR"
    assert content["manifest"]["frame"]["multiple"] == 4
    assert rotoscope_main("info", identity, "--write", "copy.onnx")[0] == 2


def test_info_of_a_bundled_look(rotoscope_main):
    code, out, _ = rotoscope_main("info", "starry")
    assert code == 0
    assert "starry" in out and "parameters" in out and "inferred" not in out


def test_info_escapes_what_a_stranger_wrote(here, rotoscope_main):
    proto = onnx.load(tiny_models.identity(here / "m.onnx"))
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "in\x1b[31m"
    onnx.save(proto, "m.onnx")
    assert "\x1b" not in rotoscope_main("info", "m.onnx")[1]


# doctor and demo


def test_doctor_says_what_works(rotoscope_main):
    code, out, _ = rotoscope_main("doctor")
    assert code == 0
    rows = [line for line in out.splitlines() if line.strip()]
    for name in (
        "rotoscope",
        "python",
        "numpy",
        "av",
        "ffmpeg",
        "onnxruntime",
        "driver",
        "openvino",
        "libx264",
        "ffv1",
        "kernels",
        "disk",
    ):
        assert any(row.startswith(name) for row in rows), name
    assert any(row.startswith("libx264") and row.endswith("ok") for row in rows)
    assert "differs by" in out and "WRONG RESULTS" not in out


def test_doctor_prints_json(monkeypatch, rotoscope_main):
    monkeypatch.setattr(
        "rotoscope.assembly.engines.proving_engines", list
    )  # without the proofs, which another test runs
    code, out, _ = rotoscope_main("doctor", "--json")
    content = json.loads(out)
    assert (code, content["is_healthy"]) == (1, False)
    works = {check["name"]: check["works"] for check in content["checks"]}
    assert works["engines"] is False and works["libx264"] is True and works["python"] is None


@pytest.mark.parametrize("there", [(), ("torch",)], ids=["none", "torch, which runs checkpoints only"])
def test_doctor_without_an_engine_for_onnx_files_says_so_and_fails(there, monkeypatch, rotoscope_main):
    find = importlib.util.find_spec
    missing = {"onnxruntime", "openvino", "tensorrt", "torch"} - {*there}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in missing else find(name, *rest))
    code, out, _ = rotoscope_main("doctor")
    assert code == 1
    assert 'MISSING: no engine that runs .onnx files is installed; this installs one: pip install ".[cpu]"' in out


@pytest.mark.slow
def test_doctor_compiles_the_kernels_in_advance(rotoscope_main):
    code, out, _ = rotoscope_main("doctor", "--warm")
    assert code == 0
    assert out.splitlines()[-1].startswith("kernels compiled in")


@pytest.mark.slow
@pytest.mark.parametrize("frames", [24, pytest.param(150, marks=pytest.mark.full)])
def test_demo_makes_a_clip_paints_it_and_writes_a_page(frames, here, rotoscope_main, monkeypatch):
    if frames < 150:
        monkeypatch.setattr("rotoscope.demo.make_demo.make_clip", partial(make_clip, num_frames=frames))
        monkeypatch.setattr("rotoscope.demo.make_demo.PAGE_SECONDS", 0.5)
    code, out, err = rotoscope_main("demo", "folder")
    assert code == 0, err
    assert names(here / "folder") == ["clip.mp4", "clip.starry.mp4", "demo.html"]
    clips = [here / "folder" / name for name in ("clip.mp4", "clip.starry.mp4")]
    assert independent.sizes(clips[0])[:2] == independent.sizes(clips[1])[:2]
    assert len(independent.video_times(clips[0])) == len(independent.video_times(clips[1]))
    sounds = [[data for _, data in independent.copied_packets(clip)[0]] for clip in clips]
    assert sounds[0] == sounds[1]
    assert "demo.html" in out
    # Numbers of the page: five strengths from frame by frame on, each steadier than the one before.
    rows = re.findall(r"<tr><td>([\d.]+)<td>([\d.]+)<td>", (here / "folder" / "demo.html").read_text())
    strengths, errors = zip(*((float(strength), float(error)) for strength, error in rows), strict=True)
    assert strengths == (0, 0.25, 0.5, 0.75, 1)
    assert list(errors) == sorted(errors, reverse=True) and errors[-1] < 0.7 * errors[0]
