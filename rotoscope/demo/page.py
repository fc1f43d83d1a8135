"""The demo page: one HTML file that opens from disk. All renderings are tiles of one video, so that they stay in step."""

import base64
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.text import json_text, markup
from rotoscope.demo.scene import Scene
from rotoscope.demo.tiles import TILES_ACROSS, TimedPictures, tiled_webm
from rotoscope.metrics.curves import Curves
from rotoscope.metrics.gradient_energy import relative_energy
from rotoscope.metrics.matched import side_by_side
from rotoscope.plots.chart import Series, chart
from rotoscope.plots.raster import data_uri, through_time

SLICE_WIDTH = 720  # pixels
QUALITY = 36  # of VP9, for the strengths
LOOKS_QUALITY = 24  # for the looks, which are looked at closely


class Rendering(NamedTuple):
    """One result of the demo clip, and the command that makes it; the first rendering of a page is frame by frame."""

    strength: float
    path: Path
    command: str


class Looks(NamedTuple):
    """A clip in several looks: `paths` are videos of one size, the source first; `names` those of the looks."""

    title: str
    names: Sequence[str]
    paths: Sequence[Path]


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
    looks: Sequence[Looks] = (),
    duration: float | None = None,
    chosen: int,
    title: str,
    machine: str,
    invitation: str = "",
) -> None:
    """Write the page; an existing file is replaced.

    scene       what `source` shows; warping errors are measured along its true motion
    renderings  of the source, of the same size; the first one frame by frame
    looks       clips at 100 %, each in several looks, at the top of the page
    duration    seconds of the sources that are shown; None: all
    chosen      index of the rendering that is shown first
    machine     speed of this machine, plain text
    invitation  what to run next, plain text
    """
    measured = _measure(scene, source, renderings, duration)
    slices = [_slice(curves.columns) for curves in measured.curves]
    facts: dict[str, Any] = {
        "width": scene.width,
        "height": scene.height,
        "columns": TILES_ACROSS,
        "strengths": [rendering.strength for rendering in renderings],
        "commands": [rendering.command for rendering in renderings],
        "chosen": chosen,
        "slices": slices,
        "looks": [_look_facts(clip, duration) for clip in looks],
    }
    page = Template(resources.files("rotoscope.demo").joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=markup(title),
        subtitle="Computed on this machine; this file contains everything and loads nothing.",
        video=_webm_uri(measured.webm),
        source_slice=_slice(measured.source_columns),
        plain_slice=slices[0],
        chart=_chart(renderings, measured),
        rows=_rows(renderings, measured.curves),
        machine=markup(machine),
        invitation=markup(invitation),
        facts=json_text(facts, indent=None).replace("<", "\\u003c"),  # so that no command can end the script element
    )
    target.write_text(page, encoding="utf-8")


def _measure(scene: Scene, source: Path, renderings: Sequence[Rendering], duration: float | None) -> Measured:
    """Read all renderings once: encode the tiled video and measure along the true motion."""
    curves = [Curves(with_patches=False) for _ in renderings]
    seconds: list[float] = []
    source_columns: list[NDArray[np.uint8]] = []
    middle = scene.width // 2

    def read() -> Iterator[TimedPictures]:
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
            yield time, [first, *results]

    return Measured(tiled_webm(read(), quality=QUALITY), seconds, source_columns, curves)


def _look_facts(clip: Looks, duration: float | None) -> dict[str, Any]:
    """Encode a clip and its looks as one video, and return it with title, names and size."""
    size: dict[str, int] = {}

    def read() -> Iterator[TimedPictures]:
        for time, pictures in side_by_side([str(path) for path in clip.paths], duration=duration):
            size["height"], size["width"] = pictures[0].shape[:2]
            yield time, pictures

    webm = tiled_webm(read(), quality=LOOKS_QUALITY)
    return {"title": clip.title, "names": list(clip.names), "video": _webm_uri(webm), **size}


def _webm_uri(webm: bytes) -> str:
    return "data:video/webm;base64," + base64.b64encode(webm).decode()


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
