"""A page with a run and a sink of its own, and requests to it."""

import contextlib
import http.client
import json
import threading
import time

from fake_run import FakeRun, moving_frame

from rotoscope.runtime.live.page.page_sink import PageSink
from rotoscope.runtime.live.page.server import PageServer

SECONDS = 60  # a generous limit; nothing here takes a second on a quiet machine


class Page:
    """A server that runs within the block."""

    def __init__(self, **options):
        self.run, self.sink = FakeRun(), PageSink()
        self.server = PageServer(self.run, self.sink, port=0, **options)

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop()

    def ask(self, path, method="GET", body=None, headers=None, *, host=None):
        """(status, headers, body) of one request; a body that is not bytes goes as JSON."""
        headers = dict(headers or {})
        if host is not None:
            headers["Host"] = host
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if method == "POST":
            headers.setdefault("Content-Type", "application/json")
        address = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=SECONDS)
        with contextlib.closing(address) as connection:
            connection.request(method, path, body, headers)
            with connection.getresponse() as answer:
                return answer.status, answer.headers, answer.read()

    def status(self, path, *rest, **options):
        return self.ask(path, *rest, **options)[0]

    def wait_for_viewers(self, number):
        limit = time.monotonic() + SECONDS
        while self.sink.num_viewers != number:
            assert time.monotonic() < limit, self.sink.num_viewers
            time.sleep(0.001)

    @contextlib.contextmanager
    def camera(self, rate=30, **options):
        """Frames of a moving picture at a rate, within the block."""
        is_over = threading.Event()

        def feed():
            index = 0
            while not is_over.wait(1 / rate):
                self.sink.write(moving_frame(index, **options))
                index += 1

        thread = threading.Thread(target=feed)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
