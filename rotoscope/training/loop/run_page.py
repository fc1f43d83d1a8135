"""run.html: loss curves, sample grids and options of a run, in one file without references to others."""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.errors import InputRefused
from rotoscope.base.files import part_file, why_unusable
from rotoscope.base.text import markup
from rotoscope.plots.chart import Series, chart

REFRESH_SECONDS = 20
MAX_POINTS = 400  # of a curve; a longer log is averaged down to at most this many
MAX_GRIDS = 6
MAX_LOG_BYTES = 1 << 30
JPEG_QUALITY = 88
GAP = 4  # pixels between pictures of a grid
STYLE = "body{font:15px system-ui,sans-serif;margin:2em;max-width:1320px}img{max-width:100%}td{padding:0 1em 0 0}"


def read_log(path: Path) -> list[dict[str, float]]:
    """Return the rows of log.jsonl in order, without an incomplete last one (a full disk, a killed run).

    Raises InputRefused for a file that no run wrote.
    """
    if not path.exists():
        return []
    if reason := why_unusable(path, MAX_LOG_BYTES):
        raise InputRefused(f"{path}: {reason}")
    *lines, _unfinished = path.read_text(encoding="utf-8", errors="replace").split("\n")
    try:
        rows = [json.loads(line) for line in lines]
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{path}: a damaged log: a line is not JSON") from error
    if not all(_is_row(row) for row in rows):
        raise InputRefused(f"{path}: a damaged log: a row is not numbers by name, with step")
    return rows


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or "step" not in row:
        return False
    return all(type(value) is float or (type(value) is int and abs(value) < 1 << 63) for value in row.values())


def write_page(folder: Path, options: Mapping[str, Any], *, state: str, is_running: bool) -> None:
    """Write folder/run.html from folder/log.jsonl and folder/samples. While the run is running, the page reloads itself."""
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if is_running else ""
    title = markup(f"{folder.name}: {options.get('system', '')}")
    head = (
        f"<!doctype html><html><head><meta charset='utf-8'>{refresh}<title>{title}</title><style>{STYLE}</style></head>"
    )
    body = [f"<h1>{title}</h1><p>{markup(state)}</p>", *_curves(read_log(folder / "log.jsonl"))]
    found = (folder / "samples").glob("step-*.jpg")
    grids = sorted(path for path in found if re.fullmatch(r"step-\d{1,12}", path.stem) and path.is_file())
    shown = _spread(grids, MAX_GRIDS)
    for grid in reversed(shown):
        of_clip = grid.with_name(f"clip-{grid.stem[5:]}.jpg")
        body.append(f"<h3>step {int(grid.stem[5:]):,}</h3>{_embedded(grid, 'samples')}")
        if of_clip.is_file():
            body.append(f"<p>{_embedded(of_clip, 'frames of the clip')}</p>")
    rows = "".join(f"<tr><td>{markup(key)}<td>{markup(str(value))}" for key, value in options.items())
    body.append(f"<h2>Options</h2><table>{rows}</table>")
    with part_file(folder / "run.html", overwrite=True) as part:
        part.write_text(f"{head}<body>{''.join(body)}</body></html>\n", encoding="utf-8")


def _embedded(picture: Path, alt: str) -> str:
    """Return an <img> that holds a JPEG file."""
    return f"<img src='data:image/jpeg;base64,{base64.b64encode(picture.read_bytes()).decode()}' alt='{alt}'>"


def _curves(log: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """Yield one chart for each loss term."""
    names = [name for name in (log[-1] if log else {}) if name not in ("step", "seconds")]
    for name in names:
        points = [(row["step"], row[name]) for row in log if name in row]
        size = -(-len(points) // MAX_POINTS)
        groups = [points[start : start + size] for start in range(0, len(points), size)]
        steps, values = ([float(np.mean([point[axis] for point in group])) for group in groups] for axis in (0, 1))
        yield chart([Series(name, steps, values)], title="", x_label="step", y_label="", size=(420, 220))


def _spread(files: Sequence[Path], most: int) -> list[Path]:
    """Return at most `most` of the files, evenly spread, with the first and the last."""
    if len(files) <= most:
        return list(files)
    return [files[round(index * (len(files) - 1) / (most - 1))] for index in range(most)]


def sample_grid(columns: Mapping[str, NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Draw pictures (N,3,H,W) in [-1,1] by caption as one (H,W,3) uint8 picture: samples in rows, captions in columns."""
    drawn = []
    for caption, pictures in columns.items():
        steps = np.rint((np.clip(pictures, -1, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
        framed = [np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for picture in steps]
        column = np.concatenate([np.full((20, framed[0].shape[1], 3), 255, np.uint8), *framed])
        cv2.putText(column, caption, (2, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (60, 60, 60), 1, cv2.LINE_AA)
        drawn.append(column)
    return np.concatenate(drawn, axis=1)


def write_grid(path: Path, columns: Mapping[str, NDArray[np.float32]]) -> None:
    """Write a sample grid as JPEG."""
    bgr = cv2.cvtColor(sample_grid(columns), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    with part_file(path, overwrite=True) as part:
        part.write_bytes(encoded.tobytes())
