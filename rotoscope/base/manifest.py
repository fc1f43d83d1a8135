"""The description that makes a model file self-describing: one JSON entry, key `rotoscope`, in an ONNX file's metadata.

Unknown keys are refused, because a misspelt field would otherwise silently become a default.
"""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rotoscope.base.errors import ModelRefused
from rotoscope.base.text import printable, shortened

METADATA_KEY = "rotoscope"

MAX_SIDE = 16384  # pixels
MAX_OFFSET = 1000  # frames of a window before or after the one that is made
MAX_PLACES = 64  # frames of a window
MAX_LABELS = 1024
MAX_CALL_VALUES = 1 << 28  # in all inputs and states of one call at the smallest size; 1 GiB as float32
MAX_EXTRA_TENSORS = 256
MAX_BATCH = 64
LUMA = (0.299, 0.587, 0.114)  # weights of R, G, B in grey: ITU-R BT.601, as OpenCV, Pillow and JPEG take it
MAX_SETTING_VALUES = 4096

Text = Annotated[str, Field(max_length=300)]
Word = Annotated[str, Field(min_length=1, max_length=1000)]
"""Name of a tensor"""
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
Range = Annotated[tuple[Number, Number], Field(description="value of black and of white, two different finite numbers")]
Triple = tuple[Number, Number, Number]
Kind = Literal["translate", "stabilise", "interpolate", "flow", "encode", "predict"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Code = Annotated[int, Field(ge=0, le=255)]


class LabelMap(_Strict):
    """The frame input is a map of classes; the graph turns it into one channel of zeros and ones for each class.

    Without a palette the input is the stored class numbers, int32, one channel. With a palette it is colours, 0 to 255, and
    the graph chooses the class with the nearest colour.
    """

    num: int = Field(ge=1, le=MAX_LABELS)
    palette: tuple[tuple[Code, Code, Code], ...] = Field(default=(), max_length=MAX_LABELS)

    @model_validator(mode="after")
    def _check(self) -> "LabelMap":
        if self.palette and len(self.palette) != self.num:
            raise ValueError(f"{len(self.palette)} colours for {self.num} labels")
        return self


class Window(_Strict):
    """The frame input holds several frames, (N,K,C,H,W), oldest first.

    offsets  distances from the frame that is translated, increasing, one of them 0
    edge     replaces frames before the first and after the last one of a scene: "repeat" the first or last frame, or "mirror"
             (frame -2 is frame 2)
    """

    offsets: tuple[Annotated[int, Field(ge=-MAX_OFFSET, le=MAX_OFFSET)], ...] = Field(
        min_length=2, max_length=MAX_PLACES
    )
    edge: Literal["repeat", "mirror"] = "repeat"

    @model_validator(mode="after")
    def _check(self) -> "Window":
        if 0 not in self.offsets or list(self.offsets) != sorted(set(self.offsets)):
            raise ValueError("offsets go up and one of them is 0, the frame to make")
        return self

    @property
    def look_ahead(self) -> int:
        """Frames after the translated one that the network needs."""
        return max(self.offsets)

    @property
    def look_back(self) -> int:
        """Frames before the translated one that the network needs."""
        return -min(self.offsets)


class FrameInput(_Strict):
    """The picture input of the network.

    A value v in [0,1] becomes ((range[0] + v*(range[1]-range[0])) - mean[c]) / std[c], channels in `order`; for uint8 it is
    then rounded and clipped. A second picture (`second`) is coded in the same way.

    channels  3; 1 is grey, 0.299 R + 0.587 G + 0.114 B of the coded values; 4 is a colour and alpha, which is that of white
    batch     length of the batch axis, whose places all get the same picture; 0: the tensor has no batch axis
    """

    tensor: Word
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    order: Literal["RGB", "BGR"] = "RGB"
    dtype: Literal["float32", "float16", "uint8", "int32"] = "float32"
    range: Range = (0.0, 1.0)
    channels: Literal[1, 3, 4] = 3
    batch: int = Field(default=1, ge=0, le=MAX_BATCH)
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    multiple: int = Field(
        default=1, ge=1, le=1024, description="both sides are padded to a multiple of this and cropped after"
    )
    padding: Literal["reflect", "edge"] = "reflect"
    height: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="set: the only height that the graph takes")
    width: int | None = Field(default=None, ge=1, le=MAX_SIDE)
    minimum: int = Field(default=1, ge=1, le=MAX_SIDE, description="shortest side that works")
    labels: LabelMap | None = None
    window: Window | None = None

    @model_validator(mode="after")
    def _check(self) -> "FrameInput":
        if not abs(self.range[1] - self.range[0]) > 1e-6 or min(map(abs, self.std)) < 1e-6:
            raise ValueError("range must not be empty and std not zero")
        if (self.dtype == "int32") != self.is_ids:
            raise ValueError("int32 is the dtype of label maps without a palette, and of nothing else")
        if self.layout == "NHWC" and (self.window or self.is_ids):
            raise ValueError("windows and label maps are NCHW")
        if (self.channels != 3 or self.batch != 1) and (self.window or self.labels):
            raise ValueError("windows and label maps have 3 channels and a batch axis of 1")
        if self.labels is not None and self.padding != "edge":
            raise ValueError("a label map is padded by its edge: reflection and interpolation make no labels")
        return self

    @property
    def is_ids(self) -> bool:
        """The tensor holds class numbers instead of colours."""
        return self.labels is not None and not self.labels.palette

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """(width, height) if the graph takes only one size, else None."""
        return (self.width, self.height) if self.width is not None and self.height is not None else None

    def shape(self, height: int, width: int, *, channels: int | None = None) -> tuple[int, ...]:
        """Shape of the tensor for one frame of this size; with `channels`, shape of a companion tensor of so many channels."""
        count = channels if channels is not None else 1 if self.is_ids else self.channels
        batch = (self.batch,) if self.batch else ()
        if self.layout == "NHWC":
            return *batch, height, width, count
        return (*batch, *((len(self.window.offsets),) if self.window else ()), count, height, width)


