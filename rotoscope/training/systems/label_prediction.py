"""Prediction of label maps, `vid2vid --task predict` (Wang et al. 2018): the next map from the last ones.

A sequence begins with `past` real maps; each further map is predicted from the maps before it, its own ones included, as one
class for each pixel. Gradients do not pass from frame to frame. For every frame the predictor minimises

    classes: cross entropy of the result with the real map
    drawn: cross entropy of what it drew, without the warped newest map
    warp |W(newest map, flow) - real map|, and flow |F - F_ref| / 20 pixels where F_ref explains the real map, both times `flow`

F_ref is dense inverse search between the maps in colours, enlarged 4 times.

Sequences double in length every few epochs, as in the paper, so that the predictor learns to go on from its own results.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, l1_loss

from rotoscope.networks.label_maps import encode_labels
from rotoscope.networks.label_predictor import LabelPredictor
from rotoscope.networks.vid2vid import FLOW_SCALE, ScalePicture
from rotoscope.networks.warps import warp_border
from rotoscope.training.data.datasets import Domain
from rotoscope.training.loop.optimisation import adam, constant_then_to_zero, init_normal
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.reference_flow import reference_flow
from rotoscope.training.options import Vid2VidOptions

ENLARGED = 4  # sides of the maps between which the reference flow is found
LEAST_EXPLAINED = 0.5  # share of the right label after the warp
LEAST = 1e-6  # probability in a logarithm
HUES = (0.61803, 0.31, 0.87)  # steps between the colours of neighbouring labels in samples


class LabelPrediction(TrainingSystem):
    """The predictor alone: it has no discriminators."""

    def __init__(self, options: Vid2VidOptions) -> None:
        super().__init__()
        self.options = options
        self.network = LabelPredictor(options.num_labels, options.past, options.width, options.levels, options.blocks)
        init_normal(self.network)
        self.optimisers = {"predictor": adam(options.learning_rate, self.network)}

    def domains(self) -> list[Domain]:
        """Return the label maps of the clips."""
        options = self.options
        assert options.labels is not None
        return [
            Domain(
                {"labels": options.labels},
                geometry_of(options, self.network.size_multiple),
                length=options.sequence,
                doubles_every=options.sequence_doubles_every,
                labels=("labels",),
            )
        ]

    def modules_to_compile(self) -> list[torch.nn.Module]:
        """Return the generator inside the predictor."""
        return [self.network.predictor]

    def step(self, batch: Batch) -> Iterator[Update]:
        """Update the predictor for every frame after the past."""
        labels = batch["labels"]
        maps = self.one_hot(labels[:, : self.options.past])
        for index in range(self.options.past, labels.shape[1]):
            made = self.network.composite(maps)
            yield Update("predictor", self.terms(made, maps, labels[:, index]))
            maps = self.following(maps, made)

    def one_hot(self, labels: Tensor) -> Tensor:
        """Return maps (N,T,H,W) as (N,T*L,H,W) of 0 and 1."""
        return encode_labels(labels, self.options.num_labels)

    def following(self, maps: Tensor, made: ScalePicture) -> Tensor:
        """Return the past of the next frame: without the oldest map, with the one that was made, a class for each pixel."""
        newest = made.picture.detach().argmax(dim=1, keepdim=True)
        return torch.cat([maps[:, self.options.num_labels :], self.one_hot(newest)], dim=1)

    def terms(self, made: ScalePicture, maps: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return all weighted terms of one frame; `real` is (N,H,W). Numbers that are no label are left out."""
        wanted, newest = self.one_hot(real[:, None]), maps[:, -self.options.num_labels :]
        moved = warp_border(newest, made.flow)
        flow = flow_of_labels(wanted, newest)
        is_explained = (warp_border(newest, flow) * wanted).sum(dim=1, keepdim=True) > LEAST_EXPLAINED
        return {
            "classes": cross_entropy(made.picture, wanted),
            "drawn": cross_entropy(made.raw, wanted),
            "warp": self.options.flow * l1_loss(moved * wanted.sum(dim=1, keepdim=True), wanted),
            "flow": self.options.flow * l1_loss(made.flow * is_explained, flow * is_explained) / FLOW_SCALE,
        }

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of the constant and of the decaying epochs."""
        return (self.options.epochs + self.options.epochs_decay) * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1, then a linear decay to 0."""
        return constant_then_to_zero(epoch, self.options.epochs, self.options.epochs_decay)

    def results(self) -> dict[str, Result]:
        """Return the predictor."""
        return {"predictor": Result(self.network)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return for the last frame of each sequence: newest given map, real, predicted, drawn, warped, weight of drawn."""
        labels, num_labels = batch["labels"], self.options.num_labels
        maps = self.one_hot(labels[:, : self.options.past])
        given = maps[:, -num_labels:]
        for _ in range(self.options.past, labels.shape[1]):
            before, made = maps, self.network.composite(maps)
            maps = self.following(maps, made)
        return {
            "last given": coloured(given),
            "real": coloured(self.one_hot(labels[:, -1:])),
            "predicted": coloured(maps[:, -num_labels:]),
            "drawn": coloured(made.raw),
            "warped": coloured(warp_border(before[:, -num_labels:], made.flow)),
            "weight of drawn": (2 * made.weight - 1).expand(-1, 3, -1, -1),
        }


def flow_of_labels(one: Tensor, other: Tensor) -> Tensor:
    """Return the flow (N,2,H,W) in pixels from maps (N,L,H,W) to others; `warp_border(other, flow)` is about `one`."""
    drawn = [interpolate(coloured(maps), scale_factor=ENLARGED, mode="nearest") for maps in (one, other)]
    return avg_pool2d(reference_flow(*drawn), ENLARGED) / ENLARGED


def cross_entropy(probabilities: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over pixels of -log of the probability of the real class; both (N,L,H,W), `wanted` 0 and 1."""
    return -(wanted * (probabilities + LEAST).log()).sum(dim=1).mean()


def coloured(probabilities: Tensor) -> Tensor:
    """Return (N,3,H,W) in [-1,1]: a mixture of one colour for each label."""
    numbers = torch.arange(probabilities.shape[1], device=probabilities.device)
    colours = torch.stack([(numbers * step + 0.1) % 1 for step in HUES]) * 2 - 1
    return torch.einsum("nlhw,cl->nchw", probabilities, colours.to(probabilities.dtype))
