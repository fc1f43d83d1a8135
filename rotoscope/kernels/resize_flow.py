"""Resize a flow: resize its components bilinearly, then multiply dx and dy by the factors of width and height.

The CUDA kernel moves every vector of both flows once: 8 bytes each (4 of half floats). It reads a flow as a network gives it,
component by component, without a copy; at the same size it only rearranges.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, dtype_name, flat, flat_rows, on_cuda, output, row_stride
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import half_or_float, pixel_grid, run_kernel, structure
from rotoscope.kernels.resize import axis_taps, cuda_taps, resize_matrix, sum_lines
from rotoscope.kernels.rows import run_rows


def resize_flow(flow: AnyArray, size: tuple[int, int], *, out: AnyArray | None = None) -> AnyArray:
    """Return the flow between the same pictures at another size, in pixels of that size.

    flow  (H,W,2) float32 or float16, (dx, dy) in pixels, any strides: a part of a larger flow, or a network's (2,H,W) with its
          first axis moved to the end. CUDA reads it as it is; the CPU copies it first unless its rows are contiguous
    size  (height, width) of the result, in pixels
    out   (height,width,2) float32, not flow's memory; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = resize_flow_cuda if on_cuda(flow, out) else resize_flow_cpu
    if flow.ndim != 3 or flow.shape[2] != 2 or not all(flow.shape) or dtype_name(flow) not in ("float32", "float16"):
        raise ValueError(f"flow: {flow.dtype} {flow.shape}; accepted: (H,W,2) float32 or float16, in pixels (dx, dy)")
    if min(size) < 1:
        raise ValueError(f"{size=}; accepted: at least (1, 1)")
    out = output(out, (*size, 2), "float32", flow)
    version(flow, out)
    return out


def resize_flow_reference(flow: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
    """`resize_flow` in float64: the matrices of `resize_matrix`, then the factors."""
    height, width = flow.shape[:2]
    vertical, horizontal = resize_matrix(height, size[0], "bilinear"), resize_matrix(width, size[1], "bilinear")
    resized = np.einsum("yj,jic,xi->yxc", vertical, flow.astype(np.float64), horizontal, optimize=True)
    scaled: NDArray[np.float64] = resized * (size[1] / width, size[0] / height)
    return scaled


def resize_flow_cpu(flow: AnyArray, out: AnyArray) -> None:
    """`resize_flow` on NumPy arrays."""
    (height, width), (height_out, width_out) = flow.shape[:2], out.shape[:2]
    vertical, horizontal = axis_taps(height, height_out, "bilinear"), axis_taps(width, width_out, "bilinear")
    factors = np.float32(width_out / width), np.float32(height_out / height)
    if flow.strides[1:] != (2 * flow.itemsize, flow.itemsize):
        flow = np.ascontiguousarray(flow)
    stride = row_stride(flow, "flow")
    vectors = flat(flat_rows(flow, stride))
    run_rows(_resize_flow, height_out, vectors, width, stride, *vertical, *horizontal, factors, width_out, flat(out))


def resize_flow_cuda(flow: AnyArray, out: AnyArray) -> None:
    """`resize_flow` on CuPy arrays."""
    (height, width), (height_out, width_out) = flow.shape[:2], out.shape[:2]
    taps = cuda_taps((height, width), (height_out, width_out), "bilinear")
    factors = np.float32(width_out / width), np.float32(height_out / height)
    size = np.int32(height_out), np.int32(width_out)
    row, pixel, component = (stride // flow.itemsize for stride in flow.strides)
    if (pixel, component) == (2, 1) and row % 2 == 0:
        name, strides = f"resize_flow<{half_or_float(flow)}>", np.int32(row // 2)
    else:
        element = "unsigned short" if dtype_name(flow) == "float16" else "float"
        name, strides = f"resize_components<{element}>", structure(np.int64, row, pixel, component)
    run_kernel("resize", name, pixel_grid(height_out, width_out), flow, strides, *size, *taps, *factors, out)


@cpu_kernel
def _resize_flow(
    row_begin: int,
    row_end: int,
    flow: Any,
    width: int,
    stride: int,
    first_y: Any,
    weights_y: Any,
    first_x: Any,
    weights_x: Any,
    factors: Any,
    width_out: int,
    out: Any,
) -> None:
    """Rows row_begin to row_end of the result.

    flow                  flat, float32, or uint16 for the bits of half floats; `stride` elements from one row to the next
    first_y, first_x      int32, from `axis_taps`
    weights_y, weights_x  float32 (size, taps), from `axis_taps`
    factors               (width_out / width, height_out / height), float32
    out                   flat, float32
    """
    line = np.empty(2 * width, np.float32)
    factor_x, factor_y = factors
    for y in range(row_begin, row_end):
        sum_lines(flow, 0, 2 * width, stride, first_y[y], weights_y[y], line)
        target = out[2 * y * width_out :]
        if weights_x.shape[1] == 2:  # every width but 1; without the inner loop
            for x in range(width_out):
                first, left, right = 2 * np.int64(first_x[x]), weights_x[x, 0], weights_x[x, 1]
                target[2 * x] = (line[first] * left + line[first + 2] * right) * factor_x
                target[2 * x + 1] = (line[first + 1] * left + line[first + 3] * right) * factor_y
        else:
            for x in range(width_out):
                target[2 * x], target[2 * x + 1] = line[0] * factor_x, line[1] * factor_y
