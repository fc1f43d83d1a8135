"""Which processes hold a device, for the message that it is busy."""

import os
from contextlib import suppress
from pathlib import Path


def holders(device: Path, proc: Path = Path("/proc")) -> list[str]:
    """The other processes that have the device open, such as "zoom (4711)", as far as this user may see them."""
    try:
        number = device.stat()
    except OSError:
        return []
    found = []
    for process in proc.iterdir() if proc.is_dir() else ():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):  # it has ended, or belongs to someone else
            if any(_is_same(file, number) for file in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
    return sorted(found)


def _is_same(file: Path, number: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(file.stat(), number)
    return False
