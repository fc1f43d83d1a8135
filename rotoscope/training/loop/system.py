"""What the trainer asks of a system: networks, optimisers, and a step written as the paper writes it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from rotoscope.training.data.datasets import Domain, Geometry
from rotoscope.training.options import SystemOptions

Batch = dict[str, Tensor]

SHORT_MEMORY = (0.5, 0.999)  # Adam's betas where networks learn from each other
LONG_MEMORY = (0.9, 0.999)  # and where one descends a fixed loss


class Update(NamedTuple):
    """One move of a step: the loss terms, weights included, whose sum the optimiser of this name descends."""

    optimiser: str
    terms: dict[str, Tensor]


class Result(NamedTuple):
    """A network that a run leaves behind, and the hints that say what its weights cannot (see `from_state_dict`)."""

    network: nn.Module
    hints: Mapping[str, Any] = {}


class System(nn.Module):
    """Networks that learn from each other; its state dict, pools included, is all that a run must remember of them.

    `step` is a generator: it yields one `Update` after the other, and goes on when the trainer has taken it. So a step
    reads in the order of the paper, while the trainer alone knows about precision, processes and accumulated
    gradients. Only weights of the optimiser named in an update get gradients from it: nothing needs to be frozen.
    """

    optimisers: dict[str, Optimizer]

    def domains(self) -> list[Domain]:
        """Where samples come from; those of different domains are drawn independently."""
        raise NotImplementedError

    def step(self, batch: Batch) -> Iterator[Update]:
        """One training step on a batch, which maps the names of the domains' views to tensors."""
        raise NotImplementedError

    def length(self, epoch_steps: int) -> int:
        """Steps of a whole run, given those of an epoch."""
        raise NotImplementedError

    def rate(self, step: int, epoch: int) -> float:
        """Factor on the learning rate after so many steps, which are so many whole epochs."""
        raise NotImplementedError

    def results(self) -> dict[str, Result]:
        """By file name without ending, what the run is for."""
        raise NotImplementedError

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Columns of a sample grid by caption, each (N,3,H,W) in [-1,1], for a batch of fixed samples."""
        raise NotImplementedError

    def called(self) -> list[nn.Module]:
        """Modules with weights that a step calls: what can be compiled, which other methods than `forward` cannot."""
        return [child for child in self.children() if weights_of(child)]

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of every epoch, and when a run resumes in its middle."""


def weights_of(*networks: nn.Module) -> list[nn.Parameter]:
    """All parameters of several networks, for one optimiser."""
    return [parameter for network in networks for parameter in network.parameters()]


def adam(
    rate: float, *networks: nn.Module, betas: tuple[float, float] = SHORT_MEMORY, weight_decay: float = 0.0
) -> Adam:
    """Adam, each weight read and written once (`fused`)."""
    return Adam(weights_of(*networks), rate, betas=betas, weight_decay=weight_decay, fused=True)


def geometry_of(options: SystemOptions, multiple: int) -> Geometry:
    """Samples as the options say, for a network whose sides are multiples of this."""
    return Geometry(resize=options.resize, crop=options.crop, flip=options.flip, multiple=multiple)
