"""The video engines of an NVIDIA GPU: whether its decoder (NVDEC) really decodes a codec."""

import io
from fractions import Fraction

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from rotoscope.base.device import Device
from rotoscope.runtime.media.encoder import ordinary_priority

DECODED = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}  # and what encodes the trial
_SIDE, _NUM_FRAMES = 256, 4


def why_not_decoded(codec: str, device: Device) -> str:
    """Decode a few frames of this codec on the GPU; return why that fails, or an empty string."""
    trial = _trial(DECODED[codec])
    try:
        accelerator = HWAccel("cuda", device=str(device.index), allow_software_fallback=False)
        with av.open(trial, "r", hwaccel=accelerator) as container:
            if not container.streams.video[0].codec_context.is_hwaccel:
                return "FFmpeg has no decoder for it that runs on a GPU"
            decoded = len(list(container.decode(video=0)))
    except (av.FFmpegError, RuntimeError, NotImplementedError, ValueError, OSError) as error:
        return str(getattr(error, "strerror", None) or error)
    return "" if decoded == _NUM_FRAMES else f"{decoded} of {_NUM_FRAMES} frames came out"


def _trial(encoder: str) -> io.BytesIO:
    """Encode a few grey frames as Matroska, in memory."""
    file = io.BytesIO()
    with ordinary_priority(), av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(encoder, rate=Fraction(25))
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = _SIDE
        stream.pix_fmt = "yuv420p"
        if encoder == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        for index in range(_NUM_FRAMES):
            grey = np.full((_SIDE * 3 // 2, _SIDE), 60 + 40 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="yuv420p")))
        container.mux(stream.encode(None))
    file.seek(0)
    return file
