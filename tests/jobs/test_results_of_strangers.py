"""A folder of results that a stranger has made, and a current folder of theirs: nothing in them runs or chooses a file."""

import ast
import json
import os
import queue
from dataclasses import replace
from pathlib import Path

import pytest

import rotoscope
from rotoscope.base.errors import OutputFailed
from rotoscope.jobs.listing.job import BatchJob, own_folder, segment_folder
from rotoscope.jobs.listing.job_file import MOST_LINE, read_jobs
from rotoscope.jobs.results.records import MOST_BYTES, Record, Records
from rotoscope.jobs.results.standing import History
from rotoscope.jobs.workers.local_workers import log_folder
from rotoscope.jobs.workers.worker_process import WorkerProcess
from rotoscope.runtime.media.segments import Segment, read_segments, write_segment

PACKAGE = Path(rotoscope.__file__).parent
SECONDS = 300  # a generous limit
KEY = "a" * 64
MOMENT = "2026-01-01T00:00:00+00:00"
RECORD = Record(key=KEY, state="done", source="a.mp4", target="a.mp4", models=("m",), at=MOMENT).to_json()


def is_python(node):
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.executable"


def test_no_process_of_ours_takes_modules_from_the_current_folder():
    lists = [
        (file, node)
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.List) and node.elts and is_python(node.elts[0])
    ]
    assert len(lists) >= 3
    for file, node in lists:
        assert "'-P'" in ast.unparse(node.elts[1]), f"{file}: python -m puts the current folder before all others"


def test_a_module_beside_the_clips_does_not_run_in_a_worker(here):
    for name in ("json", "av", "filelock"):
        (here / f"{name}.py").write_text("open('PWNED', 'w')\n")
    messages = queue.Queue()
    worker = WorkerProcess(1, str(here / "out"), messages, log_folder(str(here / "out")))
    assert messages.get(timeout=SECONDS).event == "ready"
    worker.wait()
    assert not (here / "PWNED").exists()


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b"[]",
        b"\xff\xfe",
        b" " * (MOST_BYTES + 1),
        *(
            pytest.param(json.dumps({**RECORD, **change}).encode(), id=str(change)[:30])
            for change in (
                {"target": ["a"]}, {"target": 5}, {"target": "../a.mp4"}, {"target": "x" * 5000}, {"target": "a\0"},
                {"source": 5}, {"source": "y" * 5000}, {"state": "won"}, {"attempts": "x"}, {"inputs": [1]},
                {"inputs": {"source": {"stamp": [1], "digest": "x"}}}, {"options": [1]}, {"bytes": {}}, {"losses": [1]},
                {"seconds": float("nan")}, {"frames": 1.5}, {"extra": 1}, {"schema": 2}, {"key": "b" * 64},
            )
        ),
    ],
    ids=lambda content: content[:20].decode(errors="replace"),
)  # fmt: skip
def test_a_record_that_no_run_has_written_is_as_none(content, here, caplog):
    records = Records(here)
    (own_folder(here, "records") / f"{KEY}.json").write_bytes(content)
    (here / "a.mp4").write_bytes(b"clip")
    job = BatchJob("a.mp4", "b.mp4", ("m",))
    assert History(records, lambda _job: ("digest",)).of(job).state == "waiting"
    assert records.of(KEY) is None
    assert "not a record" in caplog.text


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_special_files_as_records(make, here):
    records = Records(here)
    make(own_folder(here, "records") / f"{KEY}.json")
    segments = here / "segments"
    segments.mkdir()
    make(segments / "000000000.json")
    assert records.all() == []
    assert read_segments(segments) == []


def test_options_of_a_record_that_name_impossible_files(here):
    records = Records(here)
    records.write(replace(Record.from_json(RECORD), options={"style": "s" * 5000, "flow": "\0", "mask": "m\0"}))
    assert History(records, lambda _job: ("digest",)).of(BatchJob("a.mp4", "b.mp4", ("m",))).state == "waiting"


