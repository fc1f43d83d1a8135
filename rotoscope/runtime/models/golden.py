"""The golden check of a model file: inputs drawn from a seed, and 64 output values that an engine must reproduce."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import Engine
from rotoscope.base.errors import ModelRefused
from rotoscope.base.manifest import LUMA, FrameInput, Manifest, SettingInput, StyleInput

GOLDEN_SAMPLES = 64

Arrays = dict[str, NDArray[np.generic]]


def golden_inputs(manifest: Manifest, *, seed: int, height: int, width: int) -> tuple[Arrays, Arrays]:
    """Return (inputs, state) by name: noise as pictures, in the range and channel order of the network, and noise as state.

    Drawn from `numpy.random.default_rng(seed)` in this order: the frame, (H,W,3) in [0,1] for each place of its window
    (or label numbers, or colours of the palette); the second picture; instances, a grid of 8x8 pixels with ids below 9; the
    style code; the example picture; each state tensor, in [0,1]; a state of a single number, which says whether there is a
    past, is 1. The hole of a mask is the middle half of both sides. Of styles with weights or numbers it is the first;
    settings have their defaults. The state is noise and not that of a first frame: with zeros the recurrent part of the
    network would not be checked, and a norm would amplify rounding errors.
    """
    random = np.random.default_rng(seed)
    frame = manifest.frame
    places = len(frame.window.offsets) if frame.window else 1
    inputs: Arrays = {frame.tensor: coded(frame, [_frame(manifest, random, height, width) for _ in range(places)])}
    if manifest.second:
        count = places if manifest.second.what == "drawing" else 1
        inputs[manifest.second.tensor] = coded(frame, [_frame(manifest, random, height, width) for _ in range(count)])
    if manifest.mask:
        mask = np.full(
            frame.shape(height, width, channels=manifest.mask.channels), manifest.mask.known, manifest.mask.dtype
        )
        middle = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
        mask[(..., *middle, slice(None)) if frame.layout == "NHWC" else (..., *middle)] = manifest.mask.hole
        inputs[manifest.mask.tensor] = mask
    if manifest.instances:
        cells = random.integers(0, 9, (-(-height // 8), -(-width // 8)), dtype=np.int32)
        ids = cells.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
        shape = frame.shape(height, width, channels=1)
        inputs[manifest.instances.tensor] = np.array(np.broadcast_to(ids, shape))
    if manifest.style:
        if manifest.style.what == "code":
            draw = random.standard_normal(manifest.style.shape)
            inputs[manifest.style.tensor] = (draw * manifest.style.deviation).astype(manifest.style.dtype)
        else:
            inputs[manifest.style.tensor] = first_style(manifest.style)
    if example := manifest.example:
        sides = example.height or height, example.width or width
        inputs[example.tensor] = coded(example, [random.random((*sides, 3), dtype=np.float32)])
    for setting in manifest.settings:
        inputs[setting.tensor] = default_setting(setting)
    if manifest.number:
        inputs[manifest.number.tensor] = np.full(manifest.number.shape, manifest.number.value, np.float32)
    state: Arrays = {}
    for tensor in manifest.state:
        shape = tensor.resolve(height, width)
        values = np.ones(shape) if np.prod(shape) == 1 else random.random(shape, np.float32)
        state[tensor.input] = values.astype(tensor.dtype)
    return inputs, state


def first_state(manifest: Manifest, inputs: Mapping[str, NDArray[np.generic]], height: int, width: int) -> Arrays:
    """Return the state inputs of the first call, for a network input of this size in pixels: zeros, or a copy of an input.

    The manifest says which (`initial`). Raises ModelRefused if it names an input that cannot start a state.
    """
    state: Arrays = {}
    for tensor in manifest.state:
        values = np.zeros(tensor.resolve(height, width), tensor.dtype)
        if tensor.initial != "zeros":
            if tensor.initial not in (manifest.frame.tensor, manifest.second.tensor if manifest.second else None):
                raise ModelRefused(f"{manifest.name}: state {tensor.input} starts as {tensor.initial!r}, unknown")
            values[...] = inputs[tensor.initial]
        state[tensor.input] = values
    return state


def sample_output(output: NDArray[np.generic]) -> list[float]:
    """Return 64 values, spread evenly over the flattened output."""
    flat = output.reshape(-1)
    positions = np.linspace(0, flat.size - 1, GOLDEN_SAMPLES).astype(int)
    return [float(value) for value in flat[positions]]


def golden_difference(manifest: Manifest, engine: Engine) -> float:
    """Return the largest difference between the engine's sampled output and that in the file, in the output's units.

    Raises ModelRefused if the file has no golden check.
    """
    golden = manifest.golden
    if golden is None:
        raise ModelRefused(f"{manifest.name} carries no golden check")

    inputs, state = golden_inputs(manifest, seed=golden.seed, height=golden.height, width=golden.width)
    shapes = engine.shapes(inputs, state)
    out = {name: np.empty(shapes[name], manifest.output.dtype) for name in manifest.outputs}
    dtypes = {tensor.output: tensor.dtype for tensor in manifest.state}
    out_state = {name: np.empty(shapes[name], dtypes[name]) for name in manifest.state_outputs}
    engine.run(inputs, state, out, out_state)
    return float(np.abs(np.array(sample_output(out[manifest.outputs[0]])) - np.array(golden.values)).max())


def first_style(style: StyleInput) -> NDArray[np.generic]:
    """The first style of an input of weights, or the number 0."""
    values = np.zeros(style.num_styles, style.dtype)
    if style.what == "weights":
        values[0] = 1
    return values.reshape(style.shape)


def default_setting(setting: SettingInput) -> NDArray[np.generic]:
    """The default of a setting as an array of its shape and dtype."""
    return np.array(setting.values).astype(setting.dtype).reshape(setting.shape)


def coded(frame: FrameInput, pictures: Sequence[NDArray[Any]]) -> NDArray[np.generic]:
    """Code pictures (H,W,3) RGB in [0,1], or label numbers (H,W,1), as one input tensor: those of a window, else one."""
    made = [picture if frame.is_ids else _values(frame, picture) for picture in pictures]
    if frame.layout == "NCHW":
        made = [np.moveaxis(values, 2, 0) for values in made]
    if not frame.window and not frame.batch:
        return np.ascontiguousarray(made[0], dtype=frame.dtype)
    whole = np.stack(made)[None] if frame.window else np.stack(made * frame.batch)
    return np.ascontiguousarray(whole, dtype=frame.dtype)


def _frame(manifest: Manifest, random: np.random.Generator, height: int, width: int) -> NDArray[np.generic]:
    """One picture of noise, (H,W,3) in [0,1]; of a label map its numbers (H,W,1) or the colours of its palette."""
    labels = manifest.frame.labels
    if labels is None:
        return random.random((height, width, 3), dtype=np.float32)
    ids = random.integers(0, labels.num, (height, width), dtype=np.int32)
    return ids[..., None] if manifest.frame.is_ids else np.array(labels.palette, np.float32)[ids] / np.float32(255)


def _values(frame: FrameInput, picture: NDArray[Any]) -> NDArray[np.generic]:
    """A picture (H,W,3) in [0,1] in the range, order and channels of the network's input: (H,W,C)."""
    if frame.order == "BGR":
        picture = picture[..., ::-1]
    low, high = frame.range
    values: NDArray[np.generic] = (low + picture * (high - low) - np.array(frame.mean)) / np.array(frame.std)
    if frame.channels == 1:
        weights = LUMA if frame.order == "RGB" else LUMA[::-1]
        values = (values @ np.array(weights))[..., None]
    if frame.channels == 4:
        values = np.concatenate([values, np.full((*values.shape[:2], 1), high)], axis=2)
    return np.clip(np.rint(values), 0, 255) if frame.dtype == "uint8" else values
