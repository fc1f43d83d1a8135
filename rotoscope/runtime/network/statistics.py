"""Statistics that the norms of one network share over a clip, measured before its translation ("--norm shared").

Some frames go through the network together, as one batch, so that each layer is measured on what the layers before it give
with their measured statistics ("Single-Frame Unsupervised Video-to-Video Translation"; ReReVST, Wang et al. 2020).
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from rotoscope.base.engine import Engine
from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Array, Frame
from rotoscope.base.options import ModelOptions
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.runtime.models.golden import first_state
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.call import call
from rotoscope.runtime.network.feed import Feed
from rotoscope.runtime.network.frame_windows import Neighbours, windows
from rotoscope.runtime.network.network import CallInput, Network
from rotoscope.runtime.network.style import style_codes

EVERY = 8  # at most every 8th frame is measured
MOST_FRAMES = 16  # in the batch
MOST_PIXELS = 2_000_000  # of all frames of the batch; the layers of a TransformerNet take 1.4 kB for each pixel
LEAST_FRAMES = 2  # in the batch, however large they are


class Calibration(NamedTuple):
    """Measured statistics.

    statistics  by name of the state input, (4, channels of all norms) float32
    num_frames  frames that were measured
    every       n: every n-th frame of the source was measured
    """

    statistics: dict[str, Array]
    num_frames: int
    every: int


def calibrate(model: ModelFile, engine: Engine, frames: Iterable[Frame], options: ModelOptions) -> Calibration:
    """Measure every 8th frame, or fewer, evenly spread, if more would not fit into memory.

    model    its manifest must share statistics
    options  working size, fit and style of the translation
    Frames of another size than the first are left out. Raises InputRefused if there are no frames.
    """
    (style,) = style_codes([model.manifest], [options.style])
    network = Network(model, engine, working=options.working_size, fit=options.fit, style=style, times=StageTimes())

    def most(size: Size) -> int:
        width, height = network.placement(size).network
        return min(MOST_FRAMES, max(LEAST_FRAMES, MOST_PIXELS // (width * height)))

    chosen_windows, every = spread(windows(frames, model.manifest.frame.window), most)
    if not chosen_windows:
        raise InputRefused("no frame to measure statistics on")
    feed = Feed(model.manifest, network.placement(size_of(chosen_windows[0])), style=style)
    calls: list[dict[str, Array]] = []
    for window in chosen_windows:
        network.prepare(CallInput.of(window), feed)
        calls.append({name: array.copy() for name, array in feed.arrays.items()})
    return Calibration(joint_statistics(model, engine, calls), len(chosen_windows), every)


def spread(chosen_windows: Iterable[Neighbours], most: Callable[[Size], int]) -> tuple[list[Neighbours], int]:
    """(every n-th window, n): n is 8, doubled until at most `most(size)` windows remain."""
    every, chosen = EVERY, list[Neighbours]()
    for index, window in enumerate(chosen_windows):
        if index % every or (chosen and size_of(window) != size_of(chosen[0])):
            continue
        chosen.append(window)
        if len(chosen) > most(size_of(window)):
            every, chosen = 2 * every, chosen[::2]
    return chosen, every


def size_of(window: Neighbours) -> Size:
    """(width, height) of the window's pictures."""
    return window[0].source.size


def joint_statistics(model: ModelFile, engine: Engine, calls: list[dict[str, Array]]) -> dict[str, Array]:
    """Run one call on the concatenated batch from zero state; return its state outputs by name of the state input."""
    manifest = model.manifest
    assert manifest.number is not None
    single = manifest.number.tensor  # has no batch axis
    inputs = {
        name: calls[0][name] if name == single else np.concatenate([one[name] for one in calls]) for name in calls[0]
    }
    height, width = calls[0][manifest.frame.tensor].shape[-2:]  # no state of this kind depends on them
    state = first_state(manifest, inputs, height, width)
    measured = {tensor.output: np.empty_like(state[tensor.input]) for tensor in manifest.state}
    call(engine, f"statistics of {len(calls)} frames", inputs, state, {}, measured)
    return {tensor.input: measured[tensor.output] for tensor in manifest.state}
