"""The demo page: one HTML file that opens from disk. All renderings are tiles of one video, so that they stay in step."""

import base64
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from importlib import resources
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.options import OutputOptions
from rotoscope.base.text import json_text, markup
from rotoscope.demo.scene import Scene
from rotoscope.metrics.curves import Curves
from rotoscope.metrics.gradient_energy import relative_energy
from rotoscope.metrics.matched import side_by_side
from rotoscope.plots.chart import Series, chart
from rotoscope.plots.raster import data_uri, through_time
from rotoscope.runtime.pipeline.write import write_frames

TILES_ACROSS = 3
MILLISECOND = Fraction(1, 1000)  # time base of webm
SLICE_WIDTH = 720  # pixels
# VP9 plays in all current browsers, also those built without H.264; these are libvpx's fastest settings.
ENCODER = ("crf=36", "b=0", "deadline=realtime", "cpu-used=8", "row-mt=1")


class Rendering(NamedTuple):
    """One result of the demo clip, and the command that makes it; the first rendering of a page is frame by frame."""

    strength: float
    path: Path
    command: str


class Measured(NamedTuple):
    """The video of the page and the measures of all renderings, made in one pass."""

    webm: bytes
    seconds: list[float]
    source_columns: list[NDArray[np.uint8]]
    curves: list[Curves]


def write_page(
    target: Path,
    scene: Scene,
    source: Path,
    renderings: Sequence[Rendering],
    *,
    duration: float | None = None,
    chosen: int,
    title: str,
    machine: str,
) -> None:
    """Write the page; an existing file is replaced.

    scene       what `source` shows; warping errors are measured along its true motion
    renderings  of the source, of the same size; the first one frame by frame
    duration    seconds of the source that the renderings show; None: all
    chosen      index of the rendering that is shown first
    machine     speed of this machine, plain text
    """
    measured = _measure(scene, source, renderings, duration)
    slices = [_slice(curves.columns) for curves in measured.curves]
    facts = {
        "width": scene.width,
        "height": scene.height,
        "columns": TILES_ACROSS,
        "strengths": [rendering.strength for rendering in renderings],
        "commands": [rendering.command for rendering in renderings],
        "chosen": chosen,
        "slices": slices,
    }
    page = Template(resources.files("rotoscope.demo").joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=markup(title),
        subtitle="Computed on this machine; this file contains everything and loads nothing.",
        video="data:video/webm;base64," + base64.b64encode(measured.webm).decode(),
        source_slice=_slice(measured.source_columns),
        plain_slice=slices[0],
        chart=_chart(renderings, measured),
        rows=_rows(renderings, measured.curves),
        machine=markup(machine),
        facts=json_text(facts, indent=None).replace("<", "\\u003c"),  # so that no command can end the script element
    )
    target.write_text(page, encoding="utf-8")


def _measure(scene: Scene, source: Path, renderings: Sequence[Rendering], duration: float | None) -> Measured:
    """Read all renderings once: encode the tiled video and measure along the true motion."""
    curves = [Curves(with_patches=False) for _ in renderings]
    seconds: list[float] = []
    source_columns: list[NDArray[np.uint8]] = []
    middle = scene.width // 2

    def tiled_frames() -> Iterator[Frame]:
        """Measure each frame of all renderings before it goes to the encoder; two frames of each are held."""
        previous: list[NDArray[np.uint8]] = []
        names = [str(source), *(str(rendering.path) for rendering in renderings)]
        for index, (time, (first, *results)) in enumerate(side_by_side(names, duration=duration)):
            seconds.append(time)
            source_columns.append(first[:, middle].copy())
            if previous:
                flow, valid = scene.flow(index - 1, index), ~scene.occlusion(index - 1, index)
                for found, before, now in zip(curves, previous, results, strict=True):
                    found.add_pair(before, now, flow, valid)
            for found, now in zip(curves, results, strict=True):
                found.add(now, middle)
            previous = results
            tiled = Picture((_tiled([first, *results]),))
            yield Frame(index, round(time / MILLISECOND), MILLISECOND, 0, tiled, tiled)

    with tempfile.TemporaryDirectory() as folder:
        webm = Path(folder) / "page.webm"
        write_frames(webm, tiled_frames(), OutputOptions(codec="libvpx-vp9", encoder_options=ENCODER))
        return Measured(webm.read_bytes(), seconds, source_columns, curves)


def _tiled(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Arrange (H,W,3) uint8 pictures in rows of three: one (H',W',4) float32 picture in [0,1]; unused tiles are black."""
    height, width = pictures[0].shape[:2]
    tiled = np.zeros((-(-len(pictures) // TILES_ACROSS) * height, TILES_ACROSS * width, 4), np.float32)
    for index, picture in enumerate(pictures):
        top, left = index // TILES_ACROSS * height, index % TILES_ACROSS * width
        np.divide(picture, np.float32(255), out=tiled[top : top + height, left : left + width, :3])
    return tiled


def _slice(columns: Sequence[NDArray[np.uint8]]) -> str:
    """Slice through time as a data URI."""
    return data_uri(through_time(columns, SLICE_WIDTH), quality=90)


def _chart(renderings: Sequence[Rendering], measured: Measured) -> str:
    """Warping error over time, a curve for each rendering."""
    series = [
        Series(f"{rendering.strength:g}" if rendering.strength else "frame by frame", measured.seconds[1:], errors)
        for rendering, errors in zip(renderings, (found.warping_error for found in measured.curves), strict=True)
    ]
    unit = "mean squared difference, pictures in [0,1]"
    return chart(series, title="Warping error by strength", x_label="seconds", y_label=unit, size=(1296, 280))


def _rows(renderings: Sequence[Rendering], curves: Sequence[Curves]) -> str:
    """Rows of the table: strength, warping error, its reduction, sharpness by octave."""
    rows = []
    for rendering, found in zip(renderings, curves, strict=True):
        error = found.summary()["E_warp"]
        ratio = curves[0].summary()["E_warp"] / error if error else float("inf")
        octaves = " ".join(f"{value:.0%}" for value in relative_energy(found.energy, curves[0].energy))
        rows.append(f"<tr><td>{rendering.strength:g}<td>{error:.5f}<td>{ratio:.2f}x lower<td>{octaves}")
    return "\n".join(rows)
