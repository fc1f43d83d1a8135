"""Classical filters as parts of a graph: blur, lines along edges, flat areas, tone steps."""

import numpy as np
from filter_looks.graph import Value, joined
from numpy.typing import NDArray

F64 = NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
ORIENTATIONS = 8
SECTORS = 8


def luma(picture: Value) -> Value:
    """(N,3,H,W) -> (N,1,H,W)."""
    return picture.conv(LUMA)


def gaussian(sigma: float, radius: int) -> F64:
    """Weights of 2 radius + 1 taps whose sum is 1."""
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    return taps / taps.sum()


def blurred(value: Value, sigma: float, channels: int = 1) -> Value:
    """Gaussian blur of 3 sigma, rows and columns one after the other."""
    taps = gaussian(sigma, int(np.ceil(3 * sigma)))
    columns = np.tile(taps.reshape(1, 1, -1, 1), (channels, 1, 1, 1))
    rows = np.tile(taps.reshape(1, 1, 1, -1), (channels, 1, 1, 1))
    return value.conv(columns, groups=channels).conv(rows, groups=channels)


def rotated_grid(angle: float, radius: int) -> tuple[F64, F64]:
    """Coordinates along and across a direction, pixels, for a square of 2 radius + 1."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(float)
    return x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)


def line_kernels(sigma: float, length: float, radius: int) -> F64:
    """(8,1,S,S): difference of two Gaussians across, one Gaussian of deviation `length` along each of eight directions.

    Both Gaussians have the sum 1, so that an even picture gives 0. A dark line on a bright ground gives a negative value.
    """
    kernels = []
    for index in range(ORIENTATIONS):
        along, across = rotated_grid(np.pi * index / ORIENTATIONS, radius)
        window = np.exp(-(along**2) / (2 * length**2))
        inner, outer = (window * np.exp(-(across**2) / (2 * s**2)) for s in (sigma, 1.6 * sigma))
        kernels.append(inner / inner.sum() - outer / outer.sum())
    return np.array(kernels)[:, None]


def dark_lines(light: Value, sigma: float, length: float, threshold: float, steepness: float) -> Value:
    """Lines along dark edges: 1 on paper, 0 in a line. A line is long in the direction that answers most strongly."""
    answers = light.conv(line_kernels(sigma, length, int(np.ceil(2.2 * length))))
    strongest = answers.graph.add("ReduceMin", answers, np.array([1]), keepdims=1)
    return ((strongest + threshold).clip(None, 0.0) * steepness).apply("Tanh") + 1.0


def sector_kernels(radius: int) -> F64:
    """(8,S,S): a disc divided into eight soft sectors, each with sum 1, as in the generalised Kuwahara filter."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(float)
    angle, distance = np.arctan2(y, x), np.hypot(x, y)
    disc = np.exp(-(distance**2) / (2 * (0.55 * radius) ** 2)) * (distance <= radius + 0.3)
    kernels = []
    for index in range(SECTORS):
        turn = np.abs((angle - index * 2 * np.pi / SECTORS + np.pi) % (2 * np.pi) - np.pi)
        weights = disc * np.exp(-((turn / (np.pi / SECTORS)) ** 2) * 0.6)
        weights[radius, radius] = disc[radius, radius] / SECTORS
        kernels.append(weights / weights.sum())
    return np.array(kernels)


def flat_areas(picture: Value, radius: int, sharpness: float, noise: float) -> Value:
    """Generalised Kuwahara filter (Papari et al. 2007; Kyprianidis et al. 2009): the mean of the most even sectors.

    A sector counts by 1 / (1 + (v / noise^2)^sharpness), where v is the variance of its luma. (N,3,H,W) -> (N,3,H,W).
    """
    kernels = sector_kernels(radius)[:, None]
    light = luma(picture)
    means = joined(picture, light).conv(np.tile(kernels, (4, 1, 1, 1)), groups=4)
    squares = (light * light).conv(kernels)
    mean = means.channels(3 * SECTORS, 4 * SECTORS)
    variance = (squares - mean * mean).apply("Relu") * noise**-2
    power = variance.graph.add("Pow", variance, sharpness)
    weight = 1.0 / (power + 1.0)
    weight = weight / (weight.sum_channels() + 1e-9)
    planes = [(means.channels(c * SECTORS, (c + 1) * SECTORS) * weight).sum_channels() for c in range(3)]
    return joined(*planes)


def tone_steps(light: Value, steps: int, softness: float) -> Value:
    """Luma in `steps` soft steps of its square root."""
    level = (light + 1e-4).apply("Sqrt") * float(steps)
    whole = level.apply("Floor")
    rise = ((level - whole - 0.5) * (1 / softness)).apply("Sigmoid")
    stepped = (whole + rise) * (1 / steps)
    return stepped * stepped


def along_edges(value: Value, light: Value, channels: int, length: float = 4.0, radius: int = 7) -> Value:
    """Blur along the edges of `light`: the answers of eight lines, weighted by how well each fits the direction of the edge.

    The direction is that of the structure tensor: the eigenvector of the smaller eigenvalue of blurred gradient products. Where
    there is no direction, all lines count alike.
    """
    gx = light.conv(np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).reshape(1, 1, 3, 3) / 8)
    gy = light.conv(np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]).reshape(1, 1, 3, 3) / 8)
    tensor = blurred(joined(gx * gx - gy * gy, gx * gy * 2.0, gx * gx + gy * gy), 2.0, 3)
    cosine, sine, energy = (tensor.channels(i, i + 1) for i in range(3))  # of twice the angle across the edge
    angles = np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
    turned = joined(cosine, sine).conv(-np.stack([np.cos(2 * angles), np.sin(2 * angles)], axis=1)[:, :, None, None])
    weight = (turned / (energy + 2e-5) * 6.0).apply("Exp")
    weight = weight / weight.sum_channels()
    kernels = []
    for angle in angles:
        along, across = rotated_grid(angle, radius)
        line = np.exp(-(along**2) / (2 * length**2) - across**2 / (2 * 0.6**2))
        kernels.append(line / line.sum())
    answers = value.conv(np.tile(np.array(kernels)[:, None], (channels, 1, 1, 1)), groups=channels)
    planes = [
        (answers.channels(c * ORIENTATIONS, (c + 1) * ORIENTATIONS) * weight).sum_channels() for c in range(channels)
    ]
    return joined(*planes) if channels > 1 else planes[0]


def ramp(value: Value, low: float, high: float) -> Value:
    """0 up to `low`, 1 from `high` on, straight between."""
    return ((value - low) * (1 / (high - low))).clip(0.0, 1.0)
