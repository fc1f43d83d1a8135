"""Sizes of pictures and of network inputs: pure arithmetic, in pixels, always (width, height)."""

import re
from dataclasses import dataclass

from rotoscope.base.errors import UsageError
from rotoscope.base.manifest import FrameInput

Size = tuple[int, int]
LARGEST_SIDE, MOST_PIXELS = 16384, 100_000_000


@dataclass(frozen=True)
class Placement:
    """Crop, scale and pad that bring a picture into the network's input.

    crop     (left, top, width, height): the part of the picture that is used
    content  size to which that part is scaled; it is placed at the top left of the input
    network  size of the input; everything outside the content is padding
    """

    crop: tuple[int, int, int, int]
    content: Size
    network: Size

    @property
    def is_direct(self) -> bool:
        """The picture is neither cropped nor scaled; it may be padded."""
        return self.crop == (0, 0, *self.content)


def parse_size(text: str, picture: Size) -> Size:
    """Parse 640x360, or 360p: a shorter side of 360 with the aspect kept, the longer one rounded to even."""
    exact = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if exact:
        width, height = int(exact.group(1)), int(exact.group(2))
    else:
        shorter = re.fullmatch(r"([0-9]{1,9})p", text)
        if not shorter:
            raise UsageError(f"size {text!r}; accepted: WIDTHxHEIGHT such as 640x360, or the shorter side such as 360p")
        side = int(shorter.group(1))
        factor = side / min(picture)
        width, height = (side if pixels == min(picture) else 2 * round(pixels * factor / 2) for pixels in picture)
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE and width * height <= MOST_PIXELS):
        most = f"{MOST_PIXELS // 1_000_000} million pixels"
        raise UsageError(f"size {text!r}; accepted: sides from 1 to {LARGEST_SIDE} pixels, together at most {most}")
    return width, height


def place(picture: Size, frame: FrameInput, *, working: str | None, fit: str) -> Placement:
    """The placement of a picture of this size; `working` is the size that the user wants the network to see, or None."""
    asked = parse_size(working, picture) if working is not None else None
    if frame.fixed_size is None and (frame.width or frame.height):
        return _with_fixed_side(picture, frame, working, asked)
    if frame.fixed_size is None:
        content = asked or picture
        network = tuple(_round_up(max(pixels, frame.minimum), frame.multiple) for pixels in content)
        return Placement((0, 0, *picture), content, (network[0], network[1]))
    fixed = frame.fixed_size
    if asked is not None and asked != fixed:
        raise UsageError(f"--working-size {asked[0]}x{asked[1]}: this network takes {fixed[0]}x{fixed[1]} only")
    if fit == "stretch":
        return Placement((0, 0, *picture), fixed, fixed)
    factors = fixed[0] / picture[0], fixed[1] / picture[1]
    if fit == "pad":
        factor = min(factors)
        content = (min(fixed[0], round(picture[0] * factor)), min(fixed[1], round(picture[1] * factor)))
        return Placement((0, 0, *picture), (max(1, content[0]), max(1, content[1])), fixed)
    factor = max(factors)
    width, height = (min(side, max(1, round(wanted / factor))) for side, wanted in zip(picture, fixed, strict=True))
    left, top = (picture[0] - width) // 2, (picture[1] - height) // 2
    return Placement((left, top, width, height), fixed, fixed)


def _with_fixed_side(picture: Size, frame: FrameInput, working: str | None, asked: Size | None) -> Placement:
    """The placement in a network that fixes one side: the picture is scaled to it, and the other side follows."""
    factor = frame.width / picture[0] if frame.width else (frame.height or 1) / picture[1]
    content = asked or (
        frame.width or max(1, round(picture[0] * factor)),
        frame.height or max(1, round(picture[1] * factor)),
    )
    if content[0] != (frame.width or content[0]) or content[1] != (frame.height or content[1]):
        side = f"a width of {frame.width}" if frame.width else f"a height of {frame.height}"
        raise UsageError(f"--working-size {working}: this network takes {side} only")
    free = tuple(_round_up(max(pixels, frame.minimum), frame.multiple) for pixels in content)
    return Placement((0, 0, *picture), content, (frame.width or free[0], frame.height or free[1]))


def _round_up(pixels: int, multiple: int) -> int:
    return -(-pixels // multiple) * multiple
