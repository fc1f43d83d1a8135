"""How long jobs should take: from the records of earlier ones, or from a trial of the first."""

import time
from collections.abc import Sequence
from contextlib import closing

from rotoscope.assembly.file_translation import translate_file
from rotoscope.base.errors import RotoscopeError
from rotoscope.base.options import ModelOptions
from rotoscope.jobs.listing.inputs import num_bytes
from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.results.open_results import Results
from rotoscope.jobs.workers.chains import Chains
from rotoscope.runtime.media.open_sink import NULL
from rotoscope.runtime.media.open_source import open_source

TRIAL_SECONDS = 1.0  # of the first source, after a run that opens the models
MOST_LOOKED_AT = 100  # headers; the rest is taken to be as long for its bytes


def expected_seconds(jobs: Sequence[BatchJob], records: Results, chains: Chains) -> float | None:
    """About how many seconds the jobs take on this machine; None if it cannot be said.

    From the seconds for each byte of source of earlier jobs in the same folder; else from the speed of the first job, which is
    tried for about TRIAL_SECONDS of its source and written nowhere, and from the lengths in the headers of the others.
    """
    if not jobs:
        return 0.0
    done = [record for record in records.all() if record.state == "done" and record.seconds]
    done_bytes = sum(num_bytes(record.source) for record in done)
    if done_bytes:
        per_byte = sum(record.seconds for record in done) / done_bytes
        return per_byte * sum(num_bytes(job.source) for job in jobs)
    speed = _megapixels_per_second(jobs, chains)
    looked_at = [(length, num_bytes(job.source)) for job in jobs[:MOST_LOOKED_AT] if (length := _megapixels(job))]
    if speed is None or not looked_at:
        return None
    per_byte = sum(length for length, _ in looked_at) / max(1, sum(size for _, size in looked_at))
    rest = per_byte * sum(num_bytes(job.source) for job in jobs[MOST_LOOKED_AT:])
    return (sum(length for length, _ in looked_at) + rest) / speed


def _megapixels_per_second(jobs: Sequence[BatchJob], chains: Chains) -> float | None:
    """Speed of the first job that can be translated."""
    for job in jobs[:3]:
        others = {name: value for name, value in job.options.items() if name not in ModelOptions.__annotations__}
        others.pop("in_flight", None)
        try:
            for seconds in (0.001, TRIAL_SECONDS):  # the first call opens the engine and compiles kernels
                begin = time.perf_counter()
                run = translate_file(job.source, NULL, chains.of(job), {**others, "duration": seconds})
                elapsed = time.perf_counter() - begin
            return run.frames_out * run.width * run.height / 1e6 / elapsed
        except RotoscopeError:
            continue
    return None


def _megapixels(job: BatchJob) -> float | None:
    """Pixels of all frames of a job by the header, in millions; None for a source that cannot be read or does not say."""
    try:
        with closing(open_source(job.source)) as opened:
            info, rate = opened.info, float(opened.info.average_rate or 25)
            frames = info.num_frames_from_header or (info.duration_seconds or 0) * rate
            if job.options.get("duration") is not None:
                frames = min(frames, job.options["duration"] * rate)
            if opened.is_picture:
                frames = 1
            return frames * info.width * info.height / 1e6 or None
    except RotoscopeError:
        return None
