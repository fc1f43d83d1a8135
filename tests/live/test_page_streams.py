"""The streams of the page: what viewers get, and that a slow one costs nothing."""

import contextlib
import http.client
import json
import socket
import threading
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from fake_run import moving_frame, noisy_frame
from page_server import SECONDS, Page
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Colour, Frame, Picture
from rotoscope.base.live import Place
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.runtime.live.page.encoders import H264Encoder, Packet, codec_string
from rotoscope.runtime.live.page.page_sink import PageSink
from rotoscope.runtime.live.page.shown_picture import shown_picture
from rotoscope.runtime.live.page.stream_routes import HEADER, MAX_UNANSWERED, MAX_VIEWERS
from rotoscope.runtime.live.page.viewers import MAX_WAITING, Viewer


@pytest.fixture
def page():
    with Page() as page:
        yield page


def decoded_jpeg(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def far_apart(found, wanted):
    """Mean absolute difference of two RGB pictures, in code values."""
    return np.abs(found - wanted).mean()


class Parts:
    """The parts of an MJPEG stream."""

    def __init__(self, page, query=""):
        self.connection = http.client.HTTPConnection("127.0.0.1", page.server.port, timeout=SECONDS)
        self.connection.request("GET", f"/stream.mjpg{query}")
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        kind, _, boundary = self.answer.headers["Content-Type"].partition("; boundary=")
        assert kind == "multipart/x-mixed-replace"
        self.boundary = b"--" + boundary.encode()
        assert self.answer.readline().rstrip() == self.boundary

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()
        self.connection.close()

    def next(self):
        """(index of the frame, picture as RGB); the boundary that follows is read too: no part waits for the one after it."""
        headers = {}
        while line := self.answer.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        assert headers["Content-Type"] == "image/jpeg"
        data = self.answer.read(int(headers["Content-Length"]))
        assert self.answer.readline() == b"\r\n"
        assert self.answer.readline().rstrip() == self.boundary
        return int(headers["X-Frame"]), decoded_jpeg(data)


class Packets:
    """The packets of a WebSocket."""

    def __init__(self, page, codec="jpeg", source=0):
        self.connecting = connect(
            f"ws://127.0.0.1:{page.server.port}/stream?codec={codec}&source={source}", open_timeout=SECONDS
        )

    def __enter__(self):
        self.socket = self.connecting.__enter__()
        return self

    def __exit__(self, *error):
        return self.connecting.__exit__(*error)

    def announced(self):
        return json.loads(self.socket.recv(SECONDS))

    def next(self, *, answer=True):
        """(is_key, index of the frame, microseconds, data)"""
        message = self.socket.recv(SECONDS)
        assert isinstance(message, bytes), message
        if answer:
            self.socket.send("")
        return *HEADER.unpack_from(message), message[HEADER.size :]


# --- MJPEG


def test_mjpeg_shows_the_result(page):
    with Parts(page) as parts:
        for index in range(3):
            page.sink.write(moving_frame(index))
            found, picture = parts.next()
            assert found == index and far_apart(picture, rgb_picture(moving_frame(index).result)) < 3


def test_mjpeg_with_the_source_of_the_same_frame_below(page):
    with Parts(page, "?source=1") as parts:
        for index in range(3):
            frame = moving_frame(index, source_size=(640, 360))
            page.sink.write(frame)
            found, picture = parts.next()
            assert found == index and picture.shape == (360, 320, 3)
            assert far_apart(picture[:180], rgb_picture(frame.result)) < 3
            assert (
                far_apart(picture[180:], rgb_picture(moving_frame(index).source)) < 9
            )  # the bar moves at its own size
            assert far_apart(picture[180:, :40], np.median(rgb_picture(frame.source), (0, 1))) < 60


def test_a_viewer_who_comes_while_nothing_moves_sees_the_newest_picture(page):
    for index in range(5):
        page.sink.write(moving_frame(index))
    with Parts(page) as parts, Packets(page) as jpeg, Packets(page, "h264") as h264:
        assert parts.next()[0] == 4
        assert jpeg.announced() == {"codec": "jpeg", "source": False} and jpeg.next()[:2] == (1, 4)
        assert h264.announced()["codec"].startswith("avc1.42") and h264.next()[:2] == (1, 4)


def test_without_viewers_nothing_is_encoded(page):
    for index in range(5):
        page.sink.write(moving_frame(index))
    assert page.sink.num_frames == 5 and page.sink.num_encoded == 0


def test_a_picture_is_encoded_once_for_all_viewers(page):
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(Parts(page)) for _ in range(10)]
        page.wait_for_viewers(10)
        for index in range(5):
            page.sink.write(moving_frame(index))
            assert [viewer.next()[0] for viewer in viewers] == [index] * 10
        assert page.sink.num_encoded == 5
    page.wait_for_viewers(0)
    page.sink.write(moving_frame(6))
    assert page.sink.num_encoded == 5


