"""The nouns that travel through the pipeline: Colour, Picture, Motion, Frame, VideoInfo. All are frozen values.

Arrays in them are NumPy arrays, or CuPy arrays on the GPU path, and read-only: a stage makes a new array and a new frame
(`dataclasses.replace`), it never writes into one that it was given.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray, or a cupy.ndarray of a run on a GPU


def read_only(array: Array) -> Array:
    """A view of the array that refuses writes; the array itself stays writable. CuPy arrays are returned unchanged."""
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Colour:
    """Meaning of code values; primaries and transfer are copied to the tags of the output and not used in computations.

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
    """One picture: planes of code values as a decoder or an encoder has them, or one plane of float RGB.

    planes  (Y, Cb, Cr), (Y, CbCr), (grey,), (rgb (H,W,3),), or (picture (H,W,4) float32,): RGB in [0,1] where the fourth
            channel is 0; see `kernels.color_in`. Handed out read-only.
    colour  how code values stand for colour; not used for float32
    depth   bits of a code value; not used for float32
    siting  position of the first chroma sample in luma pixels, (x, y)
    alpha   opacity beside straight colours, (H,W) on the host, uint8 or uint16, full range of `depth`; None: opaque
    """

    planes: tuple[Array, ...]
    colour: Colour = Colour()
    depth: int = 8
    siting: tuple[float, float] = (0.0, 0.5)
    alpha: Array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "planes", tuple(read_only(plane) for plane in self.planes))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", read_only(self.alpha))

    @property
    def width(self) -> int:
        """Pixels in x."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Pixels in y."""
        return int(self.planes[0].shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @property
    def is_float(self) -> bool:
        """Float RGB, not code values."""
        return bool(self.planes[0].dtype == np.float32)

    @property
    def pixels(self) -> Array:
        """The one plane of a picture that has one, read-only: (H,W,4) float32 of a float picture, (H,W,3) of an RGB one."""
        (plane,) = self.planes
        return plane

    @property
    def device(self) -> str:
        """Device of the planes: "cpu", or "cuda:0" and so on for CuPy arrays."""
        plane: Any = self.planes[0]
        return "cpu" if isinstance(plane, np.ndarray) else f"cuda:{plane.device.id}"


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion between the source of a frame and the source of the frame before; estimated once, used by all stages.

    to_previous    (H,W,2) float32, pixels (dx, dy): what this frame shows at p is at p + to_previous(p) in the frame before
    from_previous  (H,W,2) float32, pixels: the motion the other way, on the grid of the frame before; None unless both ways
                   were estimated
    trust          (H,W) float32 in [0,1]: how reliably the frame before shows the same thing there
    trust_ahead    the same for `from_previous`, on the grid of the frame before; None unless both ways were estimated
    mean_trust     mean of trust, where the host has read it; None: it is in `trust`
    """

    to_previous: Array
    from_previous: Array | None
    trust: Array
    trust_ahead: Array | None = None
    mean_trust: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a stream with its time.

    index      counts source frames; inserted frames have the index of the source frame after them
    pts        presentation time in units of time_base, never rounded to a frame rate
    duration   in the same units
    source     the decoded picture
    result     None before the network; then a float picture; after finishing a picture of code values
    mask       (H,W) bool, True in the hole that is to be filled; None without a mask
    instances  object ids, one plane, or a second drawing of the frame; None without such
    cut        this frame begins a scene: no frame before it is remembered or looked at
    motion     since the frame before; None for the first frame of a scene, and if no stage estimates motion
    inserted   synthesised between two source frames: translated, never shown
    carried    not translated: shows the result of the frame before, moved
    arrival_s  monotonic time at which a live source delivered the frame, in seconds; None for sources that are not live
    """

    index: int
    pts: int
    time_base: Fraction
    duration: int
    source: Picture
    result: Picture | None = None
    mask: Array | None = None
    instances: Picture | None = None
    cut: bool = False
    motion: Motion | None = None
    inserted: bool = False
    carried: bool = False
    arrival_s: float | None = None

    @property
    def seconds(self) -> Fraction:
        """Presentation time in seconds, exact."""
        return self.pts * self.time_base

    def pixels(self) -> Array:
        """The float result, (H,W,4) float32 RGB; raises ValueError before the network has run."""
        if self.result is None:
            raise ValueError(f"frame {self.index} has no result yet")
        return self.result.pixels


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
        # Mirroring an even width or height reverses the siting of chroma (x -> 1 - x); an odd one leaves it unchanged.
        if self.flip_x and width % 2 == 0:
            x = 1 - x
        if self.flip_y and height % 2 == 0:
            y = 1 - y
        planes = tuple(self.apply(plane) for plane in picture.planes)
        alpha = None if picture.alpha is None else self.apply(picture.alpha)
        return replace(picture, planes=planes, siting=(x, y), alpha=alpha)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a container as its header tells it."""

    index: int
    kind: str
    codec: str
    language: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HdrMetadata:
    """HDR metadata: the mastering display, and the brightest light of the video (SMPTE ST 2086, CTA-861.3).

    primaries  chromaticities x, y of red, green, blue and white; None if unknown
    luminance  darkest and brightest light of that display in cd/m2; None if unknown
    light      brightest pixel and brightest mean of a frame in cd/m2; None if unknown
    """

    primaries: tuple[tuple[float, float], ...] | None = None
    luminance: tuple[float, float] | None = None
    light: tuple[int, int] | None = None

    @property
    def kinds(self) -> list[str]:
        """Names of the parts that are known, such as "mastering display"."""
        display = ["mastering display"] if self.primaries or self.luminance else []
        return display + ["content light level"] * (self.light is not None)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Properties of a video, from its header and first frame; sizes are as displayed, after orientation.

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
    hdr_metadata: HdrMetadata | None = None
