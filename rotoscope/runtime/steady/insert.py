"""Insert frames between those of a video: HyperCon's first step (Szeto, El-Khamy, Lee, Corso, WACV 2021), by flow."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from rotoscope.frame import Array, Frame, Motion, Picture
from rotoscope.kernels.interpolate import interpolate
from rotoscope.runtime.float_picture import float_picture
from rotoscope.runtime.stage_times import StageTimes

LEAST_VISIBLE = 1e-3


def insert_frames(frames: Iterable[Frame], num: int, times: StageTimes) -> Iterator[Frame]:
    """The frames, and between every two of a scene `num` more, evenly in time; they must carry motion, both ways."""
    before: Frame | None = None
    before_picture: Array | None = None
    for frame in frames:
        with times.measure("insert"):
            picture = float_picture(frame.source) if num else None
        if num and before is not None and frame.motion is not None:
            assert before_picture is not None and picture is not None
            for step in range(1, num + 1):
                with times.measure("insert"):
                    made = between(before, frame, before_picture, picture, frame.motion, Fraction(step, num + 1))
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
    mask = None
    if a.mask is not None and b.mask is not None:
        known = np.empty(b.mask.shape, np.uint8)
        shown_a, shown_b = ~a.mask.astype(bool), ~b.mask.astype(bool)
        picture = interpolate(picture_a, picture_b, to_a, to_b, weight, mask_a=shown_a, mask_b=shown_b, known=known)
        mask = known == 0
    else:
        picture = interpolate(picture_a, picture_b, to_a, to_b, weight)
    pts = a.pts + round((b.pts - a.pts) * time)
    return replace(b, pts=pts, source=Picture((picture,)), mask=mask, motion=None, inserted=True)
