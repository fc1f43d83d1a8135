"""Time every kernel: microseconds inside a CUDA graph, bytes that it must move, and its share of the measured copy."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from gpu_phases.case import Case, Material, on_device
from gpu_phases.frame import FRAME_CASES
from gpu_phases.motion_cases import MOTION_CASES
from gpu_phases.phase import Phase
from gpu_phases.picture_cases import PICTURE_CASES
from gpu_phases.timing import graph_microseconds, host_microseconds

SIZES = ((720, 1280), (1080, 1920), (2160, 3840))  # (height, width)
MOST_CACHED = 256e6  # bytes of all sets of inputs: several times the largest cache of a card
MOST_SETS = 32


def run(phase: Phase) -> None:
    import cupy

    sizes = SIZES
    if phase.simulated:
        sizes = ((48, 64),) if phase.smallest else ((48, 64), (96, 128))
    with cupy.cuda.Stream(non_blocking=True):  # one for all: CuPy keeps freed memory for the stream that used it
        for size in sizes:
            for case in (*PICTURE_CASES, *MOTION_CASES, *FRAME_CASES):
                try:
                    phase.add("rows", timed(phase, case, size))
                except Exception as error:  # recorded: the other kernels are still of interest
                    reason = f"{type(error).__name__}: {error}"[:300]
                    phase.add("rows", {"kernel": case.name, "size": f"{size[1]}x{size[0]}", "reason": reason})
    failed = [f"{row['kernel']} at {row['size']}" for row in phase.results["rows"] if "reason" in row]
    if failed:
        phase.save(state="failed", reason="; ".join(failed)[:1000])


def timed(phase: Phase, case: Case, size: tuple[int, int]) -> dict:
    """Time one case on at least three sets of arrays."""
    pixels = size[0] * size[1]
    work = case.make(Material(*size, wild=False))
    counted = case.counted_bytes(work, pixels)
    wanted = math.ceil(MOST_CACHED / work.num_bytes)
    sets = [on_device(work) for _ in range(2 if phase.simulated else min(max(wanted, 3), MOST_SETS))]
    calls = [lambda arrays=arrays: work.run(arrays) for arrays in sets]
    rounds = 1 if phase.simulated else 50
    us = graph_microseconds(calls, rounds=rounds, simulated=phase.simulated)
    row: dict[str, Any] = {"kernel": case.name, "size": f"{size[1]}x{size[0]}", "counted_bytes": int(counted)}
    row |= {"bandwidth_bound": case.is_bandwidth_bound, "sets": len(sets)}
    if us is None:
        return {**row, "finite": finite(sets)}
    row |= {"us": round(us, 2), "gb_per_second": round(counted / us / 1e3, 1)}
    copy = phase.earlier_figure("ceilings", "copy_gb_per_second")
    if copy is not None:
        row["share_of_copy"] = round(counted / us / 1e3 / copy, 3)
    row["host_us"] = round(host_microseconds(calls[0], rounds=20), 1)
    return row


def finite(sets: list[SimpleNamespace]) -> bool:
    """Whether the results of all sets are finite: memory that a graph lost would be NaN."""
    arrays = [
        getattr(arrays, name) for arrays in sets for name in vars(arrays) if name in ("out", "to", "sure", "luma")
    ]
    return all(bool(np.isfinite(array.get()).all()) for array in arrays)
