"""The contract between the trainer and a system: networks, optimisers, data, and one training step as in its paper."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

from rotoscope.training.data.datasets import Domain, Geometry
from rotoscope.training.loop.optimisation import weights_of
from rotoscope.training.options import SystemOptions

Batch = dict[str, Tensor]


class Update(NamedTuple):
    """One optimiser step: the name of the optimiser, and weighted loss terms whose sum it minimises."""

    optimiser: str
    terms: dict[str, Tensor]


class Result(NamedTuple):
    """A network that a run writes to a file, with the hints that `from_state_dict` needs beside its weights."""

    network: nn.Module
    hints: Mapping[str, Any] = {}


class TrainingSystem(nn.Module):
    """Networks that are trained together. Its state dict, pools included, is everything that a checkpoint must hold of them.

    `step` is a generator that yields one `Update` after the other; the trainer applies each before it asks for the next. So a
    step is written in the order of its paper, and only the trainer knows about precision, processes and gradient accumulation.
    An update gives gradients only to the weights of its own optimiser, so a system need not freeze the other networks.
    """

    optimisers: dict[str, Optimizer]
    preview_clip: Path | None = None  # a clip of which run.html shows some frames, with the results of `preview`

    def domains(self) -> list[Domain]:
        """Return the data sets. Samples of different domains are drawn independently."""
        raise NotImplementedError

    def step(self, batch: Batch) -> Iterator[Update]:
        """Run one training step on a batch: tensors by the names of the domains' views."""
        raise NotImplementedError

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of the whole schedule, given the steps of one epoch."""
        raise NotImplementedError

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return the factor of the initial learning rate for this step of this epoch, both counted from 0."""
        raise NotImplementedError

    def results(self) -> dict[str, Result]:
        """Return the networks to write, by file name without ending."""
        raise NotImplementedError

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return the columns of a sample grid by caption, each (N,3,H,W) in [-1,1], for a batch of fixed samples."""
        raise NotImplementedError

    def preview(self, frames: Tensor, batch: Batch) -> Tensor:
        """Return the results for frames of a clip, (N,3,H,W) in [-1,1]; `batch` holds the fixed samples.

        Only systems with a `preview_clip` are asked.
        """
        raise NotImplementedError

    def modules_to_compile(self) -> list[nn.Module]:
        """Return the modules with weights whose `forward` a step calls; torch.compile does not reach other methods."""
        return [child for child in self.children() if weights_of(child)]

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for an epoch; called before its first step, and again when a run resumes inside it."""


def geometry_of(options: SystemOptions, multiple: int) -> Geometry:
    """Return the sample geometry of the options, for a network that needs sides that are multiples of `multiple` pixels."""
    return Geometry(resize=options.resize, crop=options.crop, flip=options.flip, multiple=multiple)
