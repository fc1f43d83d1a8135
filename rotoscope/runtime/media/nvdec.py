"""Decode on an NVIDIA GPU (NVDEC): which videos it takes, and its surfaces as pictures on the device.

Written against PyAV 18.1, and run on an H200. The tests run it on a simulated decoder.
"""

from typing import Any

import av
from av.codec.hwaccel import HWAccel

from rotoscope.base.device import Device
from rotoscope.base.frame import Colour, Picture, VideoInfo
from rotoscope.kernels.arrays import from_dlpack

CODECS = ("h264", "hevc", "vp9")  # by FFmpeg's decoder; the one that it takes for AV1, libdav1d, has no hardware half
PIXEL_FORMATS = ("yuv420p", "yuvj420p", "nv12", "yuv420p10le", "p010le")  # 4:2:0 of 8 and 10 bits
DEPTHS = {"nv12": 8, "p010le": 16}  # bits of a code value in a surface


def why_not(info: VideoInfo) -> str:
    """Return why NVDEC cannot decode a video; empty if it can."""
    if info.codec not in CODECS:
        return f"the GPU's decoder is not used for {info.codec}"
    if info.pixel_format not in PIXEL_FORMATS:
        return f"the GPU's decoder does not give {info.pixel_format}"
    if info.width % 2 or info.height % 2:
        return f"the GPU's decoder gives even sizes only, and the video is {info.width}x{info.height}"
    if not info.orientation.is_identity:
        return "the video must be turned upright"
    return ""


def accelerator(device: Device) -> HWAccel:
    """Return what `av.open(hwaccel=...)` takes for frames that stay on the device.

    FFmpeg uses the context that is current in the calling thread, CuPy's: one of its own would not share memory, and the
    primary one would be refused, because CuPy has set its flags already.
    """
    options: dict[str, object] = {"primary_ctx": "0", "current_ctx": "1"}
    return HWAccel("cuda", device=str(device.index), allow_software_fallback=True, is_hw_owned=True, options=options)


def is_surface(frame: av.VideoFrame) -> bool:
    """Whether a decoded frame is a surface of the device, and not memory of the host."""
    return frame.format.name == "cuda"


def surface_picture(frame: Any, colour: Colour, siting: tuple[float, float]) -> Picture:
    """Return a decoded surface as a picture: luma (H,W) and chroma (H/2,W/2,2) with the pitch of the surface, not copied.

    The decoder writes on the legacy stream, and takes the surface back when nothing refers to it: see `GpuRun.from_decoder`.
    """
    planes = tuple(from_dlpack(plane) for plane in frame.planes)
    return Picture(planes, colour, DEPTHS[frame.sw_format.name], siting)
