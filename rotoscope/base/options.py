"""Options of a translation, as four frozen values: source, model, steadiness, output.

Each value checks itself when it is made. The command line flattens them into flags; Python functions take the same names as
typed keywords (`base.option_keywords`), which `options_from` turns into values. A default is written once, here.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, TypeVar

from rotoscope.base.errors import UsageError
from rotoscope.base.limits import Within
from rotoscope.base.option_checks import Range, check_fields, check_known
from rotoscope.base.shown_address import address_in

EngineName = Literal["onnxruntime", "openvino", "tensorrt", "torch"]
Precision = Literal["fp32", "tf32", "fp16", "bf16"]
Decode = Literal["auto", "cpu", "cuda"]
Fit = Literal["pad", "crop", "stretch"]
Policy = Literal["newest", "every"]
SteadyMethod = Literal["off", "blend", "ramp", "hypercon"]
Pool = Literal["mean", "median", "weighted"]
Quality = Literal["preview", "good", "delivery", "lossless"]
Hdr = Literal["tonemap", "keep"]
Alpha = Literal["black", "keep"]
AudioMode = Literal["copy", "auto", "none"]

MOST_SECONDS = 1e9  # 31 years; in nanoseconds it still fits into 64 bits
MOST_REACH = 64  # source frames on either side that hypercon may keep
SMALLEST_RANGE = 1e-6  # between the numbers that stand for black and white
THREADS, IN_FLIGHT = Within(1, 1024), Within(1, 256)

OVERRIDES = ("input_range", "output_range", "channel_order", "layout", "multiple")  # of a model without a description


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The part of a source that is read, and its masks and instance maps."""

    start: Annotated[float | None, Within(0, MOST_SECONDS, "seconds from the first frame")] = None
    """Seconds from the first frame at which to begin, on the command line also hh:mm:ss; the result then starts at 0."""

    duration: Annotated[float | None, Within(1e-6, MOST_SECONDS, "seconds")] = None
    """Seconds to translate, on the command line also hh:mm:ss."""

    rate: Annotated[float, Within(0.001, 1000, "frames per second")] = 25.0
    """Frames per second of an image sequence, which has no times of its own; 29.97 means 30000/1001."""

    mask: str | None = None
    """For models that fill holes: a video, folder or picture of the source's size, white in the hole."""

    instances: str | None = None
    """For models on label maps with instances: a folder or video of maps, one number for each object."""

    drawings: str | None = None
    """For models on two drawings of each frame (6 channels): a folder or video of the second ones."""

    ahead: Annotated[int, Within(0, 100_000, "frames")] = 0
    """For predictors of label maps: frames to predict after the end of the source; the result holds the source and these."""

    deinterlace: bool = False
    """Make one whole frame of each interlaced one (bwdif), on the CPU."""

    decode: Decode = "auto"
    """Where video is decoded: auto takes the GPU if the pictures of the run stay on it; cuda refuses what it cannot decode."""

    def __post_init__(self) -> None:
        check_fields(self, SourceOptions)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Opening and running one model. A loaded model carries its own value."""

    engine: EngineName = "onnxruntime"
    """Engine that runs the network: torch runs checkpoints directly, the others run ONNX."""

    precision: Precision | None = None
    """Arithmetic of the engine, never changed silently; by default the file's own, with openvino fp32. tf32 rounds the inputs
    of fp32 products to 10 bits of mantissa on a GPU; fp32 never does."""

    device: str = "cpu"
    """Device of the engine: cpu or cuda; with onnxruntime also tensorrt, its TensorRT provider."""

    compiled: bool = False
    """Of the torch engine: through torch.compile, which takes minutes once for every size."""

    style: Annotated[Any, Within(0, 2**63 - 1)] = None
    """For models with a style: the number of a style, a blend such as 3:0.5,12:0.5, a picture (as --like), a seed, or a .npy
    file such as rotoscope encode writes; in Python also a picture or a code as an array."""

    like: str | None = None
    """For models that take any style: a picture whose style the result takes, or a blend such as a.jpg:0.7,b.jpg:0.3."""

    keep_colour: bool = False
    """Give the result the colours of the source: only the brightness is the network's."""

    settings: tuple[str, ...] = ()
    """NAME=VALUE for a further input of the network, for example strength=0.5 (repeat it); rotoscope info names them."""

    working_size: str | None = None
    """Size that the network sees, "640x360", or "360p" for the shorter side; by default the source's size; in a live run also
    auto: the largest at which the machine keeps up."""

    fit: Fit = "pad"
    """Fitting a picture into a network of fixed size: pad adds borders, crop takes the middle, stretch distorts it."""

    tile: str | None = None
    """Side of the tiles in which the network gets a large picture, for example 1024, so that its memory does not grow; the
    result is the same, and norms cost a pass each. 1024:128 is for networks that this refuses: tiles, blended over 128 px."""

    norm: Literal["shared"] | None = None
    """shared: instance norm uses the statistics of the whole clip, measured before, in place of each frame's own; in a live
    stream they follow slowly. The default for models that were exported so."""

    hints: tuple[str, ...] = ()
    """KEY=VALUE that an ambiguous checkpoint needs, for example direction=BtoA or part=G_A (repeat it)."""

    input_range: Range | None = None
    """Override for a model without a description: its input values for black and white, for example 0,255."""

    output_range: Range | None = None
    """Override: the output values for black and white."""

    channel_order: Literal["rgb", "bgr"] | None = None
    """Override: order of the channels, in and out."""

    layout: Literal["nchw", "nhwc"] | None = None
    """Override: where the channels stand, in and out."""

    multiple: Annotated[int | None, Within(1, 1024)] = None
    """Override: the sides of the input are padded to a multiple of this."""

    op_library: str | None = None
    """Shared library with the custom operators of an ONNX file, for onnxruntime: a program that runs with your rights."""

    def __post_init__(self) -> None:
        _check_style(self.style, self.like)
        check_fields(self, ModelOptions)
        for name in ("input_range", "output_range"):
            given = getattr(self, name)
            if given is not None and abs(given[1] - given[0]) < SMALLEST_RANGE:
                raise UsageError(f"{name}={given}; accepted: two different numbers, such as (0, 255)")

    def overrides(self) -> dict[str, object]:
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


