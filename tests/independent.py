"""Read files without Rotoscope: PyAV for packets and planes, NumPy for colour and orientation."""

import math
from fractions import Fraction

import av
import numpy as np

LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


def video_frames(path):
    """Yield the decoded AVFrames of the best video stream; packets that cannot be decoded are skipped, as in a player."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                yield from stream.codec_context.decode(packet)
            except av.FFmpegError:
                continue


def video_times(path):
    """Return presentation times in seconds, exact; None for a frame without a time."""
    return [None if frame.pts is None else frame.pts * frame.time_base for frame in video_frames(path)]


def copied_packets(path, kind="audio"):
    """Return for each stream of this kind [(time in seconds, bytes), ...]."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        found = {stream.index: [] for stream in streams}
        if streams:
            for packet in container.demux(*streams):
                if packet.size:
                    stamp = packet.pts if packet.pts is not None else packet.dts
                    found[packet.stream.index].append((stamp * packet.time_base, bytes(packet)))
    return list(found.values())


def sizes(path):
    """(width, height, sample aspect, (matrix, range, primaries, transfer)) of the best video stream's first frame."""
    frame = next(video_frames(path))
    with av.open(str(path)) as container:
        aspect = container.streams.best("video").sample_aspect_ratio or Fraction(1)
    tags = (int(frame.colorspace), int(frame.color_range), int(frame.color_primaries), int(frame.color_trc))
    return frame.width, frame.height, aspect, tags


def rgb(frame, *, upright=True):
    """Return (H,W,3) float64 RGB in 0..255. Without tags: limited range, matrix 709 from 720 lines up, else 601."""
    name = frame.format.name
    if frame.format.is_rgb or frame.format.has_palette:
        picture = _over_black(frame)
    else:
        picture = _rgb_from_ycc(frame, centred=name.startswith("yuvj") and frame.pict_type == 1 and _is_jpeg(frame))
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not upright:
        assert matrix is None, "the result still carries a display matrix"
    return picture if matrix is None else oriented(picture, bytes(matrix))


def oriented(picture, matrix):
    """Apply a display matrix: stored pixel (x, y) is shown at (a*x + c*y, b*x + d*y)."""
    values = np.frombuffer(matrix[:36], "<i4")
    a, b, c, d = (int(np.sign(values[i])) * (abs(values[i]) > 32768) for i in (0, 1, 3, 4))
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    shown_x, shown_y = a * x + c * y, b * x + d * y
    shown_x -= shown_x.min()
    shown_y -= shown_y.min()
    result = np.empty((shown_y.max() + 1, shown_x.max() + 1, 3))
    result[shown_y, shown_x] = picture
    return result


def psnr(a, b):
    """Return the PSNR of 8-bit pictures in decibels, 99 if they are equal."""
    assert a.shape == b.shape, f"{a.shape} is not {b.shape}"
    error = float(((a - b) ** 2).mean())
    return 99.0 if error == 0 else min(99.0, 10 * math.log10(255**2 / error))


def plane(frame, index):
    """One plane as float64."""
    source = frame.planes[index]
    dtype = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    data = np.frombuffer(memoryview(source), dtype).reshape(source.height, -1)
    return data[:, : source.width].astype(np.float64)


def _is_jpeg(frame):
    return frame.color_range == 2 and frame.time_base == Fraction(1, 25) and frame.key_frame and frame.pts == 0


def _rgb_from_ycc(frame, *, centred):
    y, u, v = (plane(frame, index) for index in range(3))
    height, width = y.shape
    bits = frame.format.components[0].bits
    u, v = (_wider(_wider(c, width, 0.5 if centred else 0.0, 1), height, 0.5, 0) for c in (u, v))
    kr, kb = LUMA.get(int(frame.colorspace), LUMA[1] if height >= 720 else LUMA[5])
    step = 2 ** (bits - 8)
    if int(frame.color_range) == 2 or frame.format.name.startswith("yuvj"):
        y, u, v = y / (2**bits - 1), (u - 128 * step) / (2**bits - 1), (v - 128 * step) / (2**bits - 1)
    else:
        y, u, v = (y - 16 * step) / (219 * step), (u - 128 * step) / (224 * step), (v - 128 * step) / (224 * step)
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], axis=2), 0, 1) * 255


def _wider(plane, size, first, axis):
    """Linear interpolation of chroma to every luma position, if it is subsampled along this axis."""
    if plane.shape[axis] == size:
        return plane
    position = np.clip((np.arange(size) - first) / 2, 0, plane.shape[axis] - 1)
    low = position.astype(int)
    weight = (position - low).reshape((-1, 1) if axis == 0 else (1, -1))
    return plane.take(low, axis) * (1 - weight) + plane.take(np.minimum(low + 1, plane.shape[axis] - 1), axis) * weight


def _over_black(frame):
    if frame.format.has_palette or any(component.is_alpha for component in frame.format.components):
        rgba = frame.to_ndarray(format="rgba").astype(np.float64)
        return np.round(rgba[..., :3] * rgba[..., 3:] / 255)
    return frame.to_ndarray(format="rgb24").astype(np.float64)
