"""Load, store and mix runs: up to `RUN` neighbouring pixels of one row, held as float32 while a kernel works on them.

A run is a flat float32 array. Interleaved pictures: four floats per pixel, values[4*k + c] (for uint8 pixels the fourth has
no meaning). Planar pictures and flows: values[c*RUN + k]. k counts pixels of the run, c counts channels.
`layout` is a `Layout` as a tuple: (height, width, channels, pixel_stride, channel_stride), strides in elements.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.vector import add_scaled4, as_float, load4, scaled4, store4, stream4

RUN = (
    512  # pixels: long enough for the hardware to prefetch; 15 runs of four floats (120 KiB) fit the second-level cache
)
STREAM_FROM = (
    2**20
)  # elements: results from this size on are written past the caches; a smaller one may be read from them
NOTHING = np.empty(0, np.uint8)  # passed to a kernel for an optional array that was not given; kernels test its length

F32 = NDArray[np.float32]


@cpu_kernel
def load_run(picture: Any, layout: Any, y: int, begin: int, count: int, out: F32) -> None:
    """Load `count` pixels of row y from column `begin` on, without any motion, into the run `out`.

    picture  flat, float32 or uint8; for a mask or weight of one channel any dtype
    """
    _, width, channels, pixel_stride, channel_stride = layout
    first = (y * width + begin) * pixel_stride
    if pixel_stride == 4:
        here = picture[first : first + 4 * count]
        for i in range(4 * count):
            out[i] = np.float32(here[i])
    elif pixel_stride == 3:
        end = min(count, (picture.shape[0] - first - 4) // 3 + 1)
        for k in range(end):
            store4(out, 4 * k, load4(picture, first + 3 * k))
        for k in range(end, count):
            for c in range(3):
                out[4 * k + c] = as_float(picture[first + 3 * k + c])
    else:
        for c in range(channels):
            here, line = picture[first + c * channel_stride :], out[c * RUN :]
            for k in range(count):
                line[k] = np.float32(here[k * pixel_stride])


@cpu_kernel
def store_run(values: F32, layout: Any, y: int, begin: int, count: int, picture: Any) -> None:
    """Write the run `values` to `count` pixels of row y from column `begin` on; uint8 is clipped and rounded to nearest.

    picture  flat, float32 or uint8
    """
    _, width, channels, pixel_stride, channel_stride = layout
    first = (y * width + begin) * pixel_stride
    if pixel_stride == 4:
        here = picture[first : first + 4 * count]
        if picture.shape[0] >= STREAM_FROM and picture.ctypes.data % 16 == 0:
            for k in range(count):
                stream4(here, 4 * k, load4(values, 4 * k))
        else:
            for i in range(4 * count):
                here[i] = values[i]
    elif pixel_stride == 3:
        here = picture[first : first + 3 * count]
        zero, top, half = np.float32(0), np.float32(255), np.float32(0.5)
        for k in range(count):
            for c in range(3):
                value = values[4 * k + c] + half
                value = value if value > zero else zero
                here[3 * k + c] = np.uint8(np.int32(value if value < top else top))
    else:
        for c in range(channels):
            here, line = picture[first + c * channel_stride :], values[c * RUN :]
            for k in range(count):
                here[k * pixel_stride] = line[k]


@cpu_kernel
def mix_runs(first: F32, second: F32, weight: F32, planar: bool) -> None:
    """Replace the run `first` by (1-weight)*first + weight*second; weight (RUN,) per pixel."""
    one = np.float32(1)
    if planar:
        for c in range(first.shape[0] // RUN):
            a, b = first[c * RUN :], second[c * RUN :]
            for k in range(RUN):
                a[k] = (one - weight[k]) * a[k] + weight[k] * b[k]
    else:
        for k in range(RUN):
            mixed = scaled4(load4(first, 4 * k), one - weight[k])
            store4(first, 4 * k, add_scaled4(mixed, load4(second, 4 * k), weight[k]))
