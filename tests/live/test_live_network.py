"""Network streams from real servers, with faults between."""

import itertools
import logging
import socket
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from reading import check_times, reading
from servers import (
    fault_proxy,
    free_port,
    listens,
    lossy_relay,
    need_program,
    published,
    rtmp_server,
    rtsp_server,
    running,
    silent_server,
    srt_bridge,
)

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.open_live_source import open_live_source
from rotoscope.runtime.live.sources.disconnects import Disconnected
from rotoscope.runtime.live.sources.network_addresses import network_address
from rotoscope.runtime.live.sources.network_source import NetworkStream
from rotoscope.runtime.live.sources.reconnecting import ReconnectingSource
from rotoscope.runtime.media.frame_code import read_code
from rotoscope.runtime.media.synthetic import SyntheticSource


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """An RTSP server with sound."""
    with rtsp_server(tmp_path_factory.mktemp("rtsp")) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    with rtmp_server(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="module")
def on_air(nginx):
    """A stream with sound on nginx; its name."""
    with published(nginx.rtmp("air"), "flv"):
        nginx.wait_for_hls("air")
        yield "air"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(camera, transport):
    source = open_live_source(camera.url, rtsp_transport=transport)
    with pytest.raises(UsageError, match="known after the first frame"):
        _ = source.info
    with reading(source) as found:
        found.wait_for_frames(40)
        found.wait_for(lambda: len(found.sound) > 20, "sound")
        assert source.state in ("playing", "silent")
        assert (source.info.codec, source.info.width, source.info.height) == ("h264", 320, 180)
    check_times(found.frames)
    steps = np.diff([float(frame[1]) for frame in found.frames])
    assert np.median(steps) == pytest.approx(1 / 30, abs=1e-4)
    assert source.state == "ended" and not source.reconnects


def test_the_first_frames_without_times_are_no_obstacle(camera):
    """GStreamer's first packets of pictures come without a time."""
    for _ in range(2):
        with reading(open_live_source(camera.url, with_sound=False)) as found:
            found.wait_for_frames(3)
            assert found.sound == []
        check_times(found.frames)


def test_sound_has_the_clock_of_the_frames(nginx, on_air):
    """A flash and a click that were made at the same time are at the same time; 20 ms are allowed."""
    source = open_live_source(nginx.rtmp(on_air))
    flashes = []

    def note_flash(frame):
        if frame.source.planes[0][100:].min() > 200:
            flashes.append(frame.seconds)

    with reading(source, note_flash) as found:
        found.wait_for(lambda: len(flashes) > 3 and found.sound[-1].seconds > flashes[3], "flashes")
    assert all(piece.samples.dtype == np.float32 and piece.samples.shape[1] == 2 for piece in found.sound)
    assert not found.sound[0].samples.flags.writeable
    loud = [
        float(piece.seconds) + int(np.argmax(np.abs(piece.samples[:, 0]) > 0.3)) / 48000
        for piece in found.sound
        if np.abs(piece.samples).max() > 0.3
    ]
    assert loud
    for flash in flashes[1:-1]:
        assert min(abs(float(flash) - click) for click in loud) < 0.02
    ends = [piece.seconds + len(piece.samples) / 48000 for piece in found.sound]
    gaps = [float(piece.seconds - end) for end, piece in zip(ends, found.sound[1:], strict=False)]
    assert max(map(abs, gaps)) < 0.011


def test_rtmp_with_sound_finds_the_pictures_though_the_key_frames_are_far_apart(nginx):
    with (
        published(nginx.rtmp("far"), "flv", gop=100),
        reading(open_live_source(nginx.rtmp("far"))) as found,
    ):
        found.wait_for_frames(30)
    check_times(found.frames)


def test_the_backlog_after_connecting_is_left_out(nginx):
    """The age of the first frame is that of the later ones: nothing old is shown, and nothing has to be caught up."""
    with published(nginx.rtmp("old"), "flv", sound=False, gop=60):
        source = open_live_source(nginx.rtmp("old"))
        with reading(source) as found:
            found.wait_for_frames(60)
        assert source.losses["old frames after connecting"] > 0
    ages = [arrival_s - float(seconds) for _, seconds, _, arrival_s, _ in found.frames]
    assert ages[0] == pytest.approx(np.median(ages[-30:]), abs=0.3)


