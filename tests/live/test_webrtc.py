"""WHIP and WHEP: aiortc as the other end, Chromium with its fake camera, and offers that cannot be answered."""

import asyncio
import contextlib
import itertools
import json
import threading

import aioice.ice
import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from browser import browser
from fake_run import moving_frame
from page_server import SECONDS, Page
from selenium.webdriver.support.wait import WebDriverWait

import rotoscope
from rotoscope.runtime.live.page.browser_camera import BrowserCamera

SDP = {"Content-Type": "application/sdp"}
MANY_VIDEOS = b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv\r\n" * 100


@pytest.fixture(autouse=True)
def addresses_of_this_machine_only(monkeypatch):
    """aioice leaves out loopback; a test must not need a network."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture
def camera():
    return BrowserCamera()


@pytest.fixture
def page(camera):
    with Page(camera=camera) as page:
        yield page


class Bars(VideoStreamTrack):
    """Pictures whose brightness grows, at 30 frames per second."""

    sent = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        made = av.VideoFrame.from_ndarray(np.full((180, 320, 3), 40 + self.sent % 160, np.uint8), format="rgb24")
        made.pts, made.time_base = pts, time_base
        self.sent += 1
        return made


@contextlib.asynccontextmanager
async def peer():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield connection
    finally:
        await connection.close()


async def connect(connection, page, path):
    """Offer, and take the answer; returns the path that ends the connection."""
    await connection.setLocalDescription(await connection.createOffer())
    status, headers, answer = await asyncio.to_thread(
        page.ask, path, "POST", connection.localDescription.sdp.encode(), SDP
    )
    assert status == 201, answer
    await connection.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
    return headers["Location"]


def test_a_sender_of_whip_is_the_camera_and_is_ended_by_delete(page, camera):
    found = []

    def read():
        for frame in camera:
            found.append(frame)
            if len(found) == 5:
                camera.interrupt()

    async def send():
        async with peer() as connection:
            connection.addTransceiver(Bars(), direction="sendonly")
            address = await connect(connection, page, "/whip")
            assert camera.state in ("playing", "silent", "connecting")
            await asyncio.to_thread(reader.join, SECONDS)
            status, _, _ = await asyncio.to_thread(page.ask, address, "DELETE")
            assert status == 200
            assert (await asyncio.to_thread(page.ask, address, "DELETE"))[0] == 404

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    asyncio.run(send())
    assert len(found) == 5
    assert found[0].source.size == (320, 180)
    assert all(later.seconds > earlier.seconds for earlier, later in itertools.pairwise(found))


def test_a_viewer_of_whep_sees_the_result(page):
    async def view():
        async with peer() as connection:
            connection.addTransceiver("video", direction="recvonly")
            arrived = asyncio.get_running_loop().create_future()
            connection.on("track", arrived.set_result)
            await connect(connection, page, "/whep")
            track = await asyncio.wait_for(arrived, SECONDS)
            sent = asyncio.create_task(write())
            pictures = [await asyncio.wait_for(track.recv(), SECONDS) for _ in range(5)]
            sent.cancel()
            return pictures

    async def write():
        for index in range(10_000):
            await asyncio.to_thread(page.sink.write, moving_frame(index))
            await asyncio.sleep(0.02)

    pictures = asyncio.run(view())
    assert {(picture.width, picture.height) for picture in pictures} == {(320, 180)}
    orange = pictures[-1].to_ndarray(format="rgb24")[:40].mean(axis=(0, 1))
    assert np.abs(orange - (249, 139, 55)).max() < 40
    times = [picture.pts * picture.time_base for picture in pictures]
    assert times == sorted(set(times))


def test_the_second_sender_takes_the_place_of_the_first(page, camera):
    async def send():
        async with peer() as first, peer() as second:
            for connection in (first, second):
                connection.addTransceiver(Bars(), direction="sendonly")
            old = await connect(first, page, "/whip")
            new = await connect(second, page, "/whip")
            assert (await asyncio.to_thread(page.ask, old, "DELETE"))[0] == 404
            assert (await asyncio.to_thread(page.ask, new, "DELETE"))[0] == 200

    asyncio.run(send())


def test_the_server_stops_while_peers_are_connected(camera):
    async def hold(page):
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("video", direction="recvonly")
        await connect(connection, page, "/whep")
        return connection

    with Page(camera=camera) as page:
        loop = asyncio.new_event_loop()
        connection = loop.run_until_complete(hold(page))
    loop.run_until_complete(connection.close())
    loop.close()
    assert not page.server.thread.is_alive


@pytest.mark.parametrize(("path", "body", "headers", "status", "message"), [
    ("/whip", b"hello", SDP, 400, "not an offer"),
    ("/whep", b"", SDP, 400, "not an offer"),
    ("/whep", b"v=0\r\n", SDP, 400, "not an offer"),
    ("/whip", b"v=0\r\n" + MANY_VIDEOS, SDP, 400, "100 media of the kind video; accepted: one"),
    ("/whep", b"v=0\r\n" + MANY_VIDEOS, SDP, 400, "100 media of the kind video; accepted: one"),
    ("/whip", b"\xff\xfe", SDP, 400, "not text"),
    ("/whip", b"v=0", {"Content-Type": "text/plain"}, 415, "application/sdp"),
    ("/whip", b"a" * 70_000, SDP, 413, "more than"),
])  # fmt: skip
def test_what_cannot_be_answered_is_one_line(page, path, body, headers, status, message):
    found, _, answer = page.ask(path, "POST", body, headers)
    error = json.loads(answer)["error"]
    assert found == status and message in error and "\n" not in error and len(error) < 600


def test_a_run_with_another_source_takes_no_sender():
    with Page() as page:
        status, _, answer = page.ask("/whip", "POST", b"v=0", SDP)
    assert status == 400 and "another source" in json.loads(answer)["error"]


def test_the_page_sends_the_camera_of_its_browser_and_shows_the_result(identity):
    run = rotoscope.live("page:", "page:", "null:", model=identity, steady="off", port=0, working_size="180p")
    with run, browser() as driver:
        waiting = WebDriverWait(driver, SECONDS, poll_frequency=0.1)
        waiting.until(lambda _: run.status().outputs)
        driver.get(run.status().outputs[0].name.removeprefix("page "))
        button = waiting.until(lambda _: driver.execute_script(
            "const b = document.getElementById('camera'); return b && !b.hidden ? b : null"
        ))  # fmt: skip
        button.click()
        waiting.until(lambda _: run.status().frames_out > 10)
        waiting.until(lambda _: driver.execute_script("return rotoscope.pictures.frames > 5"))
        assert button.text == "Stop my camera"
        button.click()
        waiting.until(lambda _: run.status().source_state == "waiting")
        shown = driver.execute_script("return document.getElementById('error').textContent")
        assert shown == ""
    assert run.wait(SECONDS).frames_out > 10


def test_the_page_is_needed_for_the_camera_of_a_browser(rotoscope_main, identity):
    code, _, err = rotoscope_main("live", "page:", "null:", "-m", identity)
    assert code == 2 and "give page: as an output too" in err
