"""A batch whose workers and driver are killed: every good job is done once, every bad one is named."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import tiny_clips
import tiny_models
from changed_workers import workers_with

import rotoscope

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfd, /proc")

PATIENCE_SECONDS = 300  # for hangs


@pytest.fixture
def inverting(tmp_path):
    return tiny_models.invert(tmp_path / "invert.onnx")


def make_sources(folder, number, lengths=(2, 3, 4, 5)):
    """Clips of four lengths in frames, with names in two folders; every tenth file is no video. Returns (good, bad) names."""
    (folder / "more").mkdir(parents=True)
    clips = [tiny_clips.write_clip(folder.parent / f"clip{frames}.mp4", frames=frames) for frames in lengths]
    good, bad = {}, []
    for index in range(number):
        name = f"{'more/' if index % 3 == 0 else ''}{index:04d}.mp4"
        if index % 10 == 7:
            (folder / name).write_bytes(b"no video " * (index + 1))
            bad.append(name)
        else:
            good[name] = clips[index % 4]
            shutil.copyfile(good[name], folder / name)
    return good, bad


def children(process):
    return [int(word) for file in Path(f"/proc/{process}/task").glob("*/children") for word in file.read_text().split()]


def start(*words):
    command = [sys.executable, "-m", "rotoscope", "batch", *map(str, words), "--progress", "json"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def drive(words, *, kill_worker_every, kill_driver_at=None):
    """Run a batch; kill a worker whenever so many more jobs are done, and the driver at last. Returns its exit code."""
    killed_at = 0
    with start(*words) as driver:
        for line in driver.stderr:
            if not line.startswith("{"):
                continue
            done = json.loads(line)["done"]
            if kill_driver_at is not None and done >= kill_driver_at:
                workers = [os.pidfd_open(worker) for worker in children(driver.pid)]
                driver.kill()
                for worker in workers:  # they end by themselves
                    assert select.select([worker], [], [], PATIENCE_SECONDS)[0], "a worker outlives its driver"
                    os.close(worker)
                break
            if done - killed_at >= kill_worker_every and (workers := children(driver.pid)):
                killed_at = done
                with suppress(ProcessLookupError):
                    os.kill(workers[0], signal.SIGKILL)
        return driver.wait(PATIENCE_SECONDS)


def prove(tmp_path, model, *, number, kill_worker_every, kill_driver_at, **sources):
    good, bad = make_sources(tmp_path / "in", number, **sources)
    out = tmp_path / "out"
    words = (tmp_path / "in", "-o", out, "-m", model, "--workers", "2", "--threads", "2", "--steady", "off")
    for at in kill_driver_at:
        assert drive(words, kill_worker_every=kill_worker_every, kill_driver_at=at) == -signal.SIGKILL
    report = tmp_path / "report.json"
    assert drive((*words, "--report", report), kill_worker_every=kill_worker_every) == 5
    told = json.loads(report.read_text())
    assert (told["total"], told["done"]) == (number, len(good))
    assert sorted(item["target"] for item in told["missing"]) == sorted(bad)
    assert all("not a video or picture" in item["error"] and item["attempts"] == 1 for item in told["missing"])

    expected = {}
    for clip in set(good.values()):
        expected[clip] = tmp_path / f"expected-{clip.name}"
        rotoscope.translate(clip, expected[clip], model=model, threads=1, steady="off")
    for name, clip in good.items():
        assert (out / name).read_bytes() == expected[clip].read_bytes(), name
    found = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert {name for name in found if not name.startswith(".rotoscope/")} == set(good), "only results, no parts"
    assert {name.split("/")[1] for name in found - set(good)} <= {"records", "locks", "logs"}
    states = [json.loads(file.read_text())["state"] for file in (out / ".rotoscope" / "records").glob("*.json")]
    assert sorted(states) == ["done"] * len(good) + ["refused"] * len(bad)

    times = {name: (out / name).stat().st_mtime_ns for name in good}
    again = rotoscope.batch(tmp_path / "in", out, model=model, steady="off")
    assert (again.made, again.before, len(again.missing)) == ((), len(good), len(bad)), "nothing is done again"
    assert {name: (out / name).stat().st_mtime_ns for name in good} == times


def test_killed_workers_and_a_killed_driver(tmp_path, inverting):
    # Progress is told twice a second: so many frames are in work for longer than that after the seventh job.
    lengths = (60, 70, 80, 90)
    prove(tmp_path, inverting, number=20, kill_worker_every=4, kill_driver_at=(7,), lengths=lengths)


@pytest.mark.full
def test_a_thousand_jobs(tmp_path, inverting):
    prove(tmp_path, inverting, number=1000, kill_worker_every=50, kill_driver_at=(300, 600))


@pytest.mark.full
def test_fifty_clips_and_a_pulled_plug(tmp_path, inverting):
    """What a newcomer does: one command, kill -9 in the middle, the same command again."""
    folder, out = tmp_path / "clips", tmp_path / "painted"
    folder.mkdir()
    for index in range(50):
        tiny_clips.write_clip(folder / f"{index:02d}.mp4", frames=2 + index % 7)
    words = (folder, "-o", out, "-m", inverting)
    assert drive(words, kill_worker_every=1000, kill_driver_at=20) == -signal.SIGKILL
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("*.mp4")}
    assert 20 <= len(before) < 50
    assert drive(words, kill_worker_every=1000) == 0
    after = {file.name: file.stat().st_mtime_ns for file in out.glob("*.mp4")}
    assert sorted(after) == [f"{index:02d}.mp4" for index in range(50)]
    recorded = [json.loads(file.read_text()) for file in (out / ".rotoscope" / "records").glob("*.json")]
    assert sorted(record["target"] for record in recorded) == sorted(after)
    assert {record["state"] for record in recorded} == {"done"}
    redone = [name for name, at in before.items() if after[name] != at]
    assert len(redone) <= 1, "at most the clip whose result was there and whose record was not"
    assert sorted(file.name for file in out.iterdir()) == sorted([".rotoscope", *after])


def test_a_job_that_kills_its_worker_is_given_up_after_three_attempts(tmp_path, inverting, monkeypatch):
    """The rest goes on, and a later run leaves it alone until it is told to try again."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "poison.mp4", "z.mp4"):
        tiny_clips.write_clip(folder / name, frames=2)
    deadly = """
        import os
        from rotoscope.jobs.workers import work
        translated = work._translated
        def deadly(task, *rest, **more):
            if "poison" in task.job.source: os.abort()
            return translated(task, *rest, **more)
        work._translated = deadly
    """
    with workers_with(deadly, tmp_path, monkeypatch):
        report = rotoscope.batch(folder, tmp_path / "out", model=inverting, steady="off")
    assert [record.target for record in report.made] == ["a.mp4", "z.mp4"]
    (missing,) = report.missing
    assert (missing.source, missing.state, missing.attempts) == (str(folder / "poison.mp4"), "failed", 3)
    assert missing.error.startswith("the worker process ended: signal 6")
    again = rotoscope.batch(folder, tmp_path / "out", model=inverting, steady="off")
    assert (again.made, len(again.missing)) == ((), 1)
    mended = rotoscope.batch(folder, tmp_path / "out", model=inverting, steady="off", retry_failed=True)
    assert ([record.target for record in mended.made], mended.missing) == (["poison.mp4"], ())


