"""The demo scene: pictures without noise whose true flow is known, because each layer moves by a known transform.

Flow F_ab lies on the grid of a, in pixels (dx, dy): pixel p of a is at p + F_ab(p) in b. A pixel belongs to the nearest layer
whose alpha is at least 0.5 there (its owner). The soft edges of cut-outs, about two pixels wide, mix two layers; their flow
is that of the owner.
"""

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.demo.camera import CANVAS_HEIGHT, CANVAS_WIDTH, Camera, Matrix, handheld, scaling, translation
from rotoscope.demo.layers import STILL_LIFE, Layer, Texture, load_texture

F32 = NDArray[np.float32]

ROUNDING = 1e-3  # largest rounding error of float32 flow, in pixels
FRAMES_PER_SECOND = 30  # of the motion; a clip may be played at another rate


@dataclass(frozen=True)
class Scene:
    """Photographs in layers under a moving camera; the same arguments always give the same pictures.

    width, height  of the pictures in pixels; the 640x360 canvas is scaled to cover them, and its sides are cropped
    num_frames     pictures are numbered 0 .. num_frames - 1
    seed           of the camera's motion, if no camera is given
    camera         seconds -> Pose
    layers         far to near; the first one should cover everything
    """

    width: int = 640
    height: int = 360
    num_frames: int = 150
    seed: int = 0
    camera: Camera | None = field(default=None, kw_only=True)
    layers: tuple[Layer, ...] = field(default=STILL_LIFE, kw_only=True)

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.num_frames) < 1:
            raise ValueError(f"{self.width=}, {self.height=}, {self.num_frames=}; each must be at least 1")
        if not self.layers:
            raise ValueError("a scene needs at least one layer")

    def picture(self, t: int) -> F32:
        """Frame t without noise: (H,W,3) float32 RGB in [0,1], display-referred (sRGB)."""
        picture = np.zeros((self.height, self.width, 4), np.float32)
        for k, texture in enumerate(self._textures):
            drawn = self._read(texture.rgba, self._to_texture(k, t), k)
            picture *= cv2.merge([1 - drawn[..., 3]] * 4)  # four times faster than broadcasting
            picture += drawn
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB), np.float32)

    def owner(self, t: int) -> NDArray[np.uint8]:
        """Layer that each pixel of frame t belongs to: (H,W) uint8, an index into `layers`."""
        owner = np.zeros((self.height, self.width), np.uint8)
        for k in range(1, len(self.layers)):
            owner[self._covers(k, self._to_texture(k, t))] = k
        return owner

    def flow(self, t: int, to: int) -> F32:
        """True flow from frame t to frame `to`: (H,W,2) float32 (dx, dy) in pixels, of occluded pixels too."""
        owner = self.owner(t)
        y, x = np.mgrid[: self.height, : self.width]
        flow = np.empty((self.height, self.width, 2), np.float32)
        for k in range(len(self.layers)):
            (a, b, c), (d, e, f) = (self._from_to(k, t, to) - np.eye(3))[:2]
            mine = owner == k
            flow[mine, 0] = (a * x + b * y + c)[mine]
            flow[mine, 1] = (d * x + e * y + f)[mine]
        return flow

    def occlusion(self, t: int, to: int) -> NDArray[np.bool_]:
        """(H,W) bool: pixels of frame t that frame `to` does not show.

        True if a nearer layer covers the place that a pixel moves to, or if that place lies outside the pixel centres.
        """
        owner = self.owner(t)
        landing = np.stack(np.meshgrid(np.arange(self.width), np.arange(self.height)), axis=2) + self.flow(t, to)
        beyond = np.maximum(-landing, landing - (self.width - 1, self.height - 1)).max(axis=2)
        hidden: NDArray[np.bool_] = beyond > ROUNDING
        for k in range(len(self.layers)):
            for nearer in range(k + 1, len(self.layers)):
                to_texture = self._to_texture(nearer, to) @ self._from_to(k, t, to)
                hidden |= (owner == k) & self._covers(nearer, to_texture)
        return hidden

    @cached_property
    def _scale(self) -> float:
        return max(self.width / CANVAS_WIDTH, self.height / CANVAS_HEIGHT)

    @cached_property
    def _textures(self) -> tuple[Texture, ...]:
        return tuple(load_texture(layer, self._scale) for layer in self.layers)

    @cached_property
    def _camera(self) -> Camera:
        return handheld(self.seed) if self.camera is None else self.camera

    def _to_frame(self, k: int, t: int) -> Matrix:
        """Matrix from texture pixels of layer k to pixels of frame t, pixel centres at integers."""
        if not 0 <= t < self.num_frames:
            raise IndexError(f"frame {t}; the scene has frames 0 to {self.num_frames - 1}")
        seconds = t / FRAMES_PER_SECOND
        layer = self.layers[k]
        to_canvas = self._camera(seconds).view(layer.parallax) @ layer.to_canvas(seconds) @ self._textures[k].to_photo
        middle = translation(-CANVAS_WIDTH / 2, -CANVAS_HEIGHT / 2)
        to_picture = translation(self.width / 2, self.height / 2) @ scaling(self._scale) @ middle
        return translation(-0.5, -0.5) @ to_picture @ to_canvas @ translation(0.5, 0.5)

    def _to_texture(self, k: int, t: int) -> Matrix:
        return np.asarray(np.linalg.inv(self._to_frame(k, t)), np.float64)

    def _from_to(self, k: int, t: int, to: int) -> Matrix:
        """Matrix from pixels of frame t to pixels of frame `to` for layer k."""
        return self._to_frame(k, to) @ self._to_texture(k, t)

    def _covers(self, k: int, to_texture: Matrix) -> NDArray[np.bool_]:
        """(H,W) bool: layer k has alpha of at least 0.5 at the position that `to_texture` gives."""
        covers: NDArray[np.bool_] = self._read(self._textures[k].alpha, to_texture, k) >= 0.5
        return covers

    def _read(self, texture: F32, to_texture: Matrix, k: int) -> F32:
        """Sample a texture bilinearly at `to_texture` of every pixel; beyond its edges cut-outs are 0, others are mirrored."""
        border = cv2.BORDER_CONSTANT if self.layers[k].mask else cv2.BORDER_REFLECT_101
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.width, self.height)
        return np.asarray(cv2.warpAffine(texture, to_texture[:2], size, flags=flags, borderMode=border), np.float32)
