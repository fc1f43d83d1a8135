"""Options of distillation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from cyclopts import Parameter

from rotoscope.training.options.system import SystemOptions


@dataclass(frozen=True, kw_only=True)
class DistillOptions(SystemOptions):
    """A compact student learns what a heavy generator paints.

    Attributes
    ----------
    teacher
        A bundled look, an .onnx file or a checkpoint.
    frames
        What both paint: a folder of pictures, a video, or a folder of videos.
    width
        Channels of the student, if no budget decides.
    iterations
        Steps of the run.
    pixels
        Weight of the distance to the teacher's picture.
    gradients
        Weight of the distance of its edges, the differences from pixel to pixel.
    look
        Weight of LPIPS; 0 leaves it out.
    temporal
        Weight of the temporal loss on synthesised motion; 0 leaves it out.
    lpips
        LPIPS v0.1 weights of SqueezeNet; needed unless --look is 0.

    """

    system: ClassVar[str] = "distill"

    teacher: Annotated[str, Parameter(parse=False)] = ""
    frames: Path
    width: int = 64
    batch: int = 4
    resize: int = 288
    learning_rate: float = 2e-3
    iterations: int = 4000
    pixels: float = 1.0
    gradients: float = 1.0
    look: float = 1.0
    temporal: float = 2.0
    lpips: Path | None = None
