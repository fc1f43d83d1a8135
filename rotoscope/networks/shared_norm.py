"""Instance norm with the statistics of a sequence instead of the frame's own, against flicker.

Mean, deviation and the range of the normalised values are taken per channel over several frames *jointly, layer by
layer*: each layer's statistics are those after the layers before it used theirs ("Single-Frame Unsupervised
Video-to-Video Translation"; the same ingredient in ReReVST, Wang et al. 2020). Later frames are normalised with them
and clamped to the range.

`share_statistics` turns any network with instance norms into `(*inputs, state) -> (outputs, state)`, where the state
is one tensor (4, channels of all layers): fixed, or moving slowly with the frames.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.norms import FrameBatchNorm2d

EPSILON = 1e-8


def measure(x: Tensor) -> Tensor:
    """(N,C,H,W) -> (4,C): mean, reciprocal of the biased deviation, least and greatest normalised value, over all frames."""
    mean = x.mean(dim=(0, 2, 3))
    centred = x - mean.view(1, -1, 1, 1)
    # 1 / sqrt(variance + EPSILON), in a form without a sum that the ONNX exporter takes for one with nothing and drops.
    rate = torch.rsqrt(centred.square().mean(dim=(0, 2, 3)) / EPSILON + 1) / EPSILON**0.5
    normalised = centred * rate.view(1, -1, 1, 1)
    return torch.stack([mean, rate, normalised.amin(dim=(0, 2, 3)), normalised.amax(dim=(0, 2, 3))])


def normalise(x: Tensor, statistics: Tensor) -> Tensor:
    """(N,C,H,W) with statistics (4,C) -> (N,C,H,W)."""
    mean, rate, least, greatest = statistics.view(4, 1, -1, 1, 1)
    return torch.minimum(torch.maximum((x - mean) * rate, least), greatest)


class SharedInstanceNorm2d(nn.Module):
    """An instance norm's place in a network; `SharedStatistics` hands it statistics before a call and collects them after."""

    def __init__(self, norm: nn.InstanceNorm2d | FrameBatchNorm2d) -> None:
        super().__init__()
        self.channels = norm.num_features
        self.weight: nn.Parameter | None = norm.weight
        self.bias: nn.Parameter | None = norm.bias
        self.statistics: Tensor | None = None  # None: measure the input
        self.keep: float | Tensor = 1.0  # share of the old statistics in those that this call leaves behind

    def forward(self, x: Tensor) -> Tensor:
        if self.statistics is None:
            self.statistics = measure(x)
        elif isinstance(self.keep, Tensor) or self.keep < 1:
            self.statistics = self.keep * self.statistics + (1 - self.keep) * measure(x)
        y = normalise(x, self.statistics)
        if self.weight is None or self.bias is None:
            return y
        return y * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class SharedStatistics(nn.Module):
    """(*inputs, state) -> (outputs, state) with the state of `calibrate`; made by `share_statistics`."""

    def __init__(self, network: nn.Module, keep: float) -> None:
        super().__init__()
        self.network = network
        self.keep = keep
        self.size_multiple = getattr(network, "size_multiple", 1)

    def norms(self) -> list[SharedInstanceNorm2d]:
        """The shared norms, in the order of the state's channels."""
        return [module for module in self.network.modules() if isinstance(module, SharedInstanceNorm2d)]

    def run(self, inputs: tuple[Any, ...], statistics: list[Tensor | None], keep: float | Tensor) -> tuple[Any, Tensor]:
        """One call with given statistics; returns the outputs and what it leaves behind, zeros for norms that did not run.

        `keep` as a tensor () may be decided at every call of an exported graph: 0 measures, 1 keeps what was given.
        """
        norms = self.norms()
        try:
            for norm, given in zip(norms, statistics, strict=True):
                norm.statistics, norm.keep = given, keep
            outputs = self.network(*inputs)
            unused = inputs[0].new_zeros
            left = [unused(4, norm.channels) if norm.statistics is None else norm.statistics for norm in norms]
            return outputs, torch.cat(left, dim=1)
        finally:
            for norm in norms:
                norm.statistics = None

    def calibrate(self, *inputs: Any) -> Tensor:
        """State (4,C) from one batch that holds the frames to learn from, every 8th of a sequence, say."""
        return self.run(inputs, [None] * len(self.norms()), 1.0)[1]

    def forward(self, *inputs_and_state: Any) -> tuple[Any, Tensor]:
        *inputs, state = inputs_and_state
        statistics: list[Tensor | None] = list(torch.split(state, [norm.channels for norm in self.norms()], dim=1))
        return self.run(tuple(inputs), statistics, self.keep)


def share_statistics(network: nn.Module, *, keep: float = 1.0) -> SharedStatistics:
    """A copy of the network whose instance norms (also batch norms by frame) share statistics.

    `keep` is what stays of the statistics from one frame to the next: 1 fixes them, 0.95 lets them follow over some
    twenty frames.
    """
    shared = copy.deepcopy(network)
    for module in list(shared.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm2d | FrameBatchNorm2d):
                setattr(module, name, SharedInstanceNorm2d(child))
    return SharedStatistics(shared, keep)
