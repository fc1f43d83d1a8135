"""Options of Recycle-GAN."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.ranges import Blocks, Channels, Downs, Layers, Pool, Weight
from rotoscope.training.options.system import Epochs


@dataclass(frozen=True, kw_only=True)
class RecycleGanOptions(Epochs):
    """Recycle-GAN (Bansal et al. 2018): unpaired videos; a generator and a next-frame predictor for each domain.

    Attributes
    ----------
    a
        Videos of domain a: a file, or folders of consecutive frames.
    b
        Videos of domain b, likewise.
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
        Layers of a discriminator that double the channels; with 3 it sees patches of 70x70 pixels.
    recurrent
        Weight of the recurrent loss: the third frame predicted from two.
    recycle
        Weight of the recycle loss: two frames translated, the third predicted there and translated back.
    cycle
        Weight of CycleGAN's cycle loss on single frames (a variant); 0 leaves it out.
    identity
        Weight of the identity loss, as a factor of recycle; 0 leaves it out.
    adversarial_predictions
        Add an adversarial loss on predictions from real frames.
    pool
        Size of the pool of earlier outputs for each discriminator; 0 uses none.

    """

    system: ClassVar[str] = "recycle-gan"

    a: Path
    b: Path
    flip: bool = False
    width: Channels = 64
    blocks: Blocks = 6
    predictor_width: Channels = 64
    predictor_downs: Downs = 8
    discriminator_width: Channels = 64
    discriminator_layers: Layers = 3
    recurrent: Weight = 10.0
    recycle: Weight = 10.0
    cycle: Weight = 0.0
    identity: Weight = 0.0
    adversarial_predictions: bool = False
    pool: Pool = 0
