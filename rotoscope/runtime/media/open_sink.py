"""Open the sink that a plan names: a video, y4m on standard output, pictures, or nothing."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from rotoscope.base.sink import Sink
from rotoscope.runtime.media.copied_streams import CopiedStreams
from rotoscope.runtime.media.encoder import Encoder, VideoFormat
from rotoscope.runtime.media.null import NullSink
from rotoscope.runtime.media.pages_sink import SEVERAL, PagesSink
from rotoscope.runtime.media.picture_sink import PictureSink
from rotoscope.runtime.media.sequence_files import PATTERN
from rotoscope.runtime.media.two_pass_sink import TwoPassSink
from rotoscope.runtime.media.video_sink import VideoSink

NULL = "null:"  # the target that keeps nothing


def open_sink(
    target: Path | None,
    encoding: tuple[VideoFormat, Encoder] | None,
    copied: CopiedStreams | None = None,
    *,
    offset: Fraction = Fraction(0),
    overwrite: bool = False,
    sources: Sequence[Path] = (),
    source: str = "",
    quality: str | None = None,
    is_picture: bool = False,
    one_channel: bool = False,
) -> Sink:
    """Open a sink.

    target            None is standard output; Path("null:") counts frames and keeps nothing
    encoding          picture format and encoder of a video; None writes pictures
    copied, offset    for videos, see VideoSink
    source            name of the source, for messages
    sources, quality  for pictures: the files that the frames come from, see PictureSink; a name of `encoder_settings`
    one_channel       for pictures: the channels of a frame hold the same numbers, which become one
    is_picture        the source is one picture; several frames become pages of a TIFF or an animated WebP
    """
    if target is not None and str(target) == NULL:
        return NullSink()
    if encoding is not None:
        if encoding[1].passes == 2 and target is not None:
            return TwoPassSink(target, *encoding, copied, offset=offset, overwrite=overwrite, source=source)
        return VideoSink(target, *encoding, copied, offset=offset, overwrite=overwrite, source=source)
    assert target is not None
    if holds_several(target) and not is_picture:
        return PagesSink(target, overwrite=overwrite, quality=quality)
    return PictureSink(target, overwrite=overwrite, sources=sources, quality=quality, one_channel=one_channel)


def holds_several(target: Path) -> bool:
    """Whether a target is one picture file that takes several frames: a TIFF or a WebP."""
    return target.suffix.lower() in SEVERAL and not PATTERN.search(target.name) and not target.is_dir()
