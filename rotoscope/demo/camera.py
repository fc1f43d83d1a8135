"""Motion of the demo scene as a function of time: the hand-held camera, and layers that move by themselves.

Lengths are canvas pixels of a 640x360 picture, angles radians, times seconds. Matrices are 3x3 and act on columns
(x, y, 1); a canvas pixel's centre lies at its index plus one half.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

CANVAS_WIDTH = 640
CANVAS_HEIGHT = 360


@dataclass(frozen=True)
class Pose:
    """Camera position: pan (x, y), roll, dolly; values hold for a layer of parallax 1 (dolly 0.1 enlarges it by 10 %)."""

    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    dolly: float = 0.0

    def view(self, parallax: float) -> Matrix:
        """Matrix from canvas to canvas for a layer: pan and dolly grow with its parallax, roll does not."""
        grow = 1 + self.dolly * parallax
        return about_centre(rotation(self.roll) @ scaling(grow) @ translation(self.x * parallax, self.y * parallax))


Camera = Callable[[float], Pose]  # seconds -> pose
LayerMotion = Callable[[float], Matrix]  # seconds -> matrix, canvas to canvas, applied before the camera's


def handheld(seed: int) -> Camera:
    """Make a calm hand-held camera: a slow drift with a little tremor, determined by the seed."""
    random = np.random.default_rng(seed)
    x = _wander(random, ((22, 5.3), (8, 2.3), (1.0, 0.83)))
    y = _wander(random, ((8, 4.1), (4, 2.3), (0.8, 0.71)))
    roll = _wander(random, ((0.014, 6.1), (0.004, 2.6), (0.0008, 0.77)))
    dolly = _wander(random, ((0.03, 8.3), (0.008, 3.7)))
    return lambda seconds: Pose(x(seconds), y(seconds), roll(seconds), dolly(seconds))


def sway(angle: float, period: float, pivot: tuple[float, float]) -> LayerMotion:
    """Rotate back and forth about a pivot: +-`angle` radians in `period` seconds."""
    x, y = pivot

    def motion(seconds: float) -> Matrix:
        turn = rotation(angle * math.sin(math.tau * seconds / period))
        return translation(x, y) @ turn @ translation(-x, -y)

    return motion


def lift(height: float, period: float) -> LayerMotion:
    """Move up by `height` pixels in the first half of the period and down again in the second, as a cosine."""
    return lambda seconds: translation(0, -height * (1 - math.cos(math.tau * seconds / period)) / 2)


def translation(x: float, y: float) -> Matrix:
    """Shift by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def rotation(angle: float) -> Matrix:
    """Rotate about the origin, clockwise if y points down."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], np.float64)


def scaling(factor: float) -> Matrix:
    """Scale about the origin."""
    return np.diag([factor, factor, 1.0])


def about_centre(matrix: Matrix) -> Matrix:
    """Return the same transform with the centre of the canvas as its origin."""
    x, y = CANVAS_WIDTH / 2, CANVAS_HEIGHT / 2
    return translation(x, y) @ matrix @ translation(-x, -y)


def _wander(random: np.random.Generator, waves: tuple[tuple[float, float], ...]) -> Callable[[float], float]:
    """Make a sum of sines of given (amplitude, period in seconds) with random phases."""
    phases = random.uniform(0, math.tau, len(waves))

    def value(seconds: float) -> float:
        return float(sum(a * math.sin(math.tau * seconds / p + f) for (a, p), f in zip(waves, phases, strict=True)))

    return value
