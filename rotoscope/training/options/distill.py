"""Options of distillation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from cyclopts import Parameter

from rotoscope.training.options.ranges import BatchSize, Blocks, Channels, Crops, Rate, Side, Steps, Weight
from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class DistillOptions(SystemOptions):
    """A compact student learns the output of a heavy generator.

    Attributes
    ----------
    teacher
        A bundled look, an .onnx file or a checkpoint.
    style
        Style of a teacher with several: a number, or a blend such as 0:0.5,3:0.5.
    frames
        Inputs of both: a folder of pictures, a video, or a folder of such.
    width
        Channels of the student at a quarter of the size, if no budget sets them.
    blocks
        Residual blocks of the student, if no budget sets them.
    keep_body
        Keep the residual blocks of a small teacher, such as one of fast style transfer, and replace its ends.
    crops
        Number of different crops, spread over all frames. The teacher translates each once; its pictures stay in memory, 0.1 MB
        each with a crop of 192. 0 draws new crops for every step.
    iterations
        Steps of the schedule, and so of the whole run; --steps stops earlier.
    pixels
        Weight of the L1 distance to the teacher's picture.
    gradients
        Weight of the L1 distance of the differences of neighbouring pixels.
    perceptual
        Weight of LPIPS; 0 leaves it out.
    temporal
        Weight of the temporal loss on synthetic motion, taken of the first picture of each batch; 0 leaves it out.
    equivariance
        Weight of the difference between the result for a picture moved by 1 to 3 pixels and the moved result; 0 leaves it out.
    lattice
        Weight of the share of fine detail that repeats every 2 or 4 pixels; 0 leaves it out. Needs a --crop of at least 64.
    preview
        A clip: run.html shows some of its frames beside the samples.
    lpips
        Complete weights of LPIPS v0.1 with SqueezeNet (docs/training.md); needed unless --perceptual is 0.

    """

    system: ClassVar[str] = "distill"

    teacher: Annotated[str, Parameter(parse=False)] = ""
    style: str | None = None
    frames: Path
    width: Channels = 32
    blocks: Blocks = 5
    keep_body: bool = False
    batch: BatchSize = 2
    resize: Side = 288
    crop: Side = 192
    learning_rate: Rate = 4e-3
    crops: Crops = 500
    iterations: Steps = 6000
    pixels: Weight = 1.0
    gradients: Weight = 1.0
    perceptual: Weight = 2.0
    temporal: Weight = 0.3
    equivariance: Weight = 0.0
    lattice: Weight = 0.0
    preview: Path | None = None
    lpips: Path | None = None
