"""Layers of the demo scene: a photograph, the shape cut out of it, its place on the canvas and its depth.

For each picture size, a layer is turned into a texture of about twice the picture's resolution and low-pass filtered to what
the picture can show. Bilinear sampling at any position is then nearly free of aliasing and blurs all frames equally, so that
the next frame warped by the true flow matches this one.
"""

from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.demo.camera import LayerMotion, Matrix, lift, scaling, sway, translation

F32 = NDArray[np.float32]

OVERSAMPLING = 2.0  # texture pixels per picture pixel, and at most this many per photograph pixel
OPTICS_SIGMA = 0.6  # blur of the lens in picture pixels
PAD = 48  # photograph pixels mirrored beyond each edge, visible only if the camera moves far
HOLE_MARGIN = 9  # photograph pixels around a removed shape that are filled in too


@dataclass(frozen=True)
class Layer:
    """One photograph in the scene.

    photo     file name in `photos/`
    mask      file name of the cut-out shape, grey 8-bit, wider than the photograph by PAD on each side; None: no cut-out, the
              photograph is mirrored at its edges
    scale     canvas pixels per photograph pixel
    at        the photograph's top left corner on the canvas
    parallax  1 / depth: canvas pixels that the layer moves when the camera pans by one
    removed   file name of a shape that is filled in from its surroundings, because another layer shows it
    motion    the layer's own motion; None: it does not move
    """

    photo: str
    mask: str | None
    scale: float
    at: tuple[float, float]
    parallax: float
    removed: str | None = None
    motion: LayerMotion | None = None

    def to_canvas(self, seconds: float) -> Matrix:
        """Matrix from photograph to canvas coordinates, with the layer's own motion and without the camera's."""
        place = translation(*self.at) @ scaling(self.scale)
        return place if self.motion is None else self.motion(seconds) @ place


class Texture(NamedTuple):
    """A layer ready to be drawn.

    rgba      (h,w,4) float32 in [0,1], RGB multiplied by alpha
    alpha     (h,w) float32, the last channel of `rgba`
    to_photo  3x3 matrix from texture to photograph coordinates
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
    """Read a photograph, cut out its shape, mirror its edges, resample and smooth it for the given scale."""
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
