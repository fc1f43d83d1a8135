"""Blind video temporal consistency (Lai et al. 2018): a recurrent network that removes flicker from processed video.

From source frames I and frame-by-frame results P the network makes outputs O, with O_0 = P_0, that minimise, summed over a
clip,

    short_term |M (O_t - W(O_{t-1}))|    M is the visibility mask of the warped source frames
    long_term |M (O_t - W(O_0))|         for t >= 2
    perceptual |VGG16 features of O_t - those of P_t|

Flow goes from the current source frame to the earlier one, by dense inverse search (published: FlowNet2). Gradients do not pass
from frame to frame.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from rotoscope.networks.transformnet import TransformNet
from rotoscope.networks.warps import warp_border
from rotoscope.training.data.datasets import Domain, Geometry
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, halved_every
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update
from rotoscope.training.losses.perceptual import frozen_vgg, normalise_imagenet
from rotoscope.training.losses.reference_flow import reference_flow
from rotoscope.training.options import BlindConsistencyOptions

ALPHA = 50.0  # of the visibility mask exp(-ALPHA d^2)
FIRST_LONG_TERM = 2


def visibility(current: Tensor, earlier: Tensor, flow: Tensor) -> Tensor:
    """Return M (N,1,H,W) = exp(-50 d^2); d is the warping error summed over channels, of RGB pictures in [0,1].

    This follows the published code; the paper prints the sum of squares instead of the square of the sum.
    """
    difference = (current - warp_border(earlier, flow)).sum(dim=1, keepdim=True)
    return torch.exp(-ALPHA * difference.square())


def temporal_loss(current: Tensor, earlier: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of |M (current - W(earlier))| for outputs (N,3,H,W); no gradient passes to the earlier one."""
    return l1_loss(current * mask, warp_border(earlier.detach(), flow) * mask)


def to_unit_range(pictures: Tensor) -> Tensor:
    """Convert [-1,1] to [0,1]."""
    return (pictures + 1) / 2


class BlindConsistency(TrainingSystem):
    """One network, trained on clips of source frames and processed frames."""

    def __init__(self, options: BlindConsistencyOptions) -> None:
        super().__init__()
        self.options = options
        self.network = TransformNet(options.width, options.blocks)
        self.features = [
            frozen_vgg(16, options.vgg16, "relu4_3", weight=options.perceptual)
        ]  # in a list, so that it is no submodule and not trained
        self.optimisers = {"network": adam(options.learning_rate, self.network, betas=DEFAULT_BETAS)}

    def domains(self) -> list[Domain]:
        """Return clips of source and processed frames, with the same random scale, rotation and direction of time for both."""
        options = self.options
        geometry = Geometry(
            resize=options.resize,
            crop=options.crop,
            flip=options.flip,
            multiple=self.network.size_multiple,
            scale=options.scale,
            turn=True,
        )
        return [Domain({"source": options.source, "processed": options.processed}, geometry, length=options.clip)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update from all frames of the clips."""
        source, processed = to_unit_range(batch["source"]), to_unit_range(batch["processed"])
        outputs = self.outputs(source, processed)
        sums: dict[str, list[Tensor]] = {"short_term": [], "long_term": [], "perceptual": []}
        for index in range(1, len(outputs)):
            sums["short_term"].append(self.options.short_term * self.temporal_term(outputs, source, index, index - 1))
            if index >= FIRST_LONG_TERM:
                sums["long_term"].append(self.options.long_term * self.temporal_term(outputs, source, index, 0))
            if self.options.perceptual:
                sums["perceptual"].append(
                    self.options.perceptual * self.perceptual_term(outputs[index], processed[:, index])
                )
        yield Update("network", {name: torch.stack(terms).sum() for name, terms in sums.items() if terms})

    def outputs(self, source: Tensor, processed: Tensor) -> list[Tensor]:
        """Return T outputs for frames (N,T,3,H,W) in [0,1]; no gradient passes through the state from frame to frame."""
        state = self.network.initial_state(source[:, 0])
        made = []
        for index in range(source.shape[1]):
            output, state = self.network(source[:, index], processed[:, index], state)
            state = tuple(part.detach() for part in state)
            made.append(output)
        return made

    @staticmethod
    def temporal_term(outputs: list[Tensor], source: Tensor, index: int, earlier: int) -> Tensor:
        """Return the temporal loss between two frames of a clip."""
        current, before = source[:, index], source[:, earlier]
        flow = reference_flow(2 * current - 1, 2 * before - 1)
        return temporal_loss(outputs[index], outputs[earlier], flow, visibility(current, before, flow))

    def perceptual_term(self, output: Tensor, processed: Tensor) -> Tensor:
        """Return the L1 distance of VGG16 features."""
        (network,) = self.features
        assert network is not None
        network = network.to(output.device)
        (ours,) = network(normalise_imagenet(output))
        with torch.no_grad():
            (theirs,) = network(normalise_imagenet(processed))
        return l1_loss(ours, theirs)

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of all epochs."""
        return self.options.epochs * self.options.epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1/2 for every `halve_every_epochs` epochs, counted from 1."""
        return halved_every(step // self.options.epoch_steps + 1, self.options.halve_every_epochs)

    def results(self) -> dict[str, Result]:
        """Return the network."""
        return {"stabiliser": Result(self.network)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return the last frame of each clip, and the difference of the last two before and after."""
        source, processed = to_unit_range(batch["source"]), to_unit_range(batch["processed"])
        outputs = self.outputs(source, processed)
        return {
            "source": batch["source"][:, -1],
            "processed": batch["processed"][:, -1],
            "steadied": 2 * outputs[-1] - 1,
            "change before": batch["processed"][:, -1] - batch["processed"][:, -2],
            "change after": 2 * (outputs[-1] - outputs[-2]),
        }
