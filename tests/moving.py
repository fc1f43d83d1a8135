"""Frames with known motion: a texture that moves at constant speed, and results that flicker."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from rotoscope.base.frame import Frame, Motion, Picture
from rotoscope.base.stage import run_stage
from rotoscope.metrics.response import response, with_change


def texture(width, height, seed=0):
    """Smooth random colour, (H,W,3) float32 in [0,1]."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3)).astype(np.float32)
    return np.clip(0.5 + 1.2 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 1)


def four(picture):
    return np.ascontiguousarray(np.dstack([picture, np.zeros_like(picture[..., :1])]), np.float32)


def shown(canvas, t, size, dx, dy, margin=40):
    """Return a window of the canvas at frame t, whose contents move by (dx, dy) pixels per frame."""
    width, height = size
    matrix = np.float32([[1, 0, margin - dx * t], [0, 1, margin - dy * t]])
    return cv2.warpAffine(canvas, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)[:height, :width]


def moving_frames(num, size=(96, 64), dx=0.0, dy=0.0, *, flicker=0.0, cuts=(), seed=0):
    """Return frames with exact motion; the result is the source plus noise of standard deviation `flicker`."""
    chance = np.random.default_rng(seed)
    canvas = texture(size[0] + 80, size[1] + 80, seed)
    frames = []
    for t in range(num):
        if t in cuts:
            canvas = texture(size[0] + 80, size[1] + 80, seed + t)
        source = shown(canvas, t % 20 if dx or dy else t, size, dx, dy)
        result = four(source + flicker * chance.standard_normal(source.shape).astype(np.float32))
        is_cut = t in cuts
        motion = even_motion(size, dx, dy) if t and not is_cut else None
        picture = Picture((np.uint8(np.clip(source, 0, 1) * 255 + 0.5),))
        frames.append(Frame(t, t, Fraction(1, 25), 1, picture, result=Picture((result,)), cut=is_cut, motion=motion))
    return frames


def painted(frame, pixels):
    """The frame with this result, (H,W,4)."""
    return replace(frame, result=Picture((pixels,)))


def results_of(stage, frames):
    """What a stage makes of frames: copies of the results, (H,W,3)."""
    return [frame.pixels()[..., :3].copy() for frame in run_stage(stage, frames)]


def even_motion(size, dx, dy):
    width, height = size
    there = np.full((height, width, 2), (-dx, -dy), np.float32)
    trust = np.ones((height, width), np.float32)
    return Motion(there, -there, trust, trust)


def whole(size):
    return (0, 0, *size)


CHANGED_AT, NUM_CHANGING = 8, 14


def changed_runs(steady, since=CHANGED_AT):
    """Return how much of a sudden local change at frame 8 of 14 is shown, 0 to 1, for each frame from `since` on.

    steady  frames without motion (it is to be estimated) -> their steadied results (H,W,3)
    """
    size, region = (160, 96), np.s_[30:66, 50:110]
    canvas, chance = texture(240, 176), np.random.default_rng(0)
    flicker = [0.03 * chance.standard_normal((96, 160, 3)).astype(np.float32) for _ in range(NUM_CHANGING)]

    def run(changed):
        frames = moving_frames(NUM_CHANGING, size)
        for t, frame in enumerate(frames):
            source = np.uint8(255 * np.clip(shown(canvas, t, size, 0.5, 0.0), 0, 1))
            source = with_change(source, region) if changed and t >= CHANGED_AT else source
            result = Picture((four(source.astype(np.float32) / 255 + flicker[t]),))
            frames[t] = replace(frame, source=Picture((source,)), motion=None, result=result)
        plain = [frame.pixels()[..., :3].copy() for frame in frames]
        return steady(frames), plain

    (still, plain), (moved, plain_moved) = run(False), run(True)
    # Before the change, the frame-by-frame difference of its first frame is the reference.
    wanted = [max(t, CHANGED_AT) for t in range(NUM_CHANGING)]
    return [
        response(still[t], moved[t], plain[wanted[t]], plain_moved[wanted[t]], region)
        for t in range(since, NUM_CHANGING)
    ]
