"""A camera sensor: adds noise and exposure drift to a clean picture.

Noise is added in linear light: the variance of the light x (0..1 of full scale) is
x / full_well + (read_noise / full_well)^2 (Foi et al. 2008, without clipping). Shot noise is drawn from a normal distribution
instead of a Poisson one; the two are close above about ten electrons.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Sensor:
    """A small sensor in evening light; the same seed and frame number always give the same noise.

    full_well_electrons   electrons at full scale; fewer give more shot noise
    read_noise_electrons  standard deviation in the dark
    exposure_drift        largest change of the exposure, relative
    """

    full_well_electrons: float = 1300.0
    read_noise_electrons: float = 2.0
    exposure_drift: float = 0.02
    seed: int = 0

    def exposure(self, t: int) -> float:
        """Gain of frame t in linear light, from 1 - exposure_drift to 1 + exposure_drift."""
        slow, quick = np.random.default_rng((self.seed, 1)).uniform(0, math.tau, 2)
        wave = 0.75 * math.sin(math.tau * t / 113 + slow) + 0.25 * math.sin(math.tau * t / 29 + quick)
        return 1 + self.exposure_drift * wave

    def expose(self, light: F32, t: int) -> F32:
        """Add drift and noise to linear light of frame t (float32 in [0,1], any shape); the result is not clipped."""
        electrons = light * np.float32(self.full_well_electrons * self.exposure(t))
        noise = np.random.default_rng((self.seed, 0, t)).standard_normal(light.shape, dtype=np.float32)
        noise *= np.sqrt(electrons + np.float32(self.read_noise_electrons**2))
        electrons += noise
        electrons /= np.float32(self.full_well_electrons)
        return electrons

    def capture(self, clean: F32, t: int) -> NDArray[np.uint8]:
        """Record frame t: (H,W,3) float32 sRGB in [0,1] -> (H,W,3) uint8 sRGB with drift and noise."""
        light = _TO_LIGHT[_index(clean, len(_TO_LIGHT))]
        return _TO_CODE[_index(self.expose(light, t), len(_TO_CODE))]


def to_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decode sRGB in [0,1] to linear light in [0,1] (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def from_light(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Encode linear light in [0,1] as sRGB in [0,1] (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _index(value: F32, size: int) -> NDArray[np.intp]:
    """Index of the nearest entry in a table over [0,1] of this size; values outside get the first or last entry."""
    scaled = value * np.float32(size - 1)
    scaled += np.float32(0.5)
    return np.clip(scaled, 0, size - 1, out=scaled).astype(np.intp)


# Tables are ten times faster than powers; their steps are below 0.1 of a code value, in dark tones too.
_TO_LIGHT = to_light(np.linspace(0, 1, 4096)).astype(np.float32)
_TO_CODE = np.round(255 * from_light(np.linspace(0, 1, 65536))).astype(np.uint8)
