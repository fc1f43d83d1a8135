"""Options of distillation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from cyclopts import Parameter

from rotoscope.training.options.ranges import BatchSize, Blocks, Channels, Rate, Side, Steps, Weight
from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class DistillOptions(SystemOptions):
    """A compact student learns the output of a heavy generator.

    Attributes
    ----------
    teacher
        A bundled look, an .onnx file or a checkpoint.
    frames
        Inputs of both: a folder of pictures, a video, or a folder of such.
    width
        Channels of the student at a quarter of the size, if no budget sets them.
    blocks
        Residual blocks of the student, if no budget sets them.
    keep_body
        Keep the residual blocks of the teacher, a small checkpoint of fast style transfer, and replace its ends.
    iterations
        Steps of the schedule, and so of the whole run; --steps stops earlier.
    pixels
        Weight of the L1 distance to the teacher's picture.
    gradients
        Weight of the L1 distance of the differences of neighbouring pixels.
    perceptual
        Weight of LPIPS; 0 leaves it out.
    temporal
        Weight of the temporal loss on synthetic motion; 0 leaves it out.
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
    frames: Path
    width: Channels = 32
    blocks: Blocks = 5
    keep_body: bool = False
    batch: BatchSize = 4
    resize: Side = 288
    learning_rate: Rate = 2e-3
    iterations: Steps = 4000
    pixels: Weight = 1.0
    gradients: Weight = 1.0
    perceptual: Weight = 1.0
    temporal: Weight = 2.0
    equivariance: Weight = 0.0
    lattice: Weight = 0.0
    preview: Path | None = None
    lpips: Path | None = None
