"""Weights of later frames beside a mean of the past, as `aggregate` takes them, and how much of the full weight was used."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, addresses, check, flat, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import pixel_grid, pointers, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.vector import array_at

F64 = NDArray[np.float64]
MOST = 14  # neighbours that `aggregate` takes


def look_ahead_weights(
    share: AnyArray, trusts: Sequence[AnyArray], factors: Sequence[float], *, full: float
) -> tuple[list[AnyArray], AnyArray]:
    """Return (weights, used): weights[k] = factors[k] * trusts[k] * (1 - share), and
    used = (share / (1 - share) + sum of factors[k] * trusts[k]) / full, at most 1.

    share    (H,W) float32 in [0,1): of `past_weight`; the mean of past and present then counts 1 / (1 - share)
    trusts   0 to 14 arrays (H,W) float32 in [0,1]: of the later frames, along their flows
    factors  as many numbers, at least 0: weights of the later frames at full trust, the present one counting 1
    full     above 0: the weight of all other frames where everything is trusted

    Returns new arrays (H,W) float32. Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays
    of different kinds).
    """
    version = look_ahead_weights_cuda if on_cuda(share, *trusts) else look_ahead_weights_cpu
    if len(trusts) > MOST or len(factors) != len(trusts):
        raise ValueError(f"{len(trusts)} trusts and {len(factors)} factors; accepted: as many of each, at most {MOST}")
    if not full > 0:
        raise ValueError(f"{full=}; accepted: above 0")
    check(share, share.shape[:2], ("float32",), "share")
    for k, trust in enumerate(trusts):
        check(trust, share.shape, ("float32",), f"trusts[{k}]")
    weights = [output(None, share.shape, "float32", share) for _ in trusts]
    used = output(None, share.shape, "float32", share)
    version(share, trusts, factors, full, weights, used)
    return weights, used


def look_ahead_weights_reference(
    share: NDArray[Any], trusts: Sequence[NDArray[Any]], factors: Sequence[float], full: float
) -> tuple[list[F64], F64]:
    """`look_ahead_weights` in float64 with NumPy."""
    exact = share.astype(np.float64)
    later = [factor * trust.astype(np.float64) for factor, trust in zip(factors, trusts, strict=True)]
    used = (exact / (1 - exact) + np.sum([np.zeros_like(exact), *later], axis=0)) / full
    return [weight * (1 - exact) for weight in later], np.minimum(used, 1)


def look_ahead_weights_cpu(
    share: AnyArray,
    trusts: Sequence[AnyArray],
    factors: Sequence[float],
    full: float,
    weights: Sequence[AnyArray],
    used: AnyArray,
) -> None:
    """`look_ahead_weights` on NumPy arrays."""
    height, width = share.shape
    lists = addresses(list(trusts)), addresses(list(weights)), np.array(factors, np.float32)
    run_rows(_weights, height, flat(share), *lists, width, np.float32(1 / full), flat(used))


def look_ahead_weights_cuda(
    share: AnyArray,
    trusts: Sequence[AnyArray],
    factors: Sequence[float],
    full: float,
    weights: Sequence[AnyArray],
    used: AnyArray,
) -> None:
    """`look_ahead_weights` on CuPy arrays."""
    height, width = share.shape
    numbers = structure(np.float32, *factors, *(0.0,) * (MOST - len(factors)))
    lists = pointers(list(trusts)), pointers(list(weights)), numbers, np.int32(len(trusts))
    size = np.int32(height), np.int32(width)
    run_kernel(
        "ramp", "look_ahead_weights", pixel_grid(height, width), share, *lists, *size, np.float32(1 / full), used
    )


@cpu_kernel
def _weights(
    row_begin: int, row_end: int, share: Any, trusts: Any, weights: Any, factors: Any, width: int, scale: Any, used: Any
) -> None:
    """Rows row_begin to row_end; `trusts` and `weights` are addresses, uintp (K,); all arrays flat, float32."""
    one = np.float32(1)
    first, last = row_begin * width, row_end * width
    for i in range(first, last):
        used[i] = share[i] / (one - share[i])
    for n in range(factors.shape[0]):
        trust, weight, factor = (
            array_at(trusts[n], share, used.shape[0]),
            array_at(weights[n], share, used.shape[0]),
            factors[n],
        )
        for i in range(first, last):
            later = factor * trust[i]
            weight[i] = later * (one - share[i])
            used[i] += later
    for i in range(first, last):
        used[i] = min(used[i] * scale, one)
