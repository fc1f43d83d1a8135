"""One call of an engine with errors that name the frame, and what a result keeps of its source outside a hole."""

import numpy as np

from rotoscope.base.engine import Engine, Tensors
from rotoscope.base.errors import RotoscopeError
from rotoscope.base.frame import Array, Picture
from rotoscope.base.manifest import LUMA
from rotoscope.kernels.arrays import on_cuda
from rotoscope.kernels.exchange_luma import exchange_luma
from rotoscope.kernels.float_picture import float_picture, resized
from rotoscope.kernels.mix import mix


class NotFinite(RotoscopeError):
    """The network produced NaN or infinity."""


def call(
    engine: Engine, label: str, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors | None = None
) -> None:
    """One call of an engine; whatever it raises becomes a RotoscopeError that begins with the label."""
    try:
        engine.run(inputs, state, out, out_state or {})
    except RotoscopeError:
        raise
    except Exception as error:  # engines raise their own, undocumented kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise RotoscopeError(f"{label}: {engine.description} failed: {reason}") from error


def filled(source: Picture, mask: Array | None, result: Array, region: tuple[int, int, int, int]) -> Array:
    """A region of the source with its hole, and nothing else, taken from the result.

    mask    (H,W) bool of the source's size, True in the hole
    result  (h,w,4) float32, what was made of the region, at any size
    region  (left, top, width, height)
    """
    assert mask is not None
    left, top, width, height = region
    part = slice(top, top + height), slice(left, left + width)
    made, known = resized(result, (width, height)), float_picture(source)[part]
    if on_cuda(made):
        return mix(known, made, mask=mask[part])
    return np.where(mask[part][..., None], made, known)


def coloured(result: Array, source: Picture, region: tuple[int, int, int, int]) -> Array:
    """The result with the colour differences of a region of the source: R - Y, G - Y and B - Y are the source's.

    result  (h,w,4) float32, whose luma Y is kept (ITU-R BT.601)
    region  (left, top, width, height)
    """
    left, top, width, height = region
    part = float_picture(source)[top : top + height, left : left + width]
    made: Array = resized(part, (result.shape[1], result.shape[0]))
    if on_cuda(made):
        return exchange_luma(made, result, LUMA)
    made = made.copy()
    change = sum(weight * (result[..., c] - made[..., c]) for c, weight in enumerate(LUMA))
    made[..., :3] += change[..., None]
    return made
