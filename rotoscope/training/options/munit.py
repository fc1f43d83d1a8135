"""Options of MUNIT, and of the single-frame video translation that builds on it."""

from dataclasses import dataclass
from typing import ClassVar

from rotoscope.training.options.system import TwoDomains


@dataclass(frozen=True, kw_only=True)
class MunitOptions(TwoDomains):
    """MUNIT (Huang et al. 2018): unpaired pictures, one content, many styles.

    Attributes
    ----------
    iterations
        Steps of a whole run.
    halve_every
        Steps after which the learning rate halves.
    weight_decay
        Of the optimisers.
    width
        Channels of the generator's first layer.
    blocks
        Residual blocks of each encoder and decoder.
    style_channels
        Numbers in a style code.
    hidden
        Width of the layers that turn a style code into the parameters of the norms.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_layers
        Layers of a discriminator at each of its three scales.
    adversarial
        Weight of fooling the discriminators.
    picture
        Weight of a picture encoded and decoded again.
    style
        Weight of the style found again in a translation.
    content
        Weight of the content found again in a translation.
    cycle
        Weight of the direction to the other domain and back; 0 leaves it out.
    temporal
        Weight of the temporal loss on synthesised motion; 0 leaves it out.

    """

    system: ClassVar[str] = "munit"

    resize: int = 256
    learning_rate: float = 1e-4
    iterations: int = 1_000_000
    halve_every: int = 100_000
    weight_decay: float = 1e-4
    width: int = 64
    blocks: int = 4
    style_channels: int = 8
    hidden: int = 256
    discriminator_width: int = 64
    discriminator_layers: int = 4
    adversarial: float = 1.0
    picture: float = 10.0
    style: float = 1.0
    content: float = 1.0
    cycle: float = 0.0
    temporal: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SingleFrameOptions(MunitOptions):
    """Single-frame video translation (Wang and Feng): MUNIT with all weights 1, cycles, and the temporal loss at 10."""

    system: ClassVar[str] = "single-frame"

    picture: float = 1.0
    cycle: float = 1.0
    temporal: float = 10.0
