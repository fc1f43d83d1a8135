"""Sources that lack a part: every frame that is missing is counted, and nothing is counted in whole files."""

import os
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.runtime.media.missing_bytes import bytes_missing
from rotoscope.runtime.media.silent_packets import MOST_DELAYED, SilentPackets

AT_END, IN_MIDDLE, UNDECODED = (
    "frames missing at the end",
    "frames missing in the middle",
    "packets that could not be decoded",
)
FRAMES = 150
CODECS = {
    ".mkv": ("libx264", {"qp": "20", "g": "10", "preset": "ultrafast"}),
    ".webm": ("libvpx", {"g": "10", "deadline": "realtime", "cpu-used": "8"}),
    ".flv": ("libx264", {"qp": "20", "g": "10", "preset": "ultrafast"}),
    ".avi": ("mjpeg", {}),
    ".ivf": ("libvpx", {"g": "10", "deadline": "realtime", "cpu-used": "8"}),
    ".mxf": ("mpeg2video", {"qscale": "3"}),
    ".wmv": ("wmv2", {}),
}  # fmt: skip


STREAMS = {
    ".ts": ("libx264", {"qp": "20", "preset": "ultrafast"}),
    ".mpg": ("mpeg2video", {}),
    ".m2ts": ("libx264", {}),
}
CUT_OFF = "packets cut off by the end of the file"


def noise(index, width, height):
    return np.random.default_rng(index).integers(0, 255, (height, width, 3), dtype=np.uint8)


def clip(path, **kwargs):
    codec, options = CODECS[path.suffix]
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return tiny_clips.write_clip(
        path, frames=FRAMES, codec=codec, options=options, pixel_format=pixel_format, make=noise, **kwargs
    )


def counted(path):
    """(frames delivered, losses)."""
    with rotoscope.read(path) as source:
        return sum(1 for _ in source), dict(source.losses)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("ending", CODECS)
@pytest.mark.parametrize("sound", [False, True])
def test_a_whole_file_lacks_nothing(ending, sound, tmp_path):
    if sound and ending in (".webm", ".ivf", ".mxf", ".wmv"):
        pytest.skip("takes no AAC")
    assert counted(clip(tmp_path / f"clip{ending}", sound=sound)) == (FRAMES, {})


