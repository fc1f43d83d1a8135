"""Options of DualGAN."""

from dataclasses import dataclass
from typing import ClassVar

from rotoscope.training.options.ranges import Channels, NumEpochs, Rate, Repeats, Side, Weight
from rotoscope.training.options.system import TwoDomains


@dataclass(frozen=True, kw_only=True)
class DualGanOptions(TwoDomains):
    """DualGAN (Yi et al. 2017): unpaired pictures of 256x256, Wasserstein critics.

    Attributes
    ----------
    epochs
        Epochs of the whole run, at a constant learning rate.
    width
        Channels of the generator's first layer.
    discriminator_width
        Channels of a critic's first layer.
    critic_updates
        Updates of the critics for each update of the generators.
    reconstruction_a
        Weight of the reconstruction a to b to a.
    reconstruction_b
        Weight of the reconstruction b to a to b.
    penalty
        Weight of the critics' gradient penalty.

    """

    system: ClassVar[str] = "dualgan"

    resize: Side = 256
    flip: bool = False
    learning_rate: Rate = 5e-5
    epochs: NumEpochs = 50
    width: Channels = 64
    discriminator_width: Channels = 64
    critic_updates: Repeats = 1
    reconstruction_a: Weight = 500.0
    reconstruction_b: Weight = 500.0
    penalty: Weight = 10.0
