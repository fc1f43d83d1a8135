"""Encode generated pictures and sound as mp4: H.264 (libx264) 4:2:0 in limited range, and AAC."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from os import PathLike, fspath

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, Interpolation
from numpy.typing import NDArray

from rotoscope.base.errors import UsageError

U8 = NDArray[np.uint8]

BT709, SMPTE170M = 1, 6  # colour matrices (ITU-T H.273)
SAMPLES_PER_BLOCK = 1024  # block length of AAC


def encode_clip(
    path: str | PathLike[str],
    frames: Iterable[U8],
    *,
    rate: Fraction,
    sound: NDArray[np.int16] | None,
    sample_rate: int,
) -> None:
    """Write the clip; an existing file is replaced.

    frames       (H,W,3) uint8 RGB, full range, all of one size with even sides; frame t is shown at t / rate seconds
    rate         frames per second
    sound        (samples, 2) int16, starting with the first frame; None: a clip without sound
    sample_rate  of the sound, in Hz

    Colour is converted to and tagged as BT.709 if the picture has 720 lines or more, else BT.601 (SMPTE 170M); the transfer is
    tagged BT.709 in both cases. Chroma is sited left, H.264's default.
    Raises UsageError for no frame, odd sides, frames of two sizes, or sound of another shape or type.
    """
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise UsageError("a clip needs at least one frame, got none")
    height, width = first.shape[:2]
    if width % 2 or height % 2:
        raise UsageError(f"a 4:2:0 clip of {width}x{height} is not possible; width and height must be even")
    if sound is not None and (sound.ndim != 2 or sound.shape[1] != 2 or sound.dtype != np.int16):
        raise UsageError(f"sound of {sound.dtype} {sound.shape}; accepted: int16 (samples, 2)")
    with av.open(fspath(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        coder = video.codec_context
        coder.time_base = 1 / rate
        coder.colorspace, coder.color_primaries = (
            (BT709, ColorPrimaries.BT709) if height >= 720 else (SMPTE170M, ColorPrimaries.SMPTE170M)
        )
        coder.color_range, coder.color_trc = ColorRange.MPEG, ColorTrc.BT709
        audio = None if sound is None else container.add_stream("aac", rate=sample_rate, layout="stereo")

        def encode_picture(picture: U8, t: int) -> None:
            if picture.shape != (height, width, 3):
                raise UsageError(f"frame {t} has shape {picture.shape}; the first one has ({height}, {width}, 3)")
            frame = _subsampled(picture, coder.colorspace)
            frame.pts, frame.time_base = t, 1 / rate
            frame.colorspace, frame.color_primaries = coder.colorspace, coder.color_primaries
            frame.color_range, frame.color_trc = coder.color_range, coder.color_trc
            container.mux(video.encode(frame))

        def encode_sound(start: int) -> None:
            assert audio is not None and sound is not None
            block = np.ascontiguousarray(sound[start : start + SAMPLES_PER_BLOCK]).reshape(1, -1)
            samples = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
            samples.sample_rate, samples.pts, samples.time_base = sample_rate, start, Fraction(1, sample_rate)
            container.mux(audio.encode(samples))

        heard = 0  # samples encoded so far; sound is interleaved with the pictures, as players expect
        length = 0 if sound is None else len(sound)
        for t, picture in enumerate(chain([first], pictures)):
            encode_picture(picture, t)
            while heard < length and heard * rate < (t + 1) * sample_rate:
                encode_sound(heard)
                heard += SAMPLES_PER_BLOCK
        for start in range(heard, length, SAMPLES_PER_BLOCK):
            encode_sound(start)
        for stream in (video, audio):
            if stream is not None:
                container.mux(stream.encode(None))


def _subsampled(picture: U8, matrix: int) -> av.VideoFrame:
    """Convert (H,W,3) uint8 RGB to yuv420p in limited range, chroma sited left.

    FFmpeg converts RGB to 4:2:0 with chroma sited in the centre, so it converts only to 4:4:4 here; chroma is then averaged
    with weights (1,2,1) horizontally and (1,1) vertically.
    """
    full = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv444p",
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
    )
    planes = full.to_ndarray()
    chroma = planes[1:].astype(np.uint16)
    pairs = chroma[:, 0::2] + chroma[:, 1::2]
    even, right = pairs[:, :, 0::2], pairs[:, :, 1::2]
    left = np.concatenate([right[:, :, :1], right[:, :, :-1]], axis=2)
    small = ((left + 2 * even + right + 4) // 8).astype(np.uint8)
    stacked = np.concatenate([planes[0].reshape(-1), small.reshape(-1)])
    return av.VideoFrame.from_ndarray(stacked.reshape(-1, picture.shape[1]), format="yuv420p")
