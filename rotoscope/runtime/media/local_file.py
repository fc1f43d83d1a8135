"""Open local media safely: regular files only, demuxers from a list, no protocols, no playlists.

A playlist (HLS, concat, SDP ...) can make FFmpeg read other files or open sockets, and a file name such as
`concat:a|b` is a protocol. So the file is opened here, checked to be a regular file, and FFmpeg gets the descriptor and the
list of demuxers that read one file and nothing else.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.container

from rotoscope.base.device import Device
from rotoscope.base.errors import InputRefused
from rotoscope.base.files import HEAD_BYTES, what_it_is
from rotoscope.runtime.media.nvdec import accelerator

# FFmpeg's short names of self-contained formats: none of them can refer to another file.
DEMUXERS = (
    "mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "gif", "apng", "ogg", "asf", "ivf", "mxf", "nut",
    "wtv", "dv", "h264", "hevc", "vvc", "av1", "obu", "m4v", "h263", "mjpeg", "yuv4mpegpipe", "dirac", "rm", "swf", "live_flv",
    "png_pipe", "jpeg_pipe", "jpegxl_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "gif_pipe", "pbm_pipe", "pgm_pipe",
    "ppm_pipe", "pam_pipe", "exr_pipe", "qoi_pipe", "j2k_pipe", "jpegls_pipe", "psd_pipe", "sgi_pipe", "sunrast_pipe",
    "dpx_pipe",
)  # fmt: skip

# Demuxers whose files have an index in which a time can be found.
INDEXED = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "nut", "mxf"}

# Demuxers of formats whose clock may start again from another value in the middle of a file.
RESTARTING = {"mpegts", "mpeg", "mpegvideo", "asf", "wtv", "dv"}

OPTIONS = {
    "format_whitelist": ",".join(DEMUXERS),
    # FFmpeg's own repair of 33-bit wraps turns a jump back of 90 s into one of +95,353 s; `timing` repairs jumps.
    "correct_ts_overflow": "0",
}

# Pictures for which no reader is allowed. FFmpeg knows most of them by their endings alone.
NOT_READ = (".cur", ".icns", ".xcf", ".svg", ".eps", ".pdf", ".xpm", ".cr2", ".nef", ".arw")


@contextmanager
def open_local(path: Path, gpu: Device | None = None) -> Iterator[av.container.InputContainer]:
    """Open a demuxer over one regular local file; raises InputRefused with one line for anything else.

    gpu  decodes if it can, in frames that stay on it; its context must be current in this thread
    """
    descriptor = open_regular(path)
    try:
        # Windows has no /dev/fd; `file:` keeps the name from being read as a protocol there.
        name = f"file:{path}" if sys.platform == "win32" else f"/dev/fd/{descriptor}"
        # PyAV 19 replaces what is not UTF-8 by itself and no longer knows the argument.
        lenient: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
        try:
            hwaccel = None if gpu is None else accelerator(gpu)
            container = av.open(name, "r", options=dict(OPTIONS), hwaccel=hwaccel, **lenient)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise InputRefused(f"{path}: {_why_not_opened(path)}") from error
        with container:
            yield container
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> int:
    """Open a regular file read-only and return its descriptor; a FIFO, device, folder or missing file is refused at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise InputRefused(f"{path}: no such file") from None
    except OSError as error:
        raise InputRefused(f"{path}: cannot be opened ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputRefused(f"{path}: not a regular file")
    return descriptor


def _why_not_opened(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:  # a file of /proc may be opened and not read
        return f"cannot be read ({error.strerror})"
    if path.suffix.lower() in NOT_READ:
        return f"{path.suffix} files are not read; convert it to PNG"
    return what_it_is(head) or "not a video or picture that can be read, or damaged at its start"
