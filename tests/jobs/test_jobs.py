"""Jobs without workers: what is listed, keys, records, where a job stands, files of jobs, watching, estimates."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope.api.batch import _local_workers
from rotoscope.jobs.listing.inputs import Inputs
from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.listing.job_file import read_jobs
from rotoscope.jobs.listing.sources import check_targets, jobs_of, list_files, parse_shard, shard_of
from rotoscope.jobs.listing.watch import STILL_LOOKS, WatchedFolder
from rotoscope.jobs.results.progress import Pace
from rotoscope.jobs.results.records import Record, Records
from rotoscope.jobs.results.standing import History, key_of
from rotoscope.jobs.workers.cards import visible_cards
from rotoscope.jobs.workers.chains import Chains
from rotoscope.jobs.workers.local_workers import LocalWorkers
from rotoscope.jobs.workers.task import Outcome, Task
from rotoscope.jobs.workers.work import do


@pytest.fixture
def media(here):
    for name in (
        "in/a.mp4",
        "in/b.AVI",
        "in/deep/c.jpg",
        "in/deep/d.heic",
        "in/notes.txt",
        "in/.hidden.mp4",
        "in/out/x.mp4",
    ):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(name.encode())
    return here


def places(sources, out="in/out"):
    return {str(file): place.as_posix() for file, place in list_files(sources, Path(out))}


def test_folders_globs_and_files_are_listed_each_file_once(media):
    everything = {
        "in/a.mp4": "a.mp4",
        "in/b.AVI": "b.AVI",
        "in/deep/c.jpg": "deep/c.jpg",
        "in/deep/d.heic": "deep/d.heic",
    }
    assert places(["in"]) == everything
    assert places(["in/**/*.jpg"]) == {"in/deep/c.jpg": "deep/c.jpg"}
    assert places(["in/*"]) == {"in/a.mp4": "a.mp4", "in/b.AVI": "b.AVI", "in/notes.txt": "notes.txt"}
    assert places(["in/deep/c.jpg", "in", "./in"]) == {**everything, "in/deep/c.jpg": "c.jpg"}
    for source, reason in (("in/*.mov", "no file fits"), ("nothing", "no such file"), ("in/none", "no such file")):
        with pytest.raises(rotoscope.InputRefused, match=f"{re.escape(source)}: {reason}"):
            places([source])


def test_targets_keep_their_folders_and_get_endings_that_can_be_written(media):
    files = list_files(["in"], media / "in/out")
    assert [job.target for job in jobs_of(files, ("m",), {}, None)] == ["a.mp4", "b.mp4", "deep/c.jpg", "deep/d.png"]
    assert [job.target for job in jobs_of(files[:2], ("m",), {}, ".mkv")] == ["a.mkv", "b.mkv"]


def test_targets_that_would_replace_something_are_refused(here):
    one, other = BatchJob("a.avi", "a.mp4", ("m",)), BatchJob("a.mov", "A.mp4", ("m",))
    with pytest.raises(rotoscope.UsageError, match=r"a\.avi and a\.mov would both become out/A\.mp4"):
        check_targets([one, other], "out")
    with pytest.raises(rotoscope.UsageError, match="a source would be replaced"):
        check_targets([BatchJob("out/a.mp4", "a.mp4", ("m",))], str(here / "out"))
    with pytest.raises(rotoscope.UsageError, match="target shots: a folder of pictures in s3://b; accepted"):
        check_targets([BatchJob("in", "shots", ("m",))], "s3://b")
    for target in ("../a.mp4", "/a.mp4", ".rotoscope/a.mp4"):
        with pytest.raises(rotoscope.UsageError, match="accepted: a path below"):
            check_targets([BatchJob("a.mp4", target, ("m",))], str(here))


def test_shards_are_disjoint_and_complete():
    jobs = [BatchJob(str(number), str(number), ("m",)) for number in range(10)]
    shards = [shard_of(jobs, parse_shard(f"{number}/4")) for number in range(4)]
    assert sorted(job.source for shard in shards for job in shard) == [str(number) for number in range(10)]
    for text in ("4/4", "1", "-1/2", "a/b", "0/0", "1/2/3"):
        with pytest.raises(rotoscope.UsageError, match=f"--shard {re.escape(text)}; accepted"):
            parse_shard(text)


def test_lines_of_a_file_of_jobs_override_the_command(here):
    lines = [{"source": "a.mov"}, {"source": "seq/%05d.png", "model": ["x", "y"], "strength": 0.75, "target": "s"}]
    (here / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    first, second = read_jobs(here / "jobs.jsonl", ("m",), {"strength": 0.5})
    assert first == BatchJob("a.mov", "a.mov", ("m",), {"strength": 0.5})
    assert second == BatchJob("seq/%05d.png", "s", ("x", "y"), {})


@pytest.mark.parametrize("line, answer", [
    ("{", "line 2: not JSON"),
    ("[]", "line 2: not an object"),
    ('{"source": "a", "strenght": 1}', "line 2: no key strenght; did you mean strength?"),
    ('{"source": "a", "overwrite": true}', "line 2: no key overwrite"),
    ('{"source": "a", "strength": 2}', "line 2: strength=2; accepted: 0"),
    ('{"source": "-"}', "line 2: source '-'; accepted"),
    ('{"target": "a.mp4"}', "line 2: source ''; accepted"),
    ('{"source": "s3://b/%05d.png"}', "line 2: source s3://b/%05d.png: pictures of an object store"),
    ('{"source": "a", "model": 7}', "line 2: model 7; accepted"),
    ('{"source": "a", "target": "o/%05d.png"}', "line 2: target o/%05d.png; accepted"),
    ('{"source": "a", "engine": "tflite"}', "line 2: engine='tflite'; accepted"),
])  # fmt: skip
def test_a_line_that_is_no_job_is_named(line, answer, here):
    (here / "jobs.jsonl").write_text('{"source": "a.mp4"}\n' + line + "\n")
    with pytest.raises(rotoscope.UsageError) as error:
        read_jobs(here / "jobs.jsonl", ("m",), {})
    assert answer in str(error.value) and "\n" not in str(error.value)


def test_the_key_is_that_of_the_content(here):
    (here / "a.mp4").write_bytes(b"one")
    (here / "b.mp4").write_bytes(b"one")
    (here / "mask.png").write_bytes(b"mask")

    def key(source="a.mp4", target="o.mp4", models=("m1",), **options):
        return key_of(BatchJob.of(source, target, ("m",), options), Inputs(), models)[0]

    assert key() == key(source="b.mp4") == key(strength=0.75, overwrite=True, in_flight=3, settings=())
    others = [key(strength=0.5), key(models=("m2",)), key(target="p.mp4"), key(mask="mask.png")]
    (here / "mask.png").write_bytes(b"another")
    others.append(key(mask="mask.png"))
    (here / "a.mp4").write_bytes(b"two")
    others.append(key())
    assert len({key(), *others}) == len(others)


def test_inputs_are_read_again_only_when_they_were_written(here):
    (here / "a.mp4").write_bytes(b"one")
    first = Inputs().read("a.mp4")
    known = Inputs([("a.mp4", replace(first, digest="remembered"))])
    assert known.read("a.mp4").digest == "remembered"
    os.utime(here / "a.mp4", ns=(1, 1))
    assert known.read("a.mp4").digest == first.digest


@pytest.fixture
def done(here):
    """A job that was done: (job, task, chains, records)."""
    tiny_clips.write_clip(here / "a.mp4", frames=2)
    model = tiny_models.invert(here / "invert.onnx")
    job = BatchJob.of("a.mp4", "more/a.mp4", (str(model),), {"steady": "off"})
    chains = Chains()
    task = Task(job, threads=1, attempts=0, may_replace=False)
    outcome = do(task, str(here / "out"), chains)
    assert outcome.state == "done", outcome.error
    return job, task, chains, Records(here / "out")


def test_a_job_is_done_once(done, here):
    job, task, chains, records = done
    (record,) = records.all()
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
    assert (record.state, record.frames, record.source) == ("done", 2, "a.mp4")
    target = here / "out" / "more" / "a.mp4"
    assert record.bytes == target.stat().st_size
    assert do(task, str(here / "out"), chains).record == record, "a run beside this one had done it"
    assert History(records, chains.digests).of(job).state == "done"
    target.write_bytes(b"cut")
    standing = History(records, chains.digests).of(job)
    assert (standing.state, standing.record) == ("waiting", record), "the result was changed"
    target.unlink()
    assert History(records, chains.digests).of(job).state == "waiting"


def test_other_results_are_not_replaced_without_being_told(done, here):
    job, _, chains, records = done
    other = replace(job, options={})
    standing = History(records, chains.digests).of(other)
    assert (standing.state, standing.missing.state) == ("missing", "refused")
    assert "exists and is not the result of this job; --overwrite" in standing.error
    allowed = History(records, chains.digests, overwrite=True).of(other)
    assert (allowed.state, len(allowed.replaced)) == ("waiting", 1)
    task = Task(other, 1, 0, may_replace=True, replaced=allowed.replaced)
    assert do(task, str(here / "out"), chains).state == "done"
    (record,) = records.all()
    assert record.options == {}, "the record of what stood there is gone"


def test_a_refused_input_is_not_tried_again_and_another_failure_three_times(done, here):
    job, _, chains, records = done
    (here / "bad.mp4").write_bytes(b"no video")
    bad = replace(job, source="bad.mp4", target="bad.mp4")
    outcome = do(Task(bad, 1, 0, may_replace=False), str(here / "out"), chains)
    assert (outcome.state, outcome.record.attempts) == ("refused", 1)
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome
    assert History(records, chains.digests).of(bad).state == "missing"
    assert History(records, chains.digests, retry_failed=True).of(bad).state == "waiting"
    for attempts, state in ((1, "waiting"), (2, "waiting"), (3, "missing")):
        records.write(replace(outcome.record, state="failed", attempts=attempts))
        assert History(records, chains.digests).of(bad).state == state
    gone = do(Task(replace(job, source="gone.mp4"), 1, 0, may_replace=False), str(here / "out"), chains)
    assert (gone.state, gone.record) == ("refused", None) and "no such file" in gone.error


def test_a_killed_job_is_begun_again_and_may_replace_its_own_result(done, here):
    job, task, chains, records = done
    (record,) = records.all()
    records.write(replace(record, state="started", bytes=0))  # killed between the result and its record
    standing = History(records, chains.digests).of(job)
    assert (standing.state, standing.attempts) == ("waiting", 0)
    assert do(task, str(here / "out"), chains).record.state == "done"


def test_a_damaged_record_is_as_none(done, here, caplog):
    job, _, chains, records = done
    (file,) = (records.folder / ".rotoscope" / "records").glob("*.json")
    file.rename(file.with_name("0.json"))
    assert records.all() == [], "its name is not its key"
    (records.folder / ".rotoscope" / "records" / "0.json").rename(file)
    file.write_text("{")
    assert History(records, chains.digests, overwrite=True).of(job).state == "waiting"
    assert "not a record" in caplog.text


def test_a_watched_folder_gives_files_when_they_are_complete(here, caplog):
    folder = WatchedFolder(["in"], str(here / "out"), lambda files: jobs_of(files, ("m",), {}, None))
    assert folder.look() == []
    (here / "in").mkdir()
    (here / "in" / "a.mp4").write_bytes(b"begun")
    looks = [folder.look() for _ in range(STILL_LOOKS)]
    (here / "in" / "a.mp4").write_bytes(b"begun and written on")
    looks += [folder.look() for _ in range(STILL_LOOKS)]
    assert looks == [[]] * (2 * STILL_LOOKS)
    (job,) = folder.look()
    assert (job.source, job.target) == ("in/a.mp4", "a.mp4")
    (here / "in" / "a.avi").write_bytes(b"the same result")
    assert [folder.look() for _ in range(STILL_LOOKS + 2)] == [[]] * (STILL_LOOKS + 2)
    assert "in/a.avi is left out" in caplog.text
    (here / "in" / "a.mp4").write_bytes(b"written once more")
    assert [len(folder.look()) for _ in range(STILL_LOOKS + 2)] == [0] * STILL_LOOKS + [1, 0]


def test_workers_share_the_cores(monkeypatch):
    assert _local_workers(2, 6, {}) == LocalWorkers(number=2, threads=3)
    assert _local_workers(None, 16, {}) == LocalWorkers(number=2, threads=8)
    assert _local_workers(None, None, {}).threads is None or _local_workers(None, None, {}).number > 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    on_gpu = _local_workers(None, 8, {"device": "cuda"})
    assert [on_gpu.card_of(number) for number in (1, 2, 3)] == ["2", "5", "2"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_cards(folder=Path("/nothing")) == ()


def test_the_time_left_is_by_bytes():
    pace = Pace(total_bytes=100)
    assert pace.eta(10, 0) is None
    pace.done_bytes = 20
    assert pace.eta(10, 5) == 30
