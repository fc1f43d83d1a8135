"""Promise: every frame of a clip comes out once, at its own time: random containers, codecs, rates, B-frames, offsets, cuts."""

import os
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import independent
import numpy as np
import tiny_clips
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

import rotoscope
from rotoscope.runtime.media.encoder import ordinary_priority

IS_FULL = os.environ.get("ROTOSCOPE_PROMISES") == "full"
CLIPS = 500 if IS_FULL else 60
SIZE = (64, 48)
MS = Fraction(1, 1000)

H264 = {"preset": "ultrafast", "qp": "20"}
HEVC = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "b": "0", "crf": "40"}
AV1 = {"preset": "12", "crf": "50"}
CODECS = {
    "libx264": ("yuv420p", H264),
    "libx265": ("yuv420p", HEVC),
    "libvpx-vp9": ("yuv420p", VP9),
    "libsvtav1": ("yuv420p", AV1),
    "mpeg4": ("yuv420p", {}),
    "ffv1": ("yuv420p", {}),
    "mjpeg": ("yuvj420p", {}),
}  # fmt: skip
CONTAINERS = {
    ".mp4": ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4"),
    ".mov": ("libx264", "libx265", "mpeg4", "mjpeg"),
    ".mkv": tuple(CODECS),
    ".webm": ("libvpx-vp9", "libsvtav1"),
    ".avi": ("mpeg4", "ffv1", "mjpeg"),
    ".ts": ("libx264", "libx265"),
}
HERE = [name for name in CODECS if name in av.codec.codecs_available]
CLOCKS = {  # ticks that a container keeps
    ".mp4": [Fraction(1, 25), Fraction(1, 1000), Fraction(1, 30000), Fraction(1, 90000), Fraction(1, 12800)],
    ".mkv": [MS],
    ".webm": [MS],
    ".avi": [Fraction(1, 25)],
    ".ts": [Fraction(1, 90000)],
}
CLOCKS[".mov"] = CLOCKS[".mp4"]


@st.composite
def clips(draw):
    """What to write: container, codec, options, times in ticks, sound, the share of the file that is kept; and the result."""
    ending = draw(st.sampled_from(sorted(CONTAINERS)))
    codec = draw(st.sampled_from([name for name in CONTAINERS[ending] if name in HERE]))
    clock = draw(st.sampled_from(CLOCKS[ending]))
    num = draw(st.integers(1, 20))
    regular = ending == ".avi" or draw(st.booleans())
    shortest, longest = (
        -(-Fraction(1, 400) // clock),
        max(2, Fraction(2) // clock),
    )  # under 2 ms is no duration for some readers
    usual = 1 if ending == ".avi" else draw(st.integers(max(1, shortest), longest))
    steps = (
        [usual] * (num - 1)
        if regular
        else draw(st.lists(st.integers(max(1, shortest), longest), min_size=num - 1, max_size=num - 1))
    )
    begin = (
        0
        if ending == ".avi"
        else draw(st.sampled_from([0, 0, 1, 7, int(10 / clock), -3, -int(Fraction(1, 5) / clock)]))
    )
    if ending == ".ts":
        begin = abs(begin)
    options = {}
    if codec in ("libx264", "mpeg4") and ending != ".avi":
        options["bf"] = str(draw(st.integers(0, 3)))
    if codec not in ("ffv1", "mjpeg"):
        options["g"] = str(draw(st.sampled_from([1, 5, 12, 250])))
    return {
        "ending": ending, "codec": codec, "clock": clock, "times": np.cumsum([begin, *steps]).tolist(), "options": options,
        "sound": draw(st.booleans()) and ending not in (".webm", ".avi"),
        "kept": draw(st.sampled_from([1.0, 1.0, 1.0, 0.8, 0.5])) if ending in (".mkv", ".webm", ".ts", ".avi") else 1.0,
        "part_of_edit": ending in (".mp4", ".mov") and draw(st.booleans()),
        "result": draw(st.sampled_from([".mp4", ".mkv", ".mov"])),
    }  # fmt: skip


def write(folder, clip):
    pixel_format, options = CODECS[clip["codec"]]
    path = folder / f"clip{clip['ending']}"
    # An edit list either hides the frames before zero, or the times are moved so that all are shown.
    negative = "disabled" if clip["ending"] == ".mkv" or clip["part_of_edit"] else "make_non_negative"
    try:
        with ordinary_priority():  # SVT-AV1 raises that of the thread which opens it
            tiny_clips.write_clip(
                path, frames=len(clip["times"]), size=SIZE, codec=clip["codec"], pixel_format=pixel_format,
                times=clip["times"], time_base=clip["clock"], options={**options, **clip["options"]}, sound=clip["sound"],
                muxer_options={"avoid_negative_ts": negative}, muxer="mpegts" if clip["ending"] == ".ts" else None,
            )  # fmt: skip
    except (av.PatchWelcomeError, av.ArgumentError):
        assume(False)  # MPEG-4 and mov do not take every clock
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * clip["kept"])])
    return path


def shown(path):
    """Times of the frames that FFmpeg decodes without an error, in seconds; none if the file cannot be opened."""
    try:
        return independent.video_times(path)
    except (av.FFmpegError, IndexError, StopIteration, AttributeError):
        return []


@settings(
    max_examples=CLIPS, deadline=None, derandomize=not IS_FULL, database=None, print_blob=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(clips())
def test_every_frame_comes_out_once_at_its_time(identity, clip):
    folder = Path(tempfile.mkdtemp())
    try:
        check(folder, clip, identity)
    finally:
        shutil.rmtree(folder)


def check(folder, clip, model):
    source, target = write(folder, clip), folder / f"out{clip['result']}"
    expected = shown(source)
    note(f"the source shows {[str(time) for time in expected]}")
    if not expected:
        try:
            rotoscope.translate(source, target, model=model, steady="off", threads=1)
        except rotoscope.InputRefused:
            return
        raise AssertionError("a source without frames was not refused")
    if clip["kept"] == 1 and not clip["part_of_edit"]:
        assert len(expected) == len(clip["times"])
    run = rotoscope.translate(source, target, model=model, steady="off", threads=1)
    note(f"losses {run.losses}, notes {run.notes}")
    assert run.frames_out == len(expected)
    if clip["kept"] == 1:
        assert run.losses == {} and run.frames_in == run.frames_out
    found = independent.video_times(target)
    if None in expected:  # FFmpeg gives a single frame before zero no time
        return
    clock = MS if clip["result"] == ".mkv" else None
    assert any(found == moved(expected, offset, clock) for offset in offsets(source, expected)), found


def moved(times, offset, clock):
    """The times with an offset, rounded to a clock if there is one."""
    return [time + offset if clock is None else round((time + offset) / clock) * clock for time in times]


def offsets(path, times):
    """By how much the whole result may be moved, in seconds: so that nothing begins before zero."""
    with av.open(str(path)) as container:
        starts = [
            stream.start_time * stream.time_base for stream in container.streams.audio if stream.start_time is not None
        ]
    packets = [stream[0][0] for stream in independent.copied_packets(path) if stream]
    return {max(Fraction(0), -min([times[0], *found])) for found in (starts, packets)}
