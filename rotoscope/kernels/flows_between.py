"""Flows from a picture between two others, made of the flows between those.

Super SloMo's first estimate (Jiang et al., CVPR 2018): points move at constant speed. What only the second picture shows is
taken from it alone. It is the computation of `runtime.steady.insert.between`. The CUDA kernel moves 40 bytes per pixel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, flow_size, on_cuda, output
from rotoscope.kernels.launch import run_kernel
from rotoscope.kernels.weighted_sum import line_blocks

LEAST_VISIBLE = 1e-3

F64 = NDArray[np.float64]
Outputs = tuple[AnyArray, AnyArray, AnyArray]


def flows_between(
    there: AnyArray, back: AnyArray, trust: AnyArray, time: float, *, out: Outputs | None = None
) -> Outputs:
    """Return (to_a, to_b, weight) for the picture at `time` of the way from a to b.

    there, back  (H,W,2) float32, the flows from a to b and from b to a, (dx, dy) in pixels
    trust        (H,W) float32 in [0,1]: how reliably a shows what b shows
    time         between 0 and 1
    out          to_a, to_b (H,W,2) float32, the flows from the new picture, and weight (H,W) float32, the share of b; new
                 arrays if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = flows_between_cuda if on_cuda(there, back, trust, *(out or ())) else flows_between_cpu
    size = flow_size(there, "there")
    check(there, (*size, 2), ("float32",), "there")
    check(back, (*size, 2), ("float32",), "back")
    check(trust, size, ("float32",), "trust")
    if not 0 < time < 1:
        raise ValueError(f"{time=}; accepted: between 0 and 1")
    to_a, to_b, weight = out or (None, None, None)
    made = (
        output(to_a, there.shape, "float32", there, "to_a"),
        output(to_b, there.shape, "float32", there, "to_b"),
        output(weight, size, "float32", there, "weight"),
    )
    version(there, back, trust, time, made)
    return made


def flows_between_reference(
    there: NDArray[Any], back: NDArray[Any], trust: NDArray[Any], time: float
) -> tuple[F64, F64, F64]:
    """`flows_between` in float64 with NumPy."""
    f, g, t = there.astype(np.float64), back.astype(np.float64), time
    weight = t / (np.maximum(trust.astype(np.float64), LEAST_VISIBLE) * (1 - t) + t)
    return g * t * t - f * t * (1 - t), f * (1 - t) ** 2 - g * t * (1 - t), weight


def flows_between_cpu(there: AnyArray, back: AnyArray, trust: AnyArray, time: float, out: Outputs) -> None:
    """`flows_between` on NumPy arrays, with NumPy."""
    t, rest = np.float32(time), np.float32(1 - time)
    np.subtract(back * (t * t), there * (t * rest), out=out[0])
    np.subtract(there * (rest * rest), back * (t * rest), out=out[1])
    np.divide(t, np.maximum(trust, np.float32(LEAST_VISIBLE)) * rest + t, out=out[2])


def flows_between_cuda(there: AnyArray, back: AnyArray, trust: AnyArray, time: float, out: Outputs) -> None:
    """`flows_between` on CuPy arrays."""
    numbers = np.float32(time), np.float32(LEAST_VISIBLE), np.int32(trust.size)
    run_kernel("mix", "flows_between", line_blocks(trust.size), there, back, trust, *numbers, *out)