def test_hls(nginx, on_air):
    """Segments of a second are delivered at the pace of their frames."""
    source = open_live_source(nginx.hls(on_air))
    with reading(source) as found:
        found.wait_for_frames(75)
    check_times(found.frames)
    assert source.info.container == "hls"
    arrivals = np.array([frame[3] for frame in found.frames])
    assert arrivals[60] - arrivals[0] > 1.5  # two seconds of frames are not there at once


def test_a_list_that_names_a_local_file_is_refused(nginx, tmp_path):
    """The file is never opened, and the source goes on trying."""
    local = nginx.folder / "secret.ts"
    local.write_bytes(next((nginx.folder / "hls").glob("*.ts"), None).read_bytes())
    (nginx.folder / "evil.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{local}\n#EXT-X-ENDLIST\n"
    )
    fine = (nginx.folder / "evil.m3u8").read_text().replace(f"file://{local}", nginx.http("secret.ts"))
    (nginx.folder / "fine.m3u8").write_text(fine)
    with reading(open_live_source(nginx.http("fine.m3u8"))) as found:
        found.wait_for_frames(1)  # the same list with an address of HTTP is read
    source = open_live_source(nginx.http("evil.m3u8"), give_up_after_s=1.5)
    with pytest.raises(InputRefused, match=r"evil.m3u8: no picture for"):
        list(source)
    source.close()


def test_mpeg_ts_over_udp():
    port = free_port(socket.SOCK_DGRAM)
    source = open_live_source(f"udp://127.0.0.1:{port}")
    with (
        published(f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts"),
        reading(source) as found,
    ):
        found.wait_for_frames(45)
        found.wait_for(lambda: len(found.sound) > 5, "sound")
    check_times(found.frames)


def test_srt_through_a_bridge(tmp_path):
    """SRT is not in PyAV: srt-live-transmit turns it into UDP."""
    need_program("ffmpeg")
    sender = "ffmpeg -loglevel error -re -f lavfi -i testsrc2=s=320x180:r=30 -c:v libx264 -preset ultrafast -tune zerolatency"
    with (
        srt_bridge() as (srt, udp),
        running(
            [*sender.split(), *["-g", "30", "-pix_fmt", "yuv420p", "-f", "mpegts"], srt], log=tmp_path / "ffmpeg.log"
        ),
        reading(open_live_source(udp)) as found,
    ):
        found.wait_for_frames(30)


def test_lost_datagrams_never_give_broken_pictures():
    """With 3 % of the datagrams lost, every picture that is delivered is the one that was sent; decoders say nothing of it."""
    size = 640, 360
    port = free_port(socket.SOCK_DGRAM)
    source = open_live_source(f"udp://127.0.0.1:{port}", with_sound=False)
    worst, numbers = [], []

    def compare(frame):
        luma = np.asarray(frame.source.planes[0])
        code = read_code(luma)
        numbers.append(None if code is None else code.number)
        if numbers[-1] is not None:
            sent = next(iter(SyntheticSource(size, Fraction(30), start=Fraction(numbers[-1], 30)))).source.planes[0]
            differences = np.abs(luma[:160].astype(int) - sent[:160])  # the lower half may flash
            worst.append(differences.reshape(10, 16, 40, 16).mean(axis=(1, 3)).max())

    with (
        lossy_relay(port, loss=0.03) as relay,
        published(f"udp://127.0.0.1:{relay.port}?pkt_size=1316", "mpegts", sound=False, gop=15, size=size),
        reading(source, compare) as found,
    ):
        found.wait_for(lambda: source.losses["frames that depend on lost packets"] > 20, "losses")
        found.wait_for_frames(20)
        assert relay.num_lost > 0
    check_times(found.frames)
    assert None not in numbers
    assert all(later > earlier for earlier, later in itertools.pairwise(numbers))
    assert max(worst) < 12  # of 255, the mean of a block of 16x16


def test_a_cut_connection_is_made_again(camera, caplog):
    caplog.set_level(logging.INFO, logger="rotoscope.live")
    with fault_proxy(camera.server.port) as proxy:
        source = open_live_source(f"rtsp://user:secret@127.0.0.1:{proxy.port}/live")
        with reading(source) as found:
            found.wait_for_frames(20)
            proxy.cut()
            found.wait_for(lambda: any(frame[2] for frame in found.frames), "a frame after the cut")
            found.wait_for_frames(20)
            found.wait_for(lambda: found.sound[-1].seconds > found.frames[-20][1], "sound after the cut")
        assert sum(source.reconnects.values()) == 1
    check_times(found.frames)
    (at,) = [frame[0] for frame in found.frames if frame[2]]
    passed = found.frames[at][3] - found.frames[at - 1][3]
    assert float(found.frames[at][1] - found.frames[at - 1][1]) == pytest.approx(passed, abs=0.05)
    ends = [piece.seconds + len(piece.samples) / 48000 for piece in found.sound]
    assert all(piece.seconds >= end - 0.0001 for end, piece in zip(ends, found.sound[1:], strict=False))
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(" is ")[1].split(" ")[0] for line in said] == ["playing:", "not", "playing:"]
    assert "secret" not in " ".join(said)


