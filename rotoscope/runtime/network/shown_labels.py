"""Label maps as pictures: what a predictor of label maps alone, without a network that makes frames of them, shows."""

from dataclasses import dataclass, field, replace

import numpy as np

from rotoscope.base.device import CPU
from rotoscope.base.engine import Engine, Shapes, Tensors
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import FrameOutput
from rotoscope.base.options import ModelOptions
from rotoscope.runtime.models.model_file import ModelFile

MOST_NUMBERS = 256  # of labels in a picture of 8 bits


class _Showing:
    """An engine without a network: labels become their numbers on three channels, or the nearest colours of the palette."""

    device = CPU
    description = "label maps"

    def __init__(self, file: ModelFile) -> None:
        self._file = file

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:  # noqa: ARG002
        """Write the picture, (1,3,H,W) float32 in [0,255]."""
        manifest = self._file.manifest
        maps: Array = np.asarray(inputs[manifest.frame.tensor])
        assert manifest.frame.labels is not None
        if manifest.frame.labels.palette:
            colours = np.array(manifest.frame.labels.palette, np.float32)
            distances = np.square(maps[0][None] - colours[:, :, None, None]).sum(axis=1)
            maps = np.moveaxis(colours[distances.argmin(axis=0)], 2, 0)[None]
        out[manifest.output.tensor][...] = maps

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:  # noqa: ARG002
        """Return the shape of the picture."""
        manifest = self._file.manifest
        height, width = inputs[manifest.frame.tensor].shape[-2:]
        return {manifest.output.tensor: (1, 3, height, width)}


@dataclass(frozen=True)
class ShownLabels:
    """A model of kind "translate" that shows label maps in place of translating them; as `Stages` takes it."""

    file: ModelFile
    name: str
    options: ModelOptions = field(default_factory=ModelOptions)

    def engine(self, **_setup: object) -> Engine:
        """The engine; it needs no threads."""
        return _Showing(self.file)


def shown_labels(file: ModelFile, name: str) -> ShownLabels:
    """A model that shows the label maps that `file`, a predictor, takes and gives. Raises UsageError for too many labels."""
    labels = file.manifest.frame.labels
    assert labels is not None
    if labels.num > MOST_NUMBERS and not labels.palette:
        raise UsageError(
            f"{file.name}: {labels.num} labels in pictures of 8 bits; accepted: {MOST_NUMBERS}, or a palette"
        )
    manifest = file.manifest.model_copy(
        update={
            "kind": "translate",
            "frame": file.manifest.frame.model_copy(update={"window": None}),
            "output": FrameOutput(tensor="picture", range=(0.0, 255.0)),
            "golden": None,
        }
    )
    return ShownLabels(replace(file, manifest=manifest), name)
