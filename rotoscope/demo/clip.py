"""Make the demo clip: the scene as a noisy sensor records it, with sound, in an mp4 file."""

from collections.abc import Iterator
from fractions import Fraction
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from rotoscope.demo.encode_clip import encode_clip
from rotoscope.demo.scene import Scene
from rotoscope.demo.sensor import Sensor
from rotoscope.demo.sound import SAMPLE_RATE, arpeggio


def make_clip(
    path: str | PathLike[str],
    *,
    width: int = 640,
    height: int = 360,
    num_frames: int = 150,
    fps: Fraction = Fraction(30000, 1001),
    seed: int = 0,
) -> None:
    """Write the demo clip as H.264 and AAC; an existing file is replaced.

    `Scene(width, height, num_frames, seed)` gives its frames without noise, their flow and occlusions. Width and height in
    pixels must be even. The sound is as long as the pictures. The same arguments give the encoder the same input; the output
    of libx264 may differ by a few bits between runs.
    """
    frames = noisy_frames(Scene(width, height, num_frames, seed), Sensor(seed=seed))
    encode_clip(path, frames, rate=fps, sound=arpeggio(float(num_frames / fps)), sample_rate=SAMPLE_RATE)


def noisy_frames(scene: Scene, sensor: Sensor) -> Iterator[NDArray[np.uint8]]:
    """Yield every frame of the scene with the noise of the sensor: (H,W,3) uint8 RGB."""
    for t in range(scene.num_frames):
        yield sensor.capture(scene.picture(t), t)
