"""Insert frames between those of a video: HyperCon's first step (Szeto, El-Khamy, Lee, Corso, WACV 2021).

By flow, or by a network that interpolates (the paper: Super SloMo).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from rotoscope.base.frame import Array, Frame, Motion, Picture
from rotoscope.base.times import StageTimes
from rotoscope.kernels.float_picture import float_picture
from rotoscope.kernels.interpolate import interpolate
from rotoscope.runtime.network.pair import Between

LEAST_VISIBLE = 1e-3

Interpolator = Callable[[Picture, Picture, float], Between]
"""(first, second, time in (0,1)) -> the picture between them, and where its pixels come from"""


def insert_frames(
    frames: Iterable[Frame], num: int, times: StageTimes, interpolator: Interpolator | None = None
) -> Iterator[Frame]:
    """The frames, and between every two of a scene `num` more, evenly in time; they must carry motion, both ways.

    interpolator  makes them; None: both frames are moved along the motion
    """
    before: Frame | None = None
    before_picture: Array | None = None
    for frame in frames:
        with times.measure("insert"):
            picture = float_picture(frame.source) if num and interpolator is None else None
        if num and before is not None and frame.motion is not None:
            for step in range(1, num + 1):
                time = Fraction(step, num + 1)
                with times.measure("insert"):
                    if interpolator is not None:
                        made = between_by(interpolator, before, frame, time)
                    else:
                        assert before_picture is not None and picture is not None
                        made = between(before, frame, before_picture, picture, frame.motion, time)
                yield made
        yield frame
        before, before_picture = frame, picture


def between(a: Frame, b: Frame, picture_a: Array, picture_b: Array, motion: Motion, time: Fraction) -> Frame:
    """The frame at `time` of the way from a to b, 0 < time < 1.

    Points move evenly: the flows from it are those of Super SloMo's first guess (Jiang et al., CVPR 2018). What b shows and
    a does not is taken from b alone. A point of its mask is known if all that flows into it is.

    picture_a, picture_b  (H,W,4) float32 RGB
    motion                of b, both ways
    """
    t = float(time)
    there, back = motion.from_previous, motion.to_previous  # from a to b, from b to a
    assert there is not None
    to_a = cv2.addWeighted(back, t * t, there, -t * (1 - t), 0)
    to_b = cv2.addWeighted(there, (1 - t) * (1 - t), back, -t * (1 - t), 0)
    seen_in_a = np.maximum(motion.trust, np.float32(LEAST_VISIBLE))
    weight = np.asarray(cv2.divide(t, cv2.addWeighted(seen_in_a, 1 - t, seen_in_a, 0, t)), np.float32)
    return _inserted(a, b, time, *_mixed(a, b, picture_a, picture_b, to_a, to_b, weight))


def between_by(interpolator: Interpolator, a: Frame, b: Frame, time: Fraction) -> Frame:
    """The same by a network. Its mask moves along the network's flows, mixed as Super SloMo mixes pictures."""
    made = interpolator(a.source, b.source, float(time))
    mask = None
    if a.mask is not None and b.mask is not None:
        t = np.float32(time)
        of_a, of_b = (1 - t) * made.visibility, t * (1 - made.visibility)
        both = made.picture, made.picture  # only what becomes of the masks is asked for
        _, mask = _mixed(a, b, *both, made.to_first, made.to_second, of_b / (of_a + of_b))
    return _inserted(a, b, time, made.picture, mask)


def _mixed(
    a: Frame, b: Frame, picture_a: Array, picture_b: Array, to_a: Array, to_b: Array, weight: Array
) -> tuple[Array, Array | None]:
    """(the picture, its mask where both have one) from two fields and the share of b."""
    if a.mask is None or b.mask is None:
        return interpolate(picture_a, picture_b, to_a, to_b, weight), None
    known = np.empty(b.mask.shape, np.uint8)
    shown_a, shown_b = ~a.mask.astype(bool), ~b.mask.astype(bool)
    picture = interpolate(picture_a, picture_b, to_a, to_b, weight, mask_a=shown_a, mask_b=shown_b, known=known)
    return picture, known == 0


def _inserted(a: Frame, b: Frame, time: Fraction, picture: Array, mask: Array | None) -> Frame:
    pts = a.pts + round((b.pts - a.pts) * time)
    return replace(b, pts=pts, source=Picture((picture,)), mask=mask, motion=None, inserted=True)
