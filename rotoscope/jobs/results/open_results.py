"""Where a batch keeps its results and records: a folder, or an object store."""

from pathlib import Path

from rotoscope.jobs.results.objects import ObjectRecords
from rotoscope.jobs.results.records import Records
from rotoscope.jobs.stores.store import is_address

Results = Records | ObjectRecords


def open_results(out: str) -> Results:
    """The results of a folder, or of an address such as s3://bucket/run7; raises UsageError."""
    return ObjectRecords(out) if is_address(out) else Records(Path(out))
