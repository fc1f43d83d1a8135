"""`benchmarks/gpu.py`, the script for a machine with a card: all that needs no card runs here, so that it works there."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_phase_that_needs_no_card_runs_on_the_simulated_gpu(tmp_path):
    out = tmp_path / "run.json"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--simulated", "--smallest", "--out", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(out.read_text())
    states = {name: phase["state"] for name, phase in document["phases"].items()}
    needs = {name for name, state in states.items() if state == "needs a card"}
    assert needs == {"tests", "sanitizer"}
    assert set(states.values()) == {"done", "needs a card"}
    assert document["device"] == "simulated"
    assert "simulated GPU" in done.stdout
    assert not named(document, {"us", "fps", "tflops", "gb_per_second", "share_of_copy", "host_us"})


def named(values, keys):
    """The members of a document that have one of these names: a simulated run has no times."""
    if isinstance(values, dict):
        return [key for key in values if key in keys] + [found for v in values.values() for found in named(v, keys)]
    return [found for v in values for found in named(v, keys)] if isinstance(values, list) else []


def test_a_phase_that_is_stopped_costs_none_of_the_others(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "LIMITS", {"parity": 0, "facts": 30})
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--simulated", "--smallest", "--out", str(tmp_path / "run.json")])
    assert script.main() == 1
    phases = json.loads((tmp_path / "run.json").read_text())["phases"]
    assert phases["parity"]["state"] == "not finished"
    assert phases["parity"]["reason"] == "stopped at its limit of 0 s"
    assert phases["facts"]["state"] == "done"
    assert "parity       not finished: stopped at its limit of 0 s" in capsys.readouterr().out


def test_the_phase_of_tests_runs_every_test_that_is_marked_gpu(script):
    from gpu_phases.tests import PATHS, ROOT

    marked = [file for file in (ROOT / "tests").rglob("*.py") if "pytest.mark.gpu" in file.read_text()]
    marked.remove(Path(__file__))
    assert marked
    assert [file for file in marked if not any(file.is_relative_to(ROOT / path) for path in PATHS)] == []


def test_what_differs_from_the_reference_is_found(script, gpu):
    from gpu_phases.case import Material
    from gpu_phases.parity import compared, references
    from gpu_phases.picture_cases import blend_work

    work = blend_work(Material(5, 7, wild=True))
    expected = next(made for case, _, made in references((5, 7)) if case.make is blend_work)
    assert compared(work, expected)["agrees"]
    off = {"out": expected["out"] + np.float32(0.01)}
    assert not compared(work, off)["agrees"]
    empty = replace(work, run=lambda _arrays: None)  # writes nothing
    assert not compared(empty, expected)["agrees"]


def test_the_table_of_a_card_names_goals_and_what_misses_them(script):
    """All figures here are made up."""
    kernels = [
        {"kernel": f"kernel {k}", "size": "1920x1080", "bandwidth_bound": True, "us": 10.0, "share_of_copy": k / 10}
        for k in range(1, 10)
    ]
    kernels.append({"kernel": script.STEADYING, "size": "1920x1080", "us": 123.0})
    spread = {"median": 10.0, "p99": 20.0}
    runs = [
        {"path": path, "method": "off", "size": "1920x1080", "sink": "null", "fps": fps, "ms_between_frames": spread}
        for path, fps in (("device", 90.0), ("host", 10.0), ("peers", 30.0))
    ]
    engines = [{"network": "net", "engine": f"torch {k}", "size": "512x512", "us": spread} for k in range(60)]
    document = {
        "device": "card",
        "date": "2000-01-01",
        "phases": {
            "facts": {"state": "done", "card": "Some card"},
            "ceilings": {"state": "done", "copy_gb_per_second": 1000.0},
            "kernels": {"state": "done", "rows": kernels},
            "end_to_end": {
                "state": "done",
                "engine_alone": [{"size": "1920x1080", "fps": 100.0}],
                "runs": runs,
                "clock": [{"method": "off", "size": "1920x1080", "clock_fps": 60, "fps": 59.9, "is_sustained": True}],
            },
        },
    }
    table = script.table(document)
    assert "kernels at 1080p: 4 of 9 reach 60% of the copy (goal: all); lowest: kernel 1 10%" in table
    assert "steadying and colour at 1080p: 123.0 us (goal: below 500)" in table
    line = "off 1920x1080 null: 90.0 fps, p99 20.0 ms; 90% of the engine's 100.0 (goal 90%); 9.0x host (goal 10x); 3.0x peers"
    assert line in table
    assert "off 1920x1080 at 60 fps on a clock: sustained, 59.9 fps" in table
    document["phases"]["engines"] = {"state": "done", "rows": engines}
    assert len(script.table(document).splitlines()) == 40
