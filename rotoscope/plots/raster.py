"""Pictures for SVG and HTML files: heat maps, slices through time, and any picture as a data URI."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
WIDEST_PX = 8  # of one column in a slice through time


def data_uri(picture: U8, *, quality: int | None = None) -> str:
    """Encode a picture (H,W,3) uint8 RGB as `data:image/...`: PNG, or JPEG if a quality from 0 to 100 is given."""
    kind, options = (".png", []) if quality is None else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    _, encoded = cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    return f"data:image/{'png' if quality is None else 'jpeg'};base64,{base64.b64encode(encoded.tobytes()).decode()}"


def heat_map(values: NDArray[np.floating], top: float) -> U8:
    """(H,W) -> (H,W,3) uint8 RGB: black at 0 to yellow at `top` and above; NaN is grey."""
    scaled = np.nan_to_num(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    coloured[np.isnan(values)] = 128
    return np.asarray(coloured, np.uint8)


def through_time(columns: Sequence[U8], width: int) -> U8:
    """Put columns (H,3) uint8 of successive frames side by side, time from left to right: (H,W,3) with W at most `width`.

    Each column is repeated over a whole number of pixels, at most `WIDEST_PX`. Columns are not averaged, because that would
    hide flicker: if there are more frames than pixels, the last frames are left out.
    """
    shown = columns[:width]
    return np.repeat(np.stack(shown, axis=1), min(width // len(shown), WIDEST_PX), axis=1)
