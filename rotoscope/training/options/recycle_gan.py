"""Options of Recycle-GAN."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import Epochs


@dataclass(frozen=True, kw_only=True)
class RecycleGanOptions(Epochs):
    """Recycle-GAN (Bansal et al. 2018): unpaired videos, a generator and a predictor of the next frame each direction.

    Attributes
    ----------
    a
        Videos of one domain: a file, or folders of consecutive frames.
    b
        Videos of the other domain, likewise.
    width
        Channels of the generator's first layer.
    blocks
        Residual blocks of a generator.
    predictor_width
        Channels of a predictor's first layer.
    predictor_downs
        Levels of the predictors' U-Nets; sides are multiples of 2 to this power.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_layers
        Strided layers of a discriminator; 3 judge patches of 70x70 pixels.
    recurrent
        Weight of predicting the third frame from two.
    recycle
        Weight of the same through the other domain: translated, predicted there, translated back.
    cycle
        Weight of single frames to the other domain and back, a variant; 0 leaves it out.
    identity
        Weight of leaving frames of the target domain as they are, as a part of recycle; 0 leaves it out.
    judge_predictions
        Also fool the discriminators with predictions from real frames.
    pool
        Earlier results that each discriminator is shown again.

    """

    system: ClassVar[str] = "recycle-gan"

    a: Path
    b: Path
    flip: bool = False
    width: int = 64
    blocks: int = 6
    predictor_width: int = 64
    predictor_downs: int = 8
    discriminator_width: int = 64
    discriminator_layers: int = 3
    recurrent: float = 10.0
    recycle: float = 10.0
    cycle: float = 0.0
    identity: float = 0.0
    judge_predictions: bool = False
    pool: int = 0
