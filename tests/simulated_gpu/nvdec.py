"""NVDEC as PyAV gives it: frames that a software decoder made, in pitched surfaces of the device.

A surface is filled by work on the legacy stream and goes back to its pool as soon as nothing refers to it; the next frame
overwrites it, again on the legacy stream. A reader needs an event after the first and one before the second.
"""

import errno
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import av
import av.subtitles.stream  # looks at the size of HWAccel when it is imported
import numpy as np
from av.codec.hwaccel import HWAccel

from simulated_gpu import dlpack
from simulated_gpu.gpu import gpu

SURFACES = 4  # that a decoder has from the start; it allocates more if they are all held
PITCH = 256  # bytes; rows of a surface begin at multiples of it
CODED = 16  # lines; surfaces have whole macroblocks
CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg")  # by decoder: libdav1d has no hardware half
SEMI_PLANAR = {"yuv420p": "nv12", "yuvj420p": "nv12", "nv12": "nv12", "yuv420p10le": "p010le", "p010le": "p010le"}


def check_contexts(accel: HWAccel) -> None:
    """Raise the error of FFmpeg for options with which it opens no CUDA context, or another than CuPy's."""
    uses = {name: str(accel.options.get(name, "0")) == "1" for name in ("primary_ctx", "current_ctx")}
    if all(uses.values()):
        raise av.FFmpegError(errno.EINVAL, "primary_ctx and current_ctx exclude each other")
    if uses["primary_ctx"] and gpu.memory.used:
        raise av.FFmpegError(errno.ENOTSUP, "Primary context already active with incompatible flags.")
    if accel.device_id != 0:
        raise av.FFmpegError(errno.ENODEV, f"the simulated machine has no device {accel.device_id}")


class Surfaces:
    """Surfaces of a decoder by size: the one that came back last is given out first."""

    def __init__(self) -> None:
        self._free: dict[int, list[int]] = defaultdict(list)
        self._made: set[int] = set()

    def take(self, size: int) -> "Surface":
        """Return a surface of at least `size` bytes."""
        if size not in self._made:
            self._made.add(size)
            self._free[size].extend(self._allocated(size) for _ in range(SURFACES))
        address = self._free[size].pop() if self._free[size] else self._allocated(size)
        return Surface(address, self._free[size])

    def _allocated(self, size: int) -> int:
        gpu.refuse_in_capture("cuMemAlloc of a decoder surface")
        gpu.counters.surfaces += 1
        with gpu.lock:
            return gpu.memory.allocate(size)


class Surface:
    """Memory of one decoded frame; it goes back when nothing refers to it."""

    def __init__(self, address: int, free: list[int]) -> None:
        self.address, self._free = address, free

    def __del__(self) -> None:
        self._free.append(self.address)


