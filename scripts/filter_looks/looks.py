"""The looks that need no training: each a fixed graph of classical filters."""

import numpy as np
from filter_looks.filters import along_edges, blurred, dark_lines, flat_areas, luma, ramp, tone_steps
from filter_looks.graph import Graph, Value


def coloured(light: Value, picture: Value, strength: float) -> Value:
    """A picture of this luma with the colour differences of `picture` times `strength`."""
    return light + (picture - luma(picture)) * strength


def colour(*rgb: float) -> np.ndarray:
    """RGB in [0,1] as a constant (1,3,1,1)."""
    return np.array(rgb).reshape(1, 3, 1, 1)


def comic(graph: Graph) -> Value:
    """Flat colours in seven soft steps of luma, and black lines along dark edges."""
    frame = graph.frame
    lines = dark_lines(luma(frame), 1.0, 2.6, 0.012, 55.0)
    flat = flat_areas(frame.halved(3), 4, 3.0, 3 / 255).doubled(3)
    light = tone_steps(luma(flat), 7, 0.07) * 1.05
    return (coloured(light, flat, 1.5).clip(0.0, 1.0)) * lines


def ink(graph: Graph) -> Value:
    """Black where the luma is far below its mean, one grey wash, and lines along dark edges, on cream paper."""
    frame = graph.frame
    light = luma(frame)
    lines = dark_lines(light, 1.0, 2.6, 0.008, 70.0)
    flat = luma(flat_areas(frame.halved(3), 4, 3.0, 3 / 255)).doubled(1)
    relative = flat / (light.mean((2, 3)) + 0.02)
    black = ((relative - 0.42) * 18.0).apply("Sigmoid")
    wash = ((relative - 0.85) * 12.0).apply("Sigmoid") * 0.28 + 0.72
    paper, black_ink = colour(0.975, 0.96, 0.92), colour(0.09, 0.09, 0.13)
    return lines * black * wash * (paper - black_ink) + black_ink


def pencil(graph: Graph) -> Value:
    """Luma divided by its surroundings, as graphite darkens beside light, on paper; lines along edges."""
    light = luma(graph.frame)
    mean = light.mean((2, 3))
    near = along_edges(light, light, 1, length=2.5, radius=5)
    far = blurred(light.halved(1), 2.5).doubled(1)
    drawn = ((near + mean * 0.12 + 0.015) / (far + mean * 0.12 + 0.015)).clip(0.0, 1.0)
    drawn = drawn * drawn * drawn * drawn
    tone = tone_steps(near / (mean * 2.0 + 0.02), 5, 0.2).clip(0.0, 0.45) * 1.25 + 0.4375
    lines = dark_lines(light, 0.9, 2.6, 0.005, 45.0) * 0.8 + 0.2
    paper, lead = colour(0.985, 0.975, 0.95), colour(0.16, 0.16, 0.19)
    return drawn * tone * lines * (paper - lead) + lead


def watercolour(graph: Graph) -> Value:
    """Two passes of flat areas, lightened towards paper; pigment gathers at the rims of the areas (Bousseau et al. 2006)."""
    frame = graph.frame
    flat = flat_areas(flat_areas(frame.halved(3), 5, 3.0, 4 / 255), 3, 3.0, 3 / 255).doubled(3)
    light = luma(flat)
    washed = coloured(tone_steps(light, 6, 0.16) * 0.86, flat, 1.3) + colour(0.13, 0.135, 0.16)
    near, far = blurred(light, 1.0), blurred(light, 3.0)
    pigment = (near - far).apply("Abs") * 5.0 * (1.1 - light)
    lines = dark_lines(luma(frame), 0.9, 2.6, 0.012, 30.0) * 0.5 + 0.5
    dense = washed - (washed - washed * washed) * pigment
    return (dense * lines).clip(0.0, 1.0)


def strokes(half: Value) -> tuple[Value, Value, Value]:
    """Blur flat areas of half the size along their edges: (picture of twice that size, its luma, sharpened luma)."""
    flat = flat_areas(half, 3, 3.0, 3 / 255)
    smooth = along_edges(flat, luma(flat), 3, length=3.0, radius=6)
    larger = blurred(smooth.doubled(3), 0.8, 3)  # sharpening would show what is left of the pixels of half the size
    light = luma(larger)
    return larger, light, light + (light - blurred(light, 1.4)) * 3.0