def test_a_stalled_server_is_noticed_and_comes_back(camera):
    with fault_proxy(camera.server.port) as proxy:
        source = open_live_source(f"rtsp://127.0.0.1:{proxy.port}/live")
        with reading(source) as found:
            found.wait_for_frames(10)
            proxy.stall()
            found.wait_for(lambda: source.state == "silent", "silence")
            found.wait_for(lambda: source.state in ("waiting", "connecting"), "the end of the connection")
            proxy.go()
            found.wait_for_frames(10)
        assert source.reconnects["no data for 2 s"] == 1


def test_a_server_that_ends_is_no_end(tmp_path):
    """A dead RTSP server looks like the end of a file."""
    with rtsp_server(tmp_path, sound=False) as server:
        source = open_live_source(server.url)
        with reading(source) as found:
            found.wait_for_frames(10)
            server.server.end()
            found.wait_for(lambda: source.state == "waiting", "the end of the connection")
            server.server.start()
            found.wait_for_frames(10)
        assert sum(source.reconnects.values()) == 1


def test_size_and_rate_may_change_between_publishers(nginx):
    """nginx keeps the connection of its readers: the size changes within it, and the publisher's clock begins again."""
    source = open_live_source(nginx.rtmp("changing"))
    with reading(source) as found:
        with published(nginx.rtmp("changing"), "flv"):
            found.wait_for_frames(10)
            assert (source.info.width, source.info.height) == (320, 180)
        with published(nginx.rtmp("changing"), "flv", size=(480, 640), rate=15, gop=15):
            found.wait_for(lambda: found.frames[-1][4] == (480, 640), "the other size")
            found.wait_for_frames(10)
            begin = found.frames[-1][1]
            found.wait_for(lambda: found.sound[-1].seconds > begin, "sound")
            assert (source.info.width, source.info.height) == (480, 640)
    check_times(found.frames)


