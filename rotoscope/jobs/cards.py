"""The NVIDIA cards of this machine, as CUDA_VISIBLE_DEVICES names them."""

import os
from pathlib import Path

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
