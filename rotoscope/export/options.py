"""How to export a checkpoint, written once: flags of `rotoscope export`, keywords of `convert`. Torch-free."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from rotoscope.base.errors import UsageError

Part = Literal["style-encoder", "content-encoder"]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What a checkpoint cannot say about itself, and what the file should be like."""

    name: str | None = None
    """Short name of the model; by default that of the checkpoint file."""

    hints: Annotated[tuple[str, ...], Parameter(name="--hint", show_default=False)] = ()
    """What an ambiguous checkpoint needs, KEY=VALUE (repeat it): statistics=running, direction=BtoA, foreground=26, size=512,
    align_corners=true, tensorflow=true, iterations=12."""

    part: Part | None = None
    """Of MUNIT: one of its encoders instead of the whole. Of a file with both domains and direction=AtoB, the style encoder is
    B's, the content encoder A's."""

    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    """Of weights and arithmetic in the file; pictures go in and out as float32 (bf16 is a setting of an engine). int8 needs
    --calibrate."""

    eight_bit: bool = False
    """Pictures go in and come out as uint8 (N,H,W,3) RGB."""

    shared_statistics: bool = False
    """Instance norm keeps its statistics from frame to frame, against flicker."""

    warp: Literal["inside", "outside"] = "inside"
    """Of vid2vid: outside leaves the last step to the runtime, for engines without GridSample."""

    first_frame: str | None = None
    """Of vid2vid: the checkpoint of the generator on label maps alone that draws the first frames of a scene."""

    labels: int | None = None
    """Classes of a network on label maps; by default as many as it has channels."""

    edges: bool = False
    """One more channel of such a network holds the edges of instances."""

    palette: Annotated[tuple[str, ...], Parameter(name="--palette", show_default=False)] = ()
    """Colours of the label maps, rrggbb, one for each class in order (repeat it); by default maps hold class numbers."""

    licence: str = ""
    """Of the weights, kept in the file."""

    source: str = ""
    """Where the weights come from, kept in the file."""


def parse_hints(texts: Sequence[str]) -> dict[str, Any]:
    """("size=512", "foreground=26,27", "tensorflow=true") -> {"size": 512, "foreground": (26, 27), "tensorflow": True}."""
    hints: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--hint {text}; accepted: KEY=VALUE such as direction=AtoB")
        numbers = tuple(int(number) for number in value.split(",")) if re.fullmatch(r"\d+(,\d+)*", value) else None
        if key == "foreground" and numbers:
            hints[key] = numbers
        elif numbers and len(numbers) == 1:
            hints[key] = numbers[0]
        else:
            hints[key] = {"true": True, "false": False}.get(value.lower(), value)
    return hints


def parse_palette(texts: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """("804080", ...) -> ((128, 64, 128), ...)."""
    for text in texts:
        if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
            raise UsageError(f"--palette {text}; accepted: six hexadecimal digits, such as 804080")
    colours = (bytes.fromhex(text.removeprefix("#")) for text in texts)
    return tuple((colour[0], colour[1], colour[2]) for colour in colours)
