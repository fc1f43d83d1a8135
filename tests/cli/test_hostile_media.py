"""What a stranger's video says reaches neither terminal nor report raw, and absurd numbers of a user are one short line."""

import json

import pytest
import tiny_clips

import rotoscope

EVIL = "\x1b]0;owned\x07\x1b[31m\nrotoscope: all is well\r\x9b1m\u202e\u2028"


@pytest.fixture
def clip(here):
    """A clip whose every text holds control characters."""

    def prepare(container, stream):
        container.metadata.update({"title": EVIL, "comment": EVIL, EVIL: EVIL})
        stream.metadata.update({"language": EVIL, "title": EVIL, "timecode": EVIL})
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 5, "time_base": stream.time_base, "metadata": {"title": EVIL}}]
        )

    return tiny_clips.write_clip(here / "clip.mkv", sound=True, prepare=prepare)


@pytest.mark.parametrize("target", ["out.mkv", "out.mp4", "out.webm", "out.gif", "out.y4m", "shots"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_texts_of_a_video_are_never_raw(target, level, clip, identity, rotoscope_main):
    code, out, err = rotoscope_main(
        "translate", clip, target, "-m", identity, "--steady", "off", "--report", "report.json", "--log-level", level,
        "--progress", "json",
    )  # fmt: skip
    assert (code, out) == (0, "")
    assert all(line.isprintable() for line in err.split("\n"))
    assert "all is well" not in [line.removeprefix("rotoscope: ") for line in err.splitlines()]
    raw = (clip.parent / "report.json").read_bytes()
    assert all(byte >= 32 or byte == 10 for byte in raw) and raw.isascii()
    json.loads(raw)


def test_a_broken_video_with_such_texts_is_one_line(clip, identity, rotoscope_main):
    data = bytearray(clip.read_bytes())
    for name in ("V_MPEG4/ISO/AVC", "A_AAC"):
        data = data.replace(name.encode(), ("\x1b[31m" + name)[: len(name)].encode())
    clip.write_bytes(data)
    code, _, err = rotoscope_main("translate", clip, "out.mkv", "-m", identity)
    assert code in (3, 5) and err.count("\n") == 1 and err.strip().isprintable()


@pytest.mark.parametrize("words", [
    ["--start", "1e300"], ["--start", "1e18"], ["--start", "9" * 400], ["--duration", "1e300"], ["--duration", "1e-300"],
    ["--rate", "1e300"], ["--rate", "nan"], ["--rate", "-inf"], ["--strength", "nan"], ["--mix", "inf"],
    ["--insert", "1000000000", "--steady", "hypercon"], ["--window", "1000000000", "--steady", "hypercon"],
    ["--dilation", "1000000000", "--steady", "hypercon"], ["--window", "64", "--dilation", "64", "--steady", "hypercon"],
    ["--keyframes", "9" * 30], ["--keyframes", "9" * 5000], ["--insert", "-1"], ["--threads", "0"], ["--threads", "9" * 20],
    ["--in-flight", "1000000000"], ["--working-size", "9" * 5000 + "x1"], ["--working-size", "16384x16384"],
    ["--working-size", "0x5"], ["--output-size", "999999p"], ["--output-size", "16384x16384"], ["--multiple", "0"],
    ["--multiple", "1000000000"], ["--style", "9" * 5000], ["--style", "-1"], ["--input-range", "0,0"],
    ["--output-range", "nan,1"], ["--output-range", "0,1e-320"], ["--output-range", "1e308,-1e308"],
    ["--output-range", "0,inf"],
])  # fmt: skip
def test_absurd_numbers_are_one_short_line(words, clip, identity, rotoscope_main):
    code, _, err = rotoscope_main("translate", clip, "out.mkv", "-m", identity, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert len(err.encode()) < 600 and "a bug" not in err and "\n" not in err[:-1]


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_the_largest_start_is_beyond_the_end(ending, here):
    with pytest.raises(rotoscope.InputRefused, match="it ends before 1000000000"):
        rotoscope.read(tiny_clips.write_clip(here / f"clip{ending}"), start=1e9)
