"""Options of fast style transfer."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.ranges import BatchSize, Channels, NumEpochs, Rate, Side, Weight
from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class FastStyleOptions(SystemOptions):
    """Fast style transfer (Johnson et al. 2016): photographs in the style of one picture.

    Attributes
    ----------
    photos
        Photographs: a folder of pictures.
    painting
        The picture whose style is learned.
    vgg16
        Weights of VGG16, a file of torchvision (docs/training.md).
    epochs
        Epochs of the whole run, at a constant learning rate.
    width
        Channels of the generator's first layer.
    content
        Weight of the content loss: distance of deep features from the photograph's.
    style
        Weight of the style loss: distance of Gram matrices from the painting's.

    """

    system: ClassVar[str] = "fast-style"

    photos: Path
    painting: Path
    vgg16: Path
    batch: BatchSize = 4
    resize: Side = 256
    flip: bool = False
    learning_rate: Rate = 1e-3
    epochs: NumEpochs = 2
    width: Channels = 32
    content: Weight = 1e5
    style: Weight = 1e10
