"""Small modules between what a model file takes and what a network takes.

A model file takes pictures, label and instance maps, masks, a style, a number, as one flat list of tensors. Networks take
stacked one-hot maps, grey pictures, feature vectors for every pixel, tuples of state. Every module here is called with the
inputs of the manifest and then the state, and returns the outputs and then the state, as a tuple.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rotoscope.base.errors import UsageError
from rotoscope.base.manifest import FrameInput, FrameOutput
from rotoscope.networks import Loaded
from rotoscope.networks.label_maps import encode_labels
from rotoscope.networks.shared_norm import SharedStatistics
from rotoscope.networks.superslomo import MEAN, SuperSloMo
from rotoscope.networks.vid2vid import Vid2Vid, pyramid

GREY = (0.299, 0.587, 0.114)  # weights of R, G, B, as the readers of one-channel training sets have them


@dataclass(frozen=True)
class Labels:
    """How a network that takes label maps was trained to see them; what its checkpoint cannot say.

    num      classes, one channel each
    edges    a further channel holds the edges of instances
    palette  set: label maps come as colours, one for each class
    """

    num: int
    edges: bool = False
    palette: tuple[tuple[int, int, int], ...] = ()


class Flat(nn.Module):
    """(inputs ..., state ...) -> (outputs ..., state ...)."""

    def __init__(self, network: nn.Module, num_state: int) -> None:
        super().__init__()
        self.network, self.num_state = network, num_state

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        if not self.num_state:
            return (self.network(*tensors),)
        picture, state = self.network(*tensors[: -self.num_state], tensors[-self.num_state :])
        return picture, *state


class Sharing(nn.Module):
    """(inputs ..., keep, statistics) -> (outputs ..., statistics); statistics of zeros are measured on what is given.

    A batch of several frames with zeros is thus the joint calibration, and `keep` 1 freezes what it found.
    """

    def __init__(self, shared: SharedStatistics) -> None:
        super().__init__()
        self.shared = shared

    @property
    def num_channels(self) -> int:
        """Channels of all norms."""
        return sum(norm.channels for norm in self.shared.norms())

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        *inputs, keep, statistics = tensors
        begun = (statistics[1].max() > 0).to(keep.dtype)  # the row of reciprocal deviations, never zero once measured
        given = torch.split(statistics, [norm.channels for norm in self.shared.norms()], dim=1)
        picture, left = self.shared.run(tuple(inputs), list(given), keep * begun)
        return picture, left


class Interpolating(nn.Module):
    """(first, second, time) -> the frame between, its flows to both, visibility of the first."""

    def __init__(self, network: SuperSloMo) -> None:
        super().__init__()
        self.network = network

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        first, second, time = tensors
        mean = first.new_tensor(MEAN).view(1, 3, 1, 1)
        first, second = first - mean, second - mean
        made = self.network.at(time, first, second, *self.network.flows(first, second))
        return made.frame + mean, made.flow_to_first, made.flow_to_second, made.visibility


class Drawing(nn.Module):
    """The first frames of a vid2vid scene, from label maps alone: (labels, histories ..., begun) -> (picture, and the same).

    `begun` is the share of the history that is full.
    """

    def __init__(self, first: Loaded, num_frames: int, channels: int) -> None:
        super().__init__()
        self.network, self.num_frames, self.channels = first.network, num_frames, channels
        self.num_labels: int = first.description.sizes.get("in_channels", 3)
        if first.description.signature.inputs != ("picture",) or self.num_labels not in (channels, channels - 1):
            raise UsageError(
                f"the first-frame model, {first.description.system}, takes {self.num_labels} channels; this vid2vid has "
                f"{channels} a frame, with or without the edges of instances"
            )

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        labels, *histories, begun = tensors
        newest = labels[:, -self.channels :][:, : self.num_labels]  # the edges of instances come last
        picture = self.network(newest)
        sizes = pyramid(picture, len(histories))
        following = [torch.cat([old[:, 3:], new], dim=1) for old, new in zip(histories, sizes, strict=True)]
        return picture, *following, (((begun * self.num_frames).round() + 1) / self.num_frames).clamp(max=1)


class FirstFrames(nn.Module):
    """One module until the history is full, then another with the same inputs and outputs; a branch of the exported graph."""

    def __init__(self, drawing: nn.Module, recurrent: nn.Module) -> None:
        super().__init__()
        self.drawing, self.recurrent = drawing, recurrent

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        begun = tensors[-1]  # without values where work is only counted, as for a frame in the middle
        module = self.drawing if not begun.is_meta and bool(begun.max() < 1) else self.recurrent
        made: tuple[Tensor, ...] = module(*tensors)
        return made


class Uncomposed(nn.Module):
    """vid2vid finished outside: (labels, histories ..., begun) -> (drawn, carried, flow of each scale ..., begun)."""

    def __init__(self, network: Vid2Vid) -> None:
        super().__init__()
        self.network = network

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        labels, *histories, begun = tensors
        parts: list[Tensor] = []
        for made in self.network.composites(labels, histories):
            parts += [begun * made.drawn + (1 - begun) * made.raw, begun * made.carried, made.flow]
        return *parts, torch.ones_like(begun)


class ByLabels(nn.Module):
    """Label maps, and instance maps, as the channels that the network was trained on.

    Ids (N,1,H,W) or (N,K,1,H,W), or colours (N,3,H,W) or (N,K,3,H,W) of a palette, oldest frame first.
    """

    palette: Tensor | None

    def __init__(self, module: nn.Module, labels: Labels) -> None:
        super().__init__()
        self.module, self.labels = module, labels
        colours = torch.tensor(labels.palette, dtype=torch.float32).view(-1, 3, 1, 1) if labels.palette else None
        self.register_buffer("palette", colours)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        frames, *others = tensors
        if self.palette is not None:
            frames = (frames.unsqueeze(-4) - self.palette).square().sum(dim=-3).argmin(dim=-3, keepdim=True)
        ids = frames.squeeze(-3) if frames.ndim == 5 else frames
        instances = None
        if self.labels.edges:
            instances, *others = others
            instances = instances.squeeze(-3) if instances.ndim == 5 else instances
        made: tuple[Tensor, ...] = self.module(encode_labels(ids, self.labels.num, instances), *others)
        return made


class Windowed(nn.Module):
    """(N,K,3,H,W) for a network that takes K pictures, stacked on the channels or one by one."""

    def __init__(self, module: nn.Module, *, stacked: bool) -> None:
        super().__init__()
        self.module, self.stacked = module, stacked

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        frames, *others = tensors
        pictures = (frames.flatten(1, 2),) if self.stacked else frames.unbind(dim=1)
        made: tuple[Tensor, ...] = self.module(*pictures, *others)
        return made


class Grey(nn.Module):
    """Colour pictures for a network that takes grey ones."""

    weights: Tensor

    def __init__(self, module: nn.Module, order: str) -> None:
        super().__init__()
        self.module = module
        weights = GREY if order == "RGB" else GREY[::-1]
        self.register_buffer("weights", torch.tensor(weights).view(1, 3, 1, 1))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        picture, *others = tensors
        made: tuple[Tensor, ...] = self.module((picture * self.weights).sum(dim=1, keepdim=True), *others)
        return made


class OneVector(nn.Module):
    """One feature vector (N,F,1,1) for all of the picture, where the network takes one for every pixel."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        labels, features, *others = tensors
        spread = features.expand(-1, -1, labels.shape[2], labels.shape[3])
        made: tuple[Tensor, ...] = self.module(labels, spread, *others)
        return made


class ThreeChannels(nn.Module):
    """A grey result as a colour picture."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        grey, *others = self.module(*tensors)
        return grey.expand(-1, 3, -1, -1), *others


class EightBit(nn.Module):
    """Pictures as uint8 (N,H,W,3) RGB, in and out, for a network with (N,3,H,W) in some range and order."""

    def __init__(self, module: nn.Module, frame: FrameInput, output: FrameOutput) -> None:
        super().__init__()
        self.module, self.frame, self.output = module, frame, output

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        picture, *others = tensors
        low, high = self.frame.range
        values = picture.permute(0, 3, 1, 2).float() * ((high - low) / 255) + low
        if self.frame.order == "BGR":
            values = values.flip(1)
        made, *rest = self.module(values, *others)
        if self.output.order == "BGR":
            made = made.flip(1)
        low, high = self.output.range
        made = ((made - low) * (255 / (high - low))).round().clamp(0, 255)
        return made.to(torch.uint8).permute(0, 2, 3, 1), *rest
