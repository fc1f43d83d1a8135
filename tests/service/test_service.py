"""The service over HTTP: what it takes and refuses, its queue, its limits, how it stops. The translation is a stand-in."""

import re
import socket
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from service_client import SECONDS, Client, Gate

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.runtime.http import connections
from rotoscope.service.options import ServeOptions

TOKEN = "correct-horse-battery"


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def client(gate):
    with Client(gate, queue=2, results=2, picture_mb=0.001, clip_mb=0.001, upload_seconds=0.2) as client:
        yield client
        gate.open.set()


def test_a_picture_comes_back_painted_and_leaves_no_file(client):
    status, headers, body = client.picture(query="?model=other&mix=0.25")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert body == b'picture{"model": "other", "mix": 0.25}'
    assert client.service.lanes[0].num_pending == 0
    assert list(Path(client.service._folder.name).iterdir()) == []


def test_a_clip_is_a_job_with_progress_and_a_result(gate, client):
    gate.frames = 3
    gate.open.clear()
    status, headers, content = client.clip(query="?strength=0.5")
    assert status == 202
    assert headers["Location"] == f"/clips/{content['id']}"
    assert content["state"] in ("waiting", "running")
    assert gate.entered.wait(SECONDS)
    assert client.ask(f"/clips/{content['id']}/result")[0] == 409
    gate.open.set()
    done = client.wait_for(content["id"], "done")
    assert (done["frames_done"], done["frames_total"], done["error"]) == (3, 3, None)
    status, headers, body = client.ask(done["result"])
    assert (status, headers["Content-Type"]) == (200, "video/mp4")
    assert body.startswith(b"clip")
    assert client.ask(f"/clips/{content['id']}", "DELETE")[0] == 204
    assert client.ask(f"/clips/{content['id']}")[0] == 404


@pytest.mark.parametrize(
    ("path", "kind", "body", "status", "message"),
    [
        ("/pictures", "image/gif", b"x", 415, "Content-Type 'image/gif'; accepted: image/png, image/jpeg, image/webp"),
        ("/pictures", None, b"x", 415, "Content-Type ''"),
        ("/clips", "application/json", b"{}", 415, "accepted: video/mp4"),
        ("/pictures", "image/png", b"", 400, "the body is empty"),
        ("/pictures", "image/png", bytes(1001), 413, "more than 1,000 bytes"),
        ("/clips", "video/mp4", bytes(1001), 413, "more than 1,000 bytes"),
        ("/pictures?modle=x", "image/png", b"x", 400, "unknown option 'modle'; did you mean model?"),
        ("/pictures?device=cuda", "image/png", b"x", 400, "unknown option 'device'"),
        ("/pictures?model=/etc/passwd", "image/png", b"x", 400, "model '/etc/passwd'; accepted: plain, other"),
        ("/pictures?strength=2", "image/png", b"x", 400, "strength=2.0; accepted: 0"),
        ("/pictures?strength=nan", "image/png", b"x", 400, "strength 'nan'; accepted: a number from 0 to 1"),
        ("/pictures?mix=1e999", "image/png", b"x", 400, "mix '1e999'"),
        ("/pictures?mix=0&mix=1", "image/png", b"x", 400, "mix is given twice"),
        ("/pictures?working_size=99999x99999", "image/png", b"x", 400, "accepted: sides from 1 to"),
        ("/pictures?steady=very", "image/png", b"x", 400, "steady 'very'; accepted: off, blend, ramp, hypercon"),
    ],
)
def test_what_is_refused_says_why_and_never_reaches_the_translation(gate, client, path, kind, body, status, message):
    got, _, content = client.ask(path, "POST", body, kind)
    assert (got, message in content["error"]) == (status, True), content
    assert not gate.entered.is_set()
    assert [lane.num_pending for lane in client.service.lanes] == [0, 0]


def test_a_body_without_a_length_is_cut_at_the_limit(client):
    piece = b"258\r\n" + bytes(600) + b"\r\n"
    with socket.create_connection(("127.0.0.1", client.service.port), timeout=SECONDS) as line:
        head = b"POST /pictures HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head + piece + piece)  # and no end
        assert line.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_arrive_is_given_up(client):
    with socket.create_connection(("127.0.0.1", client.service.port), timeout=SECONDS) as line:
        head = b"POST /pictures HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nabc"
        line.sendall(head)
        assert line.recv(1000).startswith(b"HTTP/1.1 408")
    assert client.service.lanes[0].num_pending == 0


