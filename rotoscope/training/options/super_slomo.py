"""Options of Super SloMo."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from rotoscope.base.limits import Within
from rotoscope.training.options.ranges import BatchSize, NumEpochs, Rate, Side, Weight
from rotoscope.training.options.system import SystemOptions


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
    batch: BatchSize = 6
    resize: Side = 360
    crop: Side = 352
    learning_rate: Rate = 1e-4
    epochs: NumEpochs = 200
    milestones: Annotated[tuple[int, ...], Within(1, 1_000_000, "epochs")] = (100, 150)
    between: Annotated[int, Within(1, 1000, "frames")] = 7
    reconstruction: Weight = 204.0
    warping: Weight = 102.0
    perceptual: Weight = 0.005
    smoothness: Weight = 1.0