class SecondInput(_Strict):
    """A second picture input.

    what  "next": the later of two frames, for flow and interpolation; "translated": another model's translation of the frame,
          which this model makes steadier; "drawing": a second drawing of the frame, with a window one of each of its frames
    """

    tensor: Word
    what: Literal["next", "translated", "drawing"]


class MaskInput(_Strict):
    """The hole to fill: (N,1,H,W), with a window (N,K,1,H,W), in the layout of the frame.

    hole, known  values in the hole and where the picture is known
    channels     that all hold the mask
    """

    tensor: Word
    channels: Literal[1, 3] = 1
    dtype: Literal["float32", "float16", "uint8", "bool"] = "float32"
    hole: Number = 1.0
    known: Number = 0.0


class InstanceInput(_Strict):
    """Object ids, int32, of the frame input's shape with one channel; the graph finds the edges between objects."""

    tensor: Word


class StyleInput(_Strict):
    """A style input that is not a picture, constant until the user changes it.

    what       "code": a code from the user or an encoder, else normal noise with standard deviation `deviation`; "weights": a
               weight for each style along the last axis that is longer than 1; "index": the number of a style, from 0
    """

    tensor: Word
    what: Literal["code", "weights", "index"] = "code"
    shape: tuple[Annotated[int, Field(ge=1, le=MAX_CALL_VALUES)], ...] = Field(max_length=8)
    dtype: Literal["float32", "float16", "int32", "int64"] = "float32"
    deviation: float = Field(default=1.0, ge=0, le=1e6)

    @model_validator(mode="after")
    def _check(self) -> "StyleInput":
        if (self.what == "index") != self.dtype.startswith("int"):
            raise ValueError("an index is int32 or int64, and nothing else is")
        if self.what == "index" and math.prod(self.shape) != 1:
            raise ValueError("an index has one element")
        return self

    @property
    def num_styles(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


class SettingInput(_Strict):
    """A further input of numbers that the user may set, constant until the user changes it; `values` are its default."""

    tensor: Word
    dtype: Literal["float32", "float16", "float64", "int32", "int64", "uint8", "bool"] = "float32"
    shape: tuple[Annotated[int, Field(ge=1, le=MAX_SETTING_VALUES)], ...] = Field(default=(), max_length=8)
    values: tuple[Number, ...] = Field(min_length=1, max_length=MAX_SETTING_VALUES)

    @model_validator(mode="after")
    def _check(self) -> "SettingInput":
        if math.prod(self.shape) != len(self.values):
            raise ValueError(f"{len(self.values)} values for the shape {list(self.shape)}")
        return self


class NumberInput(_Strict):
    """A float32 input of one element; `value` is its default.

    what  "time": of the frame to make, 0 at the first and 1 at the second picture; "keep": the share of the shared statistics
          that is kept from frame to frame; 1 freezes them
    """

    tensor: Word
    what: Literal["time", "keep"]
    shape: tuple[Literal[1], ...] = Field(default=(), max_length=8)
    value: Number


class FrameOutput(_Strict):
    """The output of the network.

    scale    side of the output divided by side of the input: 2 for a 2x upscaler
    channels 3; 1 is a grey picture; of 4 the last, alpha, is left out
    content  "picture" (C=3); "flow" (C=2): dx, dy in pixels of the input, from the frame to the second; "code": features or
             a style of any shape; "scores": a number for each label, the largest of which is that of the next label map
    """

    tensor: Word
    content: Literal["picture", "flow", "code", "scores"] = "picture"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    order: Literal["RGB", "BGR"] = "RGB"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    range: Range = (0.0, 1.0)
    channels: Literal[1, 3, 4] = 3
    keeps_colour: bool = Field(default=False, description="a grey picture is shown with the colour of the source")
    scale: int = Field(default=1, ge=1, le=16)


class FurtherOutput(_Strict):
    """An output beside the picture.

    what  "flow to frame", "flow to second": flow from the output picture to the frame or to the second picture, in pixels;
          "visibility": share of the frame in the output picture, 1 to 0, the rest coming from the second picture
    """

    tensor: Word
    what: Literal["flow to frame", "flow to second", "visibility"]


Side = Annotated[str, Field(max_length=8)]
"""N, H, W, H/4, W/4 ..."""


class StateTensor(_Strict):
    """A recurrent tensor: an output that is an input of the next call.

    shape    numbers, or N, H and W, also divided: ["N", 128, "H/4", "W/4"]
    initial  its value before the first call: "zeros", or the name of the frame input or of the second input. A network that
             needs another start makes it inside the graph, where it sees zeros.
    """

    input: Word
    output: Word
    dtype: Literal["float32", "float16"] = "float32"
    shape: tuple[Annotated[int, Field(ge=1, le=MAX_CALL_VALUES)] | Side, ...] = Field(max_length=8)
    initial: Word = "zeros"

    def resolve(self, height: int, width: int) -> tuple[int, ...]:
        """The shape for a network input of this size."""
        return tuple(_dimension(item, {"N": 1, "H": height, "W": width}) for item in self.shape)


class Composite(_Strict):
    """A picture that is composed outside the graph: drawn + carried * warp(previous, flow), `warp` as in `kernels.warp`.

    `previous` is the last three channels of the state tensor `state`, (N,C,H,W). Its next value is the same tensor without
    the first three channels, with the composed picture appended.
    """

    state: Word
    drawn: Word
    carried: Word
    flow: Word


class GoldenCheck(_Strict):
    """Sampled output values for one generated input, by which any engine can prove that it runs this network.

    The input comes from `runtime.models.golden.golden_inputs`; `values` are those of the first output, raw, at the flat
    positions `linspace(0, size-1, 64)` (rounded down).
    """

    seed: int = Field(ge=0, lt=1 << 63)
    height: int = Field(ge=1, le=MAX_SIDE)
    width: int = Field(ge=1, le=MAX_SIDE)
    values: tuple[float, ...] = Field(min_length=64, max_length=64)
    tolerance: float = Field(gt=0, allow_inf_nan=False)


class Manifest(_Strict):
    """Everything that is needed to run a network, and its origin.

    kind  "translate": a picture for each frame; "stabilise": a steadier picture from the frame and a translation of it;
          "interpolate": the picture between two frames; "flow": the motion from the frame to the second; "encode": the
          features or the style of a picture; "predict": the label map after those of its window
    """

    schema_version: Literal[1] = 1
    kind: Kind = "translate"
    name: str = Field(min_length=1, max_length=100)
    system: Text = ""
    direction: Text = ""
    licence: Text = ""
    source: Text = ""
    frame: FrameInput
    second: SecondInput | None = None
    mask: MaskInput | None = None
    instances: InstanceInput | None = None
    style: StyleInput | None = None
    example: FrameInput | None = Field(default=None, description="a picture whose style the result takes")
    settings: tuple[SettingInput, ...] = Field(default=(), max_length=MAX_EXTRA_TENSORS)
    number: NumberInput | None = None
    output: FrameOutput
    further: tuple[FurtherOutput, ...] = Field(default=(), max_length=MAX_EXTRA_TENSORS)
    state: tuple[StateTensor, ...] = Field(default=(), max_length=MAX_EXTRA_TENSORS)
    composite: tuple[Composite, ...] = Field(default=(), max_length=MAX_EXTRA_TENSORS)
    is_steady: bool = Field(default=False, description="steady without help: a run does not steady it unless asked to")
    normalisation: Literal["", "none", "instance", "group", "batch by frame", "batch running", "shared"] = ""
    golden: GoldenCheck | None = None
    checkpoint_sha256: Text = ""
    exported_by: Text = ""

    @model_validator(mode="after")
    def _check(self) -> "Manifest":
        second = {"stabilise": "translated", "interpolate": "next", "flow": "next"}.get(self.kind)
        given = self.second.what if self.second else None
        if given != second and (self.kind, given) != ("translate", "drawing"):
            raise ValueError(
                f"a model of kind {self.kind} has {f'a second picture, {second}' if second else 'no second picture'}"
            )
        content = {"flow": "flow", "encode": "code", "predict": "scores"}.get(self.kind, "picture")
        if self.output.content != content:
            raise ValueError(f"a model of kind {self.kind} gives a {content}, not a {self.output.content}")
        if self.kind == "predict" and (self.frame.labels is None or self.frame.window is None or self.state):
            raise ValueError("a model of kind predict takes a window of label maps and has no state")
        if self.example is not None and (self.example.window or self.example.labels):
            raise ValueError("an example is one picture in colour")
        if not self.name.isprintable() or "/" in self.name or "\\" in self.name or self.name.startswith("."):
            raise ValueError("name holds /, \\ or control characters, or begins with a full stop")
        black, white = self.output.range
        if not abs(white - black) > 1e-6:
            raise ValueError("output.range must not be empty")
        self._check_size()
        return self

    def _check_size(self) -> None:
        """Raise ValueError if the inputs and states of one call are too large at the smallest size of the network."""
        frame = self.frame
        side = -(-max(64, frame.minimum) // frame.multiple) * frame.multiple
        width, height = frame.width or side, frame.height or side
        sizes = [(height, width)] + ([(self.golden.height, self.golden.width)] if self.golden else [])
        for height, width in sizes:
            beside = self.second or self.mask or self.instances or self.example
            pictures = math.prod(frame.shape(height, width)) * (4 if beside else 1)
            try:
                states = [tensor.resolve(height, width) for tensor in self.state]
            except ModelRefused as error:
                raise ValueError(str(error)) from error
            others = sum(map(math.prod, (*states, *((self.style.shape,) if self.style else ()))))
            if pictures + others > MAX_CALL_VALUES:
                raise ValueError(
                    f"one call at {width}x{height} takes {pictures + others:,} values; at most {MAX_CALL_VALUES:,}"
                )
        for tensor in self.state:
            if tensor.initial == "zeros":
                continue
            if tensor.initial not in (frame.tensor, self.second.tensor if self.second else None):
                raise ValueError("the initial value of a state is zeros or the name of a picture input")
            if tensor.resolve(*sizes[0]) != frame.shape(*sizes[0]):
                raise ValueError("a state that begins as a picture input has the shape of that input")

    @classmethod
    def from_json(cls, text: str, *, where: str) -> "Manifest":
        """Parse and validate; raises ModelRefused naming the first wrong field."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = shortened(".".join(shortened(str(part), 40) for part in first["loc"]), 120) or "(top)"
            raise ModelRefused(
                f"{where}: its description is not valid: {field}: {shortened(first['msg'], 200)}"
            ) from error

    @property
    def shares_statistics(self) -> bool:
        """Its norms use statistics of several frames: they are its only state, and `number` says what share of them is kept."""
        return self.number is not None and self.number.what == "keep"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the graph's inputs without the state, in the order of a call."""
        further = (self.second, self.mask, self.instances, self.style, self.example, *self.settings, self.number)
        return self.frame.tensor, *(item.tensor for item in further if item is not None)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs without the state."""
        finished = () if self.composite else (self.output.tensor,)
        parts = (name for item in self.composite for name in (item.drawn, item.carried, item.flow))
        return *finished, *parts, *(item.tensor for item in self.further)

    @property
    def state_outputs(self) -> tuple[str, ...]:
        """Names of the state's outputs, without tensors that are composed outside the graph."""
        outside = {item.state for item in self.composite}
        return tuple(tensor.output for tensor in self.state if tensor.input not in outside)


def _dimension(item: int | str, values: dict[str, int]) -> int:
    """An integer, a letter, or a letter divided by an integer (rounded up)."""
    if isinstance(item, int):
        return item
    parts = re.fullmatch(r"([NHW])(?:/([1-9]\d*))?", item)
    if parts is None:
        raise ModelRefused(f"state shape {item!r}; accepted: a number, N, H, W, H/4, W/4 ...")
    return -(-values[parts.group(1)] // int(parts.group(2) or 1))


def name_from(path: Path) -> str:
    """Return the name of a model without one: that of its file, without characters that a name may not have."""
    return printable(path.stem).replace("\\", "?").lstrip(".")[:100] or "model"
