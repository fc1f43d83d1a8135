"""The options of an export: what a checkpoint does not say about itself, and what the model file should be like. Torch-free."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from rotoscope.base.errors import UsageError

Encoder = Literal["style-encoder", "content-encoder"]
"""The encoders of MUNIT that can be exported alone."""
FilePrecision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `rotoscope.export_model`; the flags of `rotoscope export` are made from them."""

    name: str | None = None
    """Short name of the model; by default the name of the checkpoint file without its ending."""

    hints: tuple[str, ...] = ()
    """KEY=VALUE that an ambiguous checkpoint needs (repeat it): part=G_A, statistics=running, direction=BtoA, norm=instance,
    padding=replicate, activation=lrelu, output=tanh150, foreground=26, size=512, align_corners=true, tensorflow=true,
    dialect=port, iterations=12, input=lines, features=3."""

    part: Encoder | None = None
    """MUNIT only: export one encoder instead of the whole network. If the file holds both domains and direction=AtoB, the
    style encoder is that of domain B and the content encoder that of domain A."""

    precision: FilePrecision = "fp32"
    """Precision of weights and arithmetic; inputs and outputs stay float32. bf16 is an option of an engine instead. int8 needs
    calibration pictures (--calibrate)."""

    eight_bit: bool = False
    """Pictures go in and come out as uint8 (N,H,W,3) RGB."""

    shared_statistics: bool = False
    """Keep the statistics of instance norms from frame to frame, which keeps colours from drifting."""

    is_steady: bool = False
    """Its pictures are steady without help: translate does not steady them unless --steady is given. Stored in the file."""

    warp: Literal["inside", "outside"] = "inside"
    """vid2vid only: "outside" leaves warping and blending to the runtime, for engines without the operator GridSample."""

    first_frame: str | None = None
    """vid2vid only: checkpoint of a generator on label maps that draws the first frames of a scene."""

    labels: int | None = None
    """Number of classes of a network on label maps; by default its number of input channels."""

    edges: bool = False
    """The network on label maps has one more channel, the edges of instances."""

    palette: tuple[str, ...] = ()
    """Colours of the label maps, rrggbb, one for each class in order (repeat it); by default maps hold class numbers."""

    licence: str = ""
    """Licence of the weights, stored in the file."""

    source: str = ""
    """Origin of the weights, stored in the file."""


class ExportKeywords(TypedDict, total=False):
    """The fields of ExportOptions as keywords of a function."""

    name: str | None
    hints: tuple[str, ...]
    part: Encoder | None
    precision: FilePrecision
    eight_bit: bool
    shared_statistics: bool
    is_steady: bool
    warp: Literal["inside", "outside"]
    first_frame: str | None
    labels: int | None
    edges: bool
    palette: tuple[str, ...]
    licence: str
    source: str


def parse_hints(texts: Sequence[str]) -> dict[str, Any]:
    """Parse ("size=512", "foreground=26,27", "tensorflow=true") to {"size": 512, "foreground": (26, 27), "tensorflow": True}.

    Raises UsageError for a text that is not KEY=VALUE.
    """
    hints: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--hint {text}; accepted: KEY=VALUE such as direction=AtoB")
        numbers = tuple(int(number) for number in value.split(",")) if re.fullmatch(r"\d+(,\d+)*", value) else None
        if key == "part":
            hints[key] = value
        elif key == "foreground" and numbers:
            hints[key] = numbers
        elif numbers and len(numbers) == 1:
            hints[key] = numbers[0]
        else:
            hints[key] = {"true": True, "false": False}.get(value.lower(), value)
    return hints
