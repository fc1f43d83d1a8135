"""A batch from and to an object store: a real S3 client against a server of S3 in this process."""

import json
import signal
import threading
from dataclasses import replace

import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope.base.errors import OutputFailed
from rotoscope.jobs.listing import watch
from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.listing.sources import jobs_of
from rotoscope.jobs.results import objects
from rotoscope.jobs.results.objects import ObjectRecords
from rotoscope.jobs.results.records import Record
from rotoscope.jobs.stores import remote_sources
from rotoscope.jobs.stores.remote_sources import fetched, list_objects
from rotoscope.jobs.stores.store import Changed, Store
from rotoscope.jobs.workers.chains import Chains
from rotoscope.jobs.workers.task import Task
from rotoscope.jobs.workers.work import do
from rotoscope.runtime.pipeline.parts import Part

KEY = "0" * 64
NOW = "2026-11-26T12:00:00+00:00"


def record(**changes):
    return replace(Record(key=KEY, state="started", source="a", target="a.mp4", models=("m",), at=NOW), **changes)


def test_a_record_replaces_only_the_one_that_was_read(bucket):
    ours, other = ObjectRecords(f"{bucket}/run7"), ObjectRecords(f"{bucket}/run7")
    assert ours.of(KEY) is None and other.of(KEY) is None
    ours.write(record())
    with pytest.raises(Changed, match="another process has written it"):
        other.write(record(host="other"))
    assert other.of(KEY) == record()
    other.write(record(host="other"))
    with pytest.raises(Changed):
        ours.write(record(state="done"))
    assert other.all() == [record(host="other")]
    other.forget(KEY)
    assert other.of(KEY) is None


def test_a_record_that_no_run_has_written_is_not_read(bucket):
    path = f".rotoscope/records/{KEY}.json"
    store = Store(bucket)
    store.write_if(path, json.dumps(record().to_json() | {"notes": ["x" * 2**20]}).encode(), None)
    assert ObjectRecords(bucket).of(KEY) is None


def test_many_claim_a_target_and_one_has_it_at_a_time(bucket):
    inside, most, had = 0, 0, 0
    guard = threading.Lock()

    def work():
        nonlocal inside, most, had
        with ObjectRecords(bucket).claimed("a.mp4", patience_seconds=60) as is_ours:
            if is_ours:
                with guard:
                    inside += 1
                    most, had = max(most, inside), had + 1
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, had) == (1, 4)


def test_a_lock_that_is_renewed_stays_and_that_of_a_dead_process_is_taken_over(bucket, monkeypatch):
    monkeypatch.setattr(objects, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(objects, "LOOK_SECONDS", 0.2)
    ours, other = ObjectRecords(bucket), ObjectRecords(bucket)
    with ours.claimed("a.mp4") as is_ours, other.claimed("a.mp4") as is_theirs:
        assert (is_ours, is_theirs) == (True, False)
    monkeypatch.setattr(objects, "RENEW_SECONDS", 1000)
    monkeypatch.setattr(objects, "LEASE_SECONDS", 0.5)
    with ours.claimed("b.mp4"):
        ours.of(KEY)
        ours.write(record())
        with other.claimed("b.mp4") as is_theirs:
            assert is_theirs, "it was not renewed"
            other.of(KEY)
            other.write(record(host="other"))
            with pytest.raises(Changed):
                ours.write(record(state="done"))


def test_objects_are_listed_as_files_are(bucket):
    store = Store(bucket)
    for path in ("in/a.mp4", "in/deep/b.mov", "in/notes.txt", "in/.hidden.mp4", "in/out/x.mp4"):
        store.write_if(path, b"1", None)

    def places(address, out=f"{bucket}/in/out"):
        return {name: place.as_posix() for name, place in list_objects(address, out)}

    everything = {f"{bucket}/in/a.mp4": "a.mp4", f"{bucket}/in/deep/b.mov": "deep/b.mov"}
    assert places(f"{bucket}/in") == places(f"{bucket}/in/") == everything
    assert places(f"{bucket}/in/**/*.mov") == {f"{bucket}/in/deep/b.mov": "deep/b.mov"}
    assert places(f"{bucket}/in/*.txt") == {f"{bucket}/in/notes.txt": "notes.txt"}
    assert places(f"{bucket}/in/a.mp4") == {f"{bucket}/in/a.mp4": "a.mp4"}
    for address, reason in ((f"{bucket}/none", "no videos"), (f"{bucket}/in/*.x", "no object fits")):
        with pytest.raises(rotoscope.InputRefused, match=reason):
            places(address)
    with pytest.raises(rotoscope.RotoscopeError, match=r"no-such-bucket/: .*"):
        places("s3://no-such-bucket")


def test_a_source_larger_than_the_limit_is_refused_before_it_is_fetched(bucket, monkeypatch):
    Store(bucket).write_if("a.mp4", b"12345", None)
    monkeypatch.setattr(remote_sources, "MOST_BYTES", 4)
    with (
        pytest.raises(rotoscope.InputRefused, match=r"a\.mp4: 5 bytes; accepted: at most 4"),
        fetched(f"{bucket}/a.mp4"),
    ):
        pass


def test_a_batch_from_bucket_to_bucket(bucket, tmp_path, monkeypatch):
    """Results have the bytes of `translate`; what fails leaves no result; a second run does nothing."""
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=3)
    store = Store(bucket)
    for name in ("in/a.mp4", "in/more/b.mp4"):
        store.upload(name, clip)
    store.write_if("in/bad.mp4", b"no video", None)
    out = f"{bucket}/run7"
    report = rotoscope.batch(f"{bucket}/in", out, model=model, steady="off", threads=1)
    assert sorted(record.target for record in report.made) == ["a.mp4", "more/b.mp4"]
    (missing,) = report.missing
    assert (missing.source, missing.state) == (
        f"{bucket}/in/bad.mp4",
        "refused",
    ) and "rotoscope.part" not in missing.error
    rotoscope.translate(clip, tmp_path / "expected.mp4", model=model, steady="off", threads=1)
    for name in ("run7/a.mp4", "run7/more/b.mp4"):
        assert store.read(name)[0] == (tmp_path / "expected.mp4").read_bytes()
    results = [item.path for item in store.list("run7") if "/.rotoscope/" not in item.path]
    assert results == ["run7/a.mp4", "run7/more/b.mp4"]
    states = [json.loads(store.read(item.path)[0])["state"] for item in store.list("run7/.rotoscope/records")]
    assert sorted(states) == ["done", "done", "refused"]
    again = rotoscope.batch(f"{bucket}/in", out, model=model, steady="off", threads=1)
    assert (again.made, again.before, len(again.missing)) == ((), 2, 1)


