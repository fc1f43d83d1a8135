"""The models of jobs: opened once for each chain and its options, with engines that stay warm."""

import json
from collections import OrderedDict

from rotoscope.assembly.chain import open_chain
from rotoscope.assembly.model import Model
from rotoscope.jobs.listing.job import BatchJob

MOST_OPEN = 2  # chains whose engines keep their memory


class Chains:
    """The chains that were used last."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, list[Model]] = OrderedDict()
        self._digests: dict[str, tuple[str, ...]] = {}

    def of(self, job: BatchJob) -> list[Model]:
        """The models of a job; raises ModelRefused or UsageError."""
        key = _name(job)
        if key not in self._open:
            while len(self._open) >= MOST_OPEN:
                self._open.popitem(last=False)
            self._open[key] = open_chain(job.models, job.model_options)
        self._open.move_to_end(key)
        return self._open[key]

    def digests(self, job: BatchJob) -> tuple[str, ...]:
        """Digest of each model file of a job, style encoders too; raises ModelRefused or UsageError."""
        key = _name(job)
        if key not in self._digests:
            models = self.of(job)
            encoders = [model.encoder for model in models if model.encoder is not None]
            self._digests[key] = tuple(model.file.sha256 for model in (*models, *encoders))
        return self._digests[key]


def _name(job: BatchJob) -> str:
    return json.dumps([job.models, job.model_options])