@pytest.mark.parametrize("ending", CODECS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_frames_missing_at_the_end_are_counted(ending, share, tmp_path):
    num, losses = counted(cut(clip(tmp_path / f"clip{ending}"), share))
    assert 0 < num < FRAMES
    # The last packet may be there in part: it is delivered damaged, or counted as one that could not be decoded.
    assert num + losses[AT_END] + losses.get(UNDECODED, 0) == pytest.approx(FRAMES, abs=2)


@pytest.mark.parametrize("ending", STREAMS)
def test_a_stream_that_does_not_say_how_long_it_is_ends_with_a_whole_packet(ending, tmp_path):
    """Where the cut is no border of packets, it is a loss: a damaged frame, or packets of sound that are not whole."""
    codec, options = STREAMS[ending]
    path = tiny_clips.write_clip(
        tmp_path / f"clip{ending}", frames=40, codec=codec, options=options, make=noise, sound=ending != ".mpg"
    )
    num, losses = counted(path)
    assert (num, losses) == (40, {})
    data = path.read_bytes()
    for missing in (1, 100, len(data) // 3 + 1, len(data) // 2 + 1):
        path.write_bytes(data[:-missing])
        num, losses = counted(path)
        assert CUT_OFF in losses or "damaged frames" in losses, missing


def test_a_transport_stream_that_ends_within_sound_is_cut(tmp_path):
    """A cut between two packets of 188 bytes shows in the length that a unit of sound states."""
    path = tiny_clips.write_clip(tmp_path / "clip.ts", frames=40, make=noise, sound=True, options={"qp": "30"})
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    sound = [number for number, packet in enumerate(packets) if int.from_bytes(packet[1:3], "big") & 0x1FFF == 0x101]
    starts = [number for number in sound if packets[number][1] & 0x40]
    assert len(starts) < len(sound), "each unit of sound fits into one packet"
    longer = [start for start in starts if start + 1 in sound and start + 1 not in starts]
    path.write_bytes(b"".join(packets[: longer[-1] + 1]))
    assert counted(path)[1].keys() >= {CUT_OFF}


def test_half_of_a_transport_stream_ends_with_exit_code_5(tmp_path, identity, rotoscope_main):
    path = tiny_clips.write_clip(tmp_path / "clip.ts", frames=40, make=noise, sound=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 1])
    code, _, err = rotoscope_main("translate", path, tmp_path / "out.mkv", "-m", identity, "--steady", "off")
    assert code == 5 and "lost: " in err


def test_a_packet_that_the_end_of_an_mp4_cuts_off_is_counted(tmp_path):
    """So little of it is left that the decoder gives no picture, and no error."""
    path = tiny_clips.write_clip(
        tmp_path / "clip.mp4", frames=8, make=noise, options={"bf": "0"}, muxer_options={"movflags": "faststart"}
    )
    with av.open(str(path)) as container:
        last = max(packet.pos for packet in container.demux(video=0) if packet.size)
    path.write_bytes(path.read_bytes()[: last + 4])
    assert counted(path) == (7, {AT_END: 1})


@pytest.mark.parametrize("ending", [".mkv", ".webm", ".avi"])
def test_a_hole_in_the_middle_is_counted(ending, tmp_path):
    path = clip(tmp_path / f"clip{ending}")
    data = bytearray(path.read_bytes())
    begin, end = len(data) // 3, 2 * len(data) // 3
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    num, losses = counted(path)
    missing = losses.get(IN_MIDDLE, 0) + losses.get(AT_END, 0) + losses.get(UNDECODED, 0)
    assert num < FRAMES
    assert num + missing == pytest.approx(FRAMES, abs=2)


def test_a_file_that_is_cut_while_it_is_read(tmp_path):
    path = clip(tmp_path / "clip.mkv")
    with rotoscope.read(path) as source:
        frames = iter(source)
        num = sum(1 for _ in zip(range(5), frames, strict=False))
        os.truncate(path, path.stat().st_size // 2)
        num += sum(1 for _ in frames)
        assert 5 < num < FRAMES
        assert num + sum(source.losses.values()) == pytest.approx(FRAMES, abs=2)


def test_a_file_that_is_overwritten_while_it_is_read(tmp_path):
    path = clip(tmp_path / "clip.mkv")
    size = path.stat().st_size
    with rotoscope.read(path) as source:
        frames = iter(source)
        num = sum(1 for _ in zip(range(5), frames, strict=False))
        with path.open("r+b") as file:
            file.seek(size // 2)
            file.write(bytes(size - size // 2))
        num += sum(1 for _ in frames)
        assert 5 < num < FRAMES
        assert num + sum(source.losses[loss] for loss in (AT_END, IN_MIDDLE, UNDECODED)) == pytest.approx(FRAMES, abs=2)


def test_a_file_that_is_replaced_while_it_is_read_stays_the_one_that_was_opened(tmp_path):
    path = clip(tmp_path / "clip.mkv")
    with rotoscope.read(path) as source:
        frames = iter(source)
        next(frames)
        (tmp_path / "other").write_bytes(b"another file")
        (tmp_path / "other").replace(path)
        assert sum(1 for _ in frames) == FRAMES - 1
        assert source.losses == {}


def test_a_file_that_grows_or_is_touched_while_it_is_read_lacks_nothing(tmp_path):
    path = clip(tmp_path / "clip.mkv")
    with rotoscope.read(path) as source:
        frames = iter(source)
        next(frames)
        with path.open("ab") as file:
            file.write(bytes(1000))
        assert sum(1 for _ in frames) == FRAMES - 1
        assert source.losses == {}


def test_matroska_of_unknown_length_tells_nothing(tmp_path):
    """As written to a pipe: the sizes are unknown, the duration is not there."""
    whole = clip(tmp_path / "clip.mkv")
    live = tmp_path / "live.mkv"
    with av.open(str(whole)) as source, av.open(str(live), "w", container_options={"live": "1"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert not bytes_missing(live, "matroska,webm")
    assert counted(live) == (FRAMES, {})
    num, losses = counted(cut(live, 0.5))
    assert num < FRAMES and AT_END not in losses


@pytest.mark.parametrize("container", ["matroska,webm", "avi", "flv", "asf", "mxf", "mpeg", "mpegts"])
@pytest.mark.parametrize("content", [
    b"", b"\x1a", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x00", b"\x1a\x45\xdf\xa3" + b"\x01" + b"\xff" * 7,
    b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67", b"RIFF", b"RIFF\xff\xff\xff\xffAVI ", b"FLV\x00\x08filesize\x00",
    b"FLV\x00\x08filesize\x00" + b"\xff" * 8, b"\xff" * 100, bytes(100),
    bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365"), bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365") + b"\xff" * 100,
    bytes.fromhex("060E2B34020501010D010201"), bytes.fromhex("060E2B34020501010D010201") + b"\xff" * 100,
    b"\0\0\1\xba", b"\0\0\1\xba" + b"\xff" * 30, b"\0\0\1\xba" + bytes(8) + b"\0\0\1\xe0", b"\0\0\1\xba" + b"\0\0\1\xe0" * 30,
    (b"\x47\x40\x00\x30\xff" + bytes(183)) * 4, (b"\x47\x40\x00\x10\0\0\1\xe0\xff\xff" + bytes(178)) * 4,
])  # fmt: skip
def test_any_bytes_are_judged_without_an_error(content, container, tmp_path):
    path = tmp_path / "any"
    path.write_bytes(content)
    assert bytes_missing(path, container) in (True, False)


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_frames_that_an_edit_list_hides_are_not_missing(ending, tmp_path):
    path = tiny_clips.write_clip(
        tmp_path / f"clip{ending}", times=[n - 3 for n in range(8)], options={"g": "1", "preset": "ultrafast"},
        muxer_options={"avoid_negative_ts": "disabled"},
    )  # fmt: skip
    num, losses = counted(path)
    assert num in (5, 8) and losses == {}


def y4m(path):
    return tiny_clips.write_clip(path, codec="rawvideo", muxer="yuv4mpegpipe", frames=6, options={})


@pytest.mark.parametrize(("left_out", "frames", "losses"), [
    (0, 6, {}), (1, 5, {AT_END: 1}), (4000, 5, {AT_END: 1}), (4613, 5, {AT_END: 1}), (4614, 5, {}), (4615, 4, {AT_END: 1}),
])  # fmt: skip
@pytest.mark.parametrize("is_pipe", [False, True])
def test_y4m_that_ends_within_a_frame(left_out, frames, losses, is_pipe, tmp_path):
    data = y4m(tmp_path / "a.y4m").read_bytes()  # a frame has 64 * 48 * 1.5 bytes after FRAME and a line end
    data = data[: len(data) - left_out]
    if not is_pipe:
        (tmp_path / "cut.y4m").write_bytes(data)
        assert counted(tmp_path / "cut.y4m") == (frames, losses)
        return
    code = "import rotoscope; s = rotoscope.read('-'); print(len(list(s)), dict(s.losses))"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == f"{frames} {losses}"


def transport_stream(path, *parts):
    """The parts one behind the other in one stream of one number; each is (codec, options)."""
    data, begin = b"", 0
    for codec, options in parts:
        base = Fraction(1, 25) if codec == "mpeg2video" else Fraction(1, 90000)
        ticks = int(Fraction(1, 25) / base)
        part = tiny_clips.write_clip(
            path.with_name("part.ts"), frames=12, codec=codec, options=options, muxer="mpegts", time_base=base,
            times=[(begin + n) * ticks for n in range(12)],
        )  # fmt: skip
        data, begin = data + part.read_bytes(), begin + 12
    path.write_bytes(data)
    return path


H264, HEVC, MPEG2 = ("libx264", None), ("libx265", {"x265-params": "log-level=none"}), ("mpeg2video", {})


@pytest.mark.parametrize(("parts", "num"), [
    ((H264, MPEG2), 12), ((MPEG2, H264), 12), ((HEVC, H264), 12), ((H264, HEVC, H264), 24),
])  # fmt: skip
def test_frames_behind_a_change_of_codec_are_counted(parts, num, tmp_path):
    shown, losses = counted(transport_stream(tmp_path / "both.ts", *parts))
    assert shown == pytest.approx(num, abs=1)
    assert shown + losses[UNDECODED] == pytest.approx(12 * len(parts), abs=3)  # the parser joins packets at the change


def test_a_change_of_codec_ends_with_exit_code_5(tmp_path, identity, rotoscope_main):
    source = transport_stream(tmp_path / "both.ts", H264, MPEG2)
    code, _, err = rotoscope_main("translate", source, tmp_path / "out.mp4", "-m", identity, "--steady", "off")
    assert code == 5
    assert f"{UNDECODED}" in err and "12/23 frames" in err


def test_half_of_a_matroska_file_ends_with_exit_code_5(tmp_path, identity, rotoscope_main):
    source = cut(clip(tmp_path / "clip.mkv"), 0.5)
    code, _, err = rotoscope_main("translate", source, tmp_path / "out.mp4", "-m", identity, "--steady", "off")
    assert code == 5
    assert f" {AT_END}" in err and f"/{FRAMES} frames" in err


@pytest.mark.parametrize("delay", [0, 1, 16])
def test_packets_without_pictures_are_counted_in_runs_only(delay):
    def decoded(hidden, failing=()):
        found, inside = SilentPackets(), []
        for pts in range(300):
            found.sent(pts)
            if pts in failing:
                found.failed(pts)
            elif pts not in hidden:
                inside.append(pts)
            if len(inside) > delay:
                found.shown(inside.pop(0))
        for pts in inside:
            found.shown(pts)
        return found.count()

    assert decoded(()) == 0
    assert decoded(range(0, 300, 2)) == 0  # fields
    assert decoded(range(7, 300, 16)) == 0  # hidden reference frames
    assert decoded(range(100, 140)) == 40
    assert decoded(range(280, 300)) == 20
    assert decoded((100, 101)) == 0
    assert decoded((100, 102), failing=(101, 103)) == 2
    assert decoded((), failing=range(50, 90)) == 0


def test_a_decoder_that_changes_times_loses_nothing():
    found = SilentPackets()
    for pts in range(3 * MOST_DELAYED):
        found.sent(pts)
        found.shown(pts + 1_000_000)
    assert found.count() == 0
