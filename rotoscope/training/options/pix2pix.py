"""Options of pix2pix."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.ranges import Channels, Downs, Layers, Weight
from rotoscope.training.options.system import Epochs


@dataclass(frozen=True, kw_only=True)
class Pix2PixOptions(Epochs):
    """pix2pix (Isola et al. 2017): registered pairs, one generator from a to b.

    Attributes
    ----------
    a
        Inputs: a folder of pictures.
    b
        Targets: as many pictures in the same order.
    width
        Channels of the generator's first layer.
    downs
        Levels of the U-Net; sides are multiples of 2 to this power.
    dropout
        Use dropout of 0.5 in the inner levels while training.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_layers
        Layers of a discriminator that double the channels; with 3 it sees patches of 70x70 pixels.
    l1
        Weight of the L1 distance to the target.

    """

    system: ClassVar[str] = "pix2pix"

    a: Path
    b: Path
    width: Channels = 64
    downs: Downs = 8
    dropout: bool = True
    discriminator_width: Channels = 64
    discriminator_layers: Layers = 3
    l1: Weight = 100.0