def test_size_may_change_at_a_reconnect(nginx):
    with (
        published(nginx.rtmp("small"), "flv"),
        published(nginx.rtmp("large"), "flv", size=(480, 640), sound=False),
        fault_proxy(nginx.rtmp_port) as proxy,
    ):
        names = itertools.chain(["small"], itertools.repeat("large"))
        interruption = Interruption()

        def connect(losses):
            address = network_address(f"rtmp://127.0.0.1:{proxy.port}/live/{next(names)}")
            return NetworkStream(address, interruption=interruption, threads=1).connect(losses)

        source = ReconnectingSource("rtmp://changing", connect, interruption=interruption)
        with reading(source) as found:
            found.wait_for_frames(10)
            proxy.cut()
            found.wait_for(lambda: found.frames[-1][4] == (480, 640), "the other size")
            found.wait_for_frames(10)
            assert (source.info.width, source.info.height) == (480, 640)
    check_times(found.frames)
    assert [frame[4] for frame in found.frames if frame[2]] == [(480, 640)]


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
def test_interrupt_ends_the_wait_for_a_silent_server(scheme):
    with silent_server() as port, reading(open_live_source(f"{scheme}://127.0.0.1:{port}/a/b")) as found:
        found.wait_for(lambda: found.source.state == "connecting", "the attempt")
        assert found.stop() < 2
        assert found.error is None


def test_interrupt_ends_the_wait_for_datagrams():
    with reading(open_live_source(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")) as found:
        assert found.stop() < 2


def test_interrupt_ends_the_wait_of_a_stalled_stream(camera):
    with (
        fault_proxy(camera.server.port) as proxy,
        reading(open_live_source(f"rtsp://127.0.0.1:{proxy.port}/live")) as found,
    ):
        found.wait_for_frames(5)
        proxy.stall()
        found.wait_for(lambda: found.source.state == "silent", "silence")
        assert found.stop() < 2


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http", "udp"])
def test_a_silent_server_is_said_to_be_silent(scheme):
    """FFmpeg raises three errors for it; that of RTSP is "invalid data"."""
    with silent_server() as silent:
        port = free_port(socket.SOCK_DGRAM) if scheme == "udp" else silent
        address = replace(network_address(f"{scheme}://127.0.0.1:{port}/a/b"), open_s=0.5)
        stream = NetworkStream(address, interruption=Interruption(), threads=1)
        with pytest.raises(Disconnected, match=r"^no answer for 0\.5 s$"):
            stream.connect(Counter())


def test_a_page_is_no_stream(nginx):
    (nginx.folder / "page.html").write_text("<!doctype html><title>a page</title>" * 50)
    source = open_live_source(nginx.http("page.html"), give_up_after_s=0)
    with pytest.raises(InputRefused, match="what comes is not a stream that can be read"):
        list(source)
    source = open_live_source(nginx.http("none.m3u8?token=secret"), give_up_after_s=0)
    with pytest.raises(
        InputRefused, match=r"none.m3u8\?…: no picture for [\d.]+ s: connecting failed: .*404 not found"
    ) as error:
        list(source)
    assert "secret" not in str(error.value)


def test_datagrams_that_cease_and_come_again():
    port = free_port(socket.SOCK_DGRAM)
    address = replace(network_address(f"udp://127.0.0.1:{port}"), read_s=1.0)
    interruption = Interruption()
    stream = NetworkStream(address, interruption=interruption, threads=1)
    source = ReconnectingSource("udp", stream.connect, interruption=interruption)
    with reading(source) as found:
        for _ in range(2):
            with published(f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts", sound=False):
                found.wait_for_frames(10)
            found.wait_for(lambda: source.state in ("waiting", "connecting"), "silence")
        assert source.reconnects["no data for 1 s"] == 1
    check_times(found.frames)


def test_decoders_delay_no_frame(camera):
    """Frame threads hold back a frame each."""
    stream = NetworkStream(network_address(camera.url), interruption=Interruption(), threads=2)
    with stream.connect(Counter()) as connection:
        assert connection._stream.codec_context.thread_type.name == "SLICE"


def test_nobody_there_and_giving_up():
    source = open_live_source(f"rtsp://user:secret@127.0.0.1:{free_port()}/live?token=secret", give_up_after_s=0.5)
    with pytest.raises(InputRefused, match=r"no picture for [\d.]+ s: connecting failed: connection refused") as error:
        list(source)
    assert "secret" not in str(error.value)
    assert source.state == "ended"
    source.close()


def test_programs_for_tests_end(tmp_path):
    with rtmp_server(tmp_path) as server:
        assert listens(server.rtmp_port)
    assert not listens(server.rtmp_port)
