"""Layers of the demo scene: a photograph, the shape cut out of it, its place on the canvas and its depth.

A layer is prepared once per picture size as a texture about twice as fine as the picture and smoothed to what the
picture can carry, so that reading it bilinearly at any position is nearly free of aliasing and blurs every frame alike.
That is what makes the warped next frame match this one.
"""

from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.demo.camera import Matrix, Motion, lift, scaling, sway, translation

F32 = NDArray[np.float32]

OVERSAMPLING = 2.0  # texture pixels per picture pixel, and at most this many per photograph pixel
OPTICS_SIGMA = 0.6  # blur of the lens in picture pixels
PAD = 48  # photograph pixels mirrored beyond each edge, seen only when the hand moves far
HOLE_MARGIN = 9  # photograph pixels around a removed shape that are painted over with it


@dataclass(frozen=True)
class Layer:
    """One photograph in the scene.

    photo     file name in `photos/`.
    mask      file name of the cut-out shape, grey 8-bit, PAD wider on every side; None: everything, without end.
    removed   file name of a shape that is painted over with its surroundings, because another layer shows it.
    scale     canvas pixels per photograph pixel; `at` is the photograph's top left corner on the canvas.
    parallax  1 / depth: how many canvas pixels the layer moves when the camera pans by one.
    motion    what the layer does on its own; None: it stands still.
    """

    photo: str
    mask: str | None
    scale: float
    at: tuple[float, float]
    parallax: float
    removed: str | None = None
    motion: Motion | None = None

    def to_canvas(self, seconds: float) -> Matrix:
        """Photograph coordinates -> canvas, own motion included, camera not."""
        place = translation(*self.at) @ scaling(self.scale)
        return place if self.motion is None else self.motion(seconds) @ place


class Texture(NamedTuple):
    """A layer ready to be drawn.

    rgba      (h,w,4) float32 in [0,1], RGB multiplied by alpha; `alpha` is its last channel alone, (h,w).
    to_photo  texture coordinates -> photograph coordinates.
    """

    rgba: F32
    alpha: F32
    to_photo: Matrix


STILL_LIFE = (
    Layer("launch.jpg", None, 1.2, (116, -90), parallax=0.35, removed="rocket_mask.png"),
    Layer("launch.jpg", "rocket_mask.png", 1.2, (116, -70), parallax=0.45, motion=lift(52, 12.0)),
    Layer("cat.jpg", "cat_mask.png", 1.3, (-62, -24), parallax=0.9, motion=sway(0.022, 4.7, (60, 420))),
    Layer("coffee.jpg", "coffee_mask.png", 0.56, (338, 147), parallax=1.4),
)  # far to near: dusk over the launch pad, the rocket, the cat, the coffee table


def load_texture(layer: Layer, pixels_per_canvas_pixel: float) -> Texture:
    """Read, cut out, mirror at the edges, resample and smooth one layer for pictures of the given scale."""
    photo = cv2.cvtColor(_read(layer.photo, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    if layer.removed is not None:
        hole = _grown(_read(layer.removed, cv2.IMREAD_GRAYSCALE))[PAD:-PAD, PAD:-PAD]
        photo = cv2.inpaint(photo, np.ascontiguousarray(hole), 5, cv2.INPAINT_TELEA)
    photo = cv2.copyMakeBorder(photo, PAD, PAD, PAD, PAD, cv2.BORDER_REFLECT)
    mask = np.full(photo.shape[:2], 255, np.uint8) if layer.mask is None else _read(layer.mask, cv2.IMREAD_GRAYSCALE)
    rgba = np.dstack([photo, mask]).astype(np.float32) / 255
    per_photo_pixel = layer.scale * pixels_per_canvas_pixel
    wanted = min(OVERSAMPLING * per_photo_pixel, OVERSAMPLING)
    height, width = (max(round(wanted * side), 1) for side in rgba.shape[:2])
    finer = cv2.INTER_CUBIC if wanted > 1 else cv2.INTER_AREA
    to_photo = translation(-PAD, -PAD) @ np.diag([rgba.shape[1] / width, rgba.shape[0] / height, 1.0])
    resized = np.asarray(cv2.resize(rgba, (width, height), interpolation=finer), np.float32).clip(0, 1)
    resized[..., :3] *= resized[..., 3:]
    smooth = np.asarray(cv2.GaussianBlur(resized, (0, 0), OPTICS_SIGMA * wanted / per_photo_pixel), np.float32)
    return Texture(smooth, np.ascontiguousarray(smooth[..., 3]), to_photo)


def _grown(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = 2 * HOLE_MARGIN + 1
    return np.asarray(cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))) > 0, np.uint8)


def _read(name: str, flags: int) -> NDArray[np.uint8]:
    data = (resources.files("rotoscope.demo") / "photos" / name).read_bytes()
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flags), np.uint8)
