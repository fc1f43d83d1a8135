"""Options of DualGAN."""

from dataclasses import dataclass
from typing import ClassVar

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

    resize: int = 256
    flip: bool = False
    learning_rate: float = 5e-5
    epochs: int = 50
    width: int = 64
    discriminator_width: int = 64
    critic_updates: int = 1
    reconstruction_a: float = 500.0
    reconstruction_b: float = 500.0
    penalty: float = 10.0
