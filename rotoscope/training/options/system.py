"""Options that every system has, and options that several systems share."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.base.errors import UsageError


def at_least(options: object, name: str, least: int) -> None:
    """Raise UsageError, with the flag of the command line, if an option is less than `least`."""
    value = getattr(options, name)
    if value < least:
        raise UsageError(f"--{name.replace('_', '-')} {value}; accepted: {least} or more")


@dataclass(frozen=True, kw_only=True)
class SystemOptions:
    """Options that every system has.

    Attributes
    ----------
    batch
        Samples in a batch, on each device.
    resize
        Resize pictures to this shorter side, pixels; 0 keeps their size.
    crop
        Cut out a random square of this side, pixels; 0 takes the whole picture.
    flip
        Mirror half of the samples.
    learning_rate
        Initial learning rate of all optimisers.

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
    """Options of systems whose learning rate is constant for some epochs and then falls to zero.

    Attributes
    ----------
    epochs
        Epochs at the full learning rate.
    epochs_decay
        Epochs after them, in which the learning rate falls to zero.

    """

    epochs: int = 100
    epochs_decay: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "epochs_decay"):
            at_least(self, name, 0)


@dataclass(frozen=True, kw_only=True)
class TwoDomains(SystemOptions):
    """Options of systems that learn from unpaired pictures of two domains.

    Attributes
    ----------
    a
        Pictures of domain a: a folder of pictures, a video, or a folder of such.
    b
        Pictures of domain b, likewise.

    """

    a: Path
    b: Path
