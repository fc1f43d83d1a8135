"""Options of any-look."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.ranges import BatchSize, Blocks, Channels, Rate, Side, Steps, Weight
from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class AnyLookOptions(SystemOptions):
    """Any look: one network that paints in the style of any picture, for `translate --like`.

    Attributes
    ----------
    photos
        Photographs: a folder of pictures.
    paintings
        Paintings: a folder of pictures; the more, the better for paintings that are not among them.
    teacher
        A network that paints in the style of a picture, such as MicroAST: a .safetensors file of `export`. Its pictures take
        the place of --content, --style and --variation.
    squeezenet
        Weights of SqueezeNet 1.1: torchvision's file or a complete file of LPIPS v0.1 (docs/training.md). With --teacher a
        complete file of LPIPS.
    fetch
        Without --squeezenet: download its published weights (5 MB) to the cache, unless they are there.
    preview
        A clip: run.html shows some of its frames beside the samples.
    iterations
        Steps of the schedule, and so of the whole run; --steps stops earlier.
    width
        Channels of the student at a quarter of the size.
    blocks
        Residual blocks of the student.
    style_channels
        Numbers of a style code.
    encoder_width
        Channels of the style encoder's first layer.
    content
        Weight of the content loss: distance of deep features from the photograph's.
    style
        Weight of the style loss: distance of Gram matrices from the painting's.
    variation
        Weight of the squared differences of neighbouring pixels.
    pixels
        With --teacher: weight of the L1 distance to its picture.
    gradients
        With --teacher: weight of the L1 distance of the differences of neighbouring pixels.
    perceptual
        With --teacher: weight of LPIPS to its picture; 0 leaves it out.
    temporal
        Weight of the temporal loss on synthetic motion and noise; 0 leaves it out.
    lattice
        Weight of the share of fine detail that repeats every 2 or 4 pixels; 0 leaves it out. Needs a --crop of at least 68.

    """

    system: ClassVar[str] = "any-look"

    photos: Path
    paintings: Path
    teacher: Path | None = None
    squeezenet: Path | None = None
    fetch: bool = False
    preview: Path | None = None
    batch: BatchSize = 4
    resize: Side = 0
    learning_rate: Rate = 1e-3
    iterations: Steps = 40000
    width: Channels = 32
    blocks: Blocks = 5
    style_channels: Channels = 64
    encoder_width: Channels = 16
    content: Weight = 1.0
    style: Weight = 2.0
    variation: Weight = 2.0
    pixels: Weight = 1.0
    gradients: Weight = 1.0
    perceptual: Weight = 2.0
    temporal: Weight = 1.0
    lattice: Weight = 20.0
