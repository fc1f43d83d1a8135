"""One translation that survives an interruption: its segments, kept beside its result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rotoscope.assembly.chain import Named, as_chain
from rotoscope.assembly.model import Model
from rotoscope.base.errors import UsageError
from rotoscope.jobs.listing.inputs import Inputs
from rotoscope.jobs.listing.job import BatchJob, check_storable, segment_folder
from rotoscope.jobs.results.standing import key_of
from rotoscope.jobs.workers.chains import Chains
from rotoscope.runtime.pipeline.segmentation import Segmented

SEGMENT_SECONDS = 60.0


def resumable(
    source: str, target: str | None, model: Named | Sequence[Named], options: Mapping[str, Any], seconds: float
) -> tuple[list[Model], Segmented]:
    """The opened models of a translation and its segments: a folder for these very inputs, models and options.

    options  with `engine`
    seconds  least length of a segment
    Raises UsageError for a source or models that cannot be named again by a later run.
    """
    if source == "-" or target == "-":
        raise UsageError("--resume with - as source or result; accepted: files")
    check_segment(seconds)
    check_storable(options)
    names = as_chain(model)
    if any(isinstance(name, Model) for name in names):
        raise UsageError("resume with a loaded model; accepted: its name, so that a later run can open it")
    place = Path(target or "")
    job = BatchJob.of(source, place.name, tuple(map(str, names)), options)
    inputs, chains = Inputs(), Chains()
    inputs.read(source)  # refused before a model is opened, which can take minutes
    key, _ = key_of(job, inputs, chains.digests(job))
    return chains.of(job), Segmented(segment_folder(place.parent, key), seconds)


def check_segment(seconds: float) -> None:
    """Raise UsageError for a length that segments cannot have."""
    if not 0 < seconds <= 86400:
        raise UsageError(f"segment={seconds:g}; accepted: above 0, at most 86400 seconds")
