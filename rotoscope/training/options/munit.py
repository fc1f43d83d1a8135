"""Options of MUNIT, and of single-frame video translation, which extends it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from rotoscope.base.limits import Within
from rotoscope.training.options.ranges import Blocks, Channels, Layers, Rate, Side, Steps, Weight
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

    resize: Side = 256
    learning_rate: Rate = 1e-4
    iterations: Steps = 1_000_000
    halve_every: Steps = 100_000
    weight_decay: Annotated[float, Within(0, 10)] = 1e-4
    width: Channels = 64
    blocks: Blocks = 4
    style_channels: Channels = 8
    hidden: Channels = 256
    discriminator_width: Channels = 64
    discriminator_layers: Layers = 4
    adversarial: Weight = 1.0
    picture: Weight = 10.0
    style: Weight = 1.0
    content: Weight = 1.0
    cycle: Weight = 0.0
    temporal: Weight = 0.0


@dataclass(frozen=True, kw_only=True)
class SingleFrameOptions(MunitOptions):
    """Single-frame video translation (Wang and Feng): MUNIT with all weights 1, cycles, and a temporal loss of weight 10."""

    system: ClassVar[str] = "single-frame"

    picture: Weight = 1.0
    cycle: Weight = 1.0
    temporal: Weight = 10.0
