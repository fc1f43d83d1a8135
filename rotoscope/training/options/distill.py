"""Options of distillation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from cyclopts import Parameter

from rotoscope.training.options.ranges import BatchSize, Channels, Rate, Side, Steps, Weight
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
        Channels of the student, if no budget sets them.
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
    lpips
        Complete weights of LPIPS v0.1 with SqueezeNet (docs/training.md); needed unless --perceptual is 0.

    """

    system: ClassVar[str] = "distill"

    teacher: Annotated[str, Parameter(parse=False)] = ""
    frames: Path
    width: Channels = 64
    batch: BatchSize = 4
    resize: Side = 288
    learning_rate: Rate = 2e-3
    iterations: Steps = 4000
    pixels: Weight = 1.0
    gradients: Weight = 1.0
    perceptual: Weight = 1.0
    temporal: Weight = 2.0
    lpips: Path | None = None
