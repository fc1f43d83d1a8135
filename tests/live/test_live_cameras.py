"""Cameras and screens. There is no camera here: the answers of the driver are made as linux/videodev2.h describes them."""

import contextlib
import errno
import struct
import subprocess
import sys
from fractions import Fraction as F
from pathlib import Path

import pytest
from reading import check_times, reading
from servers import xvfb

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.runtime.live.open_live_source import open_live_source
from rotoscope.runtime.live.sources.camera_modes import CameraMode, choose_mode, is_camera, list_modes
from rotoscope.runtime.live.sources.camera_source import Camera
from rotoscope.runtime.live.sources.device_holders import holders
from rotoscope.runtime.live.sources.disconnects import Disconnected

VIDEO_CAPTURE, METADATA_CAPTURE, DEVICE_CAPS = 0x1, 0x800000, 0x80000000

# A usual webcam: what `v4l2-ctl --list-formats-ext` says of it.
WEBCAM = {
    "YUYV": {(640, 480): (30, 15), (640, 360): (30,), (1280, 720): (10,), (1920, 1080): (5,)},
    "MJPG": {(640, 480): (30,), (1280, 720): (30, 15), (1920, 1080): (30,)},
    "H264": {(1920, 1080): (30,)},
}


class Driver:
    """Answers requests from a table: format -> size -> rates."""

    def __init__(self, table, capabilities=VIDEO_CAPTURE, stepwise=False):
        self.table, self.capabilities, self.stepwise = table, capabilities, stepwise

    def __call__(self, request, structure):
        index, second = struct.unpack_from("<II", structure, 0)
        kind = request >> 8 & 0xFF, request & 0xFF
        assert kind[0] == ord("V") and len(structure) == request >> 16 & 0x3FFF
        if kind[1] == 0:
            struct.pack_into("<II", structure, 84, 0xFFFFFFFF, self.capabilities)
        elif kind[1] == 2:
            assert second == 1
            structure[44:48] = self.entry(list(self.table), index).encode()
        elif kind[1] == 74:
            width, height = self.entry(list(self.table[self.name(second)]), index)
            if self.stepwise:
                struct.pack_into("<7I", structure, 8, 3, 160, width, 16, 120, height, 8)
            else:
                struct.pack_into("<3I", structure, 8, 1, width, height)
        elif kind[1] == 75:
            size = struct.unpack_from("<II", structure, 8)
            sizes = self.table[self.name(second)]
            rate = F(self.entry(sizes.get(size, (30,)), index))
            struct.pack_into("<3I", structure, 16, 1, rate.denominator, rate.numerator)
        else:
            raise OSError(errno.ENOTTY, "unknown")

    @staticmethod
    def entry(entries, index):
        if index >= len(entries):
            raise OSError(errno.EINVAL, "no more")
        return entries[index]

    @staticmethod
    def name(code):
        return struct.pack("<I", code).decode()


def test_the_modes_of_a_webcam():
    modes = list_modes(Driver(WEBCAM))
    assert len(modes) == 7  # H264 is not among the formats that are read from cameras
    assert CameraMode("yuyv422", 640, 480, F(30)) in modes
    assert CameraMode("mjpeg", 1280, 720, F(30)) in modes
    assert str(modes[0]) == "640x480@30 yuyv422"


def test_a_camera_that_scales_offers_its_largest_size_and_640x480():
    modes = list_modes(Driver({"YUYV": {(1920, 1080): (30,)}}, stepwise=True))
    assert [(mode.width, mode.height) for mode in modes] == [(1920, 1080), (640, 480)]


def test_a_driver_without_rates_or_without_end():
    driver = Driver({"MJPG": {(640, 480): ()}})
    assert list_modes(driver) == [CameraMode("mjpeg", 640, 480, F(0))]

    def endless(request, structure):
        structure[44:48] = b"MJPG"
        if request & 0xFF != 2:
            raise OSError(errno.EINVAL, "none")

    assert list_modes(endless) == []


@pytest.mark.parametrize(
    ("size", "rate", "expected"),
    [
        (None, None, "1280x720@30 mjpeg"),  # not the 10 uncompressed pictures that drivers give unasked
        ((640, 480), None, "640x480@30 yuyv422"),
        ((1920, 1080), None, "1920x1080@30 mjpeg"),
        ((1280, 720), F(60), "1280x720@30 mjpeg"),  # nothing is so fast: the fastest
        ((320, 240), None, "None"),
    ],
)
def test_the_best_mode(size, rate, expected):
    assert str(choose_mode(list_modes(Driver(WEBCAM)), size, rate)) == expected


