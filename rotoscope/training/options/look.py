"""Options of looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import SystemOptions, at_least


@dataclass(frozen=True, kw_only=True)
class LookOptions(SystemOptions):
    """A look: the compact network paints like one picture, steadily and in real time.

    Attributes
    ----------
    photos
        What to paint: a folder of pictures; a dozen are enough.
    painting
        The picture to paint like.
    squeezenet
        Weights of SqueezeNet 1.1, torchvision's or a file of LPIPS v0.1.
    painting_side
        Shorter side that the painting is resized to, pixels: smaller makes smaller strokes.
    iterations
        Steps of the run.
    width
        Channels of the network.
    content
        Weight of the photograph's features.
    style
        Weight of the painting's Gram matrices.
    tone
        Weight of light and dark: where the photograph is bright, so is what is painted.
    variation
        Weight of the differences from pixel to pixel.
    temporal
        Weight of the temporal loss on synthesised motion and noise; 0 leaves it out.

    """

    system: ClassVar[str] = "look"

    photos: Path
    painting: Path
    squeezenet: Path
    painting_side: int = 400
    batch: int = 4
    resize: int = 0
    learning_rate: float = 2e-3
    iterations: int = 3500
    width: int = 64
    content: float = 1.0
    style: float = 2.0
    tone: float = 1.0
    variation: float = 2.0
    temporal: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("painting_side", "iterations", "width"):
            at_least(self, name, 1)
