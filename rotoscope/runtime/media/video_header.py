"""What a container and its first decoded frame say about the video: which stream is read, VideoInfo, notes for the user."""

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
from rotoscope.runtime.media.orientation import orientation_of
from rotoscope.runtime.media.planar_rgb import LINEAR, is_exact
from rotoscope.runtime.media.side_data import HDR_KINDS, display_matrix, has_side_data

BELIEVABLE_RATE = 480  # frames per second; FLV and Matroska report their 1 ms clock as 1000

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
    info: VideoInfo, stream: av.video.stream.VideoStream, first: av.VideoFrame, *, unconverted: bool
) -> Iterator[str]:
    """What is done with a source that is interlaced, transparent or HDR, in sentences."""
    if int(first.color_trc) == LINEAR and is_exact(first.format.name):
        yield "linear light becomes sRGB for the network; values above 1 are clipped"
    if info.is_interlaced:
        yield "interlaced; frames are used as they are, combing and all"
    # A CMYK JPEG comes out of its decoder as RGB with an opaque fourth channel.
    if has_alpha(first.format.name) and info.codec != "mjpeg" and not unconverted:
        yield "transparency is laid over black"
    elif stream.metadata.get("alpha_mode") == "1":
        yield "transparency is dropped (the decoder delivers colour only)"
    if info.colour.is_hdr:
        yield "HDR; code values are used as they are, without tone mapping"
        left_out = [name for kind, name in HDR_KINDS.items() if has_side_data(first, kind)]
        if left_out:
            yield f"HDR metadata left out: {', '.join(left_out)}"


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