class Stopped(BaseException):
    """Ends a job as the end of its process does."""


def test_segments_of_a_long_video_are_kept_in_the_store(bucket, tmp_path):
    """What one process has written another one uses: here of a recurrent network, with its state."""
    model = tiny_models.smoother(tmp_path / "smoother.onnx")
    clip = tiny_clips.write_clip(tmp_path / "long.mp4", frames=40)
    job = BatchJob.of(str(clip), "long.mp4", (str(model),), {})
    task = Task(job, 1, 0, may_replace=False, segment_seconds=0.4)

    def stop(progress):
        if progress.done == 35:
            raise Stopped

    with pytest.raises(Stopped):
        do(task, f"{bucket}/run7", Chains(), on_progress=stop)
    store = Store(bucket)
    kept = [item.path.rpartition("/")[2] for item in store.list("run7/.rotoscope/segments")]
    assert kept == [f"0000000{first}.{kind}" for first in ("00", 10, 20) for kind in ("json", "mp4", "npz")]
    outcome = do(task, f"{bucket}/run7", Chains())
    assert outcome.state == "done" and "30 frames of an earlier run are used" in outcome.record.notes
    rotoscope.translate(clip, tmp_path / "once.mp4", model=model, resume=True, segment=0.4, threads=1)
    assert store.read("run7/long.mp4")[0] == (tmp_path / "once.mp4").read_bytes()
    assert list(store.list("run7/.rotoscope/segments")) == []


def test_a_source_that_changes_after_its_parts_leaves_none_of_them(bucket, tmp_path):
    """In a folder and in a bucket."""
    model, clip = tiny_models.invert(tmp_path / "invert.onnx"), tmp_path / "long.mp4"
    job = BatchJob.of(str(clip), "long.mp4", (str(model),), {"steady": "off"})
    for results in (str(tmp_path / "out"), bucket):
        tiny_clips.write_clip(clip, frames=40)
        task = Task(job, 1, 0, may_replace=False, segment_seconds=0.4, most_parts=2)
        divided = do(task, results, Chains())
        for part in divided.parts:
            assert do(replace(task, part=part), results, Chains()).state == "part written"
        tiny_clips.write_clip(clip, frames=44)
        whole = do(replace(task, most_parts=1, replaced=(divided.record.key,)), results, Chains())
        assert (whole.state, whole.record.frames) == ("done", 44)
    assert not list((tmp_path / "out" / ".rotoscope" / "segments").rglob("*.*"))
    assert list(Store(bucket).list(".rotoscope/segments")) == []


@pytest.mark.parametrize("damaged", [b"", b"{}", b"x" * 2_000_000])
def test_a_damaged_record_of_a_segment_is_replaced(damaged, bucket, tmp_path):
    """So the segment is made once more, not at every resume."""
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "long.mp4", frames=20)
    task = Task(BatchJob.of(str(clip), "long.mp4", (str(model),), {"steady": "off"}), 1, 0, False, segment_seconds=0.4)
    store, part = Store(bucket), replace(task, part=Part(0, None))
    assert do(part, bucket, Chains()).state == "part written"
    records = [item for item in store.list(".rotoscope/segments") if item.path.endswith(".json")]
    whole = [store.read(item.path)[0] for item in records]
    store.write_if(records[1].path, damaged, records[1].version)
    assert do(part, bucket, Chains()).state == "part written"
    assert [store.read(item.path)[0] for item in records] == whole