@pytest.mark.parametrize("place", [".rotoscope", ".rotoscope/records", ".rotoscope/logs", ".rotoscope/segments"])
def test_links_in_the_place_of_our_folders_are_refused(place, here):
    (here / "elsewhere").mkdir()
    link = here / "out" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(here / "elsewhere")
    ways = {
        "records": lambda: Records(here / "out").write(Record.from_json(RECORD)),
        "logs": lambda: log_folder(str(here / "out")),
        "segments": lambda: segment_folder(here / "out", KEY),
        "locks": lambda: own_folder(here / "out", "locks"),
    }
    for name in (Path(place).name,) if "/" in place else ways:
        with pytest.raises(OutputFailed, match="a link; accepted: a folder"):
            ways[name]()
    assert list((here / "elsewhere").iterdir()) == []


def test_the_log_of_a_worker_replaces_a_link(here):
    (here / "notes.txt").write_text("precious\n")
    logs = log_folder(str(here / "out"))
    (logs / f"worker-{os.getpid()}-1.log").symlink_to(here / "notes.txt")
    worker = WorkerProcess(1, str(here / "out"), queue.Queue(), logs)
    worker.wait()
    assert (here / "notes.txt").read_text() == "precious\n"


@pytest.mark.parametrize(
    "change",
    [
        {"num_frames": 10**30}, {"num_frames": "3"}, {"num_frames": 0}, {"num_frames": 2.5}, {"first": 1}, {"tick": 1e300},
        {"scene": 99}, {"scene": -1}, {"scene": None}, {"path": 5}, {"path": "../../00.mkv"}, {"bytes": "4"}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_segment_that_no_run_has_written_does_not_count(change, here):
    (here / "000000000.mkv").write_bytes(b"clip")
    write_segment(Segment(here / "000000000.mkv", 0, 3, 0, 0))
    (segment,) = read_segments(here)
    assert (segment.num_frames, segment.path) == (3, here / "000000000.mkv")
    record = here / "000000000.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    found = read_segments(here)
    assert found == [] or found[0].path == here / "000000000.mkv"  # only the ending of the name counts
    assert not found or "path" in change


def test_a_link_in_the_place_of_a_segment_does_not_count(here):
    (here / "private.mkv").write_bytes(b"clip")
    (here / "000000000.mkv").symlink_to("private.mkv")
    write_segment(Segment(here / "000000000.mkv", 0, 3, 0, 0))
    assert read_segments(here) == []


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ({"op_library": "./evil.so"}, "op_library names a program; accepted: --op-library"),
        ({"op_library": None}, "op_library names a program"),
        ({"source": "a\0"}, "accepted: the name of a file"),
        ({"source": "\ud800"}, "accepted: the name of a file"),
        ({"source": "x" * 300}, "accepted: the name of a file"),
        ({"target": "a\0.mp4"}, "accepted: the name of a file"),
        ({"target": "\ud800.mp4"}, "accepted: the name of a file"),
        ({"model": ["m"] * 65}, "65 models; accepted: at most 64"),
        ({"target": "y" * MOST_LINE}, f"more than {MOST_LINE:,} characters"),
        ({"k" * 100_000: 1}, "accepted: options of translate"),
    ],
    ids=str,
)
def test_hostile_lines_of_a_file_of_jobs(line, answer, here):
    (here / "jobs.jsonl").write_text(json.dumps({"source": "a.mp4", **line}) + "\n")
    with pytest.raises(rotoscope.UsageError) as error:
        read_jobs(here / "jobs.jsonl", ("m",), {})
    assert "line 1: " in str(error.value) and answer in str(error.value)


def test_names_that_are_not_utf8_are_names(here):
    name = os.fsdecode(b"\xff.mp4")
    (here / "jobs.jsonl").write_text(json.dumps({"source": name}) + "\n")
    (job,) = read_jobs(here / "jobs.jsonl", ("m",), {})
    assert (job.source, job.target) == (name, name)
