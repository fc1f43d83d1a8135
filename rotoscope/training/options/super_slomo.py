"""Options of Super SloMo."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import SystemOptions, at_least


@dataclass(frozen=True, kw_only=True)
class SuperSlomoOptions(SystemOptions):
    """Super SloMo (Jiang et al. 2018): interpolation of frames at any time between two frames.

    Attributes
    ----------
    frames
        Videos, the higher their frame rate the better: a file, or folders of consecutive frames.
    vgg16
        Weights of VGG16, a file of torchvision (docs/training.md); needed unless --perceptual is 0.
    epochs
        Epochs of the whole run.
    milestones
        Epochs at which the learning rate is divided by 10.
    between
        Frames between the two input frames; one of them, chosen at random for each sample, is the target.
    reconstruction
        Weight of the L1 distance to the target.
    warping
        Weight of the L1 distance of warped frames to their targets.
    perceptual
        Weight of the distance of VGG16 features; 0 leaves it out.
    smoothness
        Weight of the differences of neighbouring flow vectors.

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
