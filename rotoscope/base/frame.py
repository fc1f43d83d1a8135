"""The nouns that travel through the pipeline: Colour, Picture, Frame, VideoInfo. They import NumPy and nothing else of us."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Colour:
    """How code values stand for colour; primaries and transfer are carried to the output's tags, not computed with.

    matrix      "601", "709", "2020", "fcc" or "240m"
    full_range  0..255 instead of 16..235 (at 8 bits)
    primaries, transfer   numbers of ITU-T H.273 (2 = unspecified)
    """

    matrix: str = "709"
    full_range: bool = False
    primaries: int = 2
    transfer: int = 2

    @property
    def is_hdr(self) -> bool:
        """PQ (SMPTE ST 2084) or HLG (ARIB STD-B67) transfer."""
        return self.transfer in (16, 18)


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture as planes of code values.

    planes  (Y, Cb, Cr), (Y, CbCr), (grey,), (rgb (H,W,3),) or (picture (H,W,4) float32,); see `kernels.color_in`.
    depth   bits of a code value (ignored for float32).
    siting  position of the first chroma sample in luma pixels, (x, y).
    """

    planes: tuple[Array, ...]
    colour: Colour = Colour()
    depth: int = 8
    siting: tuple[float, float] = (0.0, 0.5)

    @property
    def width(self) -> int:
        """Pixels in x."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Pixels in y."""
        return int(self.planes[0].shape[0])


@dataclass(frozen=True, slots=True)
class Motion:
    """How the source of a frame and of the one before it lie on each other; estimated once, shared by all who follow it.

    to_previous    (H,W,2) float32, pixels: what this frame shows at p is at p + to_previous(p) in the one before
    from_previous  (H,W,2) float32, pixels: the way back, on the grid of the frame before; None where nobody asked
    trust          (H,W) float32 in [0,1]: how surely the frame before shows the same thing there
    trust_ahead    the same for the way back, on the grid of the frame before; None where nobody asked
    """

    to_previous: Array
    from_previous: Array | None
    trust: Array
    trust_ahead: Array | None = None


@dataclass(slots=True)
class Frame:
    """One picture of a stream with its time.

    index     0 for the first frame delivered
    pts       presentation time in units of time_base, never reduced to a frame rate
    duration  in the same units
    source    what was decoded
    result    (H,W,4) float32 RGB in [0,1] after translation; a Picture of code values after finishing
    mask      (H,W) bool, True where a hole is to be filled
    instances the object that each pixel belongs to, as numbers in one plane
    cut       a new scene starts here: nothing before it is remembered or looked at
    motion    since the frame before; None for the first of a scene, and where nobody asked
    inserted  made up between two frames of the source, to be translated but not shown
    carried   not translated: shown by moving the result before it
    """

    index: int
    pts: int
    time_base: Fraction
    duration: int
    source: Picture
    result: Array | Picture | None = None
    mask: Array | None = None
    instances: Picture | None = None
    cut: bool = False
    motion: Motion | None = None
    inserted: bool = False
    carried: bool = False

    @property
    def seconds(self) -> Fraction:
        """Presentation time in seconds, exact."""
        return self.pts * self.time_base


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight turns and mirrors of a rectangle: transpose first, then flip the columns and the rows."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def is_identity(self) -> bool:
        """Nothing to do."""
        return not (self.transpose or self.flip_x or self.flip_y)

    def apply(self, plane: Array) -> Array:
        """The plane as it should be seen, C-contiguous."""
        if self.transpose:
            plane = plane.swapaxes(0, 1)
        if self.flip_x:
            plane = plane[:, ::-1]
        if self.flip_y:
            plane = plane[::-1]
        return np.ascontiguousarray(plane)

    def apply_to_picture(self, picture: Picture) -> Picture:
        """The picture as it should be seen; chroma keeps its place relative to luma."""
        if self.is_identity:
            return picture
        x, y = picture.siting
        width, height = picture.width, picture.height
        if self.transpose:
            x, y, width, height = y, x, height, width
        # Behind the mirror the first sample of an even line is the last one's twin; of an odd line it stays where it was
        # (centred chroma of an odd line would move out by half a sample, which nobody encodes: it stays centred).
        if self.flip_x and width % 2 == 0:
            x = 1 - x
        if self.flip_y and height % 2 == 0:
            y = 1 - y
        return replace(picture, planes=tuple(self.apply(plane) for plane in picture.planes), siting=(x, y))


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a container as its header tells it."""

    index: int
    kind: str
    codec: str
    language: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video says about itself before its frames are decoded; sizes are as displayed, after orientation.

    num_frames_from_header and duration_seconds may be None or wrong: nothing depends on them but progress bars.
    """

    path: str
    container: str
    codec: str
    width: int
    height: int
    orientation: Orientation
    sample_aspect: Fraction
    pixel_format: str
    depth: int
    colour: Colour
    time_base: Fraction
    average_rate: Fraction | None
    start_pts: int | None
    duration_seconds: float | None
    num_frames_from_header: int | None
    is_interlaced: bool = False
    streams: tuple[StreamInfo, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
