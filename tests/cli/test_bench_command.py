"""The command `rotoscope bench`: its table, its JSON file, its refusals."""

import json

import pytest

QUICK = ("--size", "192x108", "--rate", "20", "--seconds", "1", "--threads", "1")


def test_the_table_and_the_file_say_the_same(rotoscope_main, tmp_path):
    file = tmp_path / "live.json"
    code, out, _ = rotoscope_main("bench", *QUICK, "--network-ms", "2", "--json", str(file))
    assert code == 0
    content = json.loads(file.read_text())
    (chain,) = content["chains"]
    assert (content["scenario"], content["schema"], content["rate"], content["is_stamped"]) == ("live", 1, 20, False)
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


@pytest.mark.parametrize("words, answer", [
    (("--chain", "srt"), "chain 'srt'; accepted: memory, udp, rtmp, page"),
    (("--scenario", "offline"), "scenario 'offline'; accepted: live"),
    (("--network-ms", "5", "-m", "starry"), "network_ms is the time of the generated network"),
    (("--policy", "oldest"), "--policy oldest; accepted: newest, every"),
])  # fmt: skip
def test_what_cannot_work_is_one_line(words, answer, rotoscope_main):
    code, out, err = rotoscope_main("bench", *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and answer in err