def test_a_killed_worker_costs_one_segment(tmp_path, monkeypatch):
    """Also of a recurrent network, whose state is in a file."""
    smoothing = tiny_models.smoother(tmp_path / "smoother.onnx")
    clip = tiny_clips.write_clip(tmp_path / "long.mp4", frames=40)
    deadly = """
        import os
        from rotoscope.jobs.workers import work
        translate_file = work.translate_file
        def deadly(*arguments, on_progress, **more):
            def abort(progress):
                if progress.done == 35: os.abort()
            is_first = not any(more["segments"].folder.glob("*.json"))
            return translate_file(*arguments, on_progress=abort if is_first else on_progress, **more)
        work.translate_file = deadly
    """
    with workers_with(deadly, tmp_path, monkeypatch):
        report = rotoscope.batch(clip, tmp_path / "out", model=smoothing, steady="off", segment=0.4)
    (record,) = report.made
    assert (record.frames, record.attempts) == (40, 1)
    assert "30 frames of an earlier run are used" in record.notes
    whole = tmp_path / "whole.mp4"
    rotoscope.translate(clip, whole, model=smoothing, steady="off", resume=True, segment=0.4)
    assert (tmp_path / "out" / "long.mp4").read_bytes() == whole.read_bytes()
    assert not list((tmp_path / "out" / ".rotoscope").glob("segments"))


def test_workers_share_a_long_video_and_one_is_killed(tmp_path, inverting, monkeypatch):
    """Its parts are written at the same time; the segment of the killed worker alone is written again."""
    clip = tiny_clips.write_clip(tmp_path / "long.mp4", frames=80, sound=True)
    deadly = """
        import os
        from pathlib import Path
        from rotoscope.jobs.workers import work
        translate_file = work.translate_file
        def deadly(*arguments, on_progress, segments, **more):
            first = segments.part.first if segments.part else None
            if segments.most_parts == 1:
                with open({log!r}, "a") as log: log.write(f"{{first}}\\n")
            def abort(progress):
                try:
                    if first == 40 and progress.done == 25: Path({killed!r}).touch(exist_ok=False)
                except FileExistsError: return
                if first == 40 and progress.done == 25: os.abort()
            return translate_file(*arguments, on_progress=abort, segments=segments, **more)
        work.translate_file = deadly
    """
    log, killed = tmp_path / "log", tmp_path / "killed"
    with workers_with(deadly.format(log=str(log), killed=str(killed)), tmp_path, monkeypatch):
        report = rotoscope.batch(clip, tmp_path / "out", model=inverting, steady="off", segment=0.4, workers=2)
    (record,) = report.made
    assert sorted(log.read_text().split()) == ["0", "40", "40", "None"], "each part, the killed one again, the whole"
    assert killed.exists()
    assert (record.frames, record.attempts) == (80, 0)
    assert "80 frames of an earlier run are used" in record.notes
    whole = tmp_path / "whole.mp4"
    rotoscope.translate(clip, whole, model=inverting, steady="off", resume=True, segment=0.4)
    assert (tmp_path / "out" / "long.mp4").read_bytes() == whole.read_bytes()
    assert not list((tmp_path / "out" / ".rotoscope").glob("segments"))


def test_a_watched_folder_until_it_is_stopped(tmp_path, inverting):
    folder = tmp_path / "in"
    folder.mkdir()
    with start(folder, "-o", tmp_path / "out", "-m", inverting, "--watch") as driver:
        for line in driver.stderr:
            if not line.startswith("{"):
                continue
            progress = json.loads(line)
            if not progress["total"] and not any(folder.iterdir()):
                tiny_clips.write_clip(tmp_path / "new.mp4", frames=2).rename(folder / "new.mp4")
            if progress["done"]:
                driver.send_signal(signal.SIGINT)
                break
        said = driver.stderr.read()
        assert driver.wait(PATIENCE_SECONDS) == 0, said
    assert "1/1 done (0 before), 2 frames" in said
    assert (tmp_path / "out" / "new.mp4").exists()
