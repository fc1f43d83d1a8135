"""Instance norm with the statistics of several frames instead of one, against flicker.

Per channel, mean, deviation and range of the normalised values are measured over several frames together. Layers are measured
in order: the input of a layer has been normalised by the new statistics of the layers before it. Later frames are normalised
with these statistics and clamped to the range. Sources: "Single-Frame Unsupervised Video-to-Video Translation"; ReReVST (Wang
et al. 2020) uses the same idea.

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
    """Measure (N,C,H,W) over all N frames: (4,C) of mean, 1 / biased deviation, least and greatest normalised value."""
    mean = x.mean(dim=(0, 2, 3))
    centred = x - mean.view(1, -1, 1, 1)
    # 1 / sqrt(variance + EPSILON). Written so, because the ONNX exporter drops the addition of so small a number as EPSILON.
    rate = torch.rsqrt(centred.square().mean(dim=(0, 2, 3)) / EPSILON + 1) / EPSILON**0.5
    normalised = centred * rate.view(1, -1, 1, 1)
    return torch.stack([mean, rate, normalised.amin(dim=(0, 2, 3)), normalised.amax(dim=(0, 2, 3))])


def normalise(x: Tensor, statistics: Tensor) -> Tensor:
    """Normalise (N,C,H,W) with statistics (4,C) and clamp it to their range."""
    mean, rate, least, greatest = statistics.view(4, 1, -1, 1, 1)
    return torch.minimum(torch.maximum((x - mean) * rate, least), greatest)


class SharedInstanceNorm2d(nn.Module):
    """Replaces an instance norm; `SharedStatistics` sets its statistics before each call and reads them after it."""

    def __init__(self, norm: nn.InstanceNorm2d | FrameBatchNorm2d) -> None:
        super().__init__()
        self.channels = norm.num_features
        self.weight: nn.Parameter | None = norm.weight
        self.bias: nn.Parameter | None = norm.bias
        self.statistics: Tensor | None = None  # None: measure the input
        self.keep: float | Tensor = 1.0  # weight of the old statistics in the new ones, in [0,1]

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
    """A network with shared norms: (*inputs, state) -> (outputs, state); state (4,C) as from `calibrate`."""

    def __init__(self, network: nn.Module, keep: float) -> None:
        super().__init__()
        self.network = network
        self.keep = keep
        self.size_multiple = getattr(network, "size_multiple", 1)

    def norms(self) -> list[SharedInstanceNorm2d]:
        """Return the shared norms in the order of the state's channels."""
        return [module for module in self.network.modules() if isinstance(module, SharedInstanceNorm2d)]

    def run(self, inputs: tuple[Any, ...], statistics: list[Tensor | None], keep: float | Tensor) -> tuple[Any, Tensor]:
        """Run one call with given statistics; return the outputs and the new state, with zeros for norms that did not run.

        keep  weight of the given statistics in the new ones: 0 measures, 1 keeps them. As a tensor () it can be an input of an
              exported graph, different at each call.
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
        """Measure the state (4,C) on one batch of frames, for example every 8th frame of a sequence."""
        return self.run(inputs, [None] * len(self.norms()), 1.0)[1]

    def forward(self, *inputs_and_state: Any) -> tuple[Any, Tensor]:
        *inputs, state = inputs_and_state
        statistics: list[Tensor | None] = list(torch.split(state, [norm.channels for norm in self.norms()], dim=1))
        return self.run(tuple(inputs), statistics, self.keep)


def share_statistics(network: nn.Module, *, keep: float = 1.0) -> SharedStatistics:
    """Return a copy of a network whose instance norms (and batch norms by frame) share statistics.

    keep  weight of the old statistics at each frame: 1 fixes them, 0.95 lets them follow over about 20 frames
    """
    shared = copy.deepcopy(network)
    for module in list(shared.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm2d | FrameBatchNorm2d):
                setattr(module, name, SharedInstanceNorm2d(child))
    return SharedStatistics(shared, keep)
