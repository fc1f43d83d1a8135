"""Statistics that the norms of one network share over a clip, measured before its translation ("--norm shared").

A subset of the frames goes through the network together, one batch, so that each layer is measured after the layers before
it used what was measured on theirs ("Single-Frame Unsupervised Video-to-Video Translation"; ReReVST, Wang et al. 2020).
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from rotoscope.base.engine import Engine
from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Array, Frame
from rotoscope.base.options import TranslateOptions
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.runtime.models.golden import first_state
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.feed import Feed
from rotoscope.runtime.network.network import Generator, View, call
from rotoscope.runtime.network.style import style_codes
from rotoscope.runtime.network.windows import windows

EVERY = 8  # frames, of which one is learned from
MOST_FRAMES = 16  # at once
MOST_PIXELS = 2_000_000  # of all frames at once; the layers of a TransformerNet take 1.4 kB for each
LEAST_FRAMES = 2  # however large they are

Moment = tuple[Frame, ...]
"""A frame with its neighbours, as in `windows`."""


class Calibration(NamedTuple):
    """What was measured.

    statistics  by the state's name, (4, channels of all norms) float32
    num_frames  how many were learned from
    every       one in so many of the source
    """

    statistics: dict[str, Array]
    num_frames: int
    every: int


def calibrate(model: ModelFile, engine: Engine, frames: Iterable[Frame], options: TranslateOptions) -> Calibration:
    """The statistics of every 8th frame, or of fewer, evenly spread, where more would not fit into memory.

    model    whose manifest shares statistics
    options  the working size, fit and style that it will translate with
    Frames of another size than the first are left out. Raises InputRefused if there are none.
    """
    (style,) = style_codes([model.manifest], options.style)
    generator = Generator(model, engine, working=options.working_size, fit=options.fit, style=style, times=StageTimes())

    def most(size: Size) -> int:
        width, height = generator.placement(size).network
        return min(MOST_FRAMES, max(LEAST_FRAMES, MOST_PIXELS // (width * height)))

    moments, every = spread(windows(frames, model.manifest.frame.window), most)
    if not moments:
        raise InputRefused("no frame whose statistics could be measured")
    feed = Feed(model.manifest, generator.placement(size_of(moments[0])), style=style)
    calls: list[dict[str, Array]] = []
    for moment in moments:
        generator.prepare(View.of(moment), feed)
        calls.append({name: array.copy() for name, array in feed.arrays.items()})
    return Calibration(joint_statistics(model, engine, calls), len(moments), every)


def spread(moments: Iterable[Moment], most: Callable[[Size], int]) -> tuple[list[Moment], int]:
    """(every n-th, n): n is 8, and doubles as often as needed for no more than `most` of that size to be left."""
    every, chosen = EVERY, list[Moment]()
    for index, moment in enumerate(moments):
        if index % every or (chosen and size_of(moment) != size_of(chosen[0])):
            continue
        chosen.append(moment)
        if len(chosen) > most(size_of(moment)):
            every, chosen = 2 * every, chosen[::2]
    return chosen, every


def size_of(moment: Moment) -> Size:
    """(width, height) of its pictures."""
    return moment[0].source.width, moment[0].source.height


def joint_statistics(model: ModelFile, engine: Engine, calls: list[dict[str, Array]]) -> dict[str, Array]:
    """The state that one call on all these inputs together leaves behind, begun from nothing."""
    manifest = model.manifest
    assert manifest.number is not None
    single = manifest.number.tensor  # without a batch
    inputs = {
        name: calls[0][name] if name == single else np.concatenate([one[name] for one in calls]) for name in calls[0]
    }
    height, width = calls[0][manifest.frame.tensor].shape[-2:]  # no state of this kind depends on them
    state = first_state(manifest, inputs, height, width)
    measured = {tensor.output: np.empty_like(state[tensor.input]) for tensor in manifest.state}
    call(engine, f"statistics of {len(calls)} frames", inputs, state, {}, measured)
    return {tensor.input: measured[tensor.output] for tensor in manifest.state}