class Decoder:
    """Makes CUDA frames of software frames."""

    def __init__(self, accel: HWAccel) -> None:
        self.accel = accel
        self._surfaces = Surfaces()

    def frame(self, software: av.VideoFrame) -> Any:
        """Return a CUDA frame with the picture of a 4:2:0 frame; other frames as they are, as FFmpeg does with fall-back."""
        sw_format = SEMI_PLANAR.get(software.format.name)
        if sw_format is None:
            if not self.accel.allow_software_fallback:
                raise ValueError(f"NVDEC does not decode {software.format.name}")
            return software
        if not self.accel.is_hw_owned:
            return software  # PyAV downloads it
        luma, chroma = semi_planar_planes(software)
        pitch = -(-luma.nbytes // len(luma) // PITCH) * PITCH
        lines = -(-len(luma) // CODED) * CODED
        surface = self._surfaces.take(pitch * (lines + lines // 2))
        targets = []
        for plane, first_line in ((luma, 0), (chroma, lines)):
            row = plane.reshape(len(plane), -1)
            place = surface.address + first_line * pitch
            targets.append((gpu.memory.view(place, row.shape, row.dtype, (pitch, row.itemsize)), row))

        def decode() -> None:
            for target, row in targets:
                target[...] = row

        gpu.submit(gpu.legacy, "NVDEC", decode)
        return CudaFrame(software, sw_format, surface, pitch, lines)


def semi_planar_planes(frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return luma (H,W) and chroma (H/2,W/2,2) of a 4:2:0 frame as NVDEC stores them: uint8, or uint16 with high bits set."""
    name = frame.format.name
    dtype, shift = (np.uint16 if "10" in name else np.uint8), 6 if name == "yuv420p10le" else 0
    luma, *chroma = (
        np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)[:, : plane.width * (2 if two else 1)] << shift
        for plane, two in zip(frame.planes, (False, len(frame.planes) == 2, False), strict=False)
    )
    interleaved = chroma[0].reshape(len(chroma[0]), -1, 2) if len(chroma) == 1 else np.stack(chroma, -1)
    return luma, interleaved


class Proxy:
    """Answers like the object behind it, except where a subclass says otherwise."""

    def __init__(self, real: Any) -> None:
        object.__setattr__(self, "real", real)

    @property
    def __class__(self) -> Any:
        return type(self.real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.real, name, value)

    def __eq__(self, other: object) -> bool:
        return self.real == getattr(other, "real", other)

    def __hash__(self) -> int:
        return hash(self.real)


class CudaFrame(Proxy):
    """A decoded frame on the device: times and colour of the software frame, planes in a surface."""

    def __init__(self, software: av.VideoFrame, sw_format: str, surface: Surface, pitch: int, lines: int) -> None:
        super().__init__(software)
        width, height = software.width, software.height
        values = {
            "format": av.VideoFormat("cuda", width, height),
            "sw_format": av.VideoFormat(sw_format, width, height),
            "planes": tuple(CudaPlane(surface, sw_format, width, height, pitch, lines, index) for index in range(2)),
        }
        self.__dict__.update(values)

    def reformat(self, *args: Any, **kwargs: Any) -> av.VideoFrame:
        """Download and convert: the host waits."""
        return self._downloaded().reformat(*args, **kwargs)

    def to_ndarray(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """Download: the host waits."""
        return self._downloaded().to_ndarray(*args, **kwargs)

    def _downloaded(self) -> av.VideoFrame:
        gpu.counters.downloads += 1
        gpu.counters.pageable_copies += 1
        gpu.wait_until(lambda: not gpu.legacy.items, "av_hwframe_transfer_data")
        return self.real


class CudaPlane:
    """One plane of a surface. It has no buffer for the host; DLPack gives the address, and no synchronisation."""

    def __init__(
        self, surface: Surface, sw_format: str, width: int, height: int, pitch: int, lines: int, index: int
    ) -> None:
        self._surface, self._dtype = surface, np.dtype(np.uint8 if sw_format == "nv12" else np.uint16)
        self._shape = (height, width) if index == 0 else (height // 2, width // 2, 2)
        self._address = surface.address + (pitch * lines if index else 0)
        self.line_size, self.index = pitch, index
        self.width, self.height = (width, height) if index == 0 else (-(-width // 2), -(-height // 2))
        self.buffer_size = pitch * self.height

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, 0

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        if stream is not None:
            raise NotImplementedError(
                "CUDA stream synchronization is not supported. Pass stream=None and synchronize before."
            )
        size = self._dtype.itemsize
        strides = (self.line_size, size) if self.index == 0 else (self.line_size, 2 * size, size)
        return dlpack.capsule(self._address, self._shape, strides, self._dtype, owner=self._surface)


class Container(Proxy):
    """An input container whose video decoders run on the device."""

    def __init__(self, real: Any, accel: HWAccel) -> None:
        super().__init__(real)
        self.__dict__.update(streams=Streams(real.streams, accel))

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.real.close()

    def demux(self, *streams: Any, **named: Any) -> Iterator[Any]:
        """Yield packets, as the real container does."""
        return self.real.demux(*(getattr(stream, "real", stream) for stream in streams), **named)

    def decode(self, *streams: Any, **named: Any) -> Iterator[Any]:
        """Yield frames of the first video stream, or of the video stream given."""
        wanted = streams[0] if streams and hasattr(streams[0], "real") else self.streams.video[0]
        for packet in self.demux(wanted):
            yield from wanted.codec_context.decode(packet)

    def seek(self, offset: int, *, stream: Any = None, **named: Any) -> None:
        """Seek, as the real container does."""
        self.real.seek(offset, stream=getattr(stream, "real", stream), **named)


class Streams(Proxy):
    """The streams of a container; those of video decode on the device."""

    def __init__(self, real: Any, accel: HWAccel) -> None:
        super().__init__(real)
        self.__dict__.update(video=tuple(VideoStream(stream, accel) for stream in real.video))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.real)

    def __len__(self) -> int:
        return len(self.real)

    def __getitem__(self, index: int) -> Any:
        return self._proxied(self.real[index])

    def best(self, kind: str, *args: Any) -> Any:
        """Return the stream that FFmpeg prefers."""
        return self._proxied(self.real.best(kind, *args))

    def _proxied(self, stream: Any) -> Any:
        return next((video for video in self.video if video.real is stream), stream)


class VideoStream(Proxy):
    """A video stream whose decoder runs on the device, if NVDEC knows the codec."""

    def __init__(self, real: Any, accel: HWAccel) -> None:
        super().__init__(real)
        self.__dict__.update(codec_context=CodecContext(real.codec_context, accel))

    def decode(self, packet: Any = None) -> list[Any]:
        """Return the frames of a packet."""
        return self.codec_context.decode(packet)


class CodecContext(Proxy):
    """The decoder of a stream."""

    def __init__(self, real: Any, accel: HWAccel) -> None:
        super().__init__(real)
        known = real.name in CODECS
        if not known and not accel.allow_software_fallback:
            raise NotImplementedError(f"no hardware decoder for {real.name}")
        self.__dict__.update(is_hwaccel=known, _decoder=Decoder(accel))

    def decode(self, packet: Any = None) -> list[Any]:
        """Return the frames of a packet: on the device if NVDEC knows the codec."""
        frames = self.real.decode(packet)
        return [self._decoder.frame(frame) for frame in frames] if self.is_hwaccel else frames


@contextmanager
def installed() -> Iterator[None]:
    """Let `av.open(path, hwaccel=HWAccel("cuda", ...))` decode on the simulated device."""
    really_open = av.open

    def open_(file: Any, *args: Any, hwaccel: Any = None, **kwargs: Any) -> Any:
        real = really_open(file, *args, **kwargs)
        if hwaccel is None:
            return real
        check_contexts(hwaccel)
        return Container(real, hwaccel)

    with mock.patch.object(av, "open", open_):
        yield
