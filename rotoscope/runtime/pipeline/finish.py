"""The last stage: mix with the source, resize, set side by side, and quantise once to the encoder's code values."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from rotoscope.base.device import CPU, Device
from rotoscope.base.frame import Array, Colour, Frame, Picture
from rotoscope.base.live import Place
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.arrays import contiguous, on_cuda
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.float_picture import float_picture, resized
from rotoscope.kernels.hdr import hdr_from_sdr
from rotoscope.kernels.mix import mix
from rotoscope.runtime.motion.region import Region

LEFT = (0.0, 0.5)  # chroma siting of video
ALMOST_SAME = 2  # pixels: rounding to even sides is not another aspect


@dataclass(kw_only=True)
class Finish:
    """Turns a frame's float result into a Picture of code values; the only stage that quantises.

    size          (width, height) of the result, before `compare` doubles the width; every frame is scaled to it
    keeps_aspect  a frame of another aspect gets black bars; False: it is stretched
    region        (width, height) of a source -> (left, top, width, height), the part that the result shows
    pixel_format  one of `media.encoder.WRITABLE`
    mix           share of the source, 0 to 1; may be changed between two steps
    hdr           transfer (ITU-T H.273) in which results get their light back, 16 or 18; 0: they stay as they are
    alpha         results carry the alpha of their sources, opaque where a source has none
    """

    look_ahead = 0
    spans_cuts = True

    size: Size
    region: Callable[[Size], Region]
    pixel_format: str
    colour: Colour
    depth: int
    mix: float
    compare: bool
    times: StageTimes
    device: Device = CPU
    alpha: bool = False
    hdr: int = 0
    keeps_aspect: bool = False

    @property
    def written_size(self) -> Size:
        """(width, height) of the pictures that come out."""
        return (self.size[0] * 2, self.size[1]) if self.compare else self.size

    def place(self, source: Size) -> Place:
        """The rectangle of a result that shows a source of this (width, height)."""
        part = self.region(source)
        width, height = fitted_size(part[2:], self.size) if self.keeps_aspect else self.size
        left, top = (self.size[0] - width) // 2, (self.size[1] - height) // 2
        return Place(part, (left + self.size[0] * self.compare, top, width, height))

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, frame: Frame) -> list[Frame]:
        """The frame with a picture of code values."""
        with self.times.measure("finish"):
            pixels = self._fitted(frame.pixels(), frame.source)
            if self.mix or self.compare:
                source = self._source(frame.source)
                if self.mix:
                    pixels = self._mixed(pixels, source)
                if self.compare:
                    pixels = self._side_by_side(source, pixels)
            alpha = self._opacity(frame.source) if self.alpha else None
            return [replace(frame, result=replace(self._quantised(pixels), alpha=alpha))]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []

    def _source(self, source: Picture) -> Array:
        left, top, width, height = self.region(source.size)
        rgb = float_picture(source)[top : top + height, left : left + width]
        return self._fitted(rgb, source)

    def _fitted(self, pixels: Array, source: Picture) -> Array:
        """The pixels, which show the region of this source, at the size of the result."""
        left, top, width, height = self.place(source.size).filled
        if (width, height) == self.size:
            return resized(pixels, self.size)
        left -= self.size[0] * self.compare
        whole = self.device.empty((self.size[1], self.size[0], 4), np.float32)
        whole[...] = 0
        whole[top : top + height, left : left + width] = resized(pixels, (width, height))
        return whole

    def _opacity(self, source: Picture) -> Array:
        """(H,W) code values of the result's depth, on the host."""
        width, height = self.size
        top = (1 << self.depth) - 1
        dtype = np.uint8 if self.depth == 8 else np.uint16
        shown: Array = np.full((height, width), top, dtype)
        if source.alpha is not None:
            left, above, across, down = self.region(source.size)
            part = source.alpha[above : above + down, left : left + across] / np.float32((1 << source.depth) - 1)
            if part.shape != (height, width):
                shrinks = width <= across and height <= down
                part = cv2.resize(part, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
            shown = np.rint(np.clip(part, 0, 1) * top).astype(dtype)
        return np.concatenate([shown, shown], axis=1) if self.compare else shown

    def _mixed(self, pixels: Array, source: Array) -> Array:
        if on_cuda(pixels):
            return mix(pixels, source, share=self.mix)
        return pixels * np.float32(1 - self.mix) + source * np.float32(self.mix)

    def _side_by_side(self, left: Array, right: Array) -> Array:
        if not on_cuda(left):
            return np.ascontiguousarray(np.concatenate([left, right], axis=1))
        width, height = self.size
        both = self.device.empty((height, 2 * width, 4), np.float32)
        mix(left, out=both[:, :width])
        mix(right, out=both[:, width:])
        return both

    def _quantised(self, pixels: Array) -> Picture:
        if self.hdr:
            pixels = hdr_from_sdr(contiguous(pixels), self.hdr)
        planes = empty_planes(self.pixel_format, self.written_size, self.depth, self.device)
        coding: dict[str, Any] = {
            "matrix": self.colour.matrix,
            "full_range": self.colour.full_range,
            "depth": self.depth,
            "clip": self.colour.full_range,
        }
        color_out(pixels, planes, siting=LEFT if _is_420(planes) else (0.0, 0.0), **coding)
        return Picture(tuple(planes), self.colour, self.depth)


def fitted_size(picture: Size, frame: Size) -> Size:
    """The largest (width, height) of a picture's aspect inside a frame; the frame if the bars would be below 2 pixels."""
    factor = min(frame[0] / picture[0], frame[1] / picture[1])
    width, height = round(picture[0] * factor), round(picture[1] * factor)
    is_same = frame[0] - width < ALMOST_SAME and frame[1] - height < ALMOST_SAME
    return frame if is_same else (max(1, width), max(1, height))


def _is_420(planes: list[Array]) -> bool:
    return len(planes) > 1 and planes[1].shape[0] != planes[0].shape[0]


def empty_planes(pixel_format: str, size: Size, depth: int, device: Device = CPU) -> list[Array]:
    """Arrays for the code values of one picture of `size` (width, height)."""
    width, height = size
    dtype = np.uint8 if depth == 8 else np.uint16
    if pixel_format in ("rgb24", "rgb48le", "gbrp", "bgr0"):
        return [device.empty((height, width, 3), dtype)]
    if pixel_format == "gray":
        return [device.empty((height, width), dtype)]
    half_width, half_height = -(-width // 2), -(-height // 2)
    if pixel_format == "nv12":
        return [device.empty((height, width), dtype), device.empty((half_height, half_width, 2), dtype)]
    chroma = {"420": (half_height, half_width), "422": (height, half_width), "444": (height, width)}[pixel_format[3:6]]
    return [device.empty((height, width), dtype), device.empty(chroma, dtype), device.empty(chroma, dtype)]
