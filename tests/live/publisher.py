"""Publish numbered frames at their pace until killed: publisher.py URL FORMAT WIDTHxHEIGHT RATE GOP LATE_MS.

The pictures are those of `synthetic:`, so that `read_code` finds the number of a frame. Once a second the lower half flashes
white for one frame, and a click of 10 ms sounds LATE_MS after it. LATE_MS "none": without sound.
"""

import sys
import time
from fractions import Fraction

import av
import numpy as np

from rotoscope.runtime.media.synthetic import SyntheticSource

SOUND_RATE, BLOCK = 48_000, 1024


def main(url, form, size, rate, gop, late_ms):
    width, height = map(int, size.split("x"))
    rate = Fraction(rate)
    begin = time.monotonic()

    def wait_until(seconds):
        time.sleep(max(0, begin + seconds - time.monotonic()))

    container = av.open(url, "w", format=form, timeout=(10.0, 10.0))
    video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency"})
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.codec_context.gop_size = int(gop)
    video.codec_context.time_base = 1 / rate
    sound = None if late_ms == "none" else container.add_stream("aac", rate=SOUND_RATE, layout="mono")
    heard = 0
    for frame in SyntheticSource((width, height), rate, wait_until=wait_until):
        luma, cb, cr = (plane.copy() for plane in frame.source.planes)
        if frame.index % round(rate) == 0:
            luma[height // 2 :] = 235
        shown = av.VideoFrame.from_ndarray(
            np.concatenate([plane.reshape(-1) for plane in (luma, cb, cr)]).reshape(-1, width), format="yuv420p"
        )
        shown.pts, shown.time_base = frame.index, 1 / rate
        container.mux(video.encode(shown))
        while sound is not None and heard * rate < (frame.index + 1) * SOUND_RATE:
            block = av.AudioFrame.from_ndarray(clicks(heard, float(late_ms))[None], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = SOUND_RATE, heard, Fraction(1, SOUND_RATE)
            container.mux(sound.encode(block))
            heard += BLOCK


def clicks(start, late_ms):
    """A block of sound, float32: 10 ms of 1 kHz at each whole second, late by late_ms."""
    sample = np.arange(start, start + BLOCK) - round(late_ms * SOUND_RATE / 1000)
    within = sample % SOUND_RATE
    is_on = (within < SOUND_RATE // 100) & (sample >= 0)
    return np.where(is_on, 0.8 * np.sin(2 * np.pi * 1000 * within / SOUND_RATE), 0).astype(np.float32)


if __name__ == "__main__":
    main(*sys.argv[1:])