def test_fifty_viewers_one_of_which_never_reads(page):
    with contextlib.ExitStack() as stack:
        stuck = stack.enter_context(socket.create_connection(("127.0.0.1", page.server.port), timeout=SECONDS))
        stuck.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        half_open = stack.enter_context(Packets(page))  # takes what comes and answers nothing
        viewers = [stack.enter_context(Parts(page)) for _ in range(48)]
        page.wait_for_viewers(50)
        seen = [[] for _ in viewers]

        def watch(viewer, indices):
            while not indices or indices[-1] != 199:
                indices.append(viewer.next()[0])

        threads = [threading.Thread(target=watch, args=pair) for pair in zip(viewers, seen, strict=True)]
        for thread in threads:
            thread.start()
        for index in range(200):
            page.sink.write(noisy_frame(index))
        for thread in threads:
            thread.join(SECONDS * 5)
            assert not thread.is_alive()
        for indices in seen:
            assert indices == sorted(set(indices)) and indices[-1] == 199  # newer ones only, and the newest
        assert page.sink.num_encoded == 200
        del half_open
        # What is held for a viewer is one picture and a full buffer, whatever the number of frames was.
        connections = page.server.thread.connections
        assert max(connection.transport.get_write_buffer_size() for connection in connections) < 1 << 20


def test_too_many_viewers_are_sent_away(page):
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_VIEWERS):
            viewer = stack.enter_context(socket.create_connection(("127.0.0.1", page.server.port), timeout=SECONDS))
            viewer.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        page.wait_for_viewers(MAX_VIEWERS)
        assert page.status("/stream.mjpg") == 503
        with pytest.raises(InvalidStatus):
            stack.enter_context(Packets(page))
        assert page.status("/livez") == 200
    page.wait_for_viewers(0)


# --- packets


def test_an_unknown_codec_is_refused(page):
    with pytest.raises(InvalidStatus), Packets(page, "av1"):
        pass


@pytest.mark.parametrize("codec", ["jpeg", "h264"])
def test_a_browser_that_does_not_answer_gets_no_more(page, codec):
    page.sink.write(moving_frame(0))
    with Packets(page, codec) as packets:
        packets.announced()
        for _ in range(MAX_UNANSWERED):
            last = packets.next(answer=False)
            page.sink.write(moving_frame(last[1] + 1))
        with pytest.raises(TimeoutError):
            packets.socket.recv(0.2)
        for index in range(10, 40):
            page.sink.write(moving_frame(index))
        packets.socket.send("")
        with page.camera():  # the next key picture comes when another frame does
            found = packets.next()
        assert found[0] and (codec == "h264" or found[1] == 39)  # all between are skipped


def test_h264_is_decoded_to_the_result(page):
    colour = Colour("601")
    decoder = av.CodecContext.create("h264", "r")
    with Packets(page, "h264", source=1) as packets:
        page.wait_for_viewers(1)
        for index in range(8):
            frame = moving_frame(index, colour=colour)
            page.sink.write(frame)
            if index == 0:
                assert packets.announced()["source"] is True
            is_key, found, microseconds, data = packets.next()
            assert (is_key, found) == (index == 0, index)
            assert microseconds == pytest.approx(float(frame.seconds) * 1e6)
            (picture,) = decoder.decode(av.Packet(data))  # no picture is held back
            assert (picture.width, picture.height, picture.colorspace) == (320, 360, 6)
            rgb = picture.reformat(format="rgb24").to_ndarray().astype(int)
            assert far_apart(rgb[:180], rgb_picture(frame.result)) < 4
            assert far_apart(rgb[180:], rgb_picture(frame.source)) < 4


def test_a_new_viewer_gets_a_key_picture_and_the_others_go_on(page):
    with Packets(page, "h264") as first:
        page.wait_for_viewers(1)
        page.sink.write(moving_frame(0))
        first.announced()
        decoder = av.CodecContext.create("h264", "r")
        decoder.decode(av.Packet(first.next()[3]))
        page.sink.write(moving_frame(1))
        packet = first.next()
        assert not packet[0]
        decoder.decode(av.Packet(packet[3]))
        with Packets(page, "h264") as second:
            second.announced()
            assert second.next()[0]
            page.sink.write(moving_frame(2))
            assert not second.next()[0]
        while (packet := first.next())[1] < 2:
            assert packet[0]  # the key picture that the second viewer asked for
            decoder.decode(av.Packet(packet[3]))
        (picture,) = decoder.decode(av.Packet(packet[3]))
        rgb = picture.reformat(format="rgb24").to_ndarray().astype(int)
        assert far_apart(rgb, rgb_picture(moving_frame(2).result)) < 4


def test_pictures_of_another_size_begin_a_new_stream(page):
    with Packets(page, "h264") as packets:
        page.wait_for_viewers(1)
        page.sink.write(moving_frame(0))
        packets.announced()
        packets.next()
        page.sink.write(moving_frame(1, (640, 480)))
        message = packets.socket.recv(SECONDS)
        if isinstance(message, str):  # the level may be another
            message = packets.socket.recv(SECONDS)
        assert message[0] == 1


