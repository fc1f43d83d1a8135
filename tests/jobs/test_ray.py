"""A batch on a Ray cluster: two nodes, one of which is killed; how many jobs fit; what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import tiny_clips
import tiny_models
from changed_workers import workers_with

import rotoscope
from rotoscope.jobs import ray_workers
from rotoscope.jobs.cards import jobs_on, memory_gib
from rotoscope.jobs.ray_workers import Node, places

PATIENCE_SECONDS = 600  # for hangs
HOLDING = """
    import pathlib, time
    from rotoscope.jobs import work
    translated = work._translated
    def held(task, source, *rest, **more):
        here = pathlib.Path(source).resolve().parent.parent
        marker = here / ("held-" + pathlib.Path(source).name)
        if len(list(here.glob("held-*"))) < 2 and not marker.exists():
            marker.touch()
            while not (here / "go").exists(): time.sleep(0.02)
        return translated(task, source, *rest, **more)
    work._translated = held
"""


def patiently(start):
    """What a function returns; Ray gives a node 30 seconds to start, which is not enough on a busy machine."""
    for _ in range(5):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    pytest.fail("no node of Ray starts")


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one core each, on this machine."""
    pytest.importorskip("ray", reason='no Ray: pip install ".[batch]"')
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_worker_register_timeout_seconds", str(PATIENCE_SECONDS))  # a busy machine takes minutes
    handler = signal.getsignal(signal.SIGTERM)
    from ray.cluster_utils import Cluster

    made = []

    def start():
        nodes = patiently(
            lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        )
        made.append(nodes)
        return nodes, patiently(lambda: nodes.add_node(num_cpus=1))

    yield start
    for nodes in made:
        nodes.shutdown()
    signal.signal(signal.SIGTERM, handler)  # Ray has set its own


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="flock")
@pytest.mark.filterwarnings("default")  # those of Ray
def test_a_killed_node_costs_nothing_but_time(tmp_path, monkeypatch, cluster):
    """Its job goes to the other node, does not count as failed, and all results are those of `translate`."""
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=3)
    (tmp_path / "in").mkdir()
    names = [f"{number}.mp4" for number in range(5)]
    for name in names:
        shutil.copyfile(clip, tmp_path / "in" / name)
    words = ("in", "-o", "out", "-m", str(model), "--steady", "off", "--report", "report.json", "--progress", "json")
    with workers_with(HOLDING, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        nodes, second = cluster()
        command = [sys.executable, "-m", "rotoscope", "batch", *words, "--on", f"ray:{nodes.address}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as driver:
            said, is_killed = "", False
            for line in driver.stderr:  # about two a second
                if not line.startswith("{"):
                    said += line
                elif not is_killed and len(list(tmp_path.glob("held-*"))) == 2:  # each node works on a job
                    is_killed = True
                    nodes.remove_node(second, allow_graceful=False)
                    (tmp_path / "go").touch()
            assert driver.wait(PATIENCE_SECONDS) == 0, said
    assert is_killed
    told = json.loads((tmp_path / "report.json").read_text())
    assert sorted(item["target"] for item in told["made"]) == names and told["missing"] == []
    assert {item["attempts"] for item in told["made"]} == {0}
    rotoscope.translate(clip, tmp_path / "expected.mp4", model=model, steady="off", threads=1)
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "expected.mp4").read_bytes()
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*names, ".rotoscope"}


def test_as_many_jobs_as_cores_and_cards_have_room_for():
    nodes = [Node("a", 16, 2.0), Node("b", 7, 0.0), Node("c", 64, 1.0)]
    assert places(nodes, 8, 0) == 2 + 0 + 8
    assert places(nodes, 8, 1.0) == 2 + 0 + 1
    assert places(nodes, 4, 1 / 3) == 4 + 0 + 3
    assert jobs_on([80.0, 24.0], 7.5) == 3


def test_jobs_for_each_card_follow_its_memory(tmp_path, monkeypatch):
    told = tmp_path / "nvidia-smi"
    told.write_text("#!/bin/sh\necho 81920\necho 24576\n")
    told.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory_gib() == [80.0, 24.0]
    with pytest.raises(rotoscope.UsageError, match=r"job_memory=25; accepted: at most the 24\.0 GiB"):
        jobs_on(memory_gib(), 25)
    told.unlink()
    with pytest.raises(rotoscope.UsageError, match="nvidia-smi does not say"):
        jobs_on(memory_gib(), 1)


def test_what_is_no_cluster_is_refused_in_one_line(monkeypatch):
    for where in ("ray:", "ray:host", "ray:ray://host:10001", "ray:host:x"):
        with pytest.raises(rotoscope.UsageError, match=f"--on {where}; accepted: ray:AUTO"):
            ray_workers.check_ray(where)
    monkeypatch.setattr(ray_workers, "find_spec", lambda _name: None)
    with pytest.raises(
        rotoscope.UsageError, match=r'ray is not installed; this installs it: pip install "\.\[batch\]"'
    ):
        ray_workers.check_ray("ray:AUTO")
    with pytest.raises(rotoscope.UsageError, match="no Ray cluster there") as error:
        ray_workers._check_answers("ray:127.0.0.1:1", "127.0.0.1:1")
    assert "\n" not in str(error.value)
