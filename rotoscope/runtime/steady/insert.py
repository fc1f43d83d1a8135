"""Insert frames between those of a video: HyperCon's first step (Szeto, El-Khamy, Lee, Corso, WACV 2021).

They come from the motion, or from an interpolation network (the paper uses Super SloMo).
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from rotoscope.base.frame import Array, Frame, Motion, Picture
from rotoscope.base.times import StageTimes
from rotoscope.kernels.arrays import on_cuda
from rotoscope.kernels.complement import complement
from rotoscope.kernels.float_picture import float_picture
from rotoscope.kernels.flows_between import flows_between
from rotoscope.kernels.interpolate import interpolate
from rotoscope.kernels.share_of_second import share_of_second
from rotoscope.runtime.network.pair import Between

LEAST_VISIBLE = 1e-3

Interpolator = Callable[[Picture, Picture, float], Between]
"""(first, second, time in (0,1)) -> the picture between them, and the flows and visibility that it was made with"""


class InsertFrames:
    """Puts `num` frames between every two of a scene, evenly in time; frames must have motion, both ways.

    interpolator  makes them; None: both frames are moved along the motion and mixed
    """

    look_ahead = 0
    spans_cuts = False

    def __init__(self, num: int, times: StageTimes, interpolator: Interpolator | None = None) -> None:
        self.num, self._times, self._interpolator = num, times, interpolator
        self.reset()

    def reset(self) -> None:
        """Forget the frame before."""
        self._before: Frame | None = None
        self._before_pixels: Array | None = None  # float RGB of its source, unless a network interpolates

    def step(self, frame: Frame) -> list[Frame]:
        """The inserted frames, then the frame."""
        if not self.num:
            return [frame]
        with self._times.measure("insert"):
            pixels = float_picture(frame.source) if self._interpolator is None else None
            inserted = []
            if self._before is not None and frame.motion is not None:
                times = [Fraction(step, self.num + 1) for step in range(1, self.num + 1)]
                inserted = [self._between(frame, pixels, time) for time in times]
        self._before, self._before_pixels = frame, pixels
        return [*inserted, frame]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []

    def _between(self, frame: Frame, pixels: Array | None, time: Fraction) -> Frame:
        assert self._before is not None and frame.motion is not None
        if self._interpolator is not None:
            return between_by(self._interpolator, self._before, frame, time)
        assert self._before_pixels is not None and pixels is not None
        return between(self._before, frame, self._before_pixels, pixels, frame.motion, time)


def between(a: Frame, b: Frame, picture_a: Array, picture_b: Array, motion: Motion, time: Fraction) -> Frame:
    """The frame at `time` of the way from a to b, 0 < time < 1.

    Points move at constant speed: the flows from the new frame are Super SloMo's first estimate (Jiang et al., CVPR 2018).
    What only b shows is taken from b alone. A pixel of its mask is known if every pixel that it is made from is known.

    picture_a, picture_b  (H,W,4) float32 RGB
    motion                of b, both ways
    """
    t = float(time)
    there, back = motion.from_previous, motion.to_previous  # from a to b, from b to a
    assert there is not None
    if on_cuda(there):
        to_a, to_b, weight = flows_between(there, back, motion.trust, t)
        return _inserted(a, b, time, *_mixed(a, b, picture_a, picture_b, to_a, to_b, weight))
    to_a = cv2.addWeighted(back, t * t, there, -t * (1 - t), 0)
    to_b = cv2.addWeighted(there, (1 - t) * (1 - t), back, -t * (1 - t), 0)
    seen_in_a = np.maximum(motion.trust, np.float32(LEAST_VISIBLE))
    weight = np.asarray(cv2.divide(t, cv2.addWeighted(seen_in_a, 1 - t, seen_in_a, 0, t)), np.float32)
    return _inserted(a, b, time, *_mixed(a, b, picture_a, picture_b, to_a, to_b, weight))


def between_by(interpolator: Interpolator, a: Frame, b: Frame, time: Fraction) -> Frame:
    """The same, made by a network. The mask moves along the network's flows, mixed as Super SloMo mixes pictures."""
    made = interpolator(a.source, b.source, float(time))
    mask = None
    if a.mask is not None and b.mask is not None:
        both = made.picture, made.picture  # only the mixed mask is used
        share = share_of_second(made.visibility, float(time))
        _, mask = _mixed(a, b, *both, made.to_first, made.to_second, share)
    return _inserted(a, b, time, made.picture, mask)


def _mixed(
    a: Frame, b: Frame, picture_a: Array, picture_b: Array, to_a: Array, to_b: Array, weight: Array
) -> tuple[Array, Array | None]:
    """(the picture, its mask where both have one) from two fields and the share of b."""
    if a.mask is None or b.mask is None:
        return interpolate(picture_a, picture_b, to_a, to_b, weight), None
    known = np.empty_like(b.mask, dtype=np.uint8)
    shown_a, shown_b = complement(a.mask), complement(b.mask)
    picture = interpolate(picture_a, picture_b, to_a, to_b, weight, mask_a=shown_a, mask_b=shown_b, known=known)
    return picture, complement(known)


def _inserted(a: Frame, b: Frame, time: Fraction, picture: Array, mask: Array | None) -> Frame:
    pts = a.pts + round((b.pts - a.pts) * time)
    return replace(b, pts=pts, source=Picture((picture,)), mask=mask, motion=None, inserted=True)
