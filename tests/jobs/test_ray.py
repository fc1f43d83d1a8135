"""A batch on a Ray cluster: two nodes, one of which is killed; how many jobs fit; what is refused."""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys

import pytest
import tiny_clips
import tiny_models
from changed_workers import workers_with

import rotoscope
from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.stores.store import Store
from rotoscope.jobs.workers import ray_workers
from rotoscope.jobs.workers.cards import jobs_on, memory_gib
from rotoscope.jobs.workers.ray_workers import QUEUED, Node, places
from rotoscope.jobs.workers.task import Task

PATIENCE_SECONDS = 600  # for hangs
HOLDING = """
    import pathlib, time
    from rotoscope.jobs.workers import work
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
    """Starts two nodes on this machine, of one core each unless it is told what they have."""
    pytest.importorskip("ray", reason='no Ray: pip install ".[batch]"')
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_worker_register_timeout_seconds", str(PATIENCE_SECONDS))  # a busy machine takes minutes
    handler = signal.getsignal(signal.SIGTERM)
    from ray.cluster_utils import Cluster

    made = []

    def start(**has):
        has = {"num_cpus": 1, **has}
        nodes = patiently(lambda: Cluster(initialize_head=True, head_node_args={**has, "include_dashboard": False}))
        made.append(nodes)
        return nodes, patiently(lambda: nodes.add_node(**has))

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


@pytest.mark.full
@pytest.mark.filterwarnings("default")  # those of Ray
def test_nodes_share_a_long_video_from_bucket_to_bucket(tmp_path, monkeypatch, bucket, cluster):
    """`ray:AUTO` joins the cluster of RAY_ADDRESS; segments and result are in the object store."""
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "long.mp4", frames=80)
    store = Store(bucket)
    store.upload("in/long.mp4", clip)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    nodes, _ = cluster()
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    words = (f"{bucket}/in", "-o", f"{bucket}/out", "-m", str(model), "--steady", "off", "--segment", "0.4")
    command = [sys.executable, "-m", "rotoscope", "batch", *words, "--on", "ray:AUTO", "--report", "report.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = json.loads((tmp_path / "report.json").read_text())["made"]
    assert "80 frames of an earlier run are used" in made["notes"], "both parts were written before they were joined"
    rotoscope.translate(clip, tmp_path / "once.mp4", model=model, steady="off", resume=True, segment=0.4, threads=1)
    assert store.read("out/long.mp4")[0] == (tmp_path / "once.mp4").read_bytes()
    assert list(store.list("out/.rotoscope/segments")) == []


@pytest.mark.full
@pytest.mark.filterwarnings("default")
def test_cards_are_given_out_by_memory(tmp_path, monkeypatch, cluster):
    """Each of two nodes says that it has two cards of 80 GiB; jobs of 40 GiB come two to a card and see it alone."""
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 81920\necho 81920\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join((str(smi.parent), os.environ["PATH"])))
    waiting = socket.create_server(("127.0.0.1", 0))  # for all eight jobs, so that they are in work at one time
    telling = f"""
        import os, socket
        from rotoscope.jobs.workers import work
        from rotoscope.jobs.workers.task import Outcome
        def told(task, out, *rest, **more):
            with socket.create_connection(("127.0.0.1", {waiting.getsockname()[1]})) as line: line.recv(1)
            return Outcome("failed", error=os.environ["CUDA_VISIBLE_DEVICES"])
        work.do = told
    """
    import ray

    with workers_with(telling, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        nodes, _ = cluster(num_cpus=4, num_gpus=2)
        ray_workers.connect(f"ray:{nodes.address}")
        workers = ray_workers.ray_workers(None, 1, on_gpu=True, job_gib=40)
        try:
            assert workers.number == QUEUED * 8, "eight jobs have room at once"
            messages = queue.Queue()
            for number in range(8):
                job = BatchJob(f"{number}", f"{number}.mp4", ("m",))
                workers.start(number + 1, str(tmp_path), messages).give(Task(job, 1, 0, may_replace=False))
            waiting.settimeout(PATIENCE_SECONDS)
            for line in [waiting.accept()[0] for _ in range(8)]:
                line.close()
            ended = []
            while len(ended) < 8:
                message = messages.get(timeout=PATIENCE_SECONDS)
                assert message.event != "gone", message.content
                if message.event == "ended":
                    ended.append(message.content["outcome"]["error"])
        finally:
            waiting.close()
            workers.close()
            ray.shutdown()
    assert sorted(ended) == ["0"] * 4 + ["1"] * 4, "two jobs on each card of each node"


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
