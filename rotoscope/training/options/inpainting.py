"""Options of contextual attention."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from rotoscope.base.limits import Within
from rotoscope.training.options.ranges import BatchSize, Channels, NumEpochs, Rate, Repeats, Side, Weight
from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class InpaintingOptions(SystemOptions):
    """Contextual attention (Yu et al. 2018): holes filled from their surroundings.

    Attributes
    ----------
    photos
        Photographs without holes: a folder of pictures.
    epochs
        Epochs of the whole run, at a constant learning rate.
    width
        Channels of the generator's first layer.
    discriminator_width
        Channels of a critic's first layer.
    hole
        Side of the square in which holes are drawn, pixels.
    jitter
        Largest difference of a hole's side from that square, pixels.
    critic_updates
        Updates of the critics for each update of the generator.
    reconstruction
        Weight of the L1 distance to the original inside the hole.
    coarse
        Weight of the coarse stage's output relative to the fine one's.
    outside
        Weight of the L1 distance to the original around the hole.
    discount
        Factor of the weight inside the hole for each pixel of distance to its border.
    adversarial
        Weight of the adversarial loss.
    penalty
        Weight of the critics' gradient penalty.

    """

    system: ClassVar[str] = "inpainting"

    photos: Path
    batch: BatchSize = 16
    resize: Side = 256
    learning_rate: Rate = 1e-4
    epochs: NumEpochs = 50
    width: Annotated[int, Within(2, 1024)] = 32
    discriminator_width: Channels = 64
    hole: Annotated[int, Within(1, 16384, "pixels")] = 128
    jitter: Side = 32
    critic_updates: Repeats = 5
    reconstruction: Weight = 1.2
    coarse: Weight = 1.2
    outside: Weight = 1.2
    discount: Annotated[float, Within(0, 1)] = 0.9
    adversarial: Weight = 0.001
    penalty: Weight = 10.0
