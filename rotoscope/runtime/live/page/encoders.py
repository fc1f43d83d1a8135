"""How the page's pictures are encoded: JPEG, one picture at a time, or H.264 for browsers that decode it themselves."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av
import cv2

from rotoscope.base.errors import OutputFailed

JPEG_QUALITY = 85
# Nearly transparent at the sizes of a page; limited, because a noisy picture would fill a slow network.
H264 = {
    "preset": "superfast",
    "tune": "zerolatency",
    "profile": "baseline",
    "crf": "22",
    "maxrate": "12M",
    "bufsize": "6M",
}
SPS = 7  # type of the NAL unit that names profile and level


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture.

    is_key   can be decoded without the packets before it
    codec    "jpeg", or the codec string of RFC 6381, which WebCodecs wants; changes only at a key packet
    seconds  time of the frame
    """

    data: bytes
    is_key: bool
    codec: str
    index: int
    seconds: float


class PageEncoder(Protocol):
    """Encodes frames in order."""

    def encode(self, shown: av.VideoFrame, index: int, seconds: float, *, key: bool) -> Packet:
        """Encode one picture; `key`: so that a new viewer can begin with it."""
        ...


class JpegEncoder:
    """Encodes each picture by itself."""

    def encode(self, shown: av.VideoFrame, index: int, seconds: float, *, key: bool) -> Packet:  # noqa: ARG002  every JPEG is a key
        """Encode one picture; always a key picture."""
        bgr = shown.reformat(format="bgr24", threads=1).to_ndarray()
        done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            raise OutputFailed(f"page: a picture of {shown.width}x{shown.height} cannot be encoded as JPEG")
        return Packet(encoded.tobytes(), True, "jpeg", index, seconds)


class H264Encoder:
    """Encodes without delay; a picture of another size begins a new stream."""

    def __init__(self) -> None:
        self._context: av.VideoCodecContext | None = None
        self._codec = ""
        self._num_encoded = 0

    def encode(self, shown: av.VideoFrame, index: int, seconds: float, *, key: bool) -> Packet:
        """Encode one picture, as a key picture if asked for or if it begins a stream."""
        context = self._context
        if context is None or (context.width, context.height) != (shown.width, shown.height):
            context = self._context = _opened(shown)
            key = True
        shown.pts = self._num_encoded
        shown.pict_type = av.video.frame.PictureType.I if key else av.video.frame.PictureType.NONE
        self._num_encoded += 1
        packets = context.encode(shown)
        data = b"".join(bytes(packet) for packet in packets)
        is_key = any(packet.is_keyframe for packet in packets)
        if is_key:
            self._codec = codec_string(data)
        return Packet(data, is_key, self._codec, index, seconds)


def _opened(shown: av.VideoFrame) -> av.VideoCodecContext:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = shown.width, shown.height, "yuv420p"
    context.colorspace, context.color_range = shown.colorspace, shown.color_range
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)  # for the rate control alone
    context.gop_size = 600  # viewers that need a key picture ask for one
    context.thread_count = 1  # the run needs the other cores
    context.options = {**H264, "forced-idr": "1"}
    try:
        context.open()
    except av.FFmpegError as error:
        raise OutputFailed(f"page: libx264 does not open for {shown.width}x{shown.height}: {error}") from None
    return context


def codec_string(data: bytes) -> str:
    """The codec of an H.264 stream in Annex B form with a sequence parameter set, as RFC 6381 writes it: "avc1.42c01e"."""
    position = data.find(b"\0\0\1")
    while position >= 0:
        unit = data[position + 3 : position + 7]
        if unit[0] & 31 == SPS:
            return f"avc1.{unit[1:4].hex()}"
        position = data.find(b"\0\0\1", position + 3)
    raise ValueError("no sequence parameter set")