def test_an_object_that_was_replaced_is_done_again_by_the_same_worker(bucket, tmp_path):
    model, store = tiny_models.invert(tmp_path / "invert.onnx"), Store(bucket)
    task = Task(BatchJob.of(f"{bucket}/in/a.mp4", "a.mp4", (str(model),), {}), 1, 0, may_replace=True)
    chains, records = Chains(), []
    for frames in (3, 2):
        store.upload("in/a.mp4", tiny_clips.write_clip(tmp_path / f"{frames}.mp4", frames=frames))
        records.append(do(task, bucket, chains).record)
    assert [record.frames for record in records] == [3, 2] and records[0].key != records[1].key


def test_an_object_that_is_replaced_while_it_is_fetched_is_not_used(bucket, tmp_path, monkeypatch):
    store = Store(bucket)
    first = store.write_if("in/a.mp4", b"one", None)
    download = Store.download

    def replaced(self, path, file, size):
        done = download(self, path, file, size)
        store.write_if("in/a.mp4", b"two", first)
        return done

    monkeypatch.setattr(Store, "download", replaced)
    with pytest.raises(OutputFailed, match="it was replaced while it was fetched"), fetched(f"{bucket}/in/a.mp4"):
        pass


def test_workers_share_a_long_video_into_a_bucket(bucket, tmp_path):
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "long.mp4", frames=40)
    job = BatchJob.of(str(clip), "long.mp4", (str(model),), {"steady": "off"})
    task = Task(job, 1, 0, may_replace=False, segment_seconds=0.4, most_parts=2)
    divided = do(task, bucket, Chains())
    assert (divided.state, divided.parts) == ("divided", (Part(0, 20), Part(20, None)))
    for part in divided.parts:
        assert do(replace(task, part=part), bucket, Chains()).state == "part written"
    whole = do(replace(task, most_parts=1), bucket, Chains())
    assert "40 frames of an earlier run are used" in whole.record.notes
    rotoscope.translate(clip, tmp_path / "once.mp4", model=model, steady="off", resume=True, segment=0.4, threads=1)
    assert Store(bucket).read("long.mp4")[0] == (tmp_path / "once.mp4").read_bytes()


def test_a_part_that_comes_too_late_leaves_no_segments(bucket, tmp_path):
    """Two runs share a video: the other one has joined it already. In a folder and in a bucket."""
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "long.mp4", frames=20)
    job = BatchJob.of(str(clip), "long.mp4", (str(model),), {"steady": "off"})
    task = Task(job, 1, 0, may_replace=False, segment_seconds=0.4)
    late = replace(task, part=Part(0, None))
    for results in (str(tmp_path / "out"), bucket):
        assert do(task, results, Chains()).state == "done"
        assert do(late, results, Chains()).state == "part written"
    assert not list((tmp_path / "out" / ".rotoscope").rglob("*.mp4"))
    assert list(Store(bucket).list(".rotoscope/segments")) == []


def test_a_watched_bucket_gives_objects_when_they_are_new_or_changed(bucket, monkeypatch):
    monkeypatch.setattr(watch, "LIST_SECONDS", 0.0)
    folder = watch.WatchedFolder([f"{bucket}/in"], f"{bucket}/out", lambda files: jobs_of(files, ("m",), {}, None))
    store = Store(bucket)
    assert folder.look() == []
    first = store.write_if("in/a.mp4", b"one", None)
    (job,) = folder.look()
    assert (job.source, job.target) == (f"{bucket}/in/a.mp4", "a.mp4")
    assert folder.look() == []
    store.write_if("in/a.mp4", b"another", first)
    assert len(folder.look()) == 1
    monkeypatch.setattr(watch, "LIST_SECONDS", 1000.0)
    store.write_if("in/b.mp4", b"one", None)
    assert folder.look() == [], "it is not listed again so soon"


@pytest.mark.full
def test_a_watched_bucket_until_the_batch_is_stopped(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "LIST_SECONDS", 0.0)
    model = tiny_models.invert(tmp_path / "invert.onnx")
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    store, said = Store(bucket), []

    def progress(now):
        if not said:
            store.upload("in/new.mp4", clip)
        said.append(now)
        if now.done:
            signal.raise_signal(signal.SIGINT)

    report = rotoscope.batch(
        f"{bucket}/in", f"{bucket}/out", model=model, steady="off", watch=True, on_progress=progress
    )
    assert said[0].total == 0
    assert [record.target for record in report.made] == ["new.mp4"]
    assert store.version("out/new.mp4") is not None
