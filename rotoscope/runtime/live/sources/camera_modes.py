"""List the modes of a camera (Video4Linux): the device is asked, because drivers choose slow modes when nothing is named."""

import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

# Numbers of ioctl and layouts of structures: linux/videodev2.h.
QUERY_CAPABILITIES, LIST_FORMATS, LIST_SIZES, LIST_INTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
VIDEO_CAPTURE, HAS_DEVICE_CAPABILITIES = 0x1, 0x80000000
_CAPTURE_TYPE, _DISCRETE = 1, 1
MOST_ENTRIES = 256  # of a list; a broken driver may never end it

# FFmpeg's names of the formats that can be read; compressed pictures carry more frames through USB.
FORMATS = {"MJPG": "mjpeg", "JPEG": "mjpeg", "YUYV": "yuyv422", "UYVY": "uyvy422", "NV12": "nv12", "YU12": "yuv420p"}
COMPRESSED = {"mjpeg"}

Ioctl = Callable[[int, bytearray], None]
"""Sends a request with its structure, which is changed; raises OSError, as `fcntl.ioctl` does."""


@dataclass(frozen=True, slots=True)
class CameraMode:
    """One thing that a camera can deliver; `format` is FFmpeg's name, `rate` the highest, in frames per second."""

    format: str
    width: int
    height: int
    rate: Fraction

    def __str__(self) -> str:
        return f"{self.width}x{self.height}@{float(self.rate):g} {self.format}"


def device_ioctl(descriptor: int) -> Ioctl:
    """The requests of an open device."""
    if sys.platform == "win32":
        raise OSError("no Video4Linux here")
    import fcntl

    def request(number: int, structure: bytearray) -> None:
        fcntl.ioctl(descriptor, number, structure, True)

    return request


def is_camera(ioctl: Ioctl) -> bool:
    """Whether the device captures pictures; a camera has more devices, for metadata, which do not."""
    answer = bytearray(104)
    try:
        ioctl(QUERY_CAPABILITIES, answer)
    except OSError:
        return False
    whole, of_this_device = struct.unpack_from("<II", answer, 84)
    return bool((of_this_device if whole & HAS_DEVICE_CAPABILITIES else whole) & VIDEO_CAPTURE)


def list_modes(ioctl: Ioctl) -> list[CameraMode]:
    """Everything that the camera can deliver in a format that can be read."""
    modes = []
    for answer in _entries(ioctl, LIST_FORMATS, 64, struct.pack("<I", _CAPTURE_TYPE)):
        (code,) = struct.unpack_from("<I", answer, 44)
        name = FORMATS.get(struct.pack("<I", code & 0x7FFFFFFF).decode("latin-1"))
        if name is not None:
            modes += [CameraMode(name, *size, _highest_rate(ioctl, code, size)) for size in _sizes(ioctl, code)]
    return modes


def _sizes(ioctl: Ioctl, code: int) -> Iterator[tuple[int, int]]:
    for answer in _entries(ioctl, LIST_SIZES, 44, struct.pack("<I", code)):
        kind, width, most_width, _, height, most_height = struct.unpack_from("<6I", answer, 8)
        if kind == _DISCRETE:
            yield width, most_width  # the second number is the height of a discrete size
        else:
            yield most_width, most_height
            if width <= 640 <= most_width and height <= 480 <= most_height:
                yield 640, 480
            return


def _highest_rate(ioctl: Ioctl, code: int, size: tuple[int, int]) -> Fraction:
    rates = [Fraction(0)]
    for answer in _entries(ioctl, LIST_INTERVALS, 52, struct.pack("<III", code, *size)):
        kind, numerator, denominator = struct.unpack_from("<III", answer, 16)
        if numerator:
            rates.append(Fraction(denominator, numerator))
        if kind != _DISCRETE:
            break
    return max(rates)


def _entries(ioctl: Ioctl, request: int, num_bytes: int, head: bytes) -> Iterator[bytearray]:
    """The answers of a list, whose structures begin with a number and `head`; the driver ends it with an error."""
    for index in range(MOST_ENTRIES):
        structure = bytearray(num_bytes)
        struct.pack_into("<I", structure, 0, index)
        structure[4 : 4 + len(head)] = head
        try:
            ioctl(request, structure)
        except OSError:
            return
        yield structure


def choose_mode(
    modes: list[CameraMode], size: tuple[int, int] | None = None, rate: Fraction | None = None
) -> CameraMode | None:
    """The best of the modes; None if none fits.

    size  only modes of this size; without it the largest up to 1280x720
    rate  frames per second that are wanted; without it 24. The fastest modes if none is so fast.

    Above 640x480 compressed pictures come before others: USB 2 carries 5 to 10 uncompressed ones a second.
    """
    fitting = [mode for mode in modes if size is None or (mode.width, mode.height) == size]
    if size is None:
        fitting = [mode for mode in fitting if mode.width <= 1280 and mode.height <= 720] or fitting[:1]
    wanted = rate or Fraction(24)
    fast = [mode for mode in fitting if mode.rate >= wanted]
    if not fast:
        fastest = max((mode.rate for mode in fitting), default=None)
        fast = [mode for mode in fitting if mode.rate == fastest]

    def rank(mode: CameraMode) -> tuple[int, bool, Fraction]:
        is_large = mode.width * mode.height > 640 * 480
        return mode.width * mode.height, (mode.format in COMPRESSED) == is_large, mode.rate

    return max(fast, key=rank, default=None)
