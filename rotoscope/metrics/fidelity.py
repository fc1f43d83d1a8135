"""PSNR and SSIM of two pictures. Average over the frames of a video, then over the videos of a data set."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.rgb_array import RGB, same_size, unit_range

F64 = NDArray[np.float64]

K1, K2 = 0.01, 0.03  # stabilising constants of Wang et al. 2004
UNIFORM_SIDE = 7
GAUSSIAN_SIDE, GAUSSIAN_SIGMA = 11, 1.5


def psnr(first: RGB, second: RGB) -> float:
    """Peak signal-to-noise ratio in dB (peak 1), higher is closer; infinite for equal pictures."""
    same_size(first, second)
    error = np.square(unit_range(first) - unit_range(second), dtype=np.float64).mean()
    return float(-10 * np.log10(error)) if error else float("inf")


def ssim(
    first: RGB, second: RGB, *, data_range: float = 1.0, window: Literal["uniform", "gaussian"] = "uniform"
) -> float:
    """Structural similarity, at most 1 (equal pictures), averaged over channels and over windows inside the picture.

    window      "uniform": 7x7 with sample covariance, scikit-image's default; "gaussian": 11x11, sigma 1.5 (Wang et al. 2004)
    data_range  1 for pictures in [0,1]. Published inpainting tables (MichiganCOG, HyperCon) used 2, scikit-image 0.17's
                default for float pictures, which gives higher values: state the range beside the value.
    Raises ValueError for pictures smaller than the window.
    """
    same_size(first, second)
    side = UNIFORM_SIDE if window == "uniform" else GAUSSIAN_SIDE
    if min(first.shape[:2]) < side:
        raise ValueError(f"pictures of {first.shape[1]}x{first.shape[0]}; accepted: sides of at least {side}")
    a, b = (unit_range(picture).astype(np.float64) for picture in (first, second))
    unbiased = side**2 / (side**2 - 1) if window == "uniform" else 1.0
    mean_a, mean_b = _windowed(a, window), _windowed(b, window)
    variances = _windowed(a * a, window) + _windowed(b * b, window) - mean_a**2 - mean_b**2
    covariance = unbiased * (_windowed(a * b, window) - mean_a * mean_b)
    return float(similarity(mean_a, mean_b, unbiased * variances, covariance, data_range).mean())


def similarity(mean_a: F64, mean_b: F64, variances: F64, covariance: F64, data_range: float) -> F64:
    """SSIM of each window from its means, the sum of both variances, and its covariance; all arrays of one shape."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance * (2 * covariance + c2) / (variances + c2)


def window_means(values: F64) -> F64:
    """Means over all 7x7 windows inside the picture: (H,W,...) -> (H-6,W-6,...)."""
    return _windowed(values, "uniform")


def _windowed(values: F64, window: str) -> F64:
    if window == "uniform":
        margin = UNIFORM_SIDE // 2
        filtered = cv2.blur(values, (UNIFORM_SIDE, UNIFORM_SIDE))
    else:
        margin = GAUSSIAN_SIDE // 2
        weights = cv2.getGaussianKernel(GAUSSIAN_SIDE, GAUSSIAN_SIGMA)
        filtered = cv2.sepFilter2D(values, -1, weights, weights)
    return np.asarray(filtered[margin:-margin, margin:-margin], np.float64)