def oil(graph: Graph) -> Value:
    """Flat areas, blurred along their edges, sharpened across; the relief of strokes from the picture itself."""
    larger, light, sharp = strokes(graph.frame.halved(3))
    fine = luma(graph.frame)
    stroke = along_edges(fine, light, 1, length=3.5, radius=7)
    relief = stroke - blurred(stroke, 1.2)
    return coloured(sharp + relief * 1.5, larger, 1.35).clip(0.0, 1.0)


def crayon(graph: Graph) -> Value:
    """The drawing of `pencil` over the colours of flat areas."""
    frame = graph.frame
    light = luma(frame)
    mean = light.mean((2, 3))
    near = along_edges(light, light, 1, length=2.5, radius=5)
    far = blurred(light.halved(1), 2.5).doubled(1)
    drawn = ((near + mean * 0.12 + 0.015) / (far + mean * 0.12 + 0.015)).clip(0.0, 1.03)
    drawn = drawn * drawn * drawn
    flat = flat_areas(frame.halved(3), 3, 3.0, 3 / 255).doubled(3)
    chalk = coloured(tone_steps(luma(flat), 6, 0.2) * 0.75, flat, 1.35) + colour(0.25, 0.245, 0.235)
    lines = dark_lines(light, 0.9, 2.6, 0.006, 40.0) * 0.6 + 0.4
    return (chalk * drawn * (lines * (1.0 - colour(0.2, 0.14, 0.16)) + colour(0.2, 0.14, 0.16))).clip(0.0, 1.0)


def woodblock(graph: Graph) -> Value:
    """Five steps of luma in Prussian blue, slate, sand and paper, tinted by the colours of the picture; blue lines."""
    frame = graph.frame
    light = luma(frame)
    flat = flat_areas(frame.halved(3), 4, 3.0, 4 / 255).doubled(3)
    level = tone_steps(luma(flat) / (light.mean((2, 3)) * 0.6 + 0.25), 5, 0.06)
    blue, slate, sand, paper = (
        colour(0.10, 0.17, 0.30), colour(0.36, 0.49, 0.60), colour(0.82, 0.75, 0.60), colour(0.95, 0.91, 0.82)
    )  # fmt: skip
    printed = blue + (slate - blue) * ramp(level, 0.0, 0.3) + (sand - slate) * ramp(level, 0.3, 0.75)
    printed = printed + (paper - sand) * ramp(level, 0.75, 1.1)
    tinted = (printed + (flat - luma(flat)) * 0.85).clip(0.0, 1.0)
    lines = dark_lines(light, 1.0, 2.8, 0.008, 60.0)
    return (tinted - blue) * lines + blue


def wash(graph: Graph) -> Value:
    """Diluted ink on silk: luma blurred along edges, in five soft steps, darker at the rims of what is light."""
    light = luma(graph.frame)
    mean = light.mean((2, 3))
    half = light.halved(1)
    soft = along_edges(blurred(half, 1.2), half, 1, length=4.0, radius=8)
    near, far = soft.doubled(1), blurred(soft, 5.0).doubled(1)
    relative = (near * 0.7 + far * 0.3) / (mean * 0.8 + 0.12)
    tone = tone_steps(ramp(relative, 0.05, 1.15), 5, 0.22)
    rim = ((far - near) * 1.2).clip(0.0, 0.25)
    lines = dark_lines(light, 1.3, 3.2, 0.008, 45.0) * 0.75 + 0.25
    drawn = (tone - rim).clip(0.0, 1.0) * lines
    silk, ink_black = colour(0.93, 0.88, 0.77), colour(0.11, 0.10, 0.10)
    return drawn * (silk - ink_black) + ink_black


LOOKS = {
    "comic": comic,
    "ink": ink,
    "pencil": pencil,
    "watercolour": watercolour,
    "oil": oil,
    "crayon": crayon,
    "woodblock": woodblock,
    "wash": wash,
}
