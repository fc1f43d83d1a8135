"""One sheet for one evaluation: curves, where it flickers, one column of pixels through time, the worst moment."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.evaluation import Evaluation
from rotoscope.metrics.measures import Measures
from rotoscope.plots.chart import Series, chart, text
from rotoscope.plots.raster import data_uri, heat_map, through_time

WIDTH, GAP = 1296, 16  # pixels
STEPS = 255  # of 8-bit pictures, in which flicker is printed
JPEG_QUALITY = 90
BRIGHTEST_SHARE = 99.5  # percentile of the flicker that the heat map's yellow stands for


def evaluation_sheet(found: Evaluation, title: str) -> str:
    """An SVG file's text, pictures included; `title` stands on top."""
    parts, y = [text(GAP, 24, title, weight="bold")], 40.0
    for height, drawn in _rows(found):
        parts.append(f'<g transform="translate({GAP} {y:.0f})">{drawn}</g>')
        y += height + GAP
    size = f'width="{WIDTH + 2 * GAP}" height="{y:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="white"/>{"".join(parts)}</svg>\n'


def _rows(found: Evaluation) -> Iterator[tuple[float, str]]:
    """(height, drawing) of each row of the sheet."""
    videos = {"result": found.result} | ({"frame by frame": found.reference} if found.reference is not None else {})
    yield _curves(found, videos)
    yield _heat_maps({name: measures.flicker() for name, measures in videos.items()})
    columns = {"source": found.source_columns} | {name: measures.columns for name, measures in reversed(videos.items())}
    yield from _slices(found, columns)
    if found.worst:
        yield from _strip(found)


def _slices(found: Evaluation, columns: dict[str, list[NDArray[np.uint8]]]) -> Iterator[tuple[float, str]]:
    """Side by side where every frame gets a pixel there, else one below the other, around the worst moment if need be."""
    share = (WIDTH - GAP * (len(columns) - 1)) // len(columns)
    fits = len(found.seconds) <= share
    width = share if fits else WIDTH
    worst = found.seconds.index(found.worst[-1].seconds) if found.worst else 0
    begin = max(0, min(worst - width // 2, len(found.seconds) - width))
    caption = f"one column of pixels through time, from {found.seconds[begin]:.2f} s on"
    drawn = [(through_time(taken[begin:], width), f"{name}: {caption}") for name, taken in columns.items()]
    for row in [drawn] if fits else [[one] for one in drawn]:
        yield _captioned(row, width)


def _curves(found: Evaluation, videos: dict[str, Measures]) -> tuple[float, str]:
    times = found.seconds
    errors = [Series(name, times[1:], measures.warping_error) for name, measures in videos.items()]
    shown = [("Warping error of each pair", "mean squared difference, pictures in [0,1]", errors)]
    if found.reference is not None:
        sharpness = Series("result", times, found.sharpness)
        shown.append(("Gradient energy", "relative to frame by frame", [sharpness]))
    width = (WIDTH - GAP * (len(shown) - 1)) // len(shown)
    drawn = [
        f'<g transform="translate({index * (width + GAP)} 0)">'
        + chart(series, title=title, x_label="seconds", y_label=unit, size=(width, 280))
        + "</g>"
        for index, (title, unit, series) in enumerate(shown)
    ]
    return 280, "".join(drawn)


def _heat_maps(flicker: dict[str, NDArray[np.float64]]) -> tuple[float, str]:
    top = max(float(np.nanpercentile(values, BRIGHTEST_SHARE)) for values in flicker.values()) or 1 / STEPS
    captioned = [
        (
            heat_map(values, top),
            f"{name}: flicker, black 0 to yellow {top * STEPS:.1f} of 255 steps; on average "
            f"{float(np.sqrt(np.nanmean(values**2))) * STEPS:.2f} (RMS)",
        )
        for name, values in reversed(flicker.items())
    ]
    return _captioned(captioned, (WIDTH - GAP) // 2)


def _strip(found: Evaluation) -> Iterator[tuple[float, str]]:
    width = (WIDTH - GAP * (len(found.worst) - 1)) // len(found.worst)
    for name in ("source", "reference", "result"):
        pictures = [getattr(moment, name) for moment in found.worst]
        if pictures[0] is not None:
            label = "frame by frame" if name == "reference" else name
            captions = [f"{label}, {moment.seconds:.3f} s" for moment in found.worst]
            yield _captioned(list(zip(pictures, captions, strict=True)), width)


def _captioned(pictures: list[tuple[NDArray[np.uint8], str]], width: int) -> tuple[float, str]:
    """Pictures side by side, each `width` wide under its caption."""
    parts, below = [], 0.0
    for index, (picture, caption) in enumerate(pictures):
        x, height = index * (width + GAP), picture.shape[0] * width / picture.shape[1]
        uri = data_uri(picture, quality=JPEG_QUALITY)
        parts.append(text(x, 12, caption))
        parts.append(f'<image x="{x}" y="18" width="{width}" height="{height:.1f}" href="{uri}"/>')
        below = max(below, 18 + height)
    return below, "".join(parts)
