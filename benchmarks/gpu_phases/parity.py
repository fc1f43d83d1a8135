"""Compare every kernel with its reference in NumPy, and the looks with their golden values on every engine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import SimpleNamespace
from typing import Any

import numpy as np

from gpu_phases.case import Case, Material, Work, on_device
from gpu_phases.motion_cases import MOTION_CASES
from gpu_phases.networks import engines_for_looks
from gpu_phases.phase import Phase
from gpu_phases.picture_cases import PICTURE_CASES
from rotoscope.assembly.models import bundled_looks
from rotoscope.kernels.rows import usable_cores

SIZES = ((1, 1), (1, 7), (719, 1279), (1080, 1920))  # (height, width)


def run(phase: Phase) -> None:
    import cupy

    sizes = ((1, 1), (1, 7), (33, 47)) if phase.smallest or phase.simulated else SIZES
    if phase.simulated or not phase.smallest:  # the sanitizer is there for our kernels only
        looks(phase)
    with cupy.cuda.Stream(non_blocking=True):
        for size in sizes:
            for case, work, expected in references(size):
                try:
                    phase.add("kernels", {"kernel": case.name, "size": shown(size), **compared(work, expected)})
                except Exception as error:  # recorded: the other kernels are still of interest
                    reason = f"{type(error).__name__}: {error}"[:300]
                    phase.add("kernels", {"kernel": case.name, "size": shown(size), "agrees": False, "reason": reason})
    disagreeing = [f"{row['kernel']} at {row['size']}" for row in phase.results["kernels"] if not row["agrees"]]
    wrong = [
        f"{row['look']} on {row['engine']}" for row in phase.results.get("looks", ()) if not row.get("agrees", True)
    ]
    if disagreeing or wrong:
        phase.save(state="disagrees", reason="; ".join([*disagreeing, *wrong])[:1000])


def shown(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def references(size: tuple[int, int]) -> Iterator[tuple[Case, Work, Any]]:
    """Yield each case with its expected outputs, as they become ready: references are slow, and run on all cores."""

    def prepared(case: Case) -> tuple[Case, Work, Any]:
        with np.errstate(all="ignore"):
            work = case.make(Material(*size, wild=True))
            return case, work, work.reference(SimpleNamespace(**work.given))

    with ThreadPoolExecutor(usable_cores()) as pool:
        running = [
            pool.submit(prepared, case) for case in (*MOTION_CASES, *PICTURE_CASES) if min(size) >= case.smallest_side
        ]
        for ready in as_completed(running):
            yield ready.result()


def compared(work: Work, expected: Any) -> dict:
    """Run a case on the device; return the largest difference from the reference, and how many values differ by more.

    Both must be NaN at the same places; infinite values must be equal.
    """
    arrays = on_device(work)
    work.run(arrays)
    largest, more, count = 0.0, 0, 0
    for name, reference in expected.items():
        made = getattr(arrays, name).get().astype(np.float64)
        exact = np.asarray(reference, np.float64)
        with np.errstate(invalid="ignore"):
            difference = np.abs(made - exact)
        difference[(made == exact) | (np.isnan(made) & np.isnan(exact))] = 0
        difference[np.isnan(difference)] = np.inf
        relative = difference / np.maximum(1, np.nan_to_num(np.abs(exact), posinf=1))
        largest, more = max(largest, float(relative.max())), more + int((relative > work.limit).sum())
        count += exact.size
    row = {"largest_difference": largest, "limit": work.limit, "share_above": more / count, "share_allowed": work.share}
    return {**row, "agrees": more <= max(work.share * count, 2 if work.share > 1e-4 else 0)}


def looks(phase: Phase) -> None:
    """Run the golden check of every look on every engine that is here."""
    from rotoscope.runtime.models.golden import golden_difference

    for look in bundled_looks():
        for name, manifest, make in engines_for_looks(look, simulated=phase.simulated):
            row = {"look": look, "engine": name}
            try:
                difference = golden_difference(manifest, make())
            except Exception as error:  # recorded: an engine may lack a library
                phase.add("looks", {**row, "reason": f"{type(error).__name__}: {error}"[:300], "agrees": False})
                continue
            bound = manifest.golden.tolerance
            exact = not name.startswith("torch") or "fp32" in name
            phase.add("looks", {**row, "difference": difference, "tolerance": bound}
                      | ({"agrees": difference <= bound} if exact else {}))  # fmt: skip
