"""Compose flows: from a to b and from b to c makes from a to c."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import Array, check, flat, flow_layout, flow_size, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import half_or_float, pixel_grid, run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.sampling import RUN, aim, gather, sample_reference
from rotoscope.kernels.vector import as_float


def compose_flow(flow_ab: Array, flow_bc: Array, *, out: Array | None = None) -> Array:
    """F_ac(p) = F_ab(p) + F_bc(p + F_ab(p)), F_bc sampled bilinearly and clamped to the border.

    flow_ab, flow_bc  (H,W,2), both float32 or both float16, pixels
    out               (H,W,2) float32, may be flow_ab, not flow_bc; made if None. Returned.
    """
    version = compose_flow_cuda if on_cuda(flow_ab, flow_bc, out) else compose_flow_cpu
    size = flow_size(flow_ab, "flow_ab")
    check(flow_bc, flow_ab.shape, (str(flow_ab.dtype),), "flow_bc")
    out = output(out, (*size, 2), "float32", flow_ab)
    version(flow_ab, flow_bc, out)
    return out


def compose_flow_reference(flow_ab: NDArray[Any], flow_bc: NDArray[Any]) -> NDArray[np.float64]:
    """The formula in float64: the oracle."""
    total: NDArray[np.float64] = flow_ab.astype(np.float64) + sample_reference(flow_bc.astype(np.float64), flow_ab)
    return total


def compose_flow_cpu(flow_ab: Array, flow_bc: Array, out: Array) -> None:
    """`compose_flow` on NumPy arrays."""
    height, width = out.shape[:2]
    run_rows(_compose_flow, height, flat(flow_ab), flat(flow_bc), tuple(flow_layout((height, width))), flat(out))


def compose_flow_cuda(flow_ab: Array, flow_bc: Array, out: Array) -> None:
    """`compose_flow` on CuPy arrays."""
    height, width = out.shape[:2]
    name = f"compose_flow<{half_or_float(flow_ab)}>"
    run_kernel(
        "compose_flow", name, pixel_grid(height, width), flow_ab, flow_bc, np.int32(height), np.int32(width), out
    )


@cpu_kernel
def _compose_flow(row_begin: int, row_end: int, flow_ab: Any, flow_bc: Any, layout: Any, out: Any) -> None:
    height, width = layout[0], layout[1]
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    onward = np.empty(2 * RUN, np.float32)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            aim(flow_ab, y, begin, count, height, width, spot, part, inside)
            gather(flow_bc, layout, False, count, spot, part, onward)
            first = 2 * (y * width + begin)
            here, target = flow_ab[first:], out[first:]
            for k in range(count):
                target[2 * k] = as_float(here[2 * k]) + onward[k]
                target[2 * k + 1] = as_float(here[2 * k + 1]) + onward[RUN + k]
