"""Motion of the demo scene as a function of time: the hand that holds the camera, and what layers do on their own.

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
    """The camera's place: pan (x, y) as a layer of parallax 1 shows it, roll, dolly (0.1: such a layer grows 10 %)."""

    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    dolly: float = 0.0

    def view(self, parallax: float) -> Matrix:
        """Canvas -> canvas for a layer: near ones (large parallax) answer more to pan and dolly, all alike to roll."""
        grow = 1 + self.dolly * parallax
        return about_centre(rotation(self.roll) @ scaling(grow) @ translation(self.x * parallax, self.y * parallax))


Camera = Callable[[float], Pose]  # seconds -> pose
Motion = Callable[[float], Matrix]  # seconds -> canvas to canvas, under the camera's


def handheld(seed: int) -> Camera:
    """A calm hand: a wide slow drift with a little tremor, the same for the same seed."""
    random = np.random.default_rng(seed)
    x = _wander(random, ((22, 5.3), (8, 2.3), (1.0, 0.83)))
    y = _wander(random, ((8, 4.1), (4, 2.3), (0.8, 0.71)))
    roll = _wander(random, ((0.014, 6.1), (0.004, 2.6), (0.0008, 0.77)))
    dolly = _wander(random, ((0.03, 8.3), (0.008, 3.7)))
    return lambda seconds: Pose(x(seconds), y(seconds), roll(seconds), dolly(seconds))


def sway(angle: float, period: float, pivot: tuple[float, float]) -> Motion:
    """Rock to and fro about a pivot."""
    x, y = pivot

    def motion(seconds: float) -> Matrix:
        turn = rotation(angle * math.sin(math.tau * seconds / period))
        return translation(x, y) @ turn @ translation(-x, -y)

    return motion


def lift(height: float, period: float) -> Motion:
    """Rise by `height` in the first half of the period, gently at both ends, and sink back in the second."""
    return lambda seconds: translation(0, -height * (1 - math.cos(math.tau * seconds / period)) / 2)


def translation(x: float, y: float) -> Matrix:
    """Shift by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def rotation(angle: float) -> Matrix:
    """Turn about the origin, clockwise on a picture whose y points down."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], np.float64)


def scaling(factor: float) -> Matrix:
    """Grow about the origin."""
    return np.diag([factor, factor, 1.0])


def about_centre(matrix: Matrix) -> Matrix:
    """The same transform with the middle of the canvas as its origin."""
    x, y = CANVAS_WIDTH / 2, CANVAS_HEIGHT / 2
    return translation(x, y) @ matrix @ translation(-x, -y)


def _wander(random: np.random.Generator, waves: tuple[tuple[float, float], ...]) -> Callable[[float], float]:
    """A sum of sines of given (amplitude, period) with random phases."""
    phases = random.uniform(0, math.tau, len(waves))

    def value(seconds: float) -> float:
        return float(sum(a * math.sin(math.tau * seconds / p + f) for (a, p), f in zip(waves, phases, strict=True)))

    return value
