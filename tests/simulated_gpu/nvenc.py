"""NVENC as PyAV drives it: it takes frames in device memory, each one allocation, and reads them when a test says so."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from simulated_gpu import dlpack
from simulated_gpu.gpu import CUDARuntimeError, gpu
from simulated_gpu.streams import queue_at

MOST_REGISTRATIONS = 64  # of surfaces, which NVENC keeps by their address


class CudaContext:
    """The arguments of PyAV's CudaContext; `cuda_stream` is the stream on which the encoder reads."""

    def __init__(
        self, device_id: int = 0, primary_ctx: bool = True, current_ctx: bool = False, cuda_stream: int | None = None
    ) -> None:
        if primary_ctx and current_ctx:
            raise ValueError("primary_ctx and current_ctx exclude each other")
        self.device_id, self.primary_ctx, self.current_ctx = device_id, primary_ctx, current_ctx
        self.cuda_stream = cuda_stream or 0


class CudaFrame:
    """A frame of the encoder: it holds the capsules of its planes."""

    def __init__(self, planes: list[dlpack.Taken], format_name: str, context: CudaContext) -> None:
        self.planes, self.format_name, self.context = planes, format_name, context
        self.height, self.width = planes[0].shape
        self.pts: int | None = None
        self.time_base: Any = None


def frame_from_dlpack(
    planes: Sequence[Any],
    format: str = "nv12",
    width: int = 0,
    height: int = 0,
    stream: int | None = None,
    device_id: int | None = None,
    primary_ctx: bool | None = None,
    cuda_context: CudaContext | None = None,
    current_ctx: bool | None = None,
) -> CudaFrame:
    """Stand for `av.VideoFrame.from_dlpack` with planes of the device: luma (H,W) and chroma (H/2,W/2,2) of even sides."""
    dtype = {"nv12": np.uint8, "p010le": np.uint16, "p016le": np.uint16}[format]
    taken = [dlpack.take(plane.__dlpack__(stream=stream)) for plane in planes]
    luma, chroma = taken
    rows, columns = luma.shape
    if rows % 2 or columns % 2:
        raise ValueError(f"{columns}x{rows}: {format} needs even sides")
    if chroma.shape != (rows // 2, columns // 2, 2) or {luma.dtype, chroma.dtype} != {np.dtype(dtype)}:
        raise ValueError(f"chroma {chroma.dtype} {chroma.shape} beside luma {luma.dtype} {luma.shape}")
    return CudaFrame(taken, format, cuda_context or CudaContext(device_id or 0))


class Encoder:
    """Takes frames and keeps them until it has read them.

    `encode` registers a frame; `read` enqueues the reading of the oldest; `pictures` waits and returns all that was read,
    as (luma, chroma) host arrays.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[CudaFrame, int]] = []
        self._registered: dict[int, tuple[int, int]] = {}
        self._read: list[tuple[np.ndarray, np.ndarray]] = []
        self._context: CudaContext | None = None

    def encode(self, frame: CudaFrame) -> None:
        """Register a frame for reading."""
        luma, chroma = frame.planes
        pitch = (luma.strides or luma.shape[::-1])[0] * luma.dtype.itemsize
        chroma_pitch = (chroma.strides or (chroma.shape[1] * 2,))[0] * chroma.dtype.itemsize
        address = luma.memory.ptr
        if chroma.memory.ptr != address + pitch * frame.height or chroma_pitch != pitch:
            raise CUDARuntimeError(
                "NVENC reads chroma at luma + pitch * height: both planes must lie in one allocation"
            )
        if self._context not in (None, frame.context):
            raise CUDARuntimeError("resource register failed (23): a frame of another CudaContext")
        self._context = frame.context
        if self._registered.setdefault(address, (pitch, frame.height)) != (pitch, frame.height):
            raise CUDARuntimeError("NVENC kept another size for this address: use a ring of buffers that stay")
        if len(self._registered) > MOST_REGISTRATIONS:
            raise CUDARuntimeError("resource register failed (23): more addresses than NVENC keeps")
        self._waiting.append((frame, pitch))

    def read(self) -> None:
        """Enqueue the reading of the oldest frame on the encoder's stream; then give its memory back."""
        frame, pitch = self._waiting.pop(0)
        dtype = frame.planes[0].dtype
        row = (pitch, dtype.itemsize)
        whole = gpu.memory.view(frame.planes[0].memory.ptr, (frame.height * 3 // 2, frame.width), dtype, row)
        made = np.empty(whole.shape, dtype)
        gpu.submit(queue_at(frame.context.cuda_stream), "NVENC", lambda: np.copyto(made, whole))
        self._read.append((made[: frame.height], made[frame.height :].reshape(frame.height // 2, -1, 2)))

    def pictures(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Read what waits, wait for all of it, and return it."""
        while self._waiting:
            self.read()
        gpu.wait_for_all("nvEncLockBitstream")
        return self._read
