"""The page of a real run, over HTTP: what it shows is what runs, and what it changes takes effect."""

import contextlib
import http.client
import json

import pytest
import tiny_models
from live_fakes import KeptSink
from servers import wait_until

import rotoscope
from rotoscope.base.manifest import StyleInput


@contextlib.contextmanager
def asking(run):
    """A function that asks the page of a run: path and, for a change, JSON -> (status, body)."""
    wait_until(lambda: any("http" in output.name for output in run.status().outputs), "page")
    port = int(run.status().outputs[0].name.rpartition(":")[2])

    def ask(path, body=None):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            method = "GET" if body is None else "POST"
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                return answer.status, answer.read()

    yield ask


@pytest.fixture
def run(identity, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # recordings go there
    with rotoscope.live("synthetic:128x72@15", model=identity, port=0, threads=1) as run:
        yield run


def test_the_page_shows_and_changes_a_run(run, identity, tmp_path):
    with asking(run) as ask:
        assert ask("/livez")[0] == 200
        wait_until(lambda: ask("/readyz")[0] == 200, "the run is ready")
        wait_until(lambda: ask("/snapshot.png")[0] == 200, "the first picture")
        status = json.loads(ask("/status")[1])
        assert (
            status["source_state"] == "playing" and status["source_size"] == "128x72" and "starry" in status["models"]
        )
        text = ask("/metrics")[1].decode()
        assert (
            'rotoscope_stage_seconds_bucket{le="+Inf",stage="translate"}' in text and "rotoscope_source_up 1.0" in text
        )

        assert ask("/change", {"mix": 0.5, "is_paused": True}) == (200, b"{}")
        status = json.loads(ask("/status")[1])
        assert status["mix"] == 0.5 and status["is_paused"]
        assert ask("/change", {"is_paused": False})[0] == 200

        assert ask("/change", {"strength": 0.25})[0] == 200
        assert json.loads(ask("/status")[1])["strength"] == 0.25

        found, body = ask("/record", {})
        name = json.loads(body)["recording"]
        assert found == 200 and json.loads(ask("/status")[1])["recording"] == name
        before = run.status().frames_out
        wait_until(lambda: run.status().frames_out > before + 3, "frames of the recording")
        assert ask("/stop-recording", {})[0] == 200
        wait_until((tmp_path / name).exists, "the recording")
        assert ask("/record", {})[0] == 200  # the end of the run completes it
    run.stop()
    report = run.wait(60)
    assert report.frames_in == report.frames_out + report.dropped + sum(report.losses.values())


def test_a_model_that_does_not_open_is_said_on_the_page(run):
    with asking(run) as ask:
        wait_until(lambda: ask("/readyz")[0] == 200, "the run is ready")
        assert ask("/change", {"model": "no such model.onnx"})[0] == 200  # it is opened beside the running one
        wait_until(lambda: "no such model" in str(json.loads(ask("/status")[1])["notes"]), "a note")


def test_a_busy_port_ends_the_run_with_one_line(run, identity):
    with asking(run):
        port = int(run.status().outputs[0].name.rpartition(":")[2])
        with (
            rotoscope.live("synthetic:128x72@15", model=identity, port=port, threads=1) as second,
            pytest.raises(rotoscope.UsageError, match=f"port {port} of 127.0.0.1 is in use"),
        ):
            second.wait(60)


def test_the_style_is_changed_by_the_page_and_by_a_program(tmp_path):
    """The network paints the frame in the colour of its style: the brightness of red, green and blue tells them apart."""
    style = StyleInput(tensor="style", shape=(1, 3, 1, 1), what="weights")
    painter, sink = tiny_models.painter(tmp_path / "painter.onnx", style), KeptSink()

    def painted(wanted):
        """Whether the newest result has the luma of a colour (BT.709 of limited range), 0 to 2: red, green or blue."""
        luma = 16 + 219 * (0.2126, 0.7152, 0.0722)[wanted]
        return bool(sink.frames) and abs(int(sink.frames[-1].result.planes[0][8, 8]) - luma) < 4

    run = rotoscope.live("synthetic:64x64@30", "page:", sink, model=painter, port=0, style=1, threads=1)
    with run, asking(run) as ask:
        wait_until(lambda: painted(1), "the style of the begin")
        assert run.status().styles == "0 to 2, or a blend such as 0:0.5,1:0.5"
        assert ask("/change", {"style": 2})[0] == 200
        wait_until(lambda: painted(2) and run.status().style == "2", "the style of the page")
        run.change({"style": "0:1"})
        wait_until(lambda: painted(0), "the style of the program")
        before = len(run.status().notes)
        assert ask("/change", {"style": "7:1"})[0] == 200
        wait_until(lambda: len(run.status().notes) > before, "the refusal")
        assert "7" in run.status().notes[-1] and run.status().style == "0:1"
        assert ask("/change", {"style": "https://u:secret@h/a.png"})[0] == 200
        wait_until(lambda: "an address" in run.status().notes[-1], "the refusal")
        assert "secret" not in str(run.status())
        run.change({"model": "starry"})  # without a style: that of the begin is not for it
        wait_until(lambda: run.status().model == "starry", "another model")
        assert run.status().styles == "" and run.status().style == ""
        run.stop()
        assert run.wait(60).frames_out
