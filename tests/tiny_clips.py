"""Small clips with known pictures and times."""

from fractions import Fraction

import av
import numpy as np


def pattern(index, width=64, height=48):
    """Return (H,W,3) uint8: a smooth gradient, a bright corner at the top left; the blue value encodes the frame's index."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack(
        [40 + 150 * x / width, 60 + 120 * y / height, np.full((height, width), 30 + index * 5 % 200)], axis=2
    )
    picture[: height // 4, : width // 4] = (220, 210, 60)
    return picture.astype(np.uint8)


def write_clip(
    path,
    *,
    frames=8,
    size=(64, 48),
    codec="libx264",
    pixel_format="yuv420p",
    time_base=Fraction(1, 25),
    times=None,
    sound=False,
    options=None,
    make=pattern,
    muxer=None,
    muxer_options=None,
    prepare=lambda container, stream: None,
):
    """Write `frames` pictures of `make(index, width, height)` at `times` (ticks of time_base), lossless by default."""
    # `prepare(container, stream)` may set what a test needs before the header is written.
    if options is None:
        options = {"qp": "0", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w", format=muxer, container_options=muxer_options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = time_base
        stream.time_base = time_base
        stream.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        prepare(container, stream)
        for index in range(frames):
            picture = make(index, *size)
            if isinstance(picture, np.ndarray):
                picture = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if picture.format.name != pixel_format:
                picture = picture.reformat(format=pixel_format, threads=1)
            picture.pts, picture.time_base = (index if times is None else times[index]), time_base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if audio is not None:
            write_tone(container, audio, seconds=frames / 25)
    return path


def write_tone(container, stream, seconds):
    for start in range(0, int(seconds * 16000), 1024):
        wave = np.sin(np.arange(start, start + 1024) / 16000 * 2 * np.pi * 440) * 0.3
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def planes_frame(planes, pixel_format):
    """Make an av.VideoFrame from one array per plane."""
    height, width = planes[0].shape[:2]
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, target in zip(planes, frame.planes, strict=True):
        rows = plane.reshape(plane.shape[0], -1)
        row = target.line_size // plane.itemsize
        np.frombuffer(memoryview(target), plane.dtype).reshape(-1, row)[: rows.shape[0], : rows.shape[1]] = rows
    return frame
