"""Options of MUNIT, and of single-frame video translation, which extends it."""

from dataclasses import dataclass
from typing import ClassVar

from rotoscope.training.options.system import TwoDomains


@dataclass(frozen=True, kw_only=True)
class MunitOptions(TwoDomains):
    """MUNIT (Huang et al. 2018): unpaired pictures, one content, many styles.

    Attributes
    ----------
    iterations
        Steps of the schedule, and so of the whole run; --steps stops earlier.
    halve_every
        Steps after which the learning rate halves.
    weight_decay
        Weight decay of the optimisers.
    width
        Channels of the generator's first layer.
    blocks
        Residual blocks of each encoder and decoder.
    style_channels
        Length of a style code.
    hidden
        Width of the dense layers from a style code to the norms' parameters.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_layers
        Layers of a discriminator at each of its three scales.
    adversarial
        Weight of the adversarial loss.
    picture
        Weight of the reconstruction of a picture.
    style
        Weight of the reconstruction of the style from a translation.
    content
        Weight of the reconstruction of the content from a translation.
    cycle
        Weight of the cycle loss; 0 leaves it out.
    temporal
        Weight of the temporal loss on synthetic motion; 0 leaves it out.

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
    """Single-frame video translation (Wang and Feng): MUNIT with all weights 1, cycles, and a temporal loss of weight 10."""

    system: ClassVar[str] = "single-frame"

    picture: float = 1.0
    cycle: float = 1.0
    temporal: float = 10.0
