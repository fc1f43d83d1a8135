"""Frames whose motion is known: a texture that moves evenly, translated by networks that flicker."""

from fractions import Fraction

import cv2
import numpy as np

from rotoscope.frame import Frame, Motion, Picture


def texture(width, height, seed=0):
    """Smooth random colour, (H,W,3) float32 in [0,1]."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3)).astype(np.float32)
    return np.clip(0.5 + 1.2 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 1)


def four(picture):
    return np.ascontiguousarray(np.dstack([picture, np.zeros_like(picture[..., :1])]), np.float32)


def shown(canvas, t, size, dx, dy, margin=40):
    """What a window that shows (H,W) of the canvas sees at time t, its contents moving by (dx, dy) a frame."""
    width, height = size
    matrix = np.float32([[1, 0, margin - dx * t], [0, 1, margin - dy * t]])
    return cv2.warpAffine(canvas, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)[:height, :width]


def moving_frames(num, size=(96, 64), dx=0.0, dy=0.0, *, flicker=0.0, cuts=(), seed=0):
    """Frames with exact motion and a result that is the source plus noise of standard deviation `flicker`."""
    chance = np.random.default_rng(seed)
    canvas = texture(size[0] + 80, size[1] + 80, seed)
    frames = []
    for t in range(num):
        if t in cuts:
            canvas = texture(size[0] + 80, size[1] + 80, seed + t)
        source = shown(canvas, t % 20 if dx or dy else t, size, dx, dy)
        frame = Frame(t, t, Fraction(1, 25), 1, Picture((np.uint8(np.clip(source, 0, 1) * 255 + 0.5),)))
        frame.result = four(source + flicker * chance.standard_normal(source.shape).astype(np.float32))
        frame.cut = t in cuts
        if t and not frame.cut:
            frame.motion = even_motion(size, dx, dy)
        frames.append(frame)
    return frames


def even_motion(size, dx, dy):
    width, height = size
    there = np.full((height, width, 2), (-dx, -dy), np.float32)
    trust = np.ones((height, width), np.float32)
    return Motion(there, -there, trust, trust)


def whole(size):
    return (0, 0, *size)
