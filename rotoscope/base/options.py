"""Everything a translation can be told, written once: the Python API takes it as keywords, the command line as flags."""

import math
import numbers
import os
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from cyclopts import Parameter

from rotoscope.base.errors import UsageError


def parse_range(_type: Any, tokens: Any) -> tuple[float, float]:
    """Parse 0,255 on the command line into (0.0, 255.0)."""
    text = tokens[0].value
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"range {text!r}; accepted: two numbers such as 0,255 or -1,1") from None
    return low, high


def parse_style(_type: Any, tokens: Any) -> int | str:
    """Parse 7 on the command line into a seed; anything else, 1.5 too, is the name of a file."""
    text: str = tokens[0].value
    return int(text) if text.isdecimal() else text


def parse_explicit(_type: Any, tokens: Any) -> str:
    """What only the command line may say: a folder that comes with a rotoscope.toml must not name a program to run."""
    text: str = tokens[0].value
    if tokens[0].source != "cli":
        raise UsageError(
            f"{text} from {tokens[0].source}: a library is a program, accepted only as the flag --op-library"
        )
    return text


Range = Annotated[tuple[float, float] | None, Parameter(converter=parse_range, n_tokens=1, allow_leading_hyphen=True)]
Style = Annotated[int | str | None, Parameter(converter=parse_style, n_tokens=1, allow_leading_hyphen=True)]


def _choices(hint: Any) -> tuple[Any, ...]:
    """What a Literal, or a Literal or None, accepts; nothing for other types."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    parts = [part for part in get_args(hint) if get_origin(part) is Literal]
    return (*get_args(parts[0]), None) if parts else ()


SCALARS: dict[type, tuple[tuple[type, ...], str]] = {
    int: ((numbers.Integral,), "a whole number"),
    float: ((numbers.Real,), "a number"),
    str: ((str, os.PathLike), "text"),
}


def _scalar(hint: Any) -> tuple[tuple[type, ...], str] | None:
    """Types, and the word for them, of a hint that is a number or text, or one of these or None; None for other hints."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    return SCALARS.get(kinds[0]) if len(kinds) == 1 else None


