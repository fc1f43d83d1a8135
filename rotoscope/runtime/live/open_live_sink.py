"""Open the output of a live run that a word names: a stream, a file, a virtual camera, or nothing."""

import re
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from rotoscope.base.errors import UsageError
from rotoscope.base.files import check_target
from rotoscope.base.live import LiveFormat, LiveSink
from rotoscope.base.shown_address import shown_address
from rotoscope.runtime.live.sinks.camera_sink import CameraSink
from rotoscope.runtime.live.sinks.file_sink import FileSink
from rotoscope.runtime.live.sinks.null_sink import LiveNullSink
from rotoscope.runtime.live.sinks.picture_format import video_format
from rotoscope.runtime.live.sinks.sender_protocol import Setup
from rotoscope.runtime.live.sinks.stream_formats import (
    KEY_FRAME_SECONDS,
    SCHEMES,
    most_bits,
    stream_encoder,
    stream_format,
)
from rotoscope.runtime.live.sinks.stream_sink import StreamSink
from rotoscope.runtime.media.encoder import CONTAINERS, choose_encoder, encoder_named, parse_encoder_options
from rotoscope.runtime.media.open_sink import NULL

CAMERA = re.compile(r"/dev/video\d+")
FILE_TIME_BASE = Fraction(1, 90_000)  # seconds per tick, of containers without a clock of their own


def check_live_sink(
    text: str, *, overwrite: bool = False, codec: str | None = None, encoder_options: Sequence[str] = ()
) -> None:
    """Raise UsageError for an output that cannot be written, as far as its name, the options and the disk tell."""
    parse_encoder_options(tuple(encoder_options))
    if codec is not None:
        encoder_named(codec)
    if text == NULL:
        return
    if "://" in text:
        if sys.platform == "win32":
            raise UsageError(f"{shown_address(text)}: streams are sent on Linux and macOS; MediaMTX can send a file on")
        stream_format(text)
    elif CAMERA.fullmatch(text):
        if not Path(text).exists():
            raise UsageError(f"{text}: no such device; modprobe v4l2loopback makes virtual cameras")
    else:
        _check_file(text, overwrite=overwrite)


def open_live_sink(
    text: str,
    live: LiveFormat,
    *,
    overwrite: bool = False,
    codec: str | None = None,
    encoder_options: Sequence[str] = (),
    threads: int = 1,
) -> LiveSink:
    """Open an output of a live run; raises UsageError for a word, encoder or option that cannot be used.

    codec, encoder_options   as for files: the name of an encoder, and "key=value" words for it
    threads                  of the encoder
    """
    check_live_sink(text, overwrite=overwrite, codec=codec, encoder_options=encoder_options)
    options = parse_encoder_options(tuple(encoder_options))
    if text == NULL:
        return LiveNullSink()
    if CAMERA.fullmatch(text):
        return CameraSink(Path(text), live)
    if "://" not in text:
        path, video = Path(text), video_format(live, FILE_TIME_BASE)
        encoder = choose_encoder(video, suffix=path.suffix.lower(), codec=codec, options=options, threads=threads)
        return FileSink(path, video, encoder, has_sound=live.has_sound, overwrite=overwrite)
    form = stream_format(text)
    encoder = stream_encoder(form, live, codec=codec, options=options, threads=threads)
    colour = video_format(live, form.time_base).colour
    return StreamSink(
        shown_address(text),
        Setup(
            address=text if "?" in text else text + form.suffix,
            muxer=form.muxer,
            muxer_options=dict(form.options),
            codec=encoder.codec,
            pixel_format=encoder.pixel_format,
            options=dict(encoder.options),
            threads=threads,
            width=live.width,
            height=live.height,
            rate=str(live.rate),
            time_base=str(form.time_base),
            colour=(colour.matrix, colour.full_range, colour.primaries, colour.transfer),
            has_sound=live.has_sound,
            bit_rate=most_bits(live),
            key_frame_seconds=KEY_FRAME_SECONDS,
        ),
    )


def _check_file(text: str, *, overwrite: bool) -> None:
    path = Path(text)
    if not text or path.suffix.lower() not in CONTAINERS:
        schemes = " ".join(f"{name}://…" for name in SCHEMES)
        raise UsageError(
            f"output {text!r}; accepted: {schemes} page: null: /dev/videoN, or a file ending in {' '.join(CONTAINERS)}"
        )
    check_target(path, source=None, overwrite=overwrite)
