"""Options of CycleGAN."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from rotoscope.training.options.ranges import Blocks, Channels, Layers, Pool, Weight
from rotoscope.training.options.system import Epochs, TwoDomains


@dataclass(frozen=True, kw_only=True)
class CycleGanOptions(TwoDomains, Epochs):
    """CycleGAN (Zhu et al. 2017): unpaired pictures, one generator for each direction.

    Attributes
    ----------
    width
        Channels of the generator's first layer.
    blocks
        Residual blocks of a generator.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_layers
        Layers of a discriminator that double the channels; with 3 it sees patches of 70x70 pixels.
    objective
        Adversarial loss: lsgan (least squares), vanilla (cross entropy) or hinge.
    cycle_a
        Weight of the cycle loss a to b to a.
    cycle_b
        Weight of the cycle loss b to a to b.
    identity
        Weight of the identity loss, as a factor of the cycle weights: a picture of the target domain should not change.
    temporal
        Weight of the temporal loss on synthetic motion; 0 leaves it out.
    pool
        Size of the pool of earlier outputs for each discriminator; 0 uses none.

    """

    system: ClassVar[str] = "cyclegan"

    width: Channels = 64
    blocks: Blocks = 9
    discriminator_width: Channels = 64
    discriminator_layers: Layers = 3
    objective: Literal["lsgan", "vanilla", "hinge"] = "lsgan"
    cycle_a: Weight = 10.0
    cycle_b: Weight = 10.0
    identity: Weight = 0.5
    temporal: Weight = 0.0
    pool: Pool = 50
