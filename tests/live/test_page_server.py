"""The page's server: who may use it, what it answers, and how it starts and stops."""

import contextlib
import json
import math
import re
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from importlib import resources

import cv2
import numpy as np
import pytest
from fake_run import FakeRun, moving_frame, noisy_frame
from page_server import SECONDS, Page
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.runtime.http import connections
from rotoscope.runtime.http.access import is_loopback
from rotoscope.runtime.live.page.page_sink import PageSink
from rotoscope.runtime.live.page.server import PageServer
from rotoscope.runtime.live.page.static_routes import FILES

TOKEN = "correct-horse-battery"


@pytest.fixture
def page():
    with Page() as page:
        yield page


# --- start and stop


def test_it_starts_answers_and_stops():
    threads = set(threading.enumerate())
    with Page() as page:
        assert page.server.url == f"http://127.0.0.1:{page.server.port}"
        assert page.status("/livez") == 200
    for thread in set(threading.enumerate()) - threads:  # of AnyIO: told to end, and not waited for
        thread.join(SECONDS)
        assert not thread.is_alive(), thread
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", page.server.port), timeout=SECONDS)


def test_a_server_that_was_never_started_frees_its_port():
    server = PageServer(FakeRun(), PageSink(), port=0)
    server.stop()
    PageServer(FakeRun(), PageSink(), port=server.port).stop()


def test_the_same_port_can_be_used_again_at_once():
    with Page() as first:
        first.ask("/livez")
    with PageServer(FakeRun(), PageSink(), port=first.server.port):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "192.0.2.7"}, "a token is needed"),
        ({"host": "0.0.0.0"}, "a token is needed"),
        ({"host": "::"}, "a token is needed"),
        ({"host": "camera.example"}, "a token is needed"),
        ({"token": "short"}, "a token of 5 characters"),
        ({"token": "grün und lang"}, "a token of 13 characters"),
        ({"host": "192.0.2.7", "token": TOKEN}, "cannot listen on 192.0.2.7"),
        ({"host": "no such host.invalid", "token": TOKEN}, "cannot listen on no such host.invalid"),
        ({"port": 70000}, "port 70000; accepted: 0"),
    ],
)
def test_what_cannot_be_is_one_line(options, message):
    with pytest.raises(UsageError, match=re.escape(message)) as error:
        PageServer(FakeRun(), PageSink(), **{"port": 0, **options})
    assert "\n" not in str(error.value)


def test_a_busy_port_is_one_line(page):
    with pytest.raises(UsageError, match=f"port {page.server.port} of 127.0.0.1 is in use: .* choose another") as error:
        PageServer(FakeRun(), PageSink(), port=page.server.port)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "websockets", "prometheus_client"])
def test_without_the_extra_one_line_says_what_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r'pip install "\.\[live\]"'):
        PageServer(FakeRun(), PageSink(), port=0)


