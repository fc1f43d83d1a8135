"""The machine on which a measurement ran."""

import os
import platform
from pathlib import Path

from rotoscope.kernels.rows import usable_cores


def machine() -> dict[str, str | int | float | list[float]]:
    """Name of the processor, cores that this process may use, system, and the load of the last 1, 5 and 15 minutes."""
    facts: dict[str, str | int | float | list[float]] = {
        "processor": _processor(),
        "cores": usable_cores(),
        "system": platform.platform(),
    }
    if hasattr(os, "getloadavg"):
        facts["load"] = [round(load, 2) for load in os.getloadavg()]
    return facts


def memory_mb() -> float | None:
    """The memory that this process holds now, in MB; None if the system does not report it."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        return None
    return round(int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    found = (line.partition(":")[2].strip() for line in names if line.startswith("model name"))
    return next(found, platform.processor() or platform.machine())
