"""Options of CycleGAN."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from rotoscope.training.options.system import Epochs, TwoDomains


@dataclass(frozen=True, kw_only=True)
class CycleGanOptions(TwoDomains, Epochs):
    """CycleGAN (Zhu et al. 2017): unpaired pictures, a generator each direction.

    Attributes
    ----------
    width
        Channels of the generator's first layer.
    blocks
        Residual blocks of a generator.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_layers
        Strided layers of a discriminator; 3 judge patches of 70x70 pixels.
    objective
        Of generators against discriminators: least squares, cross entropy, or margins.
    cycle_a
        Weight of the direction from a to b and back.
    cycle_b
        Weight of the direction from b to a and back.
    identity
        Weight of leaving pictures of the target domain as they are, as a part of the cycles' weights.
    temporal
        Weight of the temporal loss on synthesised motion; 0 leaves it out.
    pool
        Earlier results that each discriminator is shown again.

    """

    system: ClassVar[str] = "cyclegan"

    width: int = 64
    blocks: int = 9
    discriminator_width: int = 64
    discriminator_layers: int = 3
    objective: Literal["lsgan", "vanilla", "hinge"] = "lsgan"
    cycle_a: float = 10.0
    cycle_b: float = 10.0
    identity: float = 0.5
    temporal: float = 0.0
    pool: int = 50