def test_the_modules_can_be_imported_without_the_extra():
    code = """
import sys
sys.modules.update(dict.fromkeys(("starlette", "uvicorn", "websockets", "prometheus_client", "aiortc")))
import rotoscope.runtime.live.page.server, rotoscope.runtime.live.page.application, rotoscope.runtime.live.page.page_sink
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_listening_everywhere_shows_an_address_for_others():
    with Page(host="0.0.0.0", token=TOKEN) as page:
        assert page.server.url.startswith("http://") and "0.0.0.0" not in page.server.url
        assert page.status("/livez") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "", "2130706433"])
def test_not_loopback(host):
    assert not is_loopback(host)


def open_viewers(page, never_reads=2):
    """Viewers of all kinds, some of which never read anything; frames are written until the slow ones are stuck."""
    address = ("127.0.0.1", page.server.port)
    viewers = [socket.create_connection(address, timeout=SECONDS) for _ in range(never_reads)]
    for viewer in viewers:
        viewer.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    page.wait_for_viewers(never_reads)
    for index in range(200):
        page.sink.write(noisy_frame(index))
    return viewers


def test_it_stops_with_viewers_that_never_read():
    with Page() as page:
        viewers = open_viewers(page)
        with connect(f"ws://127.0.0.1:{page.server.port}/stream", open_timeout=SECONDS) as socket_viewer:
            page.server.stop()
            with pytest.raises(ConnectionClosed):
                while True:
                    socket_viewer.recv(SECONDS)
    assert not page.server.thread.is_alive
    for viewer in viewers:
        viewer.close()


# --- who may use it


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9000", "localhost:1", "LOCALHOST", "[::1]:80", "192.0.2.8:8000"]
)
def test_hosts_that_are_accepted(page, host):
    assert page.status("/status", host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "a@127.0.0.1",
        "[::1",
        "1:x",
    ],
)
def test_hosts_that_are_refused(page, host):
    assert page.status("/status", host=host) == 421
    assert page.status("/", host=host) == 421
    assert page.status("/stream.mjpg", host=host) == 421
    assert page.status("/change", "POST", {"mix": 1}, host=host) == 421
    assert page.run.asked == []


ELSEWHERE = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "file://"},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:x"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_requests_of_other_pages_are_refused(page, headers):
    for path in ("/", "/status", "/stream.mjpg", "/snapshot.png"):
        assert page.status(path, headers=headers) == 403
    for path in ("/change", "/record", "/stop-recording"):
        assert page.status(path, "POST", {"mix": 1}, headers) == 403
    assert page.run.asked == []


@pytest.mark.parametrize("headers", ELSEWHERE[:3], ids=str)
def test_websockets_of_other_pages_are_refused(page, headers):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{page.server.port}/stream", additional_headers=headers, open_timeout=SECONDS)
    assert refused.value.response.status_code == 403


def test_a_link_on_another_page_opens_this_one(page):
    assert (
        page.status(
            "/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        )
        == 200
    )


def test_its_own_page_may_do_everything(page):
    own = {"Origin": f"http://127.0.0.1:{page.server.port}", "Sec-Fetch-Site": "same-origin"}
    assert page.status("/change", "POST", {"mix": 0.5}, own) == 200
    with connect(f"ws://127.0.0.1:{page.server.port}/stream", origin=own["Origin"], open_timeout=SECONDS):
        pass


@pytest.fixture
def closed():
    """A page with a token."""
    with Page(token=TOKEN) as page:
        yield page


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_need_no_token_and_no_name(closed, path):
    assert closed.status(path, host="rotoscope.default.svc:8000") == 200


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/status", "/stream.mjpg", "/snapshot.png", "/nothing", "/livez/", "//livez"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong-token"}, {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"}, {"Cookie": "rotoscope_1=x"}, {"Cookie": f"rotoscope={TOKEN}"},
    ],
    ids=str,
)  # fmt: skip
def test_without_the_token_nothing_is_shown(closed, path, headers):
    status, answer, body = closed.ask(path, headers=headers)
    assert status == 401 and TOKEN.encode() not in body
    assert answer["WWW-Authenticate"] == "Bearer"


def test_with_a_token_any_name_may_lead_here(closed):
    assert closed.status("/status", host="live.example.org") == 401
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://live.example.org"}
    assert closed.status("/change", "POST", {"mix": 1}, headers, host="live.example.org") == 200
    headers["Origin"] = "https://evil.example"
    assert closed.status("/change", "POST", {"mix": 1}, headers, host="live.example.org") == 403


def test_without_the_token_nothing_is_changed(closed):
    for path in ("/change", "/record", "/stop-recording", "/livez"):
        assert closed.status(path, "POST", {"mix": 1}) == 401
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{closed.server.port}/stream", open_timeout=SECONDS)
    assert refused.value.response.status_code == 401
    assert closed.run.asked == []


def test_the_token_as_a_bearer_header(closed):
    bearer = {"Authorization": f"bearer {TOKEN}"}
    assert closed.status("/status", headers=bearer) == 200
    assert closed.status("/change", "POST", {"mix": 1}, bearer) == 200


def test_the_token_in_the_address_becomes_a_cookie(closed):
    status, headers, _ = closed.ask(f"/?token={TOKEN}&view=wipe")
    assert status == 303 and headers["Location"] == "/?view=wipe"
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and TOKEN not in cookie
    given = {"Cookie": f"other=1; {cookie.partition(';')[0]}"}
    assert closed.status("/", headers=given) == 200
    assert closed.status("/change", "POST", {"mix": 1}, given) == 200
    with connect(f"ws://127.0.0.1:{closed.server.port}/stream", additional_headers=given, open_timeout=SECONDS):
        pass
    with Page(token=TOKEN) as restarted:  # the cookie of the same token at another port
        assert restarted.status("/", headers=given) == 401


def test_players_may_keep_the_token_in_the_address(closed):
    assert closed.status(f"/status?token={TOKEN}") == 200
    assert closed.status("/status?token=wrong-token") == 401


def test_the_page_loads_nothing_from_elsewhere(page):
    for path, (name, kind) in FILES.items():
        status, headers, body = page.ask(path)
        assert status == 200 and headers["Content-Type"].startswith(kind), path
        assert (
            headers["X-Content-Type-Options"] == "nosniff"
            and "default-src 'none'" in headers["Content-Security-Policy"]
        )
        addresses = [
            address for address in re.findall(rb"(?:https?:)?//[a-z][\w.]+", body) if b"//www.w3.org" not in address
        ]
        assert addresses == [], path
        assert resources.files("rotoscope.runtime.live.page").joinpath("static", name).is_file()


# --- what it answers


def test_the_status_is_json(page):
    status, _, body = page.ask("/status")
    found = json.loads(body, parse_constant=pytest.fail)
    assert status == 200 and found["frames_in"] == 300 and found["outputs"][1]["losses"] == {"cut": 5}
    assert found["latency_counts"]["inf"] == 290


def test_a_status_with_numbers_that_are_not_finite(page):
    page.run.now = FakeRun(latency_p50_ms=math.nan, late_share=math.inf).now
    found = json.loads(page.ask("/status")[2], parse_constant=pytest.fail)
    assert found["latency_p50_ms"] is None and found["late_share"] is None


def test_ready_and_alive(page):
    assert page.ask("/readyz")[::2] == (200, b"ok\n")
    page.run.now = FakeRun(is_ready=False, source_state="connecting").now
    assert page.ask("/readyz")[::2] == (503, b"not ready: the source is connecting\n")
    assert page.status("/livez") == 200


def test_a_run_that_fails_does_not_end_the_server(page, caplog):
    page.run.status = lambda: 1 / 0
    assert page.status("/status") == 500
    assert page.status("/metrics") == 500
    assert page.status("/livez") == 200
    assert "ZeroDivisionError" in caplog.text


def test_the_metrics_parse_and_add_up(page):
    _, headers, body = page.ask("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    samples = {(s.name, *sorted(s.labels.items())): s.value for f in families.values() for s in f.samples}
    assert samples["rotoscope_frames_received_total",] == 300
    results = {
        result: samples["rotoscope_frames_total", ("result", result)] for result in ("out", "carried", "dropped")
    }
    assert results == {"out": 286, "carried": 4, "dropped": 8}
    assert samples["rotoscope_reconnects_total", ("reason", "the server closed the connection")] == 2
    assert samples["rotoscope_losses_total", ("cause", "broken packet")] == 1
    assert samples["rotoscope_source_up",] == 1
    assert samples["rotoscope_output_up", ("output", "rtmp://server/app/...")] == 0
    assert samples["rotoscope_queue_frames", ("place", "network")] == 1
    assert samples["rotoscope_queue_frames", ("place", "output rtmp://server/app/...")] == 2
    assert samples["rotoscope_audio_offset_seconds",] == 0.04
    network = ("stage", "network")
    assert (
        samples["rotoscope_stage_seconds_sum", network] == 8
        and samples["rotoscope_stage_seconds_count", network] == 290
    )
    assert samples["rotoscope_stage_seconds_bucket", ("le", "0.03"), network] == 200
    assert samples["rotoscope_latency_seconds_sum",] == 12 and samples["rotoscope_latency_seconds_count",] == 290
    latency = families["rotoscope_latency_seconds"]
    assert latency.type == "histogram"
    buckets = [(float(s.labels["le"]), s.value) for s in latency.samples if s.name.endswith("_bucket")]
    assert buckets == [(0.01, 0), (0.05, 250), (0.1, 289), (math.inf, 290)]
    info = next(s for s in families["rotoscope_info"].samples)
    assert info.labels["model"] == "starry" and info.labels["version"]


def test_metrics_before_the_first_frame(page):
    page.run.now = FakeRun(
        frames_in=0, frames_out=0, carried=0, latency_counts={}, stages={}, stage_counts={}, outputs=(), memory_mb=None
    ).now
    page.run.now = replace(page.run.now, audio_offset_s=None)
    families = list(text_string_to_metric_families(page.ask("/metrics")[2].decode()))
    assert all(family.name != "rotoscope_audio_offset_seconds" for family in families)  # a source without sound
    assert any(family.name == "rotoscope_latency_seconds" for family in families)


def test_the_snapshot_is_the_newest_result(page):
    status, _, body = page.ask("/snapshot.png")
    assert status == 400 and json.loads(body) == {"error": "no picture yet: the source has not delivered one"}
    for index in (0, 7):
        page.sink.write(moving_frame(index))
    status, headers, body = page.ask("/snapshot.png")
    assert status == 200 and headers["Content-Disposition"] == 'attachment; filename="rotoscope-000007.png"'
    found = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    wanted = rgb_picture(moving_frame(7).result).astype(int)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 3  # chroma is interpolated differently


# --- changes


@pytest.mark.parametrize(
    "changes",
    [
        {"strength": 0.5}, {"strength": 0}, {"mix": 1}, {"is_paused": True}, {"model": "scream"},
        {"style": 3}, {"style": "0:1"},
        {"model": "/models/my net.onnx", "mix": 0.25},
    ],
    ids=str,
)  # fmt: skip
def test_changes_reach_the_run(page, changes):
    assert page.ask("/change", "POST", changes)[::2] == (200, b"{}")
    assert page.run.asked == [changes]


BAD_BODIES = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    (b"[" * 30000, 400, "not JSON"),
    (b'{"mix": 1' + b" " * 70000 + b"}", 413, "more than 65536 bytes"),
    ([], 400, "JSON object"),
    ({}, 400, "JSON object"),
    (None, 400, "not JSON"),
    ("mix", 400, "JSON object"),
    ({"mix": "1"}, 400, "mix '1'; accepted: a number from 0 to 1"),
    ({"mix": True}, 400, "mix True; accepted"),
    ({"mix": 1.01}, 400, "mix 1.01; accepted"),
    ({"strength": -0.1}, 400, "strength -0.1; accepted"),
    (b'{"strength": NaN}', 400, "strength nan; accepted"),
    (b'{"strength": 1e999}', 400, "strength inf; accepted"),
    (b'{"strength": 1' + b"0" * 9000 + b"}", 400, ""),
    (b'{"strength": 1' + b"0" * 400 + b"}", 400, "accepted: a number from 0 to 1"),
    (b'{"mix": -1' + b"0" * 400 + b"}", 400, "accepted: a number from 0 to 1"),
    ({"is_paused": 1}, 400, "is_paused 1; accepted: true, false"),
    ({"model": 5}, 400, "model 5; accepted"),
    ({"model": " "}, 400, "accepted: the name of a look"),
    ({"model": "a\0b"}, 400, "accepted: the name of a look"),
    ({"model": "x" * 5000}, 400, "accepted: the name of a look"),
    ({"style": -1}, 400, "style -1; accepted: a whole number"),
    ({"style": True}, 400, "style True; accepted"),
    ({"style": " "}, 400, "style ' '; accepted"),
    ({"style": [1]}, 400, "style [1]; accepted"),
    ({"mix": 0.5, "speed": 2}, 400, "'speed' cannot be changed"),
    ({"\x1b[31m" * 99: 2}, 400, "cannot be changed"),
]


@pytest.mark.parametrize(("body", "status", "message"), BAD_BODIES, ids=[str(n) for n in range(len(BAD_BODIES))])
def test_a_bad_change_is_one_line_and_reaches_nothing(page, body, status, message):
    found, _, answer = page.ask("/change", "POST", body)
    error = json.loads(answer)["error"]
    assert found == status and message in error and "\n" not in error and error.isprintable() and len(error) < 600
    assert page.run.asked == []
    assert page.status("/livez") == 200


def test_a_body_of_another_kind_is_refused(page):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert page.status("/change", "POST", {"mix": 1}, {"Content-Type": kind}) == 415
        assert page.status("/record", "POST", {}, {"Content-Type": kind}) == 415
    assert page.run.asked == []


def test_a_huge_body_is_not_read(page):
    head = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{}\r\n\r\n"
    pieces = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for path in ("/change", "/record"):
        for kind, piece in (("Content-Length: 99999999999", b" " * 0x10000), ("Transfer-Encoding: chunked", pieces)):
            with socket.create_connection(("127.0.0.1", page.server.port), timeout=SECONDS) as connection:
                connection.sendall(head.format(path, kind).encode())
                sent = 0
                with contextlib.suppress(ConnectionError):
                    while sent < 64 << 20:
                        sent += connection.send(piece)
                assert sent < 64 << 20, "the server goes on reading"
    assert page.run.asked == []
    assert page.status("/livez") == 200


@pytest.mark.parametrize("error", [UsageError, ModelRefused])
def test_a_refusal_of_the_run_is_shown(page, error):
    def refuse(changes):
        raise error(f"model {changes['model']}: there is no such file")

    page.run.change = refuse
    status, _, body = page.ask("/change", "POST", {"model": "no.onnx"})
    assert status == 400 and json.loads(body) == {"error": "model no.onnx: there is no such file"}


def test_recording(page):
    assert json.loads(page.ask("/record", "POST", {})[2]) == {"recording": "rotoscope-0001.mkv"}
    assert page.status("/stop-recording", "POST", {}) == 200
    assert page.run.asked == ["record", "stop recording"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_what_changes_something_is_only_posted(page, method):
    for path in ("/change", "/record", "/stop-recording"):
        assert page.status(path, method) == 405
    assert page.run.asked == []


@pytest.mark.parametrize("head", [b"", b"GET /livez HTTP/1.1\r\nX-Slow: "])
def test_a_head_that_does_not_arrive_closes_the_connection(page, monkeypatch, head):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", page.server.port), timeout=SECONDS) as line:
        line.sendall(head)
        with contextlib.suppress(ConnectionResetError):
            assert line.recv(1000) == b""


def test_a_websocket_stays_open_although_it_sends_nothing(page, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with connect(f"ws://127.0.0.1:{page.server.port}/stream", open_timeout=SECONDS) as viewer:
        test_a_head_that_does_not_arrive_closes_the_connection(page, monkeypatch, b"")  # takes as long
        viewer.ping().wait(SECONDS)


def test_garbage_is_survived(page, capfd):
    for garbage in (
        b"\0" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"A" * 200_000,
        b"\x16\x03\x01\x02\0\x01\0",
        b"GET /%ff%00/../etc HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        with (
            socket.create_connection(("127.0.0.1", page.server.port), timeout=SECONDS) as connection,
            contextlib.suppress(ConnectionError),
        ):
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    assert page.status("/livez") == 200
    assert capfd.readouterr() == ("", "")