def test_the_best_mode_of_cameras_with_little_to_offer():
    slow = [CameraMode("yuyv422", 1280, 720, F(5)), CameraMode("yuyv422", 640, 480, F(15))]
    assert choose_mode(slow) == slow[1]
    large = [CameraMode("mjpeg", 3840, 2160, F(30))]
    assert choose_mode(large) == large[0]
    assert choose_mode([]) is None


def camera(text, driver):
    return Camera(text, threads=1, opened=lambda _device: contextlib.nullcontext(driver))


def test_a_device_that_captures_nothing_is_refused():
    assert is_camera(Driver(WEBCAM))
    assert not is_camera(Driver({}, METADATA_CAPTURE))
    with pytest.raises(InputRefused, match="/dev/video1: no camera; a camera has two devices"):
        camera("/dev/video1", Driver({}, METADATA_CAPTURE)).mode()


def test_a_size_that_is_not_offered_is_refused_with_what_is():
    with pytest.raises(
        InputRefused, match=r"video0: does not deliver 100x100; it offers 640x480@30 yuyv422, 640x360@30"
    ):
        camera("/dev/video0,100x100", Driver(WEBCAM)).mode()
    with pytest.raises(InputRefused, match="it offers nothing that is read"):
        camera("/dev/video0", Driver({"H264": {(640, 480): (30,)}})).mode()
    assert str(camera("/dev/video0,1920x1080@15", Driver(WEBCAM)).mode()) == "1920x1080@30 mjpeg"


@pytest.mark.parametrize("text", ["/dev/video", "/dev/video0,720p", "/dev/video0@fast", "/dev/video0/", "/dev/video0 "])
def test_other_forms_are_refused(text):
    with pytest.raises(UsageError, match="accepted: /dev/videoN"):
        open_live_source(text)


@pytest.mark.skipif(Path("/dev/video99").exists(), reason="there is such a device")
def test_a_missing_device_is_tried_again():
    source = open_live_source("/dev/video99", give_up_after_s=0.3)
    with pytest.raises(InputRefused, match=r"/dev/video99: no picture for [\d.]+ s: no such device; there are"):
        list(source)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_busy_device_names_who_holds_it(tmp_path):
    device = tmp_path / "video0"
    device.touch()
    code = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, device], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "open\n"
        with device.open():  # this process is not named
            (found,) = holders(device)
        assert found.endswith(f"({process.pid})")

        @contextlib.contextmanager
        def busy(_device):
            raise OSError(errno.EBUSY, "busy")
            yield

        source = Camera("/dev/video0", threads=1, opened=busy)
        source.device = device
        with pytest.raises(Disconnected, match=rf"in use by .*\({process.pid}\)"):
            source.mode()
    assert holders(device) == []
    assert holders(tmp_path / "none") == []


def test_permission_is_named():
    @contextlib.contextmanager
    def refused(_device):
        raise OSError(errno.EACCES, "Permission denied")
        yield

    with pytest.raises(Disconnected, match="no permission; the group of the device"):
        Camera("/dev/video0", threads=1, opened=refused).mode()


def test_a_screen(tmp_path):
    with xvfb((640, 360)) as display:
        source = open_live_source(f"screen:{display}")
        with reading(source) as found:
            found.wait_for_frames(10)
        check_times(found.frames)
        assert found.frames[0][4] == (640, 360)
        assert source.info.codec == "rawvideo"
        part = open_live_source(f"screen:{display}+16,8,320x200@10")
        with reading(part) as found:
            found.wait_for_frames(4)
        assert found.frames[0][4] == (320, 200)
        assert part.info.average_rate == 10


def test_a_screen_that_goes_is_waited_for(tmp_path):
    with xvfb() as display:
        source = open_live_source(f"screen:{display}", give_up_after_s=1)
        frames = iter(source)
        next(frames)
    with pytest.raises(InputRefused, match="no picture for"):
        list(frames)
    source.close()


def test_what_a_screen_is_called(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UsageError, match=r"DISPLAY is not set; name a display, for example screen::0\.0"):
        open_live_source("screen:")
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_live_source("screen:1280x720@60").state == "connecting"
    for text in ("screen::0", "screen:@10", "screen::0.1+4,5,64x64", "screen::0@5"):
        assert open_live_source(text).name == text
    for text in ("screen:big", "screen::0,", "screen::0@", "screen:@", "screen:,64x64", "screen:+4,5"):
        with pytest.raises(UsageError, match="accepted: screen:"):
            open_live_source(text)
