"""Read the header of a container and its first frame: choose the stream, make its VideoInfo and notes for the user."""

import math
from collections.abc import Iterator
from fractions import Fraction

import av
import av.container
import av.video
from av.stream import Disposition

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Orientation, StreamInfo, VideoInfo
from rotoscope.runtime.media.decoded import depth_of, format_name, has_alpha, picture_of
from rotoscope.runtime.media.hdr import NOTES
from rotoscope.runtime.media.opacity import OVER_BLACK
from rotoscope.runtime.media.orientation import orientation_of
from rotoscope.runtime.media.planar_rgb import LINEAR, is_exact
from rotoscope.runtime.media.side_data import display_matrix, hdr_metadata

BELIEVABLE_RATE = 480  # frames per second; FLV and Matroska report their 1 ms clock as 1000

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # decoders, by FFmpeg's own

COVER = Disposition.attached_pic  # the picture of an album or a film, not a video


def choose_stream(container: av.container.InputContainer, path: str) -> tuple[av.video.stream.VideoStream, str]:
    """The video stream to read, and a note if there are several; raises InputRefused if there is none."""
    covers = [stream for stream in container.streams.video if stream.disposition & COVER]
    videos = [stream for stream in container.streams.video if stream.codec_context is not None and stream not in covers]
    if not videos:
        kinds = sorted({"cover picture" if other in covers else other.type for other in container.streams})
        raise InputRefused(f"{path}: no video stream (it holds {', '.join(kinds) or 'nothing'})")
    best = container.streams.best("video")
    stream = best if isinstance(best, av.video.stream.VideoStream) and best in videos else videos[0]
    return stream, f"{len(videos)} video streams; stream {stream.index} is used" if len(videos) > 1 else ""


def decoder_of(stream: av.video.stream.VideoStream, *, keep_alpha: bool) -> av.VideoCodecContext:
    """The decoder of a stream; for VP8 and VP9 with alpha that is kept, libvpx: FFmpeg's own gives colour only."""
    context = stream.codec_context
    if keep_alpha and _is_with_alpha(stream) and context.name in _WITH_ALPHA:
        found = av.CodecContext.create(_WITH_ALPHA[context.name], "r")
        assert isinstance(found, av.VideoCodecContext)
        return found
    return context


def _is_with_alpha(stream: av.video.stream.VideoStream) -> bool:
    """Whether a stream of Matroska says that alpha stands beside its packets; writers differ in the case of the tag."""
    return any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())


def is_jpeg(stream: av.video.stream.VideoStream) -> bool:
    """Whether the stream's pictures are JPEG, whose chroma lies in the middle of its luma pixels."""
    return stream.codec_context.name == "mjpeg"


def describe(
    path: str, container: av.container.InputContainer, stream: av.video.stream.VideoStream, first: av.VideoFrame
) -> tuple[VideoInfo, str]:
    """VideoInfo from the header and the first decoded frame, and a note if the display matrix is not a right angle."""
    orientation, odd_angle = orientation_of(display_matrix(first))
    width, height = first.width, first.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if orientation.transpose:
        width, height, aspect = height, width, 1 / aspect
    rate = stream.average_rate or stream.guessed_rate
    if rate is not None and not 0 < rate <= BELIEVABLE_RATE:
        rate = None
    time_base = stream.time_base or first.time_base
    assert time_base is not None
    duration = float(stream.duration * time_base) if stream.duration else None
    if duration is None and container.duration:
        duration = container.duration / av.time_base
    info = VideoInfo(
        path=path,
        container=container.format.name,
        codec=stream.codec_context.name,
        width=width,
        height=height,
        orientation=orientation,
        sample_aspect=aspect,
        pixel_format=format_name(first),
        depth=depth_of(format_name(first)),
        colour=picture_of(first, Orientation(), is_jpeg=is_jpeg(stream)).colour,
        time_base=time_base,
        average_rate=rate,
        start_pts=first.pts,
        duration_seconds=duration,
        num_frames_from_header=stream.frames or None,
        is_interlaced=bool(first.interlaced_frame),
        streams=tuple(_stream_info(other) for other in container.streams),
        metadata=dict(container.metadata),
        hdr_metadata=hdr_metadata(first),
    )
    return info, odd_angle


def stated_end(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> float | None:
    """Time at which the pictures end by the header, in seconds on the stream's clock; None if it does not say.

    Matroska's segment has one duration for all streams; FFmpeg and mkvmerge write one for each stream as a tag.
    """
    hours, *rest = stream.metadata.get("DURATION", "").split(":")
    try:
        minutes, seconds = rest
        stated = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        stated = (container.duration or 0) / av.time_base
    return stated if 0 < stated < math.inf else None


def notes_on(
    info: VideoInfo,
    stream: av.video.stream.VideoStream,
    first: av.VideoFrame,
    *,
    over_black: bool,
    hdr: str | None = None,
) -> Iterator[str]:
    """Sentences that say how a source that is interlaced, transparent or HDR is treated."""
    if int(first.color_trc) == LINEAR and is_exact(first.format.name):
        yield "linear light becomes sRGB for the network; values above 1 are clipped"
    if info.is_interlaced:
        yield "interlaced; frames are used as they are, combing and all"
    # A CMYK JPEG comes out of its decoder as RGB with an opaque fourth channel.
    if has_alpha(first.format.name):
        if over_black and info.codec != "mjpeg" and _is_transparent(info, first):
            yield OVER_BLACK
    elif _is_with_alpha(stream):
        yield "transparency is dropped: this decoder gives colour only (--alpha keep takes another)"
    if info.colour.is_hdr:
        yield NOTES[hdr]


def _is_transparent(info: VideoInfo, first: av.VideoFrame) -> bool:
    """Whether a source with alpha in its pixel format uses it: pictures and palettes often do not."""
    if not (first.format.has_palette or info.container.endswith("_pipe") or info.container == "gif"):
        return True
    picture = picture_of(first, Orientation(), is_jpeg=False, keep_alpha=True)
    return picture.alpha is not None and int(picture.alpha.min()) < (1 << picture.depth) - 1


def _stream_info(stream: av.stream.Stream) -> StreamInfo:
    context = stream.codec_context
    detail = ""
    if isinstance(context, av.VideoCodecContext):
        detail = f"{context.width}x{context.height} {context.pix_fmt or ''}".strip()
    elif isinstance(context, av.AudioCodecContext):
        detail = f"{context.sample_rate} Hz, {context.layout.nb_channels} channels"
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=context.name if context is not None else "",
        language=stream.metadata.get("language", ""),
        detail=detail,
    )
