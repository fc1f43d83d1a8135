"""The command `rotoscope bench`: its table, its JSON file, its refusals."""

import json

import pytest
import tiny_clips

QUICK = ("--scenario", "live", "--size", "192x108", "--rate", "20", "--seconds", "1", "--threads", "1")


def test_the_table_and_the_file_say_the_same(rotoscope_main, tmp_path):
    file = tmp_path / "live.json"
    code, out, _ = rotoscope_main("bench", *QUICK, "--network-ms", "2", "--json", str(file))
    assert code == 0
    content = json.loads(file.read_text())
    (chain,) = content["chains"]
    assert (content["scenario"], content["schema"], content["rate"], content["is_stamped"]) == ("live", 2, 20, False)
    assert {"rotoscope", "av", "numpy"} <= set(content["versions"]) and content["machine"]["cores"] >= 1
    assert (chain["chain"], chain["adds_up"]) == ("memory", True)
    assert {"p50_ms", "p95_ms", "p99_ms", "drift_ms", "lost", "repeated", "out_of_order", "unreadable"} <= set(
        chain["latency"]
    )
    lines = out.splitlines()
    assert lines[0].startswith("invert, 2 ms: 192x108 at 20 fps, with sound, 1 s; onnxruntime fp32 cpu, at least 2 ms")
    assert any(line.split()[:2] == ["memory", f"{chain['latency']['p50_ms']:.1f}"] for line in lines)
    run = chain["run"]
    assert f"{run['frames_in']} in = {run['frames_out']} out + {run['dropped']} dropped + " in out


def test_several_chains_one_file_and_no_replacing(rotoscope_main, identity, tmp_path):
    file = tmp_path / "live.json"
    words = (
        "bench",
        *QUICK,
        "-m",
        str(identity),
        "--chain",
        "memory",
        "--chain",
        "page",
        "--no-sound",
        "--json",
        str(file),
    )
    code, out, _ = rotoscope_main(*words)
    assert code == 0 and "without sound" in out
    content = json.loads(file.read_text())
    assert [chain["chain"] for chain in content["chains"]] == ["memory", "page"] and content["is_stamped"]
    assert content["chains"][1]["latency"]["sound_offset_ms"] is None
    code, _, err = rotoscope_main(*words)
    assert code == 2 and "live.json" in err and "--overwrite" in err


@pytest.fixture(autouse=True)
def short_clip(monkeypatch, tmp_path):
    """A small clip in place of the demo clip, which takes seconds to make; tests/demo makes that."""
    clip = tiny_clips.write_clip(tmp_path / "short.mp4", frames=8, size=(96, 64))
    monkeypatch.setattr("rotoscope.api.bench_rounds.cached_clip", lambda: clip)


ROUNDS = ("--size", "96x64", "--seconds", "0.2", "--rounds", "2", "--threads", "1", "--steady", "off")


def test_single_frames_beside_the_loop_by_hand(rotoscope_main, identity, tmp_path):
    file = tmp_path / "single.json"
    code, out, _ = rotoscope_main("bench", "-m", str(identity), *ROUNDS, "--peer", "--json", str(file))
    assert code == 0
    content = json.loads(file.read_text())
    ours, by_hand = content["measurements"]
    assert (content["scenario"], ours["what"], by_hand["what"]) == ("single", "single", "by hand, single")
    for measured in (ours, by_hand):
        assert measured["size"] == "96x64" and len(measured["rounds"]) == 2
        for one in measured["rounds"]:
            assert one["frames"] >= 1 and 0 < one["p50_ms"] <= one["p90_ms"] <= one["p99_ms"] <= one["max_ms"]
    assert ours["load_s"] > 0 and ours["cold_ms"] > 0 and ours["warm_ms"] > 0 and ours["memory_mb"] > 0
    assert {"prepare", "translate", "unpack", "finish"} <= set(ours["stages"])
    medians = {item["what"]: item for item in content["medians"]}
    assert medians["single"]["fps"]["median"] > 0 and medians["single"]["fps"]["spread"] is not None
    assert f"single 96x64 {medians['single']['fps']['median']:23.1f}"[:13] in out and "by hand, single 96x64" in out


def test_offline_is_without_and_with_codecs_and_compared(rotoscope_main, identity, tmp_path):
    file = tmp_path / "offline.json"
    words = ("bench", "-m", str(identity), *ROUNDS, "--scenario", "offline", "--json", str(file))
    code, out, _ = rotoscope_main(*words)
    assert code == 0
    without, coded = json.loads(file.read_text())["measurements"]
    assert (without["what"], coded["what"]) == ("frames of memory", "file to file")
    assert min(one["frames"] for one in coded["rounds"]) >= 10 and {"decode", "encode"} <= set(coded["stages"])
    code, out, _ = rotoscope_main(*words[:-2], "--against", str(file))
    assert code == 0 and f"against {file}: " in out


def test_a_stream_says_whether_it_is_sustained(rotoscope_main, identity, tmp_path):
    file = tmp_path / "stream.json"
    code, out, _ = rotoscope_main(
        "bench", "-m", str(identity), *ROUNDS, "--scenario", "stream", "--rate", "20", "--json", str(file)
    )
    assert code == 0 and "sustained at 20 fps: " in out
    (measured,) = json.loads(file.read_text())["measurements"]
    assert measured["rate"] == 20 and measured["is_sustained"] in (True, False)
    assert sum(one["frames"] + one["dropped"] for one in measured["rounds"]) >= 1


def test_a_limit_that_is_exceeded_ends_with_1(rotoscope_main, identity):
    code, out, _ = rotoscope_main("bench", "-m", str(identity), *ROUNDS, "--fail-over", "p50=0ms")
    assert code == 1 and "p50_ms" in out and "is above 0" in out
    code, out, _ = rotoscope_main("bench", "-m", str(identity), *ROUNDS, "--fail-over", "max=999999ms")
    assert code == 0 and "is above" not in out


@pytest.mark.parametrize("words, answer", [
    (("--scenario", "live", "--chain", "srt"), "chain 'srt'; accepted: memory, udp, rtmp, page"),
    (("--scenario", "batch"), "scenario 'batch'; accepted: single, stream, offline, live"),
    (("--scenario", "live", "--network-ms", "5", "-m", "starry"), "network_ms is the time of the generated network"),
    (("--scenario", "offline"), "scenario offline: no model given"),
    (("-m", "starry", "--chain", "page"), "chain means nothing in scenario single"),
    (("-m", "starry", "--find-rate"), "find_rate means nothing in scenario single"),
    (("-m", "starry", "--rounds", "0"), "rounds 0"),
    (("-m", "starry", "--policy", "every"), "policy"),
    (("-m", "starry", "--fail-over", "fps=3"), "--fail-over fps=3; accepted: p50, p90, p99 or max"),
    (("--policy", "oldest"), "--policy oldest; accepted: newest, every"),
])  # fmt: skip
def test_what_cannot_work_is_one_line(words, answer, rotoscope_main):
    code, out, err = rotoscope_main("bench", *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and answer in err


def test_an_earlier_file_that_is_missing_is_named_before_anything_runs(rotoscope_main):
    code, out, err = rotoscope_main("bench", "-m", "starry", "--against", "missing.json")
    assert (code, out, err.count("\n")) == (3, "", 1) and "missing.json: no such file" in err
