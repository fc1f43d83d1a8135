"""Whether a network may be given several different pictures in one call: tried once for each size, on the engine of the run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import Engine
from rotoscope.base.manifest import Manifest
from rotoscope.runtime.models.golden import golden_inputs

MOST_CALLS = 4  # that one batch stands for: beyond it a GPU is full, and memory grows with each
ALLOWED = 0.02  # difference to the results of single calls, as a share of the largest value


def batched_inputs(manifest: Manifest) -> tuple[str, ...]:
    """Names of the inputs that have a place for each call of a batch: pictures and what lies beside them."""
    inputs = manifest.frame, manifest.second, manifest.mask, manifest.instances
    return tuple(given.tensor for given in inputs if given is not None)


def takes_batches(manifest: Manifest, engine: Engine, width: int, height: int) -> bool:
    """Whether a call with two pictures of this size gives what two calls give; runs the network four times, on noise.

    False for graphs of a fixed batch, for engines that were built for one picture, for networks with memory or a window, and
    for those that mix the pictures of a batch, such as norms over all of them.
    """
    if manifest.frame.batch != 1 or manifest.frame.window or manifest.state:
        return False
    first, _ = golden_inputs(manifest, seed=0, height=height, width=width)
    second, _ = golden_inputs(manifest, seed=1, height=height, width=width)
    names = batched_inputs(manifest)
    # Pictures of other brightness and contrast, so that a norm over both shows.
    second = {
        name: np.divide(array, 2).astype(array.dtype) if name in names else first[name]
        for name, array in second.items()
    }
    both = {name: np.concatenate([first[name], second[name]]) if name in names else first[name] for name in first}
    try:
        together = _outputs(manifest, engine, both)
        alone = [_outputs(manifest, engine, inputs) for inputs in (first, second)]
    except Exception:  # engines raise their own, undocumented kinds for shapes that they do not take
        return False
    for name, made in together.items():
        single = np.concatenate([outputs[name] for outputs in alone]).astype(np.float32)
        if made.shape != single.shape or not np.abs(made - single).max() <= ALLOWED * np.abs(single).max():
            return False
    return True


def _outputs(manifest: Manifest, engine: Engine, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    shapes = engine.shapes(inputs, {})
    made = {name: np.empty(shapes[name], manifest.output.dtype) for name in manifest.outputs}
    engine.run(inputs, {}, made, {})
    return made
