"""Options of blind video consistency."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import SystemOptions, at_least


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
    batch: int = 4
    resize: int = 0
    crop: int = 192
    learning_rate: float = 1e-4
    epochs: int = 100
    epoch_steps: int = 1000
    halve_every_epochs: int = 20
    clip: int = 11
    width: int = 32
    blocks: int = 5
    short_term: float = 100.0
    long_term: float = 100.0
    perceptual: float = 10.0
    scale: tuple[float, float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "clip", 2)
