"""The input arrays of a network at one size, and how pictures, maps and masks are written into them."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rotoscope.base import sizes
from rotoscope.base.device import CPU, Device
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Array, Picture
from rotoscope.base.manifest import LUMA, FrameInput, Manifest
from rotoscope.base.sizes import Placement
from rotoscope.kernels.arrays import contiguous, on_cuda
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.float_picture import coding_of, float_picture, resized
from rotoscope.kernels.place_map import place_map
from rotoscope.kernels.resize_grey import resize_grey
from rotoscope.kernels.weighted_sum import weighted_sum
from rotoscope.runtime.models.golden import default_setting, first_style
from rotoscope.runtime.network.batches import batched_inputs
from rotoscope.runtime.network.style import STYLE_SEED, style_code


class Feed:
    """The input arrays of one network at one size, allocated once; for one thread at a time.

    arrays    input name -> C-contiguous array of the manifest's dtype on the device
    style     a NumPy array: the value of the style input, or the example picture, (H,W,3) uint8; None: the first style, a code
              drawn with the default seed, or a black picture
    settings  values of further inputs by name; by default those of the manifest
    device    of the pictures that will be written
    calls     pictures in one batch; with more than 1, `parts` are the feeds of the single pictures
    """

    def __init__(
        self,
        manifest: Manifest,
        placement: Placement,
        *,
        style: Array | None = None,
        settings: Mapping[str, Array] | None = None,
        device: Device = CPU,
        calls: int = 1,
    ) -> None:
        self._manifest, self._placement, self._device = manifest, placement, device
        width, height = placement.network
        frame = manifest.frame
        self.arrays: dict[str, Array] = {frame.tensor: np.zeros(frame.shape(height, width), frame.dtype)}
        if manifest.second:
            self.arrays[manifest.second.tensor] = np.zeros(frame.shape(height, width), frame.dtype)
        if manifest.mask:
            shape = frame.shape(height, width, channels=manifest.mask.channels)
            self.arrays[manifest.mask.tensor] = np.full(shape, manifest.mask.known, manifest.mask.dtype)
        if manifest.instances:
            self.arrays[manifest.instances.tensor] = np.zeros(frame.shape(height, width, channels=1), np.int32)
        if manifest.style:
            self.arrays[manifest.style.tensor] = (
                style_code(manifest.style, STYLE_SEED) if manifest.style.what == "code" else first_style(manifest.style)
            )
        if example := manifest.example:
            shape = example.shape(example.height or height, example.width or width)
            self.arrays[example.tensor] = np.zeros(shape, example.dtype)
        for setting in manifest.settings:
            given = (settings or {}).get(setting.tensor)
            self.arrays[setting.tensor] = default_setting(setting) if given is None else given
        if manifest.number:
            self.arrays[manifest.number.tensor] = np.full(manifest.number.shape, manifest.number.value, np.float32)
        batched = batched_inputs(manifest) if calls > 1 else ()
        for name in batched:
            self.arrays[name] = np.concatenate([self.arrays[name]] * calls)
        self.arrays = {name: device.asarray(array) for name, array in self.arrays.items()}
        self._style: Array | None = None
        self._whole: Array | None = None  # float picture before crop and scale; reused
        self.style(style)
        self.parts = [self] if calls == 1 else [self._part(call, batched) for call in range(calls)]

    def _part(self, call: int, batched: Sequence[str]) -> "Feed":
        """The feed of one call of a batch: views of its place."""
        part = copy.copy(self)
        part.arrays = {name: a[call : call + 1] if name in batched else a for name, a in self.arrays.items()}
        part.parts = [part]
        return part

    def style(self, style: Array | None) -> None:
        """Write the style input or the example picture, unless it is the array that was written last; None leaves it."""
        if style is None or style is self._style:
            return
        self._style = style
        if (example := self._manifest.example) is not None:
            self._example(example, Picture((style,)))
        elif self._manifest.style is not None:
            self.arrays[self._manifest.style.tensor][...] = self._device.asarray(style)

    def _example(self, example: FrameInput, picture: Picture) -> None:
        """Write the example picture: its middle, at the size of the input, which is that of the frame if it may be any."""
        tensor = np.empty(self.arrays[example.tensor].shape, example.dtype)
        height, width = tensor.shape[-2:] if example.layout == "NCHW" else tensor.shape[-3:-1]
        sized = example.model_copy(update={"height": height, "width": width})
        placement = sizes.place(picture.size, sized, working=None, fit="crop")
        written = _places(sized, tensor)[0]
        left, top, across, down = placement.crop
        part = float_picture(picture)[top : top + down, left : left + across]
        write_coded((contiguous(resized(part, placement.content)),), written, sized, {})
        _fill_batch(sized, tensor)
        self.arrays[example.tensor][...] = self._device.asarray(tensor)

    def pictures(self, pictures: Sequence[Picture]) -> None:
        """Write the frame input: one picture, or the pictures of its window, oldest first."""
        frame = self._manifest.frame
        for place, picture in zip(_places(frame, self.arrays[frame.tensor]), pictures, strict=True):
            if frame.is_ids:
                self._put_ids(picture, "label", place)
            else:
                self._put(picture, place)
        _fill_batch(frame, self.arrays[frame.tensor])

    def second(self, picture: Picture) -> None:
        """Write the second picture."""
        assert self._manifest.second is not None
        tensor = self.arrays[self._manifest.second.tensor]
        (place,) = _places(self._manifest.frame, tensor)
        self._put(picture, place)
        _fill_batch(self._manifest.frame, tensor)

    def drawings(self, pictures: Sequence[Picture | None]) -> None:
        """Write the second drawings of the same frames."""
        assert self._manifest.second is not None
        tensor = self.arrays[self._manifest.second.tensor]
        for place, picture in zip(_places(self._manifest.frame, tensor), pictures, strict=True):
            if picture is None:
                raise UsageError(
                    f"{self._manifest.name} takes two drawings of each frame: --drawings, a folder or video of the second"
                )
            self._put(picture, place)
        _fill_batch(self._manifest.frame, tensor)

    def masks(self, masks: Sequence[Array | None]) -> None:
        """Write the masks of the same frames: (H,W) bool, True in the hole."""
        given, frame = self._manifest.mask, self._manifest.frame
        assert given is not None
        for place, mask in zip(_places(frame, self.arrays[given.tensor]), masks, strict=True):
            if mask is None:
                raise UsageError(
                    f"{self._manifest.name} fills holes; --mask says where: a video, folder or picture, white there"
                )
            where = self._placement.crop, self._placement.content
            for plane in np.moveaxis(place, 2, 0) if frame.layout == "NHWC" else place:
                place_map(mask, plane, crop=where[0], content=where[1], hole=(given.known, given.hole))
        _fill_batch(frame, self.arrays[given.tensor])

    def instances(self, pictures: Sequence[Picture | None]) -> None:
        """Write the instance maps of the same frames."""
        assert self._manifest.instances is not None
        places = _places(self._manifest.frame, self.arrays[self._manifest.instances.tensor])
        for place, picture in zip(places, pictures, strict=True):
            if picture is None:
                raise UsageError(
                    f"{self._manifest.name} needs the instance of every pixel: --instances, a folder of PNG files"
                )
            self._put_ids(picture, "instance", place)

    def number(self, value: float) -> None:
        """Write the number input: a time, or the share to keep."""
        assert self._manifest.number is not None
        self.arrays[self._manifest.number.tensor][...] = value

    def _put_ids(self, picture: Picture, kind: str, place: Array) -> None:
        """Write numbers into `place`, (1,H,W) of the tensor."""
        place_map(_ids(picture, kind), place[0], crop=self._placement.crop, content=self._placement.content)

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
            method = "nearest" if frame.labels else None
            planes, coding = (resized(part, placement.content, method),), {}
        write_coded(planes, place, frame, coding)


def write_coded(planes: Sequence[Array], place: Array, frame: FrameInput, coding: dict[str, Any]) -> None:
    """Write planes as `color_in` takes them into `place`, one picture of the frame input, (C,H,W) or (H,W,C).

    coding  the keywords of `color_in` that say how the planes are coded
    """
    low, high = frame.range
    target = place if frame.layout == "NCHW" else np.moveaxis(place, 2, 0)
    scale = [(high - low) / std for std in frame.std]
    offset = [(low - mean) / std for mean, std in zip(frame.mean, frame.std, strict=True)]
    colours = target[:3]
    if frame.channels == 1:
        colours = np.empty_like(target, dtype=np.float32, shape=(3, *target.shape[1:]), order="C")
    color_in(planes, colours, scale=scale, offset=offset, bgr=frame.order == "BGR", pad=frame.padding, **coding)
    if frame.channels == 1:
        weights = LUMA if frame.order == "RGB" else LUMA[::-1]
        if on_cuda(target):
            grey = weighted_sum(list(colours), weights)
            target[0] = resize_grey(grey, grey.shape, out=_empty_bytes(grey)) if frame.dtype == "uint8" else grey
            return
        grey = sum(weight * plane for weight, plane in zip(weights, colours, strict=True))
        target[0] = grey.round().clip(0, 255) if frame.dtype == "uint8" else grey
    elif frame.channels == 4:
        target[3] = high


def _empty_bytes(like: Array) -> Array:
    return np.empty_like(like, dtype=np.uint8)


def _places(frame: FrameInput, tensor: Array) -> list[Array]:
    """The views of a tensor, one for each frame of the window; of a batch the first place."""
    if frame.window:
        return list(tensor[0])
    return [tensor[0] if frame.batch else tensor]


def _fill_batch(frame: FrameInput, tensor: Array) -> None:
    """Write the picture in the first place of a batch into the other places."""
    if frame.batch > 1:
        tensor[1:] = tensor[:1]


def _ids(picture: Picture, kind: str) -> Array:
    (plane, *others) = picture.planes
    if others or plane.ndim != 2 or plane.dtype == np.float32:
        raise InputRefused(f"a picture in colour where {kind} numbers are needed; PNG files with one channel have them")
    return plane
