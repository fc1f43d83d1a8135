"""Pictures inside SVG and HTML: heat maps, slices through time, strips, and any of them as text."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
WIDEST_PX = 8


def data_uri(picture: U8, *, quality: int | None = None) -> str:
    """A picture (H,W,3) uint8 RGB as `data:image/...`: PNG, or JPEG of a quality in 0..100."""
    kind, options = (".png", []) if quality is None else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    _, encoded = cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    return f"data:image/{'png' if quality is None else 'jpeg'};base64,{base64.b64encode(encoded.tobytes()).decode()}"


def heat_map(values: NDArray[np.floating], top: float) -> U8:
    """(H,W) -> (H,W,3) uint8 RGB: black at 0 to yellow at `top` and above; grey where there is no value (NaN)."""
    scaled = np.nan_to_num(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    coloured[np.isnan(values)] = 128
    return np.asarray(coloured, np.uint8)


def through_time(columns: Sequence[U8], width: int) -> U8:
    """Columns (H,3) of neighbouring frames side by side, time from left to right: (H,at most `width`,3).

    Each frame is as many whole pixels wide, at most `WIDEST_PX`, as fit. Nothing is averaged, which would hide flicker:
    where there are more frames than pixels the last ones are left out.
    """
    shown = columns[:width]
    return np.repeat(np.stack(shown, axis=1), min(width // len(shown), WIDEST_PX), axis=1)
