"""Import engines without the telemetry that they bring with them.

`import openvino` sends an event to an analytics host and writes an id into the user's home folder. `import onnxruntime` starts
a collector that writes a device id, a queue of events and a session file; only an environment variable that is set before the
import prevents it (`onnxruntime.disable_telemetry_events()` comes too late).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SWITCH = "ORT_DISABLE_TELEMETRY"  # ONNX Runtime 1.31 reads it once, when it is imported
SENDER = "openvino_telemetry"  # OpenVINO 2026.4 sends nothing if it cannot import this package


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import an engine inside this block. The environment and `sys.modules` are as before when the block ends."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1"
    modules: dict[str, Any] = sys.modules
    is_blocked = SENDER not in modules
    if is_blocked:
        modules[SENDER] = None  # an import of it now raises ModuleNotFoundError
    try:
        yield
    finally:
        if is_blocked:
            modules.pop(SENDER, None)
        if before is None:
            os.environ.pop(SWITCH, None)
        else:
            os.environ[SWITCH] = before
