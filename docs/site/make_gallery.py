"""Make the pictures of docs/gallery.md from the demo clip: python docs/site/make_gallery.py (some minutes on two cores)."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import rotoscope
from rotoscope.demo.clip import make_clip

FOLDER = Path(__file__).parents[1] / "gallery"
FLICKERING = Path(rotoscope.__file__).parent / "looks" / "networks" / "starry.onnx"
LOOKS = ("starry", "scream", "comic")
NUM_FRAMES, SHOWN = 36, 18  # of the clip, and of the moving picture: what comes first has little past
STILL = 30  # frame that is shown
WIDTH, HEIGHT, MILLISECONDS = 320, 180, 67


def frames_of(path):
    """All frames of a video, (H,W,3) uint8 RGB."""
    with rotoscope.read(path) as source:
        return [rotoscope.rgb(frame.source) for frame in source]


def save_still(picture, name):
    """Write one picture."""
    Image.fromarray(picture).save(FOLDER / f"{name}.jpg", quality=82)


def main():
    """Make everything."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip, num_frames=NUM_FRAMES)
        save_still(frames_of(clip)[STILL], "source")
        for look in LOOKS:
            rotoscope.translate(clip, Path(folder) / f"{look}.mkv", model=look, quality="lossless")
            save_still(frames_of(Path(folder) / f"{look}.mkv")[STILL], look)
        sides = []
        for steady in ("off", "blend"):
            target = Path(folder) / f"{steady}.mkv"
            rotoscope.translate(clip, target, model=FLICKERING, steady=steady, quality="lossless")
            sides.append(frames_of(target)[-SHOWN:])
    pairs = zip(*sides, strict=True)
    moving = [
        Image.fromarray(np.hstack([cv2.resize(side, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for side in pair]))
        for pair in pairs
    ]
    moving[0].save(
        FOLDER / "steady.webp", save_all=True, append_images=moving[1:], duration=MILLISECONDS, loop=0, quality=35
    )


if __name__ == "__main__":
    main()
