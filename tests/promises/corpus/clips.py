"""Sound clips of 8 frames in several containers, as bytes; every frame is a key frame, so that a cut loses whole frames."""

import functools
import tempfile
from pathlib import Path

import tiny_clips

NUM_FRAMES = 8
# name: (ending, codec, pixel format, muxer, options of the muxer, options of the encoder)
X264 = {"qp": "10", "preset": "ultrafast", "g": "1", "x264-params": "threads=1"}
KINDS = {
    "mp4": ("mp4", "libx264", "yuv420p", "mp4", {"movflags": "faststart"}, X264),
    "mp4-index-last": ("mp4", "libx264", "yuv420p", "mp4", {}, X264),
    "mp4-fragments": ("mp4", "libx264", "yuv420p", "mp4", {"movflags": "frag_keyframe+empty_moov"}, X264),
    "mov": ("mov", "mjpeg", "yuvj420p", "mov", {"movflags": "faststart"}, {}),
    "mkv": ("mkv", "ffv1", "yuv420p", "matroska", {}, {"g": "1"}),
    "webm": ("webm", "libvpx", "yuv420p", "webm", {}, {"g": "1", "deadline": "realtime", "cpu-used": "8"}),
    "avi": ("avi", "mpeg4", "yuv420p", "avi", {}, {"g": "1"}),
    "ts": ("ts", "mpeg2video", "yuv420p", "mpegts", {}, {"g": "1"}),
    "mpg": ("mpg", "mpeg1video", "yuv420p", "mpeg", {}, {"g": "1"}),
    "mxf": ("mxf", "mpeg2video", "yuv420p", "mxf", {}, {"g": "1"}),
    "asf": ("asf", "wmv2", "yuv420p", "asf", {}, {"g": "1"}),
    "flv": ("flv", "flv", "yuv420p", "flv", {}, {"g": "1"}),
    "y4m": ("y4m", "wrapped_avframe", "yuv420p", "yuv4mpegpipe", {}, {}),
    "gif": ("gif", "gif", "rgb8", "gif", {}, {}),
    "nut": ("nut", "ffv1", "yuv420p", "nut", {}, {"g": "1"}),
    "h264": ("h264", "libx264", "yuv420p", "h264", {}, X264),
}
PROMISING = ("mp4", "mov", "mkv", "webm", "mxf")  # their headers say how many frames or how much time there is


@functools.cache
def clip(kind: str, *, frames: int = NUM_FRAMES, size: tuple[int, int] = (64, 48)) -> bytes:
    """The bytes of a clip of this kind."""
    ending, codec, pixel_format, muxer, muxer_options, options = KINDS[kind]
    return encoded(
        ending, codec, pixel_format, frames=frames, size=size, muxer=muxer, muxer_options=muxer_options, options=options
    )


def encoded(ending: str, codec: str, pixel_format: str, **how: object) -> bytes:
    """The bytes of a clip by `tiny_clips.write_clip`, whose keywords `how` takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{ending}"
        tiny_clips.write_clip(path, codec=codec, pixel_format=pixel_format, **how)
        return path.read_bytes()


@functools.cache
def sound_only(ending: str) -> bytes:
    """A tone of 0.3 s without a picture."""
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tone.{ending}"
        with av.open(str(path), "w") as container:
            codec = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac"}.get(ending, "aac")
            stream = container.add_stream(codec, rate=16000, layout="mono")
            tiny_clips.write_tone(container, stream, seconds=0.3)
        return path.read_bytes()
