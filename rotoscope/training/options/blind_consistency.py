"""Options of blind video consistency."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from rotoscope.base.limits import Within
from rotoscope.training.options.ranges import (
    BatchSize,
    Blocks,
    Channels,
    Interval,
    NumEpochs,
    Rate,
    Side,
    Steps,
    Weight,
)
from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class BlindConsistencyOptions(SystemOptions):
    """Blind video consistency (Lai et al. 2018): removes flicker from videos that were processed frame by frame.

    Attributes
    ----------
    source
        Source clips, before processing: a folder for each, or the frames of one.
    processed
        The same clips after processing, in folders of the same names.
    vgg16
        Weights of VGG16, a file of torchvision (docs/training.md); needed unless --perceptual is 0.
    epochs
        Epochs of the whole run.
    epoch_steps
        Steps that count as an epoch.
    halve_every_epochs
        Epochs after which the learning rate halves.
    clip
        Frames of a training sequence.
    width
        Channels of the network's first layer.
    blocks
        Residual blocks of the network.
    short_term
        Weight of the warped difference to the previous frame.
    long_term
        Weight of the warped difference to the first frame.
    perceptual
        Weight of the distance to the processed frame in VGG16 features; 0 leaves it out.
    scale
        Range of the random scale of clips: smallest and largest factor.

    """

    system: ClassVar[str] = "blind-consistency"

    source: Path
    processed: Path
    vgg16: Path | None = None
    batch: BatchSize = 4
    resize: Side = 0
    crop: Side = 192
    learning_rate: Rate = 1e-4
    epochs: NumEpochs = 100
    epoch_steps: Steps = 1000
    halve_every_epochs: Interval = 20
    clip: Annotated[int, Within(2, 1000, "frames")] = 11
    width: Channels = 32
    blocks: Blocks = 5
    short_term: Weight = 100.0
    long_term: Weight = 100.0
    perceptual: Weight = 10.0
    scale: Annotated[tuple[float, float], Within(0.01, 100)] = (0.5, 2.0)
