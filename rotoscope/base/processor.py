"""The name of this machine's processor, for reports of measurements."""

import platform
from pathlib import Path


def cpu_name() -> str:
    """Return the processor's name as Linux gives it, such as "AMD EPYC 7B13"; elsewhere what Python knows of it."""
    facts = Path("/proc/cpuinfo")
    for line in facts.read_text().splitlines() if facts.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"
