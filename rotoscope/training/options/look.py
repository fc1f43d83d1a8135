"""Options of looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from rotoscope.base.limits import Within
from rotoscope.training.options.ranges import BatchSize, Blocks, Channels, Rate, Side, Steps, Weight
from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class LookOptions(SystemOptions):
    """A look: the compact network in the style of one picture, steady over time and in real time.

    Attributes
    ----------
    photos
        Photographs: a folder of pictures; a dozen are enough.
    painting
        The picture whose style is learned.
    squeezenet
        Weights of SqueezeNet 1.1: torchvision's file or a complete file of LPIPS v0.1 (docs/training.md).
    fetch
        Without --squeezenet: download its published weights (5 MB) to the cache, unless they are there.
    preview
        A clip: run.html shows some of its frames beside the samples.
    painting_side
        Shorter side of the painting after resizing, pixels; a smaller painting makes smaller strokes.
    iterations
        Steps of the schedule, and so of the whole run; --steps stops earlier.
    width
        Channels of the network at a quarter of the size.
    blocks
        Residual blocks of the network.
    content
        Weight of the content loss: distance of deep features from the photograph's.
    style
        Weight of the style loss: distance of Gram matrices from the painting's.
    tone
        Weight of the tone loss: the result is bright where the photograph is bright.
    variation
        Weight of the squared differences of neighbouring pixels.
    temporal
        Weight of the temporal loss on synthetic motion and noise; 0 leaves it out.
    lattice
        Weight of the share of fine detail that repeats every 2 or 4 pixels; 0 leaves it out. Needs a --crop of at least 68.
    equivariance
        Weight of the difference between the result for a picture moved by 1 to 3 pixels and the moved result; 0 leaves it out.
    start
        look.safetensors of another look of this size to start from, which needs fewer steps; by default random weights.

    """

    system: ClassVar[str] = "look"

    photos: Path
    painting: Path
    squeezenet: Path | None = None
    fetch: bool = False
    preview: Path | None = None
    painting_side: Annotated[int, Within(1, 16384, "pixels")] = 400
    batch: BatchSize = 4
    resize: Side = 0
    learning_rate: Rate = 2e-3
    iterations: Steps = 3500
    width: Channels = 32
    blocks: Blocks = 5
    content: Weight = 1.0
    style: Weight = 2.0
    tone: Weight = 1.0
    variation: Weight = 2.0
    temporal: Weight = 1.5
    lattice: Weight = 20.0
    equivariance: Weight = 0.0
    start: Path | None = None
