"""Options of fast style transfer."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class FastStyleOptions(SystemOptions):
    """Fast style transfer (Johnson et al. 2016): photographs painted like one picture.

    Attributes
    ----------
    photos
        What to paint: a folder of pictures.
    painting
        The picture to paint like.
    vgg16
        Weights of VGG16 as torchvision has them.
    epochs
        Of the whole run, all at the same learning rate.
    width
        Channels of the generator's first layer.
    content
        Weight of the photograph's features.
    style
        Weight of the painting's Gram matrices.

    """

    system: ClassVar[str] = "fast-style"

    photos: Path
    painting: Path
    vgg16: Path
    batch: int = 4
    resize: int = 256
    flip: bool = False
    learning_rate: float = 1e-3
    epochs: int = 2
    width: int = 32
    content: float = 1e5
    style: float = 1e10