@dataclass(frozen=True, kw_only=True)
class TranslateOptions:
    """How to translate; every field is a keyword of `rotoscope.translate` and a flag of `rotoscope translate`."""

    engine: Literal["onnxruntime", "openvino", "tensorrt", "torch"] = "onnxruntime"
    """What runs the network; torch runs checkpoints as they are, the others ONNX."""

    precision: Literal["fp32", "fp16", "bf16"] | None = None
    """Arithmetic of the engine, never changed silently; by default the file's own, with openvino fp32."""

    device: str = "cpu"
    """Where the engine runs: cpu or cuda; with onnxruntime also tensorrt, its TensorRT provider."""

    compiled: bool = False
    """Of the torch engine: through torch.compile, which takes minutes once for every size."""

    threads: int | None = None
    """Cores that engine, kernels and codecs share; by default all."""

    in_flight: int | None = None
    """Frames translated at the same time (models without state only); by default one for each core, at most 8."""

    start: float | None = None
    """Seconds from the first frame at which to begin; the result then starts at 0."""

    duration: float | None = None
    """Seconds to translate."""

    rate: float = 25.0
    """Frames per second of an image sequence, which carries no times."""

    steady: Literal["off", "blend", "hypercon"] | None = None
    """What keeps the result from flickering; by default blend, for models with state or a window of frames off."""

    strength: float = 0.75
    """How much steadiness blend, and hypercon with --pool weighted, may buy with closeness to the frame-wise result, 0 to 1."""

    flow: str = "dis"
    """What finds the motion: dis, or onnx:FILE for a flow network."""

    norm: Literal["shared"] | None = None
    """shared: instance norm takes the statistics of the clip, measured before, in place of each frame's own; live they follow
    slowly. By default for models exported so."""

    keyframes: int = 1
    """Translate every n-th frame at least and carry it along the motion in between."""

    interpolator: str = "flow"
    """hypercon: what makes the frames between two: flow, which moves both, or onnx:FILE for an interpolation network."""

    insert: int = 3
    """hypercon: frames put between two, each translated too."""

    window: int = 2
    """hypercon: neighbours that are pooled on either side."""

    dilation: int = 2
    """hypercon: steps between these neighbours, inserted frames counted."""

    pool: Literal["mean", "median", "weighted"] = "mean"
    """hypercon: how they are pooled; mean for styles, median for filled holes, weighted by nearness, trust and --strength."""

    mask: str | None = None
    """For models that fill holes: a video, folder or picture of the source's size, white in the hole."""

    instances: str | None = None
    """For models on label maps with instances: a folder or video of maps, one number for each object."""

    style: Style = None
    """For models with a style: the seed that it is drawn with, by default 0, or a .npy file such as rotoscope encode writes."""

    working_size: str | None = None
    """What the network sees, "640x360", or "360p" for the shorter side; by default the source's size."""

    output_size: str | None = None
    """Size of the result, "1280x720" or "720p"; by default the source's, times the scale of an upscaling network."""

    fit: Literal["pad", "crop", "stretch"] = "pad"
    """How a picture gets into a network of fixed size: all of it with borders, its middle, or squeezed."""

    mix: float = 0.0
    """Share of the source kept in the result, 0 to 1."""

    compare: bool = False
    """Write source and result side by side."""

    codec: str | None = None
    """Video encoder, for example libx265, prores_ks or ffv1; by default libx264, for webm libvpx-vp9."""

    encoder_options: Annotated[tuple[str, ...], Parameter(name="-e", show_default=False)] = ()
    """key=value for the encoder, for example -e crf=23 (repeat it); also pix_fmt, and movflags for mp4."""

    overwrite: bool = False
    """Replace a result that exists."""

    hints: Annotated[tuple[str, ...], Parameter(name="--hint", show_default=False)] = ()
    """KEY=VALUE that an ambiguous checkpoint needs, for example direction=BtoA (repeat it)."""

    input_range: Range = None
    """Override for a foreign model: what it is fed for black and white, for example 0,255."""

    output_range: Range = None
    """Override: what comes out for black and white."""

    channel_order: Literal["rgb", "bgr"] | None = None
    """Override: order of the channels, in and out."""

    layout: Literal["nchw", "nhwc"] | None = None
    """Override: where the channels stand, in and out."""

    multiple: int | None = None
    """Override: the sides of the input are padded to a multiple of this."""

    op_library: Annotated[str | None, Parameter(converter=parse_explicit, n_tokens=1)] = None
    """Shared library with the custom operators of an ONNX file, for onnxruntime: a program that runs with your rights."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            accepted = [choice for choice in _choices(hint) if choice is not None]
            if accepted and getattr(self, name) not in _choices(hint):
                raise UsageError(f"{name}={getattr(self, name)!r}; accepted: {', '.join(map(str, accepted))}")
            kind = _scalar(hint)
            if kind is not None and getattr(self, name) is not None and not isinstance(getattr(self, name), kind[0]):
                raise UsageError(f"{name}={getattr(self, name)!r}; accepted: {kind[1]}")
        if not 0 <= self.mix <= 1:
            raise UsageError(f"mix={self.mix}; accepted: 0 (none of the source) to 1 (only the source)")
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength={self.strength}; accepted: 0 (as off) to 1 (as steady as can be)")
        is_seed = isinstance(self.style, int) and self.style >= 0
        if self.style is not None and not is_seed and not str(self.style).lower().endswith(".npy"):
            raise UsageError(f"style={self.style}; accepted: a whole number from 0 on, a seed, or a .npy file")
        for name, least in (("keyframes", 1), ("insert", 0), ("window", 1), ("dilation", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"{name}={getattr(self, name)}; at least {least}")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads={self.threads}; at least 1")
        if not 0.001 <= self.rate <= 1000:
            raise UsageError(f"rate={self.rate}; accepted: 0.001 to 1000 frames per second")
        for name, seconds in (("start", self.start), ("duration", self.duration)):
            if seconds is not None and not math.isfinite(seconds):
                raise UsageError(f"{name}={seconds}; accepted: seconds from the first frame")

    def model_overrides(self) -> dict[str, object]:
        """The overrides as items of the manifest."""
        items: dict[str, object] = {}
        if self.input_range is not None:
            items["frame.range"] = self.input_range
        if self.output_range is not None:
            items["output.range"] = self.output_range
        if self.channel_order is not None:
            items["frame.order"] = items["output.order"] = self.channel_order.upper()
        if self.layout is not None:
            items["frame.layout"] = items["output.layout"] = self.layout.upper()
        if self.multiple is not None:
            items["frame.multiple"] = self.multiple
        return items


@dataclass(frozen=True)
class Flicker:
    """What steadying did, on every twelfth pair of frames.

    frame_by_frame, shown  mean squared difference of neighbouring frames along the motion, where it is trusted, over the
                           three channels, pictures in [0,1]: E_warp (Lai et al., ECCV 2018) but for the masks
    sharpness              gradient energy of what is shown over that of frame by frame
    """

    frame_by_frame: float
    shown: float
    sharpness: float


@dataclass(frozen=True)
class Run:
    """What ran and how it went."""

    source: str
    target: str
    models: tuple[str, ...]
    model_sha256: tuple[str, ...]
    engine: str
    steady: str
    flicker: Flicker | None
    encoder: str
    frames_in: int
    frames_out: int
    seconds: float
    first_frame_seconds: float
    width: int
    height: int
    losses: dict[str, int] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    peak_memory_mb: float | None = None

    @property
    def fps(self) -> float:
        """Frames per second of the whole run, everything included."""
        return self.frames_out / self.seconds if self.seconds else 0.0
