"""Options of Super SloMo."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import SystemOptions, at_least


@dataclass(frozen=True, kw_only=True)
class SuperSlomoOptions(SystemOptions):
    """Super SloMo (Jiang et al. 2018): frames between two frames, at any time.

    Attributes
    ----------
    frames
        Videos, the higher their frame rate the better: a file, or folders of consecutive frames.
    vgg16
        Weights of VGG16 as torchvision has them; needed unless --perceptual is 0.
    epochs
        Of the whole run.
    milestones
        Epochs from which the learning rate is a tenth.
    between
        Frames between the two that are given; one of them, drawn for each sample, is the truth.
    reconstruction
        Weight of the distance to the truth.
    warping
        Weight of the distance of warped frames, a check of the flow.
    perceptual
        Weight of the distance of VGG16 features; 0 leaves it out.
    smoothness
        Weight of the flow's differences from pixel to pixel.

    """

    system: ClassVar[str] = "super-slomo"

    frames: Path
    vgg16: Path | None = None
    batch: int = 6
    resize: int = 360
    crop: int = 352
    learning_rate: float = 1e-4
    epochs: int = 200
    milestones: tuple[int, ...] = (100, 150)
    between: int = 7
    reconstruction: float = 204.0
    warping: float = 102.0
    perceptual: float = 0.005
    smoothness: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "between", 1)
