"""Small modules that convert the inputs of a model file to those of a network, and its results back.

A model file takes pictures, label and instance maps, masks, a style, a number, each as one tensor. Networks take stacked
one-hot maps, grey pictures, feature vectors for every pixel, tuples of state. Every module here takes the inputs of the
manifest and then the state, and returns the outputs and then the state as a tuple.
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

GREY = (0.299, 0.587, 0.114)  # weights of R, G, B, BT.601, which training code uses for grey pictures


@dataclass(frozen=True)
class Labels:
    """The label maps that a network was trained on, which its checkpoint does not describe.

    num      number of classes, one channel each
    edges    whether one more channel holds the edges of instances
    palette  colour of each class, if label maps come as colours
    """

    num: int
    edges: bool = False
    palette: tuple[tuple[int, int, int], ...] = ()


class Flat(nn.Module):
    """Pass state as single tensors, not as a tuple: (inputs ..., state ...) -> (outputs ..., state ...)."""

    def __init__(self, network: nn.Module, num_state: int) -> None:
        super().__init__()
        self.network, self.num_state = network, num_state

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        if not self.num_state:
            return (self.network(*tensors),)
        picture, state = self.network(*tensors[: -self.num_state], tensors[-self.num_state :])
        return picture, *state


class Sharing(nn.Module):
    """Share statistics of norms between frames: (inputs ..., keep, statistics) -> (outputs ..., statistics).

    Statistics of zeros are measured on the batch of the call, so one call with several frames calibrates them jointly; with
    `keep` 1 they then stay as they are.
    """

    def __init__(self, shared: SharedStatistics) -> None:
        super().__init__()
        self.shared = shared

    @property
    def num_channels(self) -> int:
        """Number of channels of all norms together."""
        return sum(norm.channels for norm in self.shared.norms())

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        *inputs, keep, statistics = tensors
        begun = (statistics[1].max() > 0).to(keep.dtype)  # row 1 holds reciprocal deviations, above 0 once measured
        given = torch.split(statistics, [norm.channels for norm in self.shared.norms()], dim=1)
        picture, left = self.shared.run(tuple(inputs), list(given), keep * begun)
        return picture, left


class Interpolating(nn.Module):
    """Run Super SloMo: (first, second, time) -> (the frame between, its flows to both, visibility of the first)."""

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
    """Draw the first frames of a vid2vid scene: (labels, histories ..., begun) -> (picture, histories ..., begun).

    `begun` is the share of the history that is full, 0 to 1.
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
    """Call `drawing` until the history is full, then `recurrent`; exported as an If node."""

    def __init__(self, drawing: nn.Module, recurrent: nn.Module) -> None:
        super().__init__()
        self.drawing, self.recurrent = drawing, recurrent

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        begun = tensors[-1]  # on the meta device, where multiply-adds are counted, it has no values
        module = self.drawing if not begun.is_meta and bool(begun.max() < 1) else self.recurrent
        made: tuple[Tensor, ...] = module(*tensors)
        return made


class Uncomposed(nn.Module):
    """Return the unfinished vid2vid: (labels, histories ..., begun) -> (drawn, carried, flow of each scale ..., begun)."""

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
    """Convert label maps and instance maps to the channels that a network was trained on.

    Label maps are ids (N,1,H,W) or (N,K,1,H,W), or colours (N,3,H,W) or (N,K,3,H,W) of a palette, oldest frame first.
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


class ByDrawings(nn.Module):
    """Stack a window of drawings (N,K,3,H,W) on the channels, oldest first; of lines one channel of grey each.

    two  a second window follows, whose channels stand beside those of the first in each frame
    """

    weights: Tensor

    def __init__(self, module: nn.Module, *, grey: bool, two: bool) -> None:
        super().__init__()
        self.module, self.grey, self.two = module, grey, two
        self.register_buffer("weights", torch.tensor(GREY).view(1, 1, 3, 1, 1))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        frames, *others = tensors
        if self.grey:
            frames = (frames * self.weights).sum(dim=2, keepdim=True)
        if self.two:
            second, *others = others
            frames = torch.cat([frames, second], dim=2)
        made: tuple[Tensor, ...] = self.module(frames.flatten(1, 2), *others)
        return made


class Styled(nn.Module):
    """Put a style beside every frame: (maps (N,K*C,H,W), style, others ...) -> the module on K*(C+F) channels.

    A channel that is constant over a frame would be lost in the first norm. So of label maps each label has F numbers of its
    own, style (N,L*F,1,1); those of drawings, (N,F,1,1), are multiplied by the mean of the drawing's channels.

    num_labels  L; 0: drawings
    """

    def __init__(self, module: nn.Module, num_frames: int, num_labels: int) -> None:
        super().__init__()
        self.module, self.num_frames, self.num_labels = module, num_frames, num_labels

    def spread(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return (N,F,H,W) for the maps of one frame, (N,C,H,W)."""
        if not self.num_labels:
            return style * maps.mean(dim=1, keepdim=True)
        codes: Tensor = style.unflatten(1, (self.num_labels, -1))
        return (maps[:, : self.num_labels, None] * codes).sum(dim=1)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        maps, style, *others = tensors
        frames = [part for each in maps.chunk(self.num_frames, dim=1) for part in (each, self.spread(each, style))]
        made: tuple[Tensor, ...] = self.module(torch.cat(frames, dim=1), *others)
        return made


class Windowed(nn.Module):
    """Split a window (N,K,3,H,W) into K pictures, or stack them on the channels, (N,K*3,H,W)."""

    def __init__(self, module: nn.Module, *, stacked: bool) -> None:
        super().__init__()
        self.module, self.stacked = module, stacked

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        frames, *others = tensors
        pictures = (frames.flatten(1, 2),) if self.stacked else frames.unbind(dim=1)
        made: tuple[Tensor, ...] = self.module(*pictures, *others)
        return made


class Grey(nn.Module):
    """Convert colour pictures (N,3,H,W) to grey ones (N,1,H,W)."""

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
    """Repeat one feature vector (N,F,1,1) for every pixel, (N,F,H,W)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        labels, features, *others = tensors
        spread = features.expand(-1, -1, labels.shape[2], labels.shape[3])
        made: tuple[Tensor, ...] = self.module(labels, spread, *others)
        return made


class ThreeChannels(nn.Module):
    """Repeat a grey result (N,1,H,W) on three channels."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        grey, *others = self.module(*tensors)
        return grey.expand(-1, 3, -1, -1), *others


class EightBit(nn.Module):
    """Convert uint8 (N,H,W,3) RGB pictures to the range and order of a network with (N,3,H,W), and its results back."""

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
