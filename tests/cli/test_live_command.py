"""The command `rotoscope live`: outputs, report, status line, refusals, and how Ctrl-C and SIGTERM end it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import av
import pytest
from live_fakes import FedSource, KeptSink, live_run

import rotoscope
from rotoscope import __main__ as program
from rotoscope.base.live import OutputStatus
from rotoscope.cli.live import status_line

PATIENCE_S = 280


def test_a_generated_camera_into_nothing(rotoscope_main, identity, tmp_path):
    report = tmp_path / "run.json"
    words = ("synthetic:64x64@200:30", "null:", "-m", str(identity), "--policy", "every", "--report", str(report))
    code, _, err = rotoscope_main("live", *words)
    assert code == 0, err
    assert "30 frames in = 30 out + 0 dropped + 0 lost" in err and "output null: 30 frames" in err
    content = json.loads(report.read_text())
    counts = {name: content[name] for name in ("frames_in", "frames_out", "dropped", "losses")}
    assert counts == {"frames_in": 30, "frames_out": 30, "dropped": 0, "losses": {}}
    assert content["latency"]["p50_ms"] > 0 and content["reconnects"] == {}


def test_newest_counts_what_it_drops(rotoscope_main, identity, tmp_path):
    report = tmp_path / "run.json"
    words = ("synthetic:256x256@1000:300", "null:", "-m", str(identity), "--report", str(report))
    assert rotoscope_main("live", *words)[0] == 0
    content = json.loads(report.read_text())
    lost = sum(content["losses"].values())
    assert content["frames_in"] == 300 == content["frames_out"] + content["dropped"] + lost


def test_several_outputs_and_a_duration(rotoscope_main, identity, tmp_path):
    file = tmp_path / "out.mkv"
    words = ("synthetic:64x64@50", "null:", str(file), "-m", str(identity), "--duration", "0.5", "--steady", "off")
    code, _, err = rotoscope_main("live", *words)
    assert code == 0 and file.exists() and f"output {file} " in err
    with av.open(str(file)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert times == sorted(set(times)) and times


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_completes_its_file(number, identity, tmp_path):
    file = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "rotoscope", "live", "synthetic:64x64@50", str(file), "-m", str(identity)]
    process = subprocess.Popen(
        [*command, "--progress", "json"], stderr=subprocess.PIPE, text=True, env=dict(os.environ), cwd=tmp_path
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["frames_out"] > 10:
            break
    process.send_signal(number)
    _, rest = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, rest
    with av.open(str(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 10
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out.mp4"]


def test_a_signal_during_the_imports_ends_it_as_during_the_run(monkeypatch, capfd):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(program.signal, "signal", lambda *_: None)
    monkeypatch.setattr(program.atexit, "register", lambda _function: None)
    for words in (["live", "demo:"], ["translate", "live"]):
        monkeypatch.setattr(sys, "argv", ["rotoscope", *words])
        program.Ending().end(signal.SIGTERM, None)
    assert ended == [0, 128 + signal.SIGTERM] and capfd.readouterr().err.count("terminated") == 2


def test_a_signal_before_the_run_begins_ends_it_as_during_the_run(rotoscope_main, monkeypatch, identity):
    monkeypatch.setattr(rotoscope, "live", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    code, _, err = rotoscope_main("live", "synthetic:64x64", "null:", "-m", str(identity))
    assert code == 0 and err == "rotoscope: interrupted; no half-written file is left\n"


@pytest.mark.parametrize(("words", "message"), [
    (("nothing:",), "live source 'nothing:'; accepted: "),
    (("rtsp://",), "names no server"),
    (("ftp://host/a",), "accepted: rtsp://"),
    (("synthetic:64x64", "out.xyz"), "output 'out.xyz'; accepted: "),
    (("synthetic:64x64", "ftp://host/a"), "accepted: "),
    (("synthetic:64x64", "null:", "null:"), "named twice"),
    (("synthetic:64x64", "a.mkv", "./a.mkv"), "an output is named twice: ./a.mkv"),
    (("synthetic:64x64", "rtmp://u:secret@h/app/secret", "rtmp://u:secret@h/app/secret"), "twice: rtmp://h/app/…"),
    (("synthetic:64x64", "null:", "--duration", "0"), "duration"),
    (("synthetic:64x64", "null:", "--policy", "some"), "policy"),
    (("synthetic:64x64", "null:", "--stedy", "off"), "--steady"),
    (("synthetic:64x64", "null:", "--quality", "good"), "--quality good: for files, not for live runs"),
    (("synthetic:64x64", "null:", "--alpha", "keep"), "--alpha keep: for files, not for live runs"),
    (("synthetic:64x64", "--listen", "0.0.0.0"), "token"),
    (("synthetic:64x64", "--listen", "127.0.0.1:8011"), "listen 127.0.0.1:8011; accepted: a name or an address; --port 8011"),
])  # fmt: skip
def test_wrong_words_are_one_line_before_work_starts(words, message, rotoscope_main, identity):
    code, _, err = rotoscope_main("live", *words, "-m", str(identity))
    assert code == 2 and message in err and len(err.strip().splitlines()) == 1, err


def test_a_file_is_for_translate(here, rotoscope_main, identity):
    (here / "clip.mp4").touch()
    code, _, err = rotoscope_main("live", "clip.mp4", "-m", identity)
    assert code == 2 and "live source 'clip.mp4' is a file: rotoscope translate takes it; accepted: an address" in err


def test_an_existing_file_is_not_replaced(rotoscope_main, identity, tmp_path):
    file = tmp_path / "out.mkv"
    file.write_bytes(b"precious")
    code, _, err = rotoscope_main("live", "synthetic:64x64@50:3", str(file), "-m", str(identity))
    assert code == 2 and "exists" in err and file.read_bytes() == b"precious"


@pytest.mark.parametrize("source", ["rtmp://127.0.0.1:9/live/secretkey", "/dev/video77"])
def test_a_source_that_is_not_there_is_given_up(source, rotoscope_main, identity):
    code, _, err = rotoscope_main("live", source, "null:", "--give-up-after", "0.1", "-m", str(identity))
    assert code == 3 and "secretkey" not in err and "no picture for" in err.splitlines()[-1]


def test_the_token_of_the_page_is_not_in_the_report(rotoscope_main, identity, tmp_path):
    report = tmp_path / "run.json"
    words = ("synthetic:64x64@50:5", "page:", "--port", "0", "--token", "do-not-tell-anyone", "--report", str(report))
    code, _, err = rotoscope_main("live", *words, "-m", str(identity))
    assert code == 0, err
    assert "do-not-tell" not in report.read_text() + err and "output page http://127.0.0.1:" in err


def test_the_status_line(identity):
    with live_run(identity, FedSource(), KeptSink()) as run:
        assert status_line(run.status()) == "opening the models"
        status = replace(
            run.status(), is_ready=True, in_fps=30.0, out_fps=24.1, late_share=0.03, dropped=118, latency_p50_ms=96.2,
            latency_p99_ms=140.4, reconnects={"cut": 1}, source_state="playing",
        )  # fmt: skip
        line = "in 30.0 fps, out 24.1, late 3%, dropped 118, 96 ms (p99 140), reconnects 1"
        assert status_line(status) == f"{line}; playing"
        more = replace(
            status, keyframes=3, losses={"x": 2}, is_paused=True, outputs=(OutputStatus("a", "open", 1, 0, 0),)
        )
        assert status_line(more) == f"{line}, key frames 3, lost 2; paused"
        run.start()


def test_the_function_refuses_wrong_options_at_once(identity):
    for options, message in (
        ({"policy": "some"}, "policy"),
        ({"strenght": 1}, "did you mean strength"),
        ({"port": -1}, "port"),
    ):
        with pytest.raises(rotoscope.UsageError, match=message):
            rotoscope.live("synthetic:64x64", "null:", model=identity, **options)
