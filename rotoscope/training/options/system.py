"""What every system is told, and what several of them are."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.base.errors import UsageError
from rotoscope.training.options.limits import at_least


@dataclass(frozen=True, kw_only=True)
class SystemOptions:
    """What every system is told about pictures and speed.

    Attributes
    ----------
    batch
        Samples in a batch, on each device.
    resize
        Shorter side that pictures are resized to, pixels; 0 leaves them as they are.
    crop
        Side of the random square cut out of them, pixels; 0 takes the whole picture.
    flip
        Mirror half of the samples.
    learning_rate
        Of the optimisers, to begin with.

    """

    system: ClassVar[str]

    batch: int = 1
    resize: int = 286
    crop: int = 256
    flip: bool = True
    learning_rate: float = 2e-4

    def __post_init__(self) -> None:
        at_least(self, "batch", 1)
        for name in ("resize", "crop"):
            at_least(self, name, 0)
        if self.crop > self.resize > 0:
            raise UsageError(f"--crop {self.crop} does not fit into --resize {self.resize}")
        if self.learning_rate <= 0:
            raise UsageError(f"--learning-rate {self.learning_rate}; accepted: above 0")


@dataclass(frozen=True, kw_only=True)
class Epochs(SystemOptions):
    """Systems whose learning rate is constant for some epochs and then falls to zero over others.

    Attributes
    ----------
    epochs
        At the full learning rate.
    epochs_decay
        In which it falls.

    """

    epochs: int = 100
    epochs_decay: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "epochs_decay"):
            at_least(self, name, 0)


@dataclass(frozen=True, kw_only=True)
class TwoDomains(SystemOptions):
    """Systems that learn from unpaired pictures of two domains.

    Attributes
    ----------
    a
        Pictures of one domain: a folder, a video, or a folder of them.
    b
        Pictures of the other domain, likewise.

    """

    a: Path
    b: Path
