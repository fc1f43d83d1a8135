"""Options that every system has, and options that several systems share."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_type_hints

from rotoscope.base.errors import UsageError
from rotoscope.base.option_checks import check_fields
from rotoscope.training.options.ranges import BatchSize, NumEpochs, Rate, Side


def as_paths(options: object) -> None:
    """Turn texts into paths, in the fields that are paths: Python functions take both."""
    for name, kind in get_type_hints(type(options)).items():
        value = getattr(options, name)
        if kind in (Path, Path | None) and value is not None:
            check_utf8(name, str(value))
            object.__setattr__(options, name, Path(value))


def check_utf8(name: str, path: str) -> None:
    """Raise UsageError for a name of a file that config.toml cannot hold."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{name}={path}; accepted: a path in UTF-8, as config.toml is") from None


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

    batch: BatchSize = 1
    resize: Side = 286
    crop: Side = 256
    flip: bool = True
    learning_rate: Rate = 2e-4

    def __post_init__(self) -> None:
        check_fields(self)
        as_paths(self)
        if self.crop > self.resize > 0:
            raise UsageError(f"--crop {self.crop} does not fit into --resize {self.resize}")


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

    epochs: NumEpochs = 100
    epochs_decay: NumEpochs = 100


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
