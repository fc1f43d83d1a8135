"""Convert inputs, state and outputs between two forms of a network: tensor names, channel order, range, layout, dtype."""

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import Tensors
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest

Arrays = dict[str, NDArray[np.generic]]


def recoded(inputs: Tensors, ours: Manifest, theirs: Manifest) -> Arrays:
    """Convert the inputs of one form (`ours`) to the names and the coding of the other (`theirs`)."""
    pictures = {ours.frame.tensor, ours.second.tensor if ours.second else None}
    converted: Arrays = {}
    for name, other in zip(ours.inputs, theirs.inputs, strict=True):
        values = inputs[name]
        converted[other] = in_coding(values, ours.frame, theirs.frame) if name in pictures else values
    if theirs.style is not None:
        converted[theirs.style.tensor] = converted[theirs.style.tensor].astype(theirs.style.dtype)
    return converted


def in_coding(values: NDArray[np.generic], ours: FrameInput, theirs: FrameInput) -> NDArray[np.generic]:
    """Convert pictures from the range, order, layout and dtype of one form to those of the other; label maps stay."""
    coding = ("layout", "order", "dtype", "range", "mean", "std")
    if ours.labels is not None or all(getattr(ours, item) == getattr(theirs, item) for item in coding):
        return values
    black, white = ours.range  # mean and std are in the order of the channels
    picture = (_channels_last(values, ours.layout) * ours.std + ours.mean - black) / (white - black)
    if theirs.order != ours.order:
        picture = picture[..., ::-1]
    black, white = theirs.range
    values = (black + picture * (white - black) - theirs.mean) / theirs.std
    if theirs.dtype == "uint8":
        values = np.clip(np.rint(values), 0, 255)
    if theirs.layout == "NCHW":
        values = np.moveaxis(values, -1, -3)
    return np.ascontiguousarray(values, theirs.dtype)


def restated(state: Tensors, ours: Manifest, theirs: Manifest) -> Arrays:
    """Convert a state to the names and dtypes of the other form."""
    pairs = zip(ours.state, theirs.state, strict=True)
    return {other.input: np.ascontiguousarray(state[tensor.input], other.dtype) for tensor, other in pairs}


def in_common_units(
    name: str, a: NDArray[np.generic], ours: Manifest, b: NDArray[np.generic], theirs: Manifest
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert an output of both forms to (N,H,W,3) RGB in [-1,1]; divide other outputs by the largest value of `a`."""
    if name == ours.output.tensor and ours.output.content == "picture":
        return _in_unit_range(a, ours.output), _in_unit_range(b, theirs.output)
    peak = float(np.abs(a.astype(np.float64)).max()) or 1.0
    return a.astype(np.float64) / peak, b.astype(np.float64) / peak


def _in_unit_range(values: NDArray[np.generic], output: FrameOutput) -> NDArray[np.float64]:
    """Convert pictures to (N,H,W,3) RGB in [-1,1], float64."""
    black, white = output.range
    picture = 2 * (_channels_last(values, output.layout) - black) / (white - black) - 1
    return picture[..., ::-1] if output.order == "BGR" else picture


def _channels_last(values: NDArray[np.generic], layout: str) -> NDArray[np.float64]:
    """Convert pictures to (...,H,W,3) float64."""
    pictures = values.astype(np.float64)
    return np.moveaxis(pictures, -3, -1) if layout == "NCHW" else pictures
