"""A service with a translation of the test's own, and requests to it."""

import contextlib
import http.client
import json
import threading
import time

from rotoscope.service.options import ServeOptions
from rotoscope.service.server import Service

SECONDS = 60  # a generous limit; nothing here takes a second on a quiet machine


class Gate:
    """Stands for a translation: copies the file, in `frames` steps, each when the gate is open."""

    def __init__(self, frames=1):
        self.open, self.entered, self.frames = threading.Event(), threading.Event(), frames
        self.open.set()

    def __call__(self, source, target, options, on_progress):
        from rotoscope.runtime.pipeline.job import Progress

        self.entered.set()
        for done in range(self.frames):
            assert self.open.wait(SECONDS)
            on_progress(Progress(done + 1, self.frames, 0.1, {}))
        target.write_bytes(source.read_bytes() + json.dumps(dict(options)).encode())


class Client:
    """A service that runs within the block, with requests to it."""

    def __init__(self, translate, models=("plain", "other"), **options):
        self.service = Service(translate, models, ServeOptions(port=0, **options))

    def __enter__(self):
        self.service.start()
        return self

    def __exit__(self, *_):
        self.service.stop()

    def ask(self, path, method="GET", body=None, kind=None, headers=None):
        """(status, headers, body) of one request; JSON is parsed."""
        headers = dict(headers or {})
        if kind is not None:
            headers["Content-Type"] = kind
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            with connection.getresponse() as answer:
                content = answer.read()
                is_json = answer.headers.get_content_type() == "application/json"
                return answer.status, answer.headers, json.loads(content) if is_json else content

    def picture(self, body=b"picture", kind="image/png", query="", **more):
        return self.ask(f"/pictures{query}", "POST", body, kind, **more)

    def clip(self, body=b"clip", kind="video/mp4", query="", **more):
        return self.ask(f"/clips{query}", "POST", body, kind, **more)

    def wait_for(self, id_, *states):
        limit = time.monotonic() + SECONDS
        while True:
            content = self.ask(f"/clips/{id_}")[2]
            if content["state"] in states:
                return content
            assert time.monotonic() < limit, content
            time.sleep(0.005)  # clients ask again and again; nothing depends on how long this takes
