"""One SVG sheet of an evaluation: curves, a heat map of flicker, slices through time, the frames of the largest error."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.curves import Curves
from rotoscope.metrics.evaluation import Evaluation
from rotoscope.plots.chart import Series, chart, text
from rotoscope.plots.raster import data_uri, heat_map, through_time

WIDTH, GAP = 1296, 16  # pixels
CHART_HEIGHT = 280  # pixels
STEPS = 255  # flicker is printed in steps of 8-bit pictures
JPEG_QUALITY = 90
BRIGHTEST_PERCENTILE = 99.5  # of the flicker: shown as yellow in the heat map
NOT_VISIBLE = "no pixel is visible in two neighbouring frames: no warping error could be measured"


class Chart(NamedTuple):
    """Curves over time with their title and the label of their y axis."""

    title: str
    y_label: str
    series: list[Series]


def evaluation_sheet(found: Evaluation, title: str) -> str:
    """Return the text of an SVG file; pictures are inside it. `title` is its first line."""
    parts, y = [text(GAP, 24, title, weight="bold")], 40.0
    for height, drawn in _rows(found):
        parts.append(f'<g transform="translate({GAP} {y:.0f})">{drawn}</g>')
        y += height + GAP
    size = f'width="{WIDTH + 2 * GAP}" height="{y:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="white"/>{"".join(parts)}</svg>\n'


def _rows(found: Evaluation) -> Iterator[tuple[float, str]]:
    """(height, drawing) of each row of the sheet; rows without a finite value are left out."""
    videos = {"result": found.result} | ({"frame by frame": found.reference} if found.reference is not None else {})
    if not any(found.visible):
        yield 16, text(0, 12, NOT_VISIBLE)
    charts = _charts(found, videos)
    if charts:
        yield CHART_HEIGHT, _curves(charts)
    if any(found.visible):
        yield _heat_maps({name: curves.flicker() for name, curves in videos.items()})
    columns = {"source": found.source_columns} | {name: curves.columns for name, curves in reversed(videos.items())}
    yield from _slices(found, columns)
    if found.worst:
        yield from _strip(found)


def _slices(found: Evaluation, columns: dict[str, list[NDArray[np.uint8]]]) -> Iterator[tuple[float, str]]:
    """Slices through time: side by side if there is a pixel for each frame.

    Otherwise one below the other, showing the frames around the largest error.
    """
    share = (WIDTH - GAP * (len(columns) - 1)) // len(columns)
    fits = len(found.seconds) <= share
    width = share if fits else WIDTH
    worst = found.seconds.index(found.worst[-1].seconds) if found.worst else 0
    begin = max(0, min(worst - width // 2, len(found.seconds) - width))
    caption = f"one column of pixels through time, from {found.seconds[begin]:.2f} s on"
    drawn = [(through_time(taken[begin:], width), f"{name}: {caption}") for name, taken in columns.items()]
    for row in [drawn] if fits else [[one] for one in drawn]:
        yield _captioned(row, width)


def _charts(found: Evaluation, videos: dict[str, Curves]) -> list[Chart]:
    """The charts that have a finite value to show."""
    times = found.seconds
    errors = [Series(name, times[1:], curves.warping_error) for name, curves in videos.items()]
    charts = [Chart("Warping error of each pair", "mean squared difference, pictures in [0,1]", errors)]
    if found.reference is not None:
        charts.append(
            Chart("Gradient energy", "relative to frame by frame", [Series("result", times, found.sharpness)])
        )
    return [one for one in charts if any(np.isfinite(series.y).any() for series in one.series)]


def _curves(charts: list[Chart]) -> str:
    """Charts side by side."""
    width = (WIDTH - GAP * (len(charts) - 1)) // len(charts)
    return "".join(
        f'<g transform="translate({index * (width + GAP)} 0)">'
        + chart(one.series, title=one.title, x_label="seconds", y_label=one.y_label, size=(width, CHART_HEIGHT))
        + "</g>"
        for index, one in enumerate(charts)
    )


def _heat_maps(flicker: dict[str, NDArray[np.float64]]) -> tuple[float, str]:
    """Flicker of each video, (H,W) in [0,1], on one colour scale."""
    top = max(float(np.nanpercentile(values, BRIGHTEST_PERCENTILE)) for values in flicker.values()) or 1 / STEPS
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
    """The frames of the largest error, a row for each video."""
    width = (WIDTH - GAP * (len(found.worst) - 1)) // len(found.worst)
    for name in ("source", "reference", "result"):
        pictures = [getattr(frame, name) for frame in found.worst]
        if pictures[0] is not None:
            label = "frame by frame" if name == "reference" else name
            captions = [f"{label}, {frame.seconds:.3f} s" for frame in found.worst]
            yield _captioned(list(zip(pictures, captions, strict=True)), width)


def _captioned(pictures: list[tuple[NDArray[np.uint8], str]], width: int) -> tuple[float, str]:
    """(height, drawing) of pictures side by side, each `width` pixels wide and below its caption."""
    parts, below = [], 0.0
    for index, (picture, caption) in enumerate(pictures):
        x, height = index * (width + GAP), picture.shape[0] * width / picture.shape[1]
        uri = data_uri(picture, quality=JPEG_QUALITY)
        parts.append(text(x, 12, caption))
        parts.append(f'<image x="{x}" y="18" width="{width}" height="{height:.1f}" href="{uri}"/>')
        below = max(below, 18 + height)
    return below, "".join(parts)