def test_a_sink_that_is_finished_ends_its_streams(page):
    page.sink.write(moving_frame(0))
    with Parts(page) as parts:
        parts.next()
        page.sink.finish()
        assert parts.answer.read() == b""
    page.wait_for_viewers(0)


def test_a_snapshot_before_the_first_frame():
    with pytest.raises(UsageError, match="no picture yet"):
        PageSink().snapshot()


def test_a_sink_whose_server_has_been_stopped_goes_on():
    with Page() as page, Parts(page) as parts:
        page.sink.write(moving_frame(0))
        parts.next()
    page.sink.write(moving_frame(1))
    page.sink.finish()
    assert page.sink.num_frames == 2


# --- viewers


def packet(index, *, is_key=False):
    return Packet(b"", is_key, "h264", index, 0.0)


def waiting(viewer):
    return [item.index for item in viewer._waiting]


def test_a_viewer_begins_with_a_key_picture():
    viewer = Viewer()
    assert not viewer.offer(packet(0))
    assert viewer.offer(packet(1, is_key=True)) and viewer.offer(packet(2))
    assert waiting(viewer) == [1, 2]


def test_a_key_picture_replaces_what_waits():
    viewer = Viewer()
    for index in range(100):
        assert viewer.offer(packet(index, is_key=True))
        assert waiting(viewer) == [index]


def test_a_viewer_that_falls_behind_waits_for_a_key_picture():
    viewer = Viewer()
    viewer.offer(packet(0, is_key=True))
    for index in range(1, MAX_WAITING):
        assert viewer.offer(packet(index))
    for index in range(MAX_WAITING, 50):
        assert not viewer.offer(packet(index))
        assert waiting(viewer) == []
    assert viewer.offer(packet(50, is_key=True)) and viewer.offer(packet(51))
    assert waiting(viewer) == [50, 51]


# --- the shown picture


SOURCES = {
    "640x360 4:2:0": ((360, 640), "yuv420p"),
    "1920x1080 4:2:0": ((1080, 1920), "yuv420p"),
    "odd 4:2:0": ((181, 321), "yuv420p"),
    "4:2:2": ((360, 640), "yuv422p"),
    "nv12": ((360, 640), "nv12"),
    "rgb": ((360, 640), "rgb24"),
    "float": ((360, 640), "float"),
    "10 bits": ((360, 640), "yuv420p10le"),
    "smaller": ((90, 160), "yuv420p"),
}


def gradient(height, width, kind):
    """A smooth picture: red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0.1, 0.9, width), np.linspace(0.1, 0.9, height))
    rgb = np.stack([x, y, np.full_like(x, 0.3), np.zeros_like(x)], -1).astype(np.float32)
    if kind == "float":
        return Picture((rgb,))
    if kind == "rgb24":
        return Picture((np.rint(rgb[..., :3] * 255).astype(np.uint8),))
    from rotoscope.kernels.color_out import color_out
    from rotoscope.runtime.pipeline.finish import empty_planes

    depth = 10 if "10" in kind else 8
    colour = Colour("601", full_range=True)
    planes = empty_planes(kind, (width, height), depth)
    color_out(rgb, planes, matrix="601", full_range=True, depth=depth)
    return Picture(tuple(planes), colour, depth)


@pytest.mark.parametrize("name", SOURCES)
def test_any_source_is_shown_below_the_result(name):
    (height, width), kind = SOURCES[name]
    frame = Frame(0, 0, Fraction(1, 30), 1, gradient(height, width, kind), moving_frame(0).result)
    shown = shown_picture(frame, with_source=True).reformat(format="rgb24").to_ndarray()
    wanted = rgb_picture(gradient(180, 320, "float")).astype(int)
    assert shown.shape == (360, 320, 3)
    difference = np.abs(shown[180:].astype(int) - wanted)
    assert difference.mean() < 2 and difference[8:-8, 8:-8].max() < 10


def test_a_source_stands_where_the_result_shows_it():
    """A part of a wide source, with black above and below, as a result has after a reconnect with another aspect."""
    wide = gradient(180, 640, "yuv420p")
    frame = Frame(0, 0, Fraction(1, 30), 1, wide, moving_frame(0).result)
    place = Place((10, 0, 630, 180), (0, 45, 320, 91))
    shown = (
        shown_picture(frame, with_source=True, place=lambda _size: place).reformat(format="rgb24").to_ndarray()[180:]
    )
    assert shown[:42].max() <= 1 and shown[138:].max() <= 1
    wanted = cv2.resize(rgb_picture(wide)[:, 10:], (320, 91), interpolation=cv2.INTER_AREA)
    assert np.abs(shown[48:133].astype(int) - wanted[3:88]).mean() < 2


def test_the_codec_string_is_read_off_the_stream():
    encoder = H264Encoder()
    shown = shown_picture(moving_frame(0), with_source=False)
    found = encoder.encode(shown, 0, 0.0, key=False)
    assert found.is_key and found.codec == codec_string(found.data)
    assert found.codec.startswith("avc1.42c0")  # constrained baseline
    with pytest.raises(ValueError, match="no sequence parameter set"):
        codec_string(b"\0\0\0\1\x65\x88")
