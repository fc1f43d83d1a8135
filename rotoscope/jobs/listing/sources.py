"""From what the user names to jobs: files, folders and globs, each file a job with a target of its own."""

from collections.abc import Iterable, Mapping, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.jobs.listing.job import BatchJob, is_target
from rotoscope.jobs.stores.remote_sources import list_objects
from rotoscope.jobs.stores.store import is_address, place_of
from rotoscope.runtime.media.encoder import CONTAINERS
from rotoscope.runtime.media.picture_codecs import WRITABLE
from rotoscope.runtime.media.sequence_files import READABLE, VIDEOS

JOB_FILE = ".jsonl"


def list_files(sources: Sequence[str], out: Path | None) -> list[tuple[Path, Path]]:
    """(file, its place below the folder of results) of all sources, in order, each file once.

    sources  files; folders, whose videos and pictures are taken, those of inner folders too; globs, ** among them. The place
             of a file is its path below the folder, below the part of the glob without signs, or its name.
    out      folder of results, whose files are left out; None if they are elsewhere
    Raises InputRefused for a source for which there is no file.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    for source in sources:
        files = _files_of(source, out)
        if not files:
            raise InputRefused(f"{source}: {_why_nothing(source)}")
        for file, place in files:
            found.setdefault(file.resolve(), (file, place))
    return list(found.values())


def jobs_of(
    files: Iterable[tuple[str | Path, Path]], models: tuple[str, ...], options: Mapping[str, Any], ending: str | None
) -> list[BatchJob]:
    """One job for each file.

    ending  of the results, such as .mkv; None: that of the source if it can be written, else .mp4, for pictures .png
    """
    return [
        BatchJob.of(str(file), place.with_suffix(ending or ending_for(Path(file))).as_posix(), models, options)
        for file, place in files
    ]


def ending_for(source: Path) -> str:
    """The ending of a result: that of the source if it can be written."""
    suffix = source.suffix.lower()
    if suffix in READABLE:
        return suffix if suffix in WRITABLE else ".png"
    return suffix if suffix in CONTAINERS else ".mp4"


def check_ending(ending: str | None) -> None:
    """Raise UsageError for an ending that no result can have."""
    if ending is not None and ending not in CONTAINERS and ending not in WRITABLE:
        raise UsageError(f"--ending {ending}; accepted: {', '.join((*CONTAINERS, *WRITABLE))}")


def list_sources(sources: Sequence[str], out: str) -> list[tuple[str | Path, Path]]:
    """What `list_files` gives for the files among the sources, and then the objects of those that are addresses."""
    files = [source for source in sources if not is_address(source)]
    found: list[tuple[str | Path, Path]] = [*list_files(files, None if is_address(out) else Path(out))]
    for address in sources:
        if is_address(address):
            found += list_objects(address, out)
    return found


def check_targets(jobs: Sequence[BatchJob], out: str) -> None:
    """Raise UsageError for a target that cannot be.

    That is one of two jobs, an input of any job, one outside the folder, and a folder of pictures in an object store.
    """
    targets: dict[str, BatchJob] = {}
    inputs = {_identity(job.source) for job in jobs}
    for job in jobs:
        other = targets.setdefault(job.target.lower(), job)
        if other is not job:
            raise UsageError(
                f"{other.source} and {job.source} would both become {place_of(out, job.target)}; accepted: one source for each "
                "result, for example from a jobs.jsonl that names targets"
            )
        if not is_target(job.target):
            raise UsageError(f"target {job.target!r}; accepted: a path below the folder of results, without ..")
        if is_address(out) and not Path(job.target).suffix:
            raise UsageError(
                f"target {job.target}: a folder of pictures in {out}; accepted in an object store: one file, such as "
                f"{job.target}.mkv"
            )
        result = place_of(out, job.target)
        if _identity(result) in inputs:
            raise UsageError(f"{result}: a source would be replaced by its result; accepted: another --out")


def shard_of(jobs: Sequence[BatchJob], shard: tuple[int, int] | None) -> list[BatchJob]:
    """Every Nth job from the Kth on, for shard (K, N), K from 0; all for None."""
    return list(jobs) if shard is None else list(jobs[shard[0] :: shard[1]])


def parse_shard(text: str) -> tuple[int, int]:
    """(K, N) of K/N with 0 <= K < N; raises UsageError for anything else."""
    first, _, second = text.partition("/")
    if not (first.isascii() and first.isdecimal() and second.isascii() and second.isdecimal()):
        raise UsageError(f"--shard {text}; accepted: K/N, such as 0/16 to 15/16")
    number, count = int(first), int(second)
    if not number < count:
        raise UsageError(f"--shard {text}; accepted: 0/{count} to {max(count - 1, 0)}/{count}")
    return number, count


def _identity(name: str) -> str:
    return name if is_address(name) else str(Path(name).resolve())


def _files_of(source: str, out: Path | None) -> list[tuple[Path, Path]]:
    path = Path(source)
    if path.is_file():
        return [(path, Path(path.name))]
    if path.is_dir():
        if out is not None and path.resolve() == out.resolve():
            raise UsageError(f"{source} is the folder of sources and of results; accepted: another --out")
        return _below(path, "**/*", out, only_media=True)
    if has_magic(source):
        first = next(place for place, part in enumerate(path.parts) if has_magic(part))
        return _below(Path(*path.parts[:first]), str(Path(*path.parts[first:])), out, only_media=False)
    raise InputRefused(f"{source}: no such file or folder")


def _below(folder: Path, pattern: str, out: Path | None, *, only_media: bool) -> list[tuple[Path, Path]]:
    """(file, its place) of the files of a folder that a pattern names, without hidden ones and those of the results."""
    inside = None if out is None else out.resolve()
    found = []
    for file in sorted(folder.glob(pattern)):
        place = file.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in place.parts)
        if is_hidden or not file.is_file() or inside in file.resolve().parents:
            continue
        if not only_media or file.suffix.lower() in (*VIDEOS, *READABLE):
            found.append((file, place))
    return found


def _why_nothing(source: str) -> str:
    return "no videos or pictures in this folder" if Path(source).is_dir() else "no file fits this pattern"
