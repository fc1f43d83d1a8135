"""Charts as SVG text: curves, or points with labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rotoscope.base.text import markup

COLOURS = {
    "result": "#0072b2",
    "frame by frame": "#d55e00",
    "source": "#777777",
}  # distinguishable with colour blindness
FALLBACK_COLOURS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
TEXT = 'font-family="system-ui,sans-serif" font-size="12" fill="#333"'
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 44, 40  # margins in pixels
NUM_TICKS = 5
GLYPH_PX = 7  # mean width of a letter at font size 12


@dataclass(frozen=True)
class Series:
    """One curve, or points if each has a label. A curve is interrupted, and a point left out, where y is not finite."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    labels: Sequence[str] = ()


def chart(
    series: Sequence[Series], *, title: str, x_label: str, y_label: str, size: tuple[int, int] = (640, 280)
) -> str:
    """Return an `<svg>` element of `size` (width, height) in pixels; the y axis includes 0.

    Raises ValueError if no series has a finite point.
    """
    points = [pair for line in series for pair in zip(line.x, line.y, strict=True) if _finite(pair)]
    if not points:
        raise ValueError(f"{title}: nothing to draw")
    width, height = size
    x_ticks = ticks(min(x for x, _ in points), max(x for x, _ in points))
    y_ticks = ticks(min(0, *(y for _, y in points)), max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return LEFT + across * (width - LEFT - RIGHT), height - BOTTOM - up * (height - TOP - BOTTOM)

    parts = [f'<rect width="{width}" height="{height}" fill="white"/>', text(LEFT, 16, title, weight="bold")]
    for y in y_ticks:
        across, level = place(x_ticks[0], y)
        parts.append(f'<path d="M{across:.1f} {level:.1f}H{width - RIGHT}" stroke="#ddd"/>')
        parts.append(text(across - 6, level + 4, f"{y:g}", anchor="end"))
    for x in x_ticks:
        parts.append(text(place(x, y_ticks[0])[0], height - BOTTOM + 16, f"{x:g}", anchor="middle"))
    parts.append(text((LEFT + width - RIGHT) / 2, height - 6, x_label, anchor="middle"))
    parts.append(text(LEFT, 34, y_label, colour="#777"))
    legend = width - RIGHT
    spare = iter(FALLBACK_COLOURS)
    for line in series:
        colour = COLOURS.get(line.name) or next(spare)
        legend -= GLYPH_PX * len(line.name) + 24
        parts.append(f'<path d="M{legend} 12h14" stroke="{colour}" stroke-width="3"/>')
        parts.append(text(legend + 18, 16, line.name))
        placed = [place(*pair) if _finite(pair) else None for pair in zip(line.x, line.y, strict=True)]
        parts.extend(_dots(placed, line.labels, colour, width - RIGHT) if line.labels else [_curve(placed, colour)])
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(parts)}</svg>'


def ticks(low: float, high: float) -> list[float]:
    """Return about five round, evenly spaced numbers that enclose `low` and `high`."""
    span = (high - low) or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / NUM_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * NUM_TICKS >= span * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, max(last, first + 1) + 1)]


def text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal", colour: str = "") -> str:
    """Return a `<text>` element; (x, y) is the start, middle or end of its base line, by `anchor`."""
    style = TEXT.replace("#333", colour) if colour else TEXT
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" {style}>{markup(words)}</text>'


def _finite(pair: tuple[float, float]) -> bool:
    return bool(np.isfinite(pair).all())


def _curve(placed: Sequence[tuple[float, float] | None], colour: str) -> str:
    path, pen_is_down = [], False
    for point in placed:
        if point is not None:
            path.append(f"{'L' if pen_is_down else 'M'}{point[0]:.1f} {point[1]:.1f}")
        pen_is_down = point is not None
    return f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _dots(placed: Sequence[tuple[float, float] | None], labels: Sequence[str], colour: str, right: float) -> list[str]:
    """Points with their labels to the right, or to the left if they would cross the right edge."""
    parts = []
    for point, label in zip(placed, labels, strict=True):
        if point is not None:
            x, y = point
            fits = x + 7 + GLYPH_PX * len(label) < right
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            parts.append(text(x + 7 if fits else x - 7, y - 5, label, anchor="start" if fits else "end"))
    return parts
