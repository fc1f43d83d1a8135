"""Which values of a mask input stand for the hole, as the graph shows it."""

from collections import deque

import numpy as np

from rotoscope.runtime.models.arithmetic import ARITHMETIC, MOVES, step_of
from rotoscope.runtime.models.graph_view import GraphView

MOST_STEPS = 100


def hole_and_known(view: GraphView, mask: str, frame: str, dtype: str) -> tuple[float, float, str]:
    """(value in the hole, value elsewhere, the reason; "" if nothing shows it).

    The picture times the mask keeps what is known where the mask is high; the picture times 1 - mask cuts the hole out there.
    """
    most = 255.0 if dtype == "uint8" else 1.0
    moved = _reached(view, frame)
    waiting: deque[tuple[str, float, float]] = deque([(mask, 1.0, 0.0)])  # name, gain, shift
    seen: set[str] = set()
    while waiting and len(seen) < MOST_STEPS:
        name, gain, shift = waiting.popleft()
        if name in seen:
            continue
        seen.add(name)
        if shift == 0 and np.isclose(gain, 1 / 255, rtol=0.02):
            most = 255.0
        for node in view.users(name):
            if node.op_type == "Mul" and len(node.input) == 2:
                other = node.input[0] if node.input[1] == name else node.input[1]
                if other in moved:
                    if gain < 0:
                        return most, 0.0, "the graph multiplies the picture by one minus the mask"
                    return 0.0, most, "the graph multiplies the picture by the mask"
            if node.op_type in MOVES and node.input[0] == name:
                waiting.append((node.output[0], gain, shift))
            elif node.op_type in ARITHMETIC and (step := step_of(view, node)) is not None and step[0] == name:
                factor, more = float(step[1].gain.flat[0]), float(step[1].shift.flat[0])
                waiting.append((node.output[0], gain * factor, shift * factor + more))
    return most, 0.0, ""


def _reached(view: GraphView, frame: str) -> set[str]:
    """The names of values that are the picture, moved, scaled or shifted."""
    found, waiting = {frame}, [frame]
    while waiting and len(found) < MOST_STEPS:
        name = waiting.pop()
        for node in view.users(name):
            is_step = node.op_type in ARITHMETIC and (step := step_of(view, node)) is not None and step[0] == name
            if (is_step or (node.op_type in MOVES and node.input[0] == name)) and node.output[0] not in found:
                found.add(node.output[0])
                waiting.append(node.output[0])
    return found