@dataclass(frozen=True, kw_only=True)
class SteadyOptions:
    """Reduction of flicker."""

    steady: SteadyMethod | None = None
    """The method. Default: blend; off for models with state or a window of frames and, except in live, for steady ones."""

    strength: Annotated[float, Within(0, 1, accepted="0 (as off) to 1 (steadiest)")] = 0.75
    """0 to 1: how far blend, ramp, and hypercon with --pool weighted may move from the frame-wise result to be steadier."""

    flow: str = "dis"
    """Estimator of the motion: dis (OpenCV), inverse-search (less error, 6 times the time of dis on a CPU), or onnx:FILE."""

    keyframes: Annotated[int, Within(1, 1000)] = 1
    """Translate at least one frame in n, and move its result along the motion for the frames in between."""

    late: Annotated[int, Within(0, 3)] = 1
    """ramp: later frames that it uses; frames leave so many late. 1 gives most of the gain, 3 the most at high strengths."""

    interpolator: str = "flow"
    """hypercon: how inserted frames are made: flow (moves both neighbours) or onnx:FILE (an interpolation network)."""

    insert: Annotated[int, Within(0, 63)] = 3
    """hypercon: frames inserted between two, each translated too."""

    window: Annotated[int, Within(1, 64)] = 2
    """hypercon: neighbours that are pooled on either side."""

    dilation: Annotated[int, Within(1, 64)] = 2
    """hypercon: steps between these neighbours, inserted frames counted."""

    pool: Pool = "mean"
    """hypercon: how neighbours are pooled: mean for styles, median for filled holes, weighted by distance and trust."""

    def __post_init__(self) -> None:
        check_fields(self, SteadyOptions)
        reach = -(-self.window * self.dilation // (self.insert + 1))
        if reach > MOST_REACH:
            raise UsageError(
                f"window={self.window} with dilation={self.dilation} and insert={self.insert} reaches {reach} frames to either "
                f"side; accepted: at most {MOST_REACH}"
            )


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Appearance and encoding of the result."""

    output_size: str | None = None
    """Size of the result, "1280x720" or "720p"; by default the source's, times the scale of an upscaling network."""

    mix: Annotated[float, Within(0, 1, accepted="0 (none of the source) to 1 (only the source)")] = 0.0
    """Share of the source in the result, 0 to 1."""

    compare: bool = False
    """Write source and result side by side."""

    codec: str | None = None
    """Video encoder, for example libx265, prores_ks or ffv1; by default libx264, for webm libvpx-vp9."""

    encoder_options: tuple[str, ...] = ()
    """key=value for the encoder, for example -e crf=23 (repeat it); also pix_fmt, and movflags for mp4."""

    quality: Quality | None = None
    """Settings of the encoder by name: preview is small and quick, good the default, delivery slower and better, lossless keeps
    every code value. -e overrides single ones."""

    passes: Annotated[int, Within(1, 2)] = 1
    """Passes of the encoder: 2 encodes twice, to hit a bit rate given by -e b=5M more closely; libx264 and libx265. The network
    runs once; its frames are kept beside the result without loss until the second pass."""

    tag: str | None = None
    """Four letters of the codec in mp4 and mov, for example hev1; by default hvc1 for H.265, which Apple's players need."""

    hdr: Hdr | None = None
    """PQ and HLG: tonemap shows them to the network as SDR and writes SDR; keep shows them so too, and the result gets its
    light back as HDR. By default the network gets the code values as they are."""

    alpha: Alpha = "black"
    """Transparency of the source: black lays it over black; keep shows the network the colours alone and gives the result the
    source's alpha, in ProRes 4444, FFV1, VP9, PNG, WebP, TIFF and EXR."""

    audio: AudioMode = "copy"
    """Sound of the source: copy keeps it if the container takes it; auto recodes it otherwise, as AAC, Opus or FLAC; none drops
    it."""

    overwrite: bool = False
    """Replace a result that exists."""

    def __post_init__(self) -> None:
        check_fields(self, OutputOptions)


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """How a live run keeps up, ends and is shown."""

    policy: Policy = "newest"
    """When the machine is too slow: newest drops older frames, so that the delay cannot grow; every makes the source wait."""

    duration: Annotated[float | None, Within(0.001, MOST_SECONDS, "seconds")] = None
    """Seconds after which the run ends, on the command line also hh:mm:ss; by default when it is stopped."""

    give_up_after: Annotated[float | None, Within(0, MOST_SECONDS, "seconds")] = None
    """Seconds without a connection to the source after which the run ends with an error; by default it tries again for ever."""

    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP sends: udp does not wait for lost packets."""

    most_carried: Annotated[int, Within(1, 64, "frames")] = 4
    """When the machine is too slow, translate at least one frame in n and move its result along the motion for the others,
    before frames are dropped; 1 never does. Only with blend or ramp."""

    host: str = "127.0.0.1"
    """Address on which the page is served; any other than this machine's own needs --token."""

    port: Annotated[int, Within(0, 65535)] = 8000
    """Port of the page; 0 takes a free one."""

    token: str | None = None
    """Secret that a browser must know to see the page: http://HOST:PORT/?token=SECRET."""

    tls_cert: str | None = None
    """Certificate of the page and those above it (PEM): the page is served by https, so that phones give it their camera."""

    tls_key: str | None = None
    """Private key of --tls-cert (PEM, without a password)."""

    tls_ca: str | None = None
    """Certificates (PEM) by which the server of a source (rtsps, rtmps, https) is checked, for example a camera's own, in place
    of those of the system; none: it is not checked."""

    def __post_init__(self) -> None:
        check_fields(self, LiveOptions)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key: one without the other; accepted: both or none")


Options = TypeVar("Options", SourceOptions, ModelOptions, SteadyOptions, OutputOptions, LiveOptions)


def _check_style(style: Any, like: str | None) -> None:
    """Raise UsageError for a style of no known form."""
    if address := address_in(style) or address_in(like):
        raise UsageError(f"style {address}: an address; accepted: a file on this machine")
    if style is not None and like is not None:
        raise UsageError("style and like together; accepted: one of them")
    if style is None or hasattr(style, "__array__") or hasattr(style, "__dlpack__"):
        return
    is_seed = isinstance(style, int) and not isinstance(style, bool) and style >= 0
    is_file = isinstance(style, str | os.PathLike) and re.search(r"\.[A-Za-z]\w*$", str(style)) is not None
    part = r"\s*\d+(:[\d.eE+-]+)?\s*"
    is_blend = isinstance(style, str) and re.search("[:,]", style) and re.fullmatch(f"{part}(,{part})*", style)
    if not is_seed and not is_file and not is_blend:
        raise UsageError(
            f"style={style}; accepted: a whole number from 0 on, a blend such as 3:0.5,12:0.5, a picture, or a .npy file"
        )


def options_from(kind: type[Options], given: Mapping[str, object]) -> Options:
    """The value of this kind made of the keywords that belong to it; the others are left alone."""
    names = {field.name for field in fields(kind)}
    own: dict[str, Any] = {name: value for name, value in given.items() if name in names}
    return kind(**own)


TRANSLATE_VALUES = (SourceOptions, ModelOptions, SteadyOptions, OutputOptions)
"""The values that together are the options of a translation."""


def check_options(given: Mapping[str, object]) -> None:
    """Raise UsageError for an option of `translate` that does not exist, or for a value that it does not accept."""
    check_known(given, *TRANSLATE_VALUES)
    options_from(SourceOptions, given)
    options_from(ModelOptions, given)
    options_from(SteadyOptions, given)
    options_from(OutputOptions, given)
