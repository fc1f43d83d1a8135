"""Super SloMo (Jiang et al. 2018): learn to interpolate frames, from videos of a high frame rate.

From a clip of `between` + 2 frames the network takes the first and the last and interpolates a randomly chosen frame between
them. It minimises

    reconstruction |interpolated - true|
    warping   |W(I0, Ft0) - It| + |W(I1, Ft1) - It| + |W(I0, F10) - I1| + |W(I1, F01) - I0|
    perceptual: squared distance of VGG16 features
    smoothness: mean absolute difference of neighbouring pixels of both flows

with RGB in [0,1] and the weights of the public implementation. That one takes VGG features before relu4_3, this one after it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from rotoscope.networks.superslomo import MEAN, SuperSloMo, flows_at
from rotoscope.networks.warps import warp_scaled
from rotoscope.training.data.datasets import Domain
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, divided_at, init_kaiming
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.perceptual import frozen_vgg
from rotoscope.training.options import SuperSlomoOptions


def roughness(flow: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels of a flow (N,2,H,W), in x plus in y."""
    return flow.diff(dim=-1).abs().mean() + flow.diff(dim=-2).abs().mean()


class SuperSlomoSystem(TrainingSystem):
    """The interpolation network."""

    def __init__(self, options: SuperSlomoOptions) -> None:
        super().__init__()
        self.options = options
        self.network = SuperSloMo()
        init_kaiming(self.network)
        self.perceive = [
            frozen_vgg(16, options.vgg16, "relu4_3", weight=options.perceptual)
        ]  # in a list, so that it is no submodule and not trained
        self.optimisers = {"network": adam(options.learning_rate, self.network, betas=DEFAULT_BETAS)}

    def domains(self) -> list[Domain]:
        """Return clips of consecutive frames."""
        geometry = geometry_of(self.options, self.network.size_multiple)
        return [Domain({"frames": self.options.frames}, geometry, length=self.options.between + 2)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update, for a random time in each clip."""
        frames = batch["frames"]
        chosen = torch.randint(1, self.options.between + 1, (frames.shape[0],), device=frames.device)
        true = frames[torch.arange(len(frames), device=frames.device), chosen]
        time = (chosen / (self.options.between + 1)).view(-1, 1, 1, 1)
        yield Update("network", self.terms(centred(frames[:, 0]), centred(frames[:, -1]), centred(true), time))

    def terms(self, first: Tensor, last: Tensor, true: Tensor, time: Tensor) -> dict[str, Tensor]:
        """Return all weighted terms for frames (N,3,H,W) in [0,1] minus the mean colour, and times (N,1,1,1) in (0,1)."""
        options = self.options
        forward, backward = self.network.flows(first, last)
        made = self.network.at(time, first, last, forward, backward).frame
        to_first, to_last = flows_at(time, forward, backward)
        warps = ((first, to_first, true), (last, to_last, true), (first, backward, last), (last, forward, first))
        warping = torch.stack([l1_loss(warp_scaled(source, flow), target) for source, flow, target in warps]).sum()
        terms = {
            "reconstruction": options.reconstruction * l1_loss(made, true),
            "warping": options.warping * warping,
            "smoothness": options.smoothness * (roughness(forward) + roughness(backward)),
        }
        if options.perceptual:
            (network,) = self.perceive
            assert network is not None
            network = network.to(made.device)
            with torch.no_grad():
                (target,) = network(true)
            terms["perceptual"] = options.perceptual * mse_loss(network(made)[0], target)
        return terms

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of all epochs."""
        return self.options.epochs * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1, divided by 10 at each milestone."""
        return divided_at(epoch, self.options.milestones)

    def results(self) -> dict[str, Result]:
        """Return both networks in one file."""
        return {"interpolator": Result(self.network)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return first and last frame, the middle frame, its interpolation, and the mean of first and last."""
        frames = batch["frames"]
        first, last = (frames[:, 0] + 1) / 2, (frames[:, -1] + 1) / 2
        index = (frames.shape[1] - 1) // 2
        time = torch.full((len(frames), 1, 1, 1), index / (frames.shape[1] - 1), device=frames.device)
        return {
            "first": frames[:, 0],
            "last": frames[:, -1],
            "true": frames[:, index],
            "made": 2 * self.network(first, last, time) - 1,
            "mean": first + last - 1,
        }


def centred(pictures: Tensor) -> Tensor:
    """Convert pictures in [-1,1] to [0,1] minus the mean colour."""
    return (pictures + 1) / 2 - pictures.new_tensor(MEAN).view(1, 3, 1, 1)