@pytest.mark.parametrize(
    "head", [b"", b"GET /livez HTTP/1.1\r\nX-Slow: ", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /"]
)
def test_a_head_that_does_not_arrive_closes_the_connection(client, monkeypatch, head):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", client.service.port), timeout=SECONDS) as line:
        line.sendall(head)
        try:
            while line.recv(1000):
                pass
        except ConnectionResetError:
            pass


def test_a_client_that_does_not_take_its_answer_loses_the_connection(gate, monkeypatch):
    monkeypatch.setattr(connections, "STUCK_SECONDS", 0.1)
    with Client(gate, clip_mb=8) as client, socket.socket() as line:
        done = client.wait_for(client.clip(bytes(8_000_000))[2]["id"], "done")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", client.service.port))
        line.sendall(f"GET {done['result']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 200")
        limit = threading.Event()
        while client.service.thread.connections:
            assert not limit.wait(0.01)


def test_a_client_that_leaves_frees_its_place(client):
    with socket.create_connection(("127.0.0.1", client.service.port), timeout=SECONDS) as line:
        line.sendall(
            b"POST /clips HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\nContent-Length: 9\r\n\r\nabc"
        )
    limit = threading.Event()
    while client.service.lanes[1].num_pending:
        assert not limit.wait(0.01)


def test_a_full_queue_is_answered_with_429_before_the_body_is_read(gate, client):
    gate.open.clear()
    ids = [client.clip()[2]["id"] for _ in range(2)]
    status, headers, content = client.clip()
    assert (status, headers["Retry-After"]) == (429, "5")
    assert content["error"] == "2 clips wait already; try again later"
    assert client.ask(f"/clips/{ids[1]}", "DELETE")[0] == 204  # waits no more
    assert client.clip()[0] == 202
    gate.open.set()
    assert client.picture()[0] == 200


def test_old_results_make_room_for_new_ones(client):
    ids = []
    for _ in range(3):
        ids.append(client.clip()[2]["id"])
        client.wait_for(ids[-1], "done")
    assert [client.ask(f"/clips/{id_}")[0] for id_ in ids] == [404, 200, 200]


def test_a_clip_that_is_deleted_while_it_runs_ends_after_its_frame(gate, client):
    gate.frames = 1_000_000_000
    gate.open.clear()
    id_ = client.clip()[2]["id"]
    assert gate.entered.wait(SECONDS)
    assert client.ask(f"/clips/{id_}", "DELETE")[0] == 204
    gate.open.set()
    gate.frames = 1
    client.wait_for(client.clip()[2]["id"], "done")


def test_a_clip_that_takes_too_long_has_failed(gate):
    gate.frames = 1_000_000_000
    with Client(gate, job_seconds=0.1) as client:
        id_ = client.clip()[2]["id"]
        assert "the limit of this service" in client.wait_for(id_, "failed")["error"]
        assert client.ask(f"/clips/{id_}/result")[0] == 504


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputRefused, 422, "the file: damaged"),
        (UsageError, 400, "the file: damaged"),
        (MemoryError, 500, "not enough memory"),
        (ZeroDivisionError, 500, "an error in the service"),
    ],
)
def test_what_a_translation_raises_is_one_line_without_names_of_files(error, status, message):
    def translate(source, *_):
        raise error(f"{source}: damaged")

    with Client(translate) as client:
        got, _, content = client.picture()
        assert (got, message in content["error"]) == (status, True), content
        assert "/" not in content["error"]
        id_ = client.clip()[2]["id"]
        assert message in client.wait_for(id_, "failed")["error"]


def test_without_the_token_only_the_probes_answer(gate):
    with Client(gate, token=TOKEN) as client:
        assert client.picture()[0] == 401
        assert client.ask("/models")[0] == 401
        assert [client.ask(path)[0] for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
        assert client.picture(headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
        assert client.picture(query=f"?token={TOKEN}")[0] == 200
        assert client.picture(headers={"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"})[0] == 403


def test_other_machines_need_a_token(gate):
    with pytest.raises(UsageError, match="a token is needed"):
        Client(gate, host="0.0.0.0")


def test_draining_finishes_what_was_accepted_and_takes_nothing_new(gate):
    with Client(gate) as client:
        gate.open.clear()
        id_ = client.clip()[2]["id"]
        drained = threading.Thread(target=client.service.drain)
        drained.start()
        while client.ask("/readyz")[0] == 200:
            pass
        assert client.ask("/livez")[0] == 200
        status, _, content = client.clip()
        assert (status, content["error"]) == (503, "the service is stopping")
        gate.open.set()
        result = client.wait_for(id_, "done")["result"]
        assert drained.is_alive()  # the result has not been fetched
        assert client.ask(result)[0] == 200
        drained.join(SECONDS)
        assert not drained.is_alive()


def test_draining_ends_after_its_time(gate):
    with Client(gate, drain_seconds=0.01) as client:
        gate.open.clear()
        client.clip()
        client.service.drain()
        gate.open.set()
    folder = Path(client.service._folder.name)
    assert not folder.exists()


def test_the_metrics_count(gate, client):
    client.picture()
    client.wait_for(client.clip()[2]["id"], "done")
    text = client.ask("/metrics")[2].decode()
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["rotoscope_service_jobs_total", "pictures", "done"] == 1
    assert values["rotoscope_service_jobs_total", "clips", "done"] == 1
    assert values["rotoscope_service_pending", "clips"] == 0
    assert values["rotoscope_service_queue", "clips"] == 2


def test_the_description_names_every_request_and_no_other(client):
    described = client.ask("/openapi.json")[2]
    assert described["openapi"] == "3.1.0"
    told = {(path, method.upper()) for path, methods in described["paths"].items() for method in methods}
    routes = client.service._application().routes
    made = {(re.sub(":[a-z]+}", "}", route.path), method) for route in routes for method in route.methods - {"HEAD"}}
    assert told == made
    references = re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(described))
    assert set(references) == set(described["components"]["schemas"])
    names = {item["name"] for item in described["paths"]["/pictures"]["post"]["parameters"]}
    assert client.picture(query=f"?{'&'.join(f'{name}=!' for name in names)}")[0] == 400
    state = client.clip()[2]
    schema = described["components"]["schemas"]["Clip"]
    assert set(state) <= set(schema["properties"])
    assert set(schema["required"]) <= set(state)


@pytest.mark.parametrize(("name", "value"), [("queue", 0), ("clip_seconds", 0), ("megapixels", 101), ("port", 70000)])
def test_limits_have_limits(name, value):
    with pytest.raises(UsageError, match=f"{name}={value}"):
        ServeOptions(**{name: value})
