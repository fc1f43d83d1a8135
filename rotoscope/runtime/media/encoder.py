"""Choose a video encoder and its pixel format by opening it before any work starts; check every option by name."""

import difflib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.codec
from av.codec.codec import find_best_pix_fmt_of_list
from av.codec.context import CodecContext, OptionFlags

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Colour, HdrMetadata
from rotoscope.runtime.media import alpha_targets
from rotoscope.runtime.media.colour_tags import range_of, space_of
from rotoscope.runtime.media.encoder_settings import settings_of, with_hdr_metadata
from rotoscope.runtime.media.picture_codecs import WRITABLE as PICTURES

# Container by file name ending: FFmpeg's muxer and the encoder that nearly every player can decode.
CONTAINERS = {
    ".mp4": ("mp4", "libx264"),
    ".m4v": ("mp4", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
    ".gif": ("gif", "gif"),
    ".y4m": ("yuv4mpegpipe", "rawvideo"),
    ".mxf": ("mxf", "dnxhd"),
}
_MXF_CODECS = {"dnxhd", "prores_ks", "mpeg2video", "libx264", "h264_nvenc"}  # FFmpeg's MXF muxer has no list of its own

os.environ.setdefault("SVT_LOG", "1")  # errors only; SVT-AV1 greets on standard error otherwise

# Pixel formats that `finish` can write; FFmpeg's scaler converts to others from these.
WRITABLE = (
    "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "nv12", "gray", "rgb24", "gbrp", "bgr0",
)  # fmt: skip
RGB_FORMATS = ("rgb24", "gbrp", "bgr0")
TWO_PASSES = ("libx264", "libx265")  # FFmpeg's other encoders keep statistics in memory that PyAV does not reach
MUXER_OPTIONS = {"movflags"}  # accepted beside encoder options, for mp4 and mov


@dataclass(frozen=True, kw_only=True)
class VideoFormat:
    """Picture format, clock and colour of an output stream."""

    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None
    sample_aspect: Fraction
    colour: Colour
    chroma: str  # of the source: "420", "422", "444", "gray" or "rgb"
    depth: int
    hdr_metadata: HdrMetadata | None = None


_TRIAL = VideoFormat(
    width=256, height=256, time_base=Fraction(1, 25), rate=Fraction(25), sample_aspect=Fraction(1),
    colour=Colour(), chroma="420", depth=8,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """An encoder that has been opened once with exactly these settings."""

    codec: str
    pixel_format: str
    options: Mapping[str, str]
    muxer_options: Mapping[str, str]
    threads: int
    tag: str = ""
    passes: int = 1

    @property
    def colour_format(self) -> str:
        """The pixel format without its alpha."""
        return self.pixel_format.replace("yuva", "yuv")

    @property
    def depth(self) -> int:
        """Bits of a code value."""
        return 10 if "10" in self.pixel_format else 8


def choose_encoder(
    video: VideoFormat,
    *,
    suffix: str,
    codec: str | None,
    options: Mapping[str, str],
    threads: int,
    quality: str | None = None,
    tag: str | None = None,
    alpha: bool = False,
    passes: int = 1,
) -> Encoder:
    """Choose the encoder for a container and open it once; raises UsageError for an unknown codec, option, value or size.

    suffix   ending of the file, a key of CONTAINERS
    codec    name of an encoder; None is the container's default
    options  encoder options, with pix_fmt and movflags among them
    quality  a name of `encoder_settings`; None: good
    alpha    frames carry alpha, see `alpha_targets`
    tag      the codec's four letters in mp4 and mov; None: the container's own, hvc1 for H.265
    passes   1 or 2, see `two_pass_sink`
    """
    default_codec = alpha_targets.BY_ENDING[suffix] if alpha else CONTAINERS[suffix][1]
    name = encoder_named(codec or default_codec)
    _check_container(name, suffix)
    if suffix in (".mxf", ".y4m") and video.rate is not None:
        video = replace(video, time_base=1 / video.rate)  # these have no times, only a rate
    if passes == 2:
        _check_two_passes(name, options)
    opened = open_once(
        name, video, options=options, threads=threads, quality=quality, alpha=alpha, tag=_checked_tag(tag, name, suffix)
    )
    return replace(opened, passes=passes)


def encoder_named(text: str) -> str:
    """FFmpeg's name of a video encoder, the preferred one for the name of a codec; raises UsageError for an unknown name."""
    if text not in av.codec.codecs_available or not _is_video_encoder(text):
        near = difflib.get_close_matches(text, _video_encoders(), n=3)
        hint = f"; near: {', '.join(near)}" if near else "; rotoscope doctor lists those that open here"
        raise UsageError(f"--codec {text}: no such video encoder{hint}")
    return av.Codec(text, "w").name  # "h264" is the encoder that FFmpeg prefers for it


def open_once(
    name: str,
    video: VideoFormat,
    *,
    options: Mapping[str, str],
    threads: int,
    defaults: Mapping[str, str] | None = None,
    quality: str | None = None,
    alpha: bool = False,
    tag: str = "",
) -> Encoder:
    """Open an encoder with its settings and the options that were given; raises UsageError if it does not open.

    defaults  settings before the options; None: those of the quality. The others are as in `choose_encoder`
    """
    given = dict(options)
    wanted = given.pop("pix_fmt", None)
    muxer_options = {key: given.pop(key) for key in list(given) if key in MUXER_OPTIONS}
    _check_names(name, given)
    candidates = [wanted] if wanted else _pixel_formats(name, video)
    if alpha:
        candidates = [alpha_targets.ENCODERS[name][video.depth > 8]]
    if wanted and wanted not in WRITABLE:
        raise UsageError(f"-e pix_fmt={wanted}; accepted: {', '.join(WRITABLE)}")
    reason = ""
    for pixel_format in candidates:
        merged = {**(settings_of(name, quality, pixel_format) if defaults is None else defaults), **given}
        if {"qp", "b"} & set(given):  # another kind of rate control was asked for
            for control in {"crf", "cq"} - set(given):
                merged.pop(control, None)
        merged = with_hdr_metadata(name, merged, video.hdr_metadata)
        reason = _try_to_open(name, pixel_format, video, merged, threads)
        if not reason:
            return Encoder(
                codec=name, pixel_format=pixel_format, options=merged, muxer_options=muxer_options, threads=threads,
                tag=tag,
            )  # fmt: skip
    settings = " ".join(f"{key}={value}" for key, value in merged.items()) or "its defaults"
    picture = f"{video.width}x{video.height} {'/'.join(candidates)}"
    raise UsageError(f"{name} does not open for {picture} with {settings}: {reason}")


def configure(context: CodecContext, video: VideoFormat, encoder_pixel_format: str, threads: int) -> None:
    """Set size, times, colour tags and threads of a video encoder context."""
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = video.width, video.height
    context.pix_fmt = encoder_pixel_format
    context.time_base = video.time_base
    if video.rate is not None:
        context.framerate = video.rate
    context.sample_aspect_ratio = video.sample_aspect
    if encoder_pixel_format not in (*RGB_FORMATS, "pal8"):
        context.colorspace = space_of(video.colour)
        context.color_range = range_of(video.colour)
    context.color_primaries = video.colour.primaries
    context.color_trc = video.colour.transfer
    context.thread_count = threads


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Restore the scheduling of this thread when the block ends.

    SVT-AV1 gives the thread that opens it real-time priority if it may (as root, so in most containers). Such a thread lets
    no other run on its core, and every thread and process that it starts later inherits that.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def why_not_opened(name: str) -> str:
    """Open an encoder for a 256x256 8-bit picture; return why it does not open on this machine, or an empty string."""
    if name not in av.codec.codecs_available:
        return "not in this FFmpeg"
    if not av.Codec(name, "w").video_formats:
        return "takes no pixel format"
    pixel_format = _pixel_formats(name, _TRIAL)[0]
    return _try_to_open(name, pixel_format, _TRIAL, settings_of(name, None, pixel_format), 1)


def _pixel_formats(name: str, video: VideoFormat) -> list[str]:
    """Pixel formats to try in order: the source's chroma and depth, 4:2:0 of its depth, 8 bits, and 4:4:4 for odd sizes."""
    codec_formats = [pixel_format.name for pixel_format in av.Codec(name, "w").video_formats or []]
    if name == "gif":
        return ["rgb24"]
    if name == "rawvideo":
        codec_formats = ["yuv420p", "yuv422p", "yuv444p"]
    chroma = video.chroma
    if chroma == "rgb" and name == "ffv1":
        return ["bgr0"]
    if chroma in ("gray", "rgb"):
        chroma = "420"
    deep = [f"yuv{chroma}p10le", "yuv420p10le"] if video.depth > 8 else []
    wish = [*deep, f"yuv{chroma}p", "yuv420p", "yuv444p"]
    found = [pixel_format for pixel_format in dict.fromkeys(wish) if pixel_format in codec_formats]
    if not found:
        usable = [pixel_format for pixel_format in WRITABLE if pixel_format in codec_formats]
        best = find_best_pix_fmt_of_list(usable, wish[0])[0] if usable else None
        found = [best.name] if best is not None else ["yuv420p"]
    return found


def _try_to_open(name: str, pixel_format: str, video: VideoFormat, options: Mapping[str, str], threads: int) -> str:
    """Open the encoder once; return why it does not open, or an empty string."""
    if name in ("gif", "rawvideo"):
        return ""
    context = av.CodecContext.create(name, "w")
    try:
        configure(context, video, pixel_format, threads)
        context.options = dict(options)
        with ordinary_priority():
            context.open()
        if context.options:
            return f"{', '.join(context.options)} not understood"
    except (av.FFmpegError, ValueError, OSError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def _check_container(name: str, suffix: str) -> None:
    muxer, default_codec = CONTAINERS[suffix]
    if name == default_codec:
        return
    if name not in _codecs_of(muxer) or (muxer == "mov" and _why_no_header(name, muxer)):
        takers = [ending for ending, (other, _) in CONTAINERS.items() if other != muxer and name in _codecs_of(other)]
        hint = f"those that do: {', '.join(takers)}" if takers else f"it takes {default_codec}"
        raise UsageError(f"--codec {name}: {suffix} does not take it; {hint}")


def _check_two_passes(codec: str, options: Mapping[str, str]) -> None:
    """Raise UsageError if an encoder cannot work in two passes with these options."""
    if codec not in TWO_PASSES:
        raise UsageError(
            f"--passes 2 with {codec}: it has no file for the statistics of the first pass; accepted: {', '.join(TWO_PASSES)}"
        )
    if "b" not in options:
        raise UsageError("--passes 2 without a bit rate; accepted: a rate beside it, for example -e b=5M")
    pixel_format = options.get("pix_fmt", "yuv420p")
    if not pixel_format.startswith("yuv"):
        raise UsageError(f"--passes 2 with -e pix_fmt={pixel_format}; accepted: yuv420p and others that begin with yuv")


def _checked_tag(tag: str | None, codec: str, suffix: str) -> str:
    """The tag of the stream; raises UsageError for one that the container does not take for this codec."""
    muxer = CONTAINERS[suffix][0]
    if tag is None:
        # Apple's players refuse FFmpeg's default for H.265, hev1.
        return "hvc1" if muxer in ("mp4", "mov") and av.Codec(codec, "w").canonical_name == "hevc" else ""
    if muxer not in ("mp4", "mov"):
        raise UsageError(f"--tag {tag}: {suffix} has no such tags; accepted with .mp4 and .mov")
    if len(tag) != 4 or not tag.isascii() or not tag.isprintable():
        raise UsageError(f"--tag {tag}: accepted: four letters, such as hvc1 or hev1")
    if _why_no_header(codec, muxer, tag):
        raise UsageError(f"--tag {tag}: {suffix} does not take it for {codec}; for H.265: hvc1 or hev1")
    return tag


def _why_no_header(codec: str, muxer: str, tag: str = "") -> str:
    """Write the header of a small video in memory; return why a container refuses the codec or its tag, or an empty string."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial, ordinary_priority():
            pixel_format = _pixel_formats(codec, _TRIAL)[0]
            stream = trial.add_stream(codec, rate=25, options=settings_of(codec, None, pixel_format))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = _TRIAL.width, _TRIAL.height
            stream.pix_fmt = pixel_format
            if tag:
                stream.codec_context.codec_tag = tag
            trial.start_encoding()
    except (av.FFmpegError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def _codecs_of(muxer: str) -> set[str]:
    """Names of the codecs and encoders that a container takes."""
    if muxer == "mxf":
        return _MXF_CODECS
    with av.open(io.BytesIO(), "w", format=muxer) as trial:
        return set(trial.supported_codecs)


def _check_names(name: str, options: Mapping[str, str]) -> None:
    if not options:
        return
    supported = av.CodecContext.create(name, "w").supported_options
    wanted = OptionFlags.ENCODING_PARAM | OptionFlags.VIDEO_PARAM
    generic = {option.name for option in supported.generic if option.flags & wanted == wanted}
    names = generic | {option.name for option in supported.private}
    for key in options:
        if key not in names:
            near = difflib.get_close_matches(key, sorted(names), n=3)
            hint = (
                f"; near: {', '.join(near)}" if near else f"; {len(names)} options are known, for example crf or preset"
            )
            raise UsageError(f"-e {key}={options[key]}: {name} has no option {key}{hint}")


def _is_video_encoder(name: str) -> bool:
    try:
        return av.Codec(name, "w").type == "video"
    except ValueError:
        return False


def _video_encoders() -> list[str]:
    return sorted(name for name in av.codec.codecs_available if _is_video_encoder(name))


def output_suffix(path: Path) -> str:
    """The container ending of an output file; raises UsageError with the list of known ones."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        known = ", ".join([*CONTAINERS, *PICTURES])
        raise UsageError(f"{path}: unknown ending {suffix or '(none)'}; accepted: {known}, or a folder")
    return suffix


def parse_encoder_options(items: tuple[str, ...]) -> dict[str, str]:
    """Parse ("crf=20", ...) into {"crf": "20", ...}; raises UsageError for an item without "="."""
    options = {}
    for item in items:
        key, sign, value = item.partition("=")
        if not sign or not key:
            raise UsageError(f"-e {item}; accepted: key=value, for example -e crf=20")
        options[key] = value
    return options
