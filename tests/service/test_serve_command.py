"""`rotoscope serve` as a process: real files, a watchdog, SIGTERM."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope

SECONDS = 300  # a busy machine compiles kernels


class Process:
    """The command in a process, with what it tells systemd."""

    def __init__(self, folder, *words):
        self.news = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.news.bind(str(folder / "notify"))
        environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1"}
        environment.pop("WATCHDOG_PID", None)
        command = [sys.executable, "-m", "rotoscope", "serve", "--port", "0", *map(str, words)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.port, self.lines, self.words = None, [], set()
        self.told = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_for(self, word):
        with self.told:
            assert self.told.wait_for(lambda: word in self.words, SECONDS)

    def wait_until_ready(self):
        line = self.process.stderr.readline()
        assert line.startswith("serving: http://127.0.0.1:"), line + self.process.stderr.read()
        self.port = int(line.rsplit(":", 1)[1])
        self.rest = threading.Thread(target=self._read, daemon=True)
        self.rest.start()

    def ask(self, path, body=None, kind="image/png"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("GET" if body is None else "POST", path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SECONDS)
        self.rest.join(SECONDS)
        return code

    def _listen(self):
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                word = self.news.recv(100).decode()
                with self.told:
                    self.words.add(word)
                    self.told.notify_all()

    def _read(self):
        self.lines += self.process.stderr


@pytest.fixture
def serving(tmp_path):
    model = tiny_models.invert(tmp_path / "invert.onnx")
    served = Process(tmp_path, "-m", model, "--clip-seconds", 1, "--megapixels", 0.01)
    try:
        served.wait_until_ready()
        yield served
    finally:
        served.process.kill()
        served.process.wait()
        served.process.stderr.close()
        served.news.close()


def png(picture):
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def test_the_command_paints_refuses_and_drains(serving, tmp_path):
    serving.wait_for("READY=1")
    serving.wait_for("WATCHDOG=1")
    picture = tiny_clips.pattern(3)
    status, painted = serving.ask("/pictures", png(picture))
    assert status == 200
    decoded = cv2.imdecode(np.frombuffer(painted, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded.astype(int) - (255 - picture.astype(int))).max() <= 1
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", sound=True).read_bytes()
    long = tiny_clips.write_clip(tmp_path / "long.mp4", frames=30).read_bytes()
    refusals = [
        ("/pictures", b"nothing", "image/png", 422),
        ("/pictures", clip, "image/png", 422),
        ("/pictures", png(np.zeros((101, 101, 3), np.uint8)), "image/png", 413),
        ("/pictures?working_size=200x200", png(picture), "image/png", 413),
        ("/pictures", png(picture)[:-40], "image/jpeg", 422),
    ]
    for path, body, kind, expected in refusals:
        status, content = serving.ask(path, body, kind)
        assert (status, "upload" in json.loads(content)["error"]) == (expected, False), content
    failed = [json.loads(serving.ask("/clips", body, "video/mp4")[1])["id"] for body in (long, png(picture), b"x")]
    id_ = json.loads(serving.ask("/clips?strength=0.5", clip, "video/mp4")[1])["id"]
    while json.loads(serving.ask(f"/clips/{id_}")[1])["state"] != "done":
        pass
    assert [serving.ask(f"/clips/{each}/result")[0] for each in failed] == [413, 422, 422]
    status, result = serving.ask(f"/clips/{id_}/result")
    assert status == 200
    (tmp_path / "result.mp4").write_bytes(result)
    with rotoscope.read(tmp_path / "result.mp4") as source:
        assert len(list(source)) == 8
        assert [stream.kind for stream in source.info.streams] == ["video", "audio"]
    assert serving.end() == 0
    serving.wait_for("STOPPING=1")
    assert serving.lines == ["stopping: accepted jobs are finished\n"]
