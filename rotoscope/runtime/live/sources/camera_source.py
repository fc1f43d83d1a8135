"""Cameras of Linux, /dev/videoN, by PyAV's Video4Linux demuxer. No camera was at hand when this was written."""

import errno
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path

import av

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.rates import exact_rate
from rotoscope.runtime.live.sources.camera_modes import (
    CameraMode,
    Ioctl,
    choose_mode,
    device_ioctl,
    is_camera,
    list_modes,
)
from rotoscope.runtime.live.sources.connection import Connection
from rotoscope.runtime.live.sources.device_holders import holders
from rotoscope.runtime.live.sources.disconnects import Disconnected, disconnects

FORM = "/dev/videoN[,WIDTHxHEIGHT][@RATE], for example /dev/video0 or /dev/video0,1280x720@30"
_WORD = re.compile(r"(/dev/video\d+)(?:,(\d+)x(\d+))?(?:@(\d+(?:\.\d+)?))?")


class Camera:
    """A device and how it is to be opened; `connect` may be called again and again, for a camera that was unplugged.

    opened  opens a device for requests
    """

    def __init__(
        self, text: str, *, threads: int, opened: Callable[[Path], AbstractContextManager[Ioctl]] | None = None
    ) -> None:
        found = _WORD.fullmatch(text)
        if found is None:
            raise UsageError(f"{text}; accepted: {FORM}")
        self._opened = opened or open_device
        device, width, height, rate = found.groups()
        self.device = Path(device)
        self._size = None if width is None else (int(width), int(height))
        self._rate = None if rate is None else exact_rate(Fraction(rate))
        self._threads = threads

    def connect(self, losses: Counter[str]) -> Connection:
        """Open the device in its best mode; raises Disconnected if it is not there, or busy."""
        mode = self.mode()
        options = {"input_format": mode.format, "video_size": f"{mode.width}x{mode.height}", "fpsprobesize": "0"}
        if mode.rate:
            options["framerate"] = str(mode.rate)
        with disconnects("opening", 0):
            try:
                container = av.open(str(self.device), "r", format="v4l2", options=options)
            except OSError as error:
                raise self._refusal(error) from None
            return Connection(str(self.device), container, losses=losses, threads=self._threads)

    def mode(self) -> CameraMode:
        """Ask the device and choose; raises InputRefused if it cannot deliver what is wanted."""
        try:
            with self._opened(self.device) as ioctl:
                if not is_camera(ioctl):
                    raise InputRefused(f"{self.device}: no camera; a camera has two devices, try the one before it")
                modes = list_modes(ioctl)
        except OSError as error:
            raise self._refusal(error) from None
        mode = choose_mode(modes, self._size, self._rate)
        if mode is None:
            wanted = "any format that is read" if self._size is None else f"{self._size[0]}x{self._size[1]}"
            offered = ", ".join(map(str, modes)) or "nothing that is read"
            raise InputRefused(f"{self.device}: does not deliver {wanted}; it offers {offered}")
        return mode

    def _refusal(self, error: OSError) -> Disconnected:
        if error.errno == errno.ENOENT:
            return Disconnected(f"no such device; there are {', '.join(devices()) or 'none'}")
        if error.errno == errno.EACCES:
            return Disconnected("no permission; the group of the device, usually video, may use it")
        if error.errno == errno.EBUSY:
            by = ", ".join(holders(self.device))
            return Disconnected(f"in use by {by}" if by else "in use by another program")
        return Disconnected((error.strerror or type(error).__name__).lower())


def devices() -> list[str]:
    """All video devices of this machine."""
    return sorted(map(str, Path("/dev").glob("video[0-9]*")))


@contextmanager
def open_device(device: Path) -> Iterator[Ioctl]:
    """Open a device for requests; raises OSError."""
    descriptor = os.open(device, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
    try:
        yield device_ioctl(descriptor)
    finally:
        os.close(descriptor)
