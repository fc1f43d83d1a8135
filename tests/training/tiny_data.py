"""Folders of small pictures with a mapping that can be learnt, and short clips that move."""

import cv2
import numpy as np


def write(path, rgb):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rgb[..., ::-1])


def blobs(seed, size=40):
    """A smooth random picture (H,W,3) uint8."""
    random = np.random.default_rng(seed)
    small = random.integers(30, 226, (5, 5, 3)).astype(np.uint8)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)


def folder(path, *, count=6, size=40, seed=0, change=lambda rgb: rgb):
    """Pictures 000.png and so on, each passed through `change`."""
    for index in range(count):
        write(path / f"{index:03d}.png", np.ascontiguousarray(change(blobs(seed + index, size))))
    return path


def clips(path, *, count=2, frames=6, size=40, seed=0, change=lambda rgb: rgb):
    """Folders of frames in which a picture moves by one pixel to the right each frame."""
    for clip in range(count):
        wide = blobs(seed + clip, size + frames)
        for index in range(frames):
            frame = wide[:size, frames - index : frames - index + size]
            write(path / f"clip{clip}" / f"{index:03d}.png", np.ascontiguousarray(change(frame)))
    return path
