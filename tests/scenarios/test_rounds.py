"""Rounds: what is summed up, what is compared, and what counts as sustained."""

import json
import os
from dataclasses import asdict

import pytest

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.scenarios.against import differences, parse_limit, read_rounds
from rotoscope.scenarios.rounds import Rounds, counted_round, made_round
from rotoscope.scenarios.stream import find_rate, is_sustained


def rounds(*fps, what="single", p50_ms=20.0):
    made = tuple(made_round([p50_ms / 1e3] * round(each), 1.0, 0.5) for each in fps)
    return Rounds(what=what, size="64x64", engine="onnxruntime", steady="off", rounds=made)


def test_a_round_of_known_latencies():
    made = made_round([number / 1000 for number in range(1, 102)], 2.0, 3.0, dropped=4, carried=5)
    assert (made.frames, made.fps, made.cores, made.dropped, made.carried) == (101, 50.5, 1.5, 4, 5)
    assert (made.p50_ms, made.p90_ms, made.p99_ms, made.max_ms) == (51, 91, 100, 101)
    assert made.cpu_ms == pytest.approx(3000 / 101)


def test_a_round_without_frames_has_no_latency():
    made = made_round([], 2.0, 0.0, dropped=3)
    assert (made.frames, made.fps, made.p50_ms, made.max_ms, made.dropped) == (0, 0, None, None, 3)
    assert made.cpu_ms is None


def test_the_median_and_the_spread_of_rounds():
    measured = rounds(20, 30, 25)
    assert measured.middle("fps") == 25 and measured.spread("fps") == pytest.approx(0.4)
    assert rounds(20).spread("fps") is None
    assert Rounds("file", "64x64", "", "off", (counted_round(5, 1, 1),)).middle("p50_ms") is None


def test_only_what_is_beyond_the_spread_differs():
    then, same, slower = rounds(19, 20, 21), rounds(18, 19, 20), rounds(14, 15, 15)
    assert [item.is_beyond_spread for item in differences([then], [same]) if item.name == "fps"] == [False]
    (fps,) = (item for item in differences([then], [slower]) if item.name == "fps")
    assert fps.is_beyond_spread and fps.ratio == 0.75 and fps.spread == pytest.approx(0.1)
    assert differences([rounds(20, what="offline")], [same]) == []


def test_an_earlier_file_is_read_again(tmp_path):
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"measurements": [asdict(rounds(20, 21))], "other": 1}))
    assert read_rounds(file) == [rounds(20, 21)]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"measurements": 5}', '{"measurements": [{"rounds": [{"fps": "x"}]}]}']
)
def test_another_file_is_refused(content, tmp_path):
    file = tmp_path / "old.json"
    file.write_text(content)
    with pytest.raises(InputRefused, match=r"not a file of rotoscope bench --json"):
        read_rounds(file)


@pytest.mark.parametrize(
    "change", [{"what": [1]}, {"size": {}}, {"steady": 5}, {"rounds": [{"fps": 10**400}]}], ids=str
)
def test_values_that_no_bench_has_written_are_refused(change, tmp_path):
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"measurements": [asdict(rounds(20, 21)) | change]}))
    with pytest.raises(InputRefused, match=r"not a file of rotoscope bench --json"):
        read_rounds(file)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(os.mkfifo, "not a regular file"), (lambda path: path.symlink_to("/dev/zero"), "not a regular file")],
)
def test_a_special_file_is_not_read(make, reason, tmp_path):
    make(tmp_path / "old.json")
    with pytest.raises(InputRefused, match=reason):
        read_rounds(tmp_path / "old.json")


def test_a_limit_is_held_or_exceeded():
    limit = parse_limit("p99=50ms")
    assert limit.exceeded_by([rounds(20, p50_ms=50)]) == []
    assert limit.exceeded_by([over := rounds(20, p50_ms=51)]) == [over]
    assert limit.exceeded_by([Rounds("file", "64x64", "", "off", (counted_round(5, 1, 1),))]) == []


@pytest.mark.parametrize("text", ["p99", "p99=50", "p95=50ms", "fps=20", "p99=-5ms", ""])
def test_what_is_no_limit(text):
    with pytest.raises(UsageError, match=r"accepted: p50, p90, p99 or max"):
        parse_limit(text)


@pytest.mark.parametrize("late_ms, dropped, carried, frames_late, holds", [
    (70, 0, 0, 0, False), (66, 0, 0, 0, True), (99, 0, 0, 1, True), (10, 1, 1, 0, False), (10, 1, 0, 0, True),
])  # fmt: skip
def test_what_is_sustained_at_30_fps(late_ms, dropped, carried, frames_late, holds):
    made = made_round([late_ms / 1e3] * 150, 5, 5, dropped=dropped, carried=carried)
    assert is_sustained([made] * 3, 30, frames_late) is holds


def test_no_frames_are_not_sustained():
    assert not is_sustained([made_round([], 1, 1)], 30, 0)


@pytest.mark.parametrize("limit, first", [(25, 30), (25, 5), (100, 30), (1000, 30)])
def test_the_highest_rate_is_found(limit, first):
    """A machine that sustains every rate up to a limit."""
    tried = []

    def measure(rate):
        tried.append(float(rate))
        return Rounds("stream", "64x64", "", "off", (), rate=float(rate), is_sustained=rate <= limit)

    found = find_rate(measure, first, 480)
    assert found.highest_rate == found.rate and found.is_sustained and len(tried) <= 7
    assert min(limit, 480) * 0.75 <= found.highest_rate <= limit


def test_no_rate_is_found_where_none_holds():
    found = find_rate(
        lambda rate: Rounds("stream", "64x64", "", "off", (), rate=float(rate), is_sustained=False), 30, 480
    )
    assert found.highest_rate is None
