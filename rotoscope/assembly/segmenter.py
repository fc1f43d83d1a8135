"""A segmenter for FCN scores: an ONNX file that gives a score for each class and pixel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rotoscope.assembly.engines import make_engine
from rotoscope.assembly.models import open_named
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.frame import Picture
from rotoscope.base.options import ModelOptions
from rotoscope.base.sizes import Placement, place
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.network.call import call
from rotoscope.runtime.network.feed import Feed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rotoscope.runtime.models.model_file import ModelFile


def open_segmenter(name: str) -> Segmenter:
    """Open onnx:FILE; raises UsageError for another form, ModelRefused for a file that takes more than one picture."""
    word, _, path = name.partition(":")
    if word != "onnx" or not path:
        raise UsageError(
            f"--segmenter {name}; accepted: onnx:FILE, a network that gives scores (1,C,H,W) for C classes"
        )
    if not Path(path).exists():
        raise ModelRefused(f"--segmenter {name}: no such file")
    file, _ = open_named(path, ModelOptions())
    manifest = file.manifest
    if manifest.inputs != (manifest.frame.tensor,) or manifest.frame.window or manifest.frame.labels or manifest.state:
        raise ModelRefused(f"{path} takes more than one picture, or a map; accepted: a segmenter of a picture alone")
    return Segmenter(file)


class Segmenter:
    """(H,W,3) uint8 RGB -> scores (C,h,w) float32 of the whole picture, for C >= 2 classes.

    A network of one size sees the picture stretched to it; the pixels by which a picture is padded are cut off again.
    """

    def __init__(self, file: ModelFile) -> None:
        self._file = file
        self._engine = make_engine(file, threads=usable_cores())
        self._feed: Feed | None = None
        self._placement: Placement | None = None

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores; raises ModelRefused if the network gives something else."""
        manifest, name = self._file.manifest, self._file.manifest.output.tensor
        placement = place((picture.shape[1], picture.shape[0]), manifest.frame, working=None, fit="stretch")
        if self._feed is None or placement != self._placement:
            self._feed, self._placement = Feed(manifest, placement), placement
        self._feed.pictures((Picture((picture,)),))
        shape = self._engine.shapes(self._feed.arrays, {})[name]
        if len(shape) != 4:
            raise ModelRefused(f"{self._file.path} gives {list(shape)}; accepted: scores (1,C,H,W) of C classes")
        out = np.empty(shape, manifest.output.dtype)
        call(self._engine, f"scores of {self._file.name}", self._feed.arrays, {}, {name: out})
        scores = out[0].transpose(2, 0, 1) if manifest.frame.layout == "NHWC" else out[0]
        if len(scores) < 2 or not np.isfinite(scores).all():
            raise ModelRefused(f"{self._file.path}: {len(scores)} channels of scores; accepted: at least 2, all finite")
        return _without_padding(scores.astype(np.float32, copy=False), placement)


def _without_padding(scores: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Cut off the scores of padded pixels; coarser scores are first resized to the network's size."""
    (width, height), (right, bottom) = placement.network, placement.content
    if (width, height) == (right, bottom):
        return scores
    if scores.shape[1:] != (height, width):
        scores = np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in scores])
    return scores[:, :bottom, :right]
