"""The command `rotoscope batch`: what it prints, its exit codes, its refusals."""

import importlib.util
import json
from pathlib import Path

import pytest
import tiny_clips
import tiny_models

from rotoscope.cli.batch_progress import hours, line
from rotoscope.jobs.results.progress import BatchProgress, Working

ROOT = Path(__file__).parents[2]


@pytest.fixture
def inputs(here):
    (here / "in").mkdir()
    tiny_clips.write_clip(here / "in" / "a.mp4", frames=2)
    (here / "in" / "bad.mp4").write_bytes(b"no video")
    return tiny_models.invert(here / "invert.onnx")


def test_a_batch_says_what_is_missing_and_why(rotoscope_main, inputs, here):
    code, out, err = rotoscope_main("batch", "in", "-o", "out", "-m", "invert.onnx", "--dry-run")
    assert (code, out.splitlines()) == (0, ["in/a.mp4 -> a.mp4", "in/bad.mp4 -> bad.mp4"])
    assert err.splitlines()[0] == "2 of 2 to do, 0 done" and err.splitlines()[1].startswith("about 0:00:")
    assert not (here / "out").exists(), "a dry run writes nothing"
    code, out, err = rotoscope_main("batch", "in", "-o", "out", "-m", "invert.onnx", "--report", "report.json")
    assert (code, out) == (5, "")
    assert err.splitlines()[0].startswith("1/2 done (0 before), 2 frames, ")
    assert err.splitlines()[1].startswith("missing: in/bad.mp4: not a video or picture")
    report = json.loads((here / "report.json").read_text())
    assert [item["source"] for item in report["missing"]] == ["in/bad.mp4"]
    (here / "in" / "bad.mp4").unlink()
    code, _, err = rotoscope_main("batch", "in", "-o", "out", "-m", "invert.onnx")
    assert (code, err.splitlines()[0][:32]) == (0, "1/1 done (1 before), 0 frames, 0")


@pytest.mark.parametrize("words, code, answer", [
    ((), 2, "no source; accepted"),
    (("in",), 2, "no model; accepted"),
    (("nothing", "-m", "starry"), 3, "nothing: no such file or folder"),
    (("in", "-m", "nothing"), 4, "neither a file nor a bundled look"),
    (("in", "-m", "starry", "--on", "dask"), 2, "--on dask; accepted: local, ray:AUTO"),
    (("in", "-m", "starry", "--on", "ray:head"), 2, "--on ray:head; accepted: ray:AUTO"),
    (("in", "-m", "starry", "--job-memory", "0"), 2, "job_memory=0; accepted: above 0"),
    (("in", "-m", "starry", "--shard", "3"), 2, "--shard 3; accepted: K/N"),
    (("in", "-m", "starry", "--ending", ".avi"), 2, "--ending .avi; accepted: .mp4"),
    (("in", "-m", "starry", "--workers", "0"), 2, "--workers 0; accepted"),
    (("in", "-m", "starry", "--segment", "-1"), 2, "segment=-1; accepted"),
    (("in", "-m", "starry", "--watch", "--shard", "0/2"), 2, "--watch with"),
    (("jobs.jsonl", "-m", "starry"), 2, "jobs.jsonl: no such file"),
    (("in", "-m", "starry", "-o", "ftp://host/run7"), 2, "ftp://host/run7; accepted: a folder, s3://"),
    (("in", "-m", "starry", "-o", "s3://"), 2, "s3://: no bucket; accepted"),
    (("in", "-m", "starry", "-o", "none/out"), 2, "none: no such folder"),
    (("in", "-m", "starry", "-o", "in/a.mp4"), 2, "in/a.mp4 is a file"),
    (("in", "-m", "starry", "-o", "in"), 2, "in is the folder of sources and of results"),
])  # fmt: skip
def test_what_cannot_work_is_one_line(words, code, answer, rotoscope_main, inputs, here):
    out = () if "-o" in words else ("-o", "out")
    got, printed, err = rotoscope_main("batch", *words, *out)
    assert (got, printed, err.count("\n")) == (code, "", 1), err
    assert answer in err and not (here / "out").exists()


def test_the_state_on_one_line():
    working = (Working(1, "a.mp4", 3, 9, 12.0),)
    assert line(BatchProgress(50, 12, 1, working, 60.0, 3723.0)) == "12/50 done, 1 missing, 1:02:03 left"
    assert line(BatchProgress(50, 0, 0, (), 0.0, None)) == "0/50 done"
    assert hours(59.6) == "0:01:00"


def test_the_schema_of_the_page_is_that_of_the_options():
    spec = importlib.util.spec_from_file_location("job_schema", ROOT / "scripts" / "job_schema.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = json.loads((ROOT / "docs" / "batch-jobs.schema.json").read_text())
    assert page == json.loads(json.dumps(module.job_schema())), (
        "python scripts/job_schema.py > docs/batch-jobs.schema.json"
    )
