"""The function that translates many files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.base.option_checks import check_count
from rotoscope.base.option_keywords import TranslateKeywords
from rotoscope.base.options import IN_FLIGHT, THREADS, EngineName, ModelOptions, check_options
from rotoscope.jobs.batch import run_batch
from rotoscope.jobs.estimate import expected_seconds
from rotoscope.jobs.listing.job import BatchJob, check_storable
from rotoscope.jobs.listing.job_file import read_jobs
from rotoscope.jobs.listing.sources import (
    JOB_FILE,
    check_ending,
    check_targets,
    jobs_of,
    list_sources,
    parse_shard,
    shard_of,
)
from rotoscope.jobs.listing.watch import WatchedFolder
from rotoscope.jobs.results.open_results import Results, open_results
from rotoscope.jobs.results.progress import BatchProgress, BatchReport
from rotoscope.jobs.results.standing import History
from rotoscope.jobs.resume import SEGMENT_SECONDS, check_segment
from rotoscope.jobs.stores.store import is_address
from rotoscope.jobs.workers.cards import jobs_on, memory_gib, visible_cards
from rotoscope.jobs.workers.chains import Chains
from rotoscope.jobs.workers.local_workers import LocalWorkers
from rotoscope.jobs.workers.ray_workers import PREFIX, RayWorkers, check_ray, connect, ray_workers
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.pipeline.stages import MAX_IN_FLIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCAL = "local"
MOST_GIB = 1024


def batch(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    model: str | Path | Sequence[str | Path] = (),
    engine: EngineName | None = None,
    ending: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    in_flight: int | None = None,
    shard: str | None = None,
    retry_failed: bool = False,
    dry_run: bool = False,
    watch: bool = False,
    segment: float = SEGMENT_SECONDS,
    on: str = LOCAL,
    job_memory: float | None = None,
    on_progress: Callable[[BatchProgress], None] = lambda _progress: None,
    **options: Unpack[TranslateKeywords],
) -> BatchReport:
    """Translate many files, each once: the same call again does only what is missing; return what came of them.

    sources   files, folders, globs ("in/**/*.mp4"), each also in an object store ("s3://bucket/in"), or one file of jobs
              (.jsonl): on each line a JSON object with `source`, optionally `target` and `model`, and options of `translate`
    out       folder of the results, or an address in an object store ("s3://bucket/run7"); its folder .rotoscope keeps the
              records. Inner folders stay as they are in the sources
    model     a bundled look, an .onnx file or a checkpoint; several make a chain
    ending    of the results, such as ".mkv"; by default that of the source if it can be written, else .mp4 or .png
    workers   processes; by default one for each 8 cores, on a GPU one for each job for which the cards have room; on Ray
              jobs at most, by default as many as the cluster has room for
    threads   cores that all workers share; by default all; on Ray cores of each job, by default 8
    in_flight  frames in the network of one job at once
    shard     "K/N": only every Nth job from the Kth on, K from 0
    retry_failed  try jobs again that failed for good
    dry_run   do nothing; the report says what is missing and how long it should take
    watch     go on with files that appear in the sources, until SIGINT or SIGTERM
    segment   seconds; a video longer than two segments is written in segments: a killed process loses one, and workers without
              a file of their own share it; 0: no segments
    on        "local": processes of this machine; "ray:AUTO" or "ray:HOST:PORT": a Ray cluster
    job_memory  GiB of a card that a job takes: a card gets as many jobs as it has room for; by default one
    on_progress  called about twice a second, and whenever a job ends, on this thread

    The other keywords are those of `translate`; with `overwrite`, results that are not of this batch are replaced.
    A result is what `translate` with the same options and as many threads writes. Results appear complete or not at all.
    Raises a RotoscopeError with one line for what no job can work with; what is wrong with one job is in the report.
    """
    chain = (str(model),) if isinstance(model, str | Path) else tuple(map(str, model))
    names = [str(sources)] if isinstance(sources, str | Path) else [str(source) for source in sources]
    given: dict[str, Any] = dict(options)
    given |= {name: value for name, value in (("engine", engine), ("in_flight", in_flight)) if value is not None}
    overwrite = bool(given.pop("overwrite", False))
    check_options({name: value for name, value in given.items() if name != "in_flight"})
    check_count("in_flight", in_flight, IN_FLIGHT)
    check_count("threads", threads, THREADS)
    check_count("workers", workers, THREADS)
    check_storable(given)
    check_ending(ending)
    _check_places(str(out), on)
    if job_memory is not None and not 0 < job_memory <= MOST_GIB:
        raise UsageError(f"job_memory={job_memory:g}; accepted: above 0, at most {MOST_GIB} GiB")
    if segment != 0:
        check_segment(segment)
    results = open_results(str(out))
    part = None if shard is None else parse_shard(shard)
    is_file_of_jobs = len(names) == 1 and names[0].endswith(JOB_FILE)
    if watch and (is_file_of_jobs or part is not None or dry_run):
        raise UsageError("--watch with a file of jobs, --shard or --dry-run; accepted: folders and globs")
    if is_file_of_jobs:
        jobs = read_jobs(Path(names[0]), chain, given)
    elif not chain:
        raise UsageError(
            "no model; accepted: -m with a bundled look, an .onnx file or a checkpoint, or --like PAINTING"
        )
    else:
        jobs = jobs_of([] if watch else list_sources(names, results.name), chain, given, ending)
    check_targets(jobs, results.name)
    jobs = shard_of(jobs, part)
    chains = Chains()
    _check_models(jobs or [BatchJob("", "", chain, given)], chains)
    history = History(results, chains.digests, retry_failed=retry_failed, overwrite=overwrite)
    if dry_run:
        return _dry_report(jobs, history, results, chains)
    if results.folder is not None:
        _make_folder(results.folder)
    watched = None
    if watch:
        watched = WatchedFolder(names, results.name, lambda found: jobs_of(found, chain, given, ending))
    return run_batch(
        jobs,
        results,
        history,
        workers=_workers(on, workers, threads, given, job_memory),
        overwrite=overwrite,
        segment_seconds=segment,
        look=None if watched is None else watched.look,
        on_progress=on_progress,
    )


def _check_places(out: str, on: str) -> None:
    """Raise UsageError for places where a batch cannot run or write."""
    if on != LOCAL and not on.startswith(PREFIX):
        raise UsageError(f"--on {on}; accepted: local, ray:AUTO, ray:HOST:PORT")
    if on != LOCAL:
        check_ray(on)
    if not out:
        raise UsageError('--out "": an empty name; accepted: a folder')
    if is_address(out):
        return
    if "://" in out:
        raise UsageError(f"--out {out}; accepted: a folder, s3://bucket/path, gs://bucket/path, az://container/path")
    if Path(out).exists() and not Path(out).is_dir():
        raise UsageError(f"--out {out} is a file; accepted: a folder")


def _make_folder(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise UsageError(f"{folder.parent}: no such folder")
    folder.mkdir(exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder}: not writable")


def _check_models(jobs: Sequence[BatchJob], chains: Chains) -> None:
    """Raise the error of a model that cannot be opened if every job has it; otherwise the jobs that have it are refused."""
    errors: list[RotoscopeError] = []
    distinct = {str((job.models, sorted(job.model_options.items(), key=str))): job for job in jobs}
    for job in distinct.values():
        try:
            chains.digests(job)
        except RotoscopeError as error:
            errors.append(error)
    if len(errors) == len(distinct):
        raise errors[0]


def _workers(
    on: str, number: int | None, threads: int | None, options: dict[str, Any], job_memory: float | None
) -> LocalWorkers | RayWorkers:
    if on == LOCAL:
        return _local_workers(number, threads, options, job_memory)
    connect(on)
    return ray_workers(number, threads, on_gpu=_is_on_gpu(options), job_gib=job_memory)


def _is_on_gpu(options: dict[str, Any]) -> bool:
    return str(options.get("device", ModelOptions.device)) != "cpu"


def _local_workers(
    number: int | None, threads: int | None, options: dict[str, Any], job_memory: float | None = None
) -> LocalWorkers:
    """How many workers, and the cores of each, so that together they use no more than they may."""
    cores = threads or usable_cores()
    on_gpu = _is_on_gpu(options)
    cards = visible_cards() if on_gpu else ()
    on_each = 1 if job_memory is None or not on_gpu else jobs_on(memory_gib(), job_memory)
    number = number or (max(1, len(cards)) * on_each if on_gpu else max(1, cores // MAX_IN_FLIGHT))
    share = max(1, cores // number)
    return LocalWorkers(number=number, threads=threads if number == 1 else share, cards=cards if number > 1 else ())


def _dry_report(jobs: Iterable[BatchJob], history: History, results: Results, chains: Chains) -> BatchReport:
    standings = [history.of(job) for job in jobs]
    waiting = [item.job for item in standings if item.state == "waiting"]
    missing = [item.missing for item in standings if item.state != "done"]
    before = len(standings) - len(missing)
    return BatchReport(len(standings), before, (), tuple(missing), 0.0, expected_seconds(waiting, results, chains))
