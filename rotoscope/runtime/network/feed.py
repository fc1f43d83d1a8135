"""The input arrays of a network at one size, and how pictures, maps and masks are written into them."""

from collections.abc import Sequence

import cv2
import numpy as np

from rotoscope.base.device import CPU, Device
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Array, Picture
from rotoscope.base.manifest import FrameInput, Manifest
from rotoscope.base.sizes import Placement, Size
from rotoscope.kernels.arrays import contiguous
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.float_picture import coding_of, float_picture, resized
from rotoscope.runtime.network.style import STYLE_SEED, style_code


class Feed:
    """The input arrays of one network at one size, allocated once; for one thread at a time.

    arrays  input name -> C-contiguous array of the manifest's dtype on the device, batch 1
    style   value of the style input, a NumPy array of its shape and dtype; None: drawn by `style_code` with the default seed
    device  of the pictures that will be written
    """

    def __init__(
        self, manifest: Manifest, placement: Placement, *, style: Array | None = None, device: Device = CPU
    ) -> None:
        self._manifest, self._placement, self._device = manifest, placement, device
        width, height = placement.network
        frame = manifest.frame
        self.arrays: dict[str, Array] = {frame.tensor: np.zeros(frame.shape(height, width), frame.dtype)}
        if manifest.second:
            self.arrays[manifest.second.tensor] = np.zeros(frame.shape(height, width), frame.dtype)
        if manifest.mask:
            self.arrays[manifest.mask.tensor] = np.zeros(frame.shape(height, width, channels=1), np.float32)
        if manifest.instances:
            self.arrays[manifest.instances.tensor] = np.zeros(frame.shape(height, width, channels=1), np.int32)
        if manifest.style:
            self.arrays[manifest.style.tensor] = style_code(manifest.style, STYLE_SEED) if style is None else style
        if manifest.number:
            self.arrays[manifest.number.tensor] = np.full(manifest.number.shape, manifest.number.value, np.float32)
        self.arrays = {name: device.asarray(array) for name, array in self.arrays.items()}
        low, high = frame.range
        self._scale = [(high - low) / std for std in frame.std]
        self._offset = [(low - mean) / std for mean, std in zip(frame.mean, frame.std, strict=True)]
        # For dtypes and layouts that color_in does not write.
        self._planar = None if _is_written_directly(frame) else device.asarray(np.zeros((3, height, width), np.float32))
        self._whole: Array | None = None  # float picture before crop and scale; reused

    def pictures(self, pictures: Sequence[Picture]) -> None:
        """Write the frame input: one picture, or the pictures of its window, oldest first."""
        frame = self._manifest.frame
        for place, picture in zip(_places(frame, self.arrays[frame.tensor]), pictures, strict=True):
            if frame.is_ids:
                put_map(_ids(picture, "label"), place[0], self._placement)
            else:
                self._put(picture, place)

    def second(self, picture: Picture) -> None:
        """Write the second picture."""
        assert self._manifest.second is not None
        (place,) = _places(self._manifest.frame, self.arrays[self._manifest.second.tensor])
        self._put(picture, place)

    def masks(self, masks: Sequence[Array | None]) -> None:
        """Write the masks of the same frames: (H,W) bool, True in the hole."""
        assert self._manifest.mask is not None
        for place, mask in zip(
            _places(self._manifest.frame, self.arrays[self._manifest.mask.tensor]), masks, strict=True
        ):
            if mask is None:
                raise UsageError(
                    f"{self._manifest.name} fills holes; --mask says where: a video, folder or picture, white there"
                )
            left, top, width, height = self._placement.crop
            hole = widened(mask[top : top + height, left : left + width], self._placement.content)
            put_map(hole, place[0], self._placement)

    def instances(self, pictures: Sequence[Picture | None]) -> None:
        """Write the instance maps of the same frames."""
        assert self._manifest.instances is not None
        places = _places(self._manifest.frame, self.arrays[self._manifest.instances.tensor])
        for place, picture in zip(places, pictures, strict=True):
            if picture is None:
                raise UsageError(
                    f"{self._manifest.name} needs the instance of every pixel: --instances, a folder of PNG files"
                )
            put_map(_ids(picture, "instance"), place[0], self._placement)

    def number(self, value: float) -> None:
        """Write the number input: a time, or the share to keep."""
        assert self._manifest.number is not None
        self.arrays[self._manifest.number.tensor][...] = value

    def _put(self, picture: Picture, place: Array) -> None:
        """Write one picture into `place`, (3,H,W) or (H,W,3) of the tensor's dtype."""
        frame, placement = self._manifest.frame, self._placement
        planes, coding = picture.planes, coding_of(picture)
        if not placement.is_direct:
            whole = planes[0]
            if whole.dtype != np.float32:
                if self._whole is None or self._whole.shape[:2] != (picture.height, picture.width):
                    self._whole = self._device.empty((picture.height, picture.width, 4), np.float32)
                whole = float_picture(picture, self._whole)
            left, top, width, height = placement.crop
            part = whole[top : top + height, left : left + width]
            # A mixture of two palette colours is no colour of the palette.
            scaled = nearest(part, placement.content) if frame.labels else resized(part, placement.content)
            planes, coding = (contiguous(scaled),), {}
        planar = place if self._planar is None else self._planar
        color_in(
            planes,
            planar,
            scale=self._scale,
            offset=self._offset,
            bgr=frame.order == "BGR",
            pad=frame.padding,
            **coding,
        )
        if self._planar is None:
            return
        values = planar if frame.layout == "NCHW" else np.moveaxis(planar, 0, 2)
        place[...] = np.clip(np.rint(values), 0, 255) if frame.dtype == "uint8" else values


def _is_written_directly(frame: FrameInput) -> bool:
    """Whether `color_in` writes the input itself."""
    return frame.layout == "NCHW" and frame.dtype == "float32"


def _places(frame: FrameInput, tensor: Array) -> list[Array]:
    """The views of a tensor of batch 1, one for each frame."""
    return list(tensor[0]) if frame.window else [tensor[0]]


def _ids(picture: Picture, kind: str) -> Array:
    (plane, *others) = picture.planes
    if others or plane.ndim != 2 or plane.dtype == np.float32:
        raise InputRefused(f"a picture in colour where {kind} numbers are needed; PNG files with one channel have them")
    return plane


def put_map(numbers: Array, place: Array, placement: Placement) -> None:
    """Write ids (H,W) into an input (H',W'): scaled by nearest neighbour, because ids cannot be mixed; padded by the edge."""
    if numbers.shape != placement.content[::-1]:
        left, top, width, height = placement.crop
        numbers = nearest(numbers[top : top + height, left : left + width], placement.content)
    height, width = numbers.shape
    place[:height, :width] = numbers
    place[:height, width:] = numbers[:, -1:]
    place[height:] = place[height - 1 : height]


def nearest(picture: Array, size: Size) -> Array:
    """(H,W,...) at (width, height) by nearest neighbour: each pixel takes the one whose area holds its centre."""
    rows, columns = (
        ((np.arange(wanted) + 0.5) * (given / wanted)).astype(int)
        for wanted, given in zip(size[::-1], picture.shape, strict=False)
    )
    chosen: Array = picture[rows[:, None], columns]
    return chosen


def widened(mask: Array, size: Size) -> Array:
    """A mask (H,W) at (width, height); a pixel is in the hole if any part of it is."""
    if mask.shape == size[::-1]:
        return mask
    shares = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(shares) > 0
