"""The NVIDIA cards of this machine: their names, as CUDA_VISIBLE_DEVICES has them, and their memory."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rotoscope.base.errors import UsageError

DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")  # of Linux; one folder for each card


def visible_cards(folder: Path = DRIVER_FOLDER) -> tuple[str, ...]:
    """The cards that this process may use; () if there are none, or if the system does not say."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return tuple(word.strip() for word in given.split(",") if word.strip() and word.strip() != "-1")
    try:
        return tuple(map(str, range(len(list(folder.iterdir())))))
    except OSError:
        return ()


def memory_gib() -> list[float]:
    """Memory of each card in GiB, as nvidia-smi tells it; [] if it is not there or tells nothing."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        return [float(line) / 1024 for line in told.splitlines() if line.strip()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def jobs_on(cards_gib: Sequence[float], job_gib: float) -> int:
    """How many jobs fit onto the smallest of some cards; raises UsageError if none does, or the memory is not known."""
    if not cards_gib:
        raise UsageError("job_memory: nvidia-smi does not say how much memory the cards have; accepted: workers")
    if job_gib > min(cards_gib):
        raise UsageError(f"job_memory={job_gib:g}; accepted: at most the {min(cards_gib):.1f} GiB of the smallest card")
    return int(min(cards_gib) / job_gib)
