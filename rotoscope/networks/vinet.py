"""VINet (Kim et al. 2019): video inpainting from four neighbouring frames and the previous output, aligned by flow.

Gated convolutions encode the target and five references at 1/8, 1/4 and 1/2 of the size. At each scale a small flow network
aligns each reference, a gated convolution over time aggregates them, and a mask network mixes the result with the target. A
dilated bottleneck, a convolutional LSTM and a decoder with skip connections make the frame. From the second frame on, the
previous output is warped and blended with it. 14,115,364 parameters.

Published for 256x256, processed at full size, and for 512x512 (`double_size`), processed at half size; files do not say which.
Other sizes work too: multiples of 8, or of 16 with `double_size`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.transformnet import ConvLstm
from rotoscope.networks.vinet_layers import WINDOW, Aggregator, Bottleneck, Decoder, Encoder
from rotoscope.networks.warps import cost_volume, warp_border, warp_zeros

TARGET = 2  # index in the window of the frame to fill
VOLUME = 81


def leaky_conv(in_channels: int, out_channels: int, dilation: int = 1) -> nn.Sequential:
    """Return a 3x3 convolution and LeakyReLU 0.1; the size is kept."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(conv, nn.LeakyReLU(0.1))


def leaky_convs(in_channels: int, *layers: tuple[int, int]) -> nn.Sequential:
    """Return a sequence of `leaky_conv`, given as (channels, dilation)."""
    sequence = nn.Sequential()
    for width, dilation in layers:
        sequence.append(leaky_conv(in_channels, width, dilation))
        in_channels = width
    return sequence


class ContextNet(nn.Module):
    """Dilated convolutions that compute the correction of a flow; LeakyReLU also after the last."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = leaky_convs(34, (128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1), (2, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convs(x)
        return y


class FlowEstimator(nn.Module):
    """Five convolutions that estimate a flow (N,2,h,w), plus its correction by `ContextNet`."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convs = leaky_convs(in_channels, (128, 1), (128, 1), (96, 1), (64, 1), (32, 1))
        self.conv1 = nn.Conv2d(32, 2, 3, padding=1)
        self.convs_fine = ContextNet()

    def forward(self, x: Tensor) -> Tensor:
        features = self.convs(x)
        flow = self.conv1(features)
        return torch.add(flow, self.convs_fine(torch.cat([features, flow], dim=1)))


class FlowNet(nn.Module):
    """Estimate the flow from target to reference features from their cost volume, and from a flow `known` if given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.flow_estimator = FlowEstimator(width + VOLUME)

    def forward(self, target: Tensor, reference: Tensor, *known: Tensor) -> Tensor:
        flow: Tensor = self.flow_estimator(torch.cat([target, cost_volume(target, reference), *known], dim=1))
        return flow


class MaskNet(nn.Module):
    """Compute the weight of the aggregated features from their difference to the target: (N,C,H,W) -> (N,1,H,W) in (0,1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = leaky_convs(width, (width // 2, 1), (width // 2, 1))
        self.convs = nn.Sequential(*layers, nn.Conv2d(width // 2, 1, 3, padding=1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convs(x)
        return y


def double_flow(flow: Tensor, factor: int = 2) -> Tensor:
    """Return a flow (N,2,H,W) at `factor` times the size, in pixels of that size."""
    return interpolate(flow, scale_factor=float(factor), mode="bilinear") * factor


class Filled(NamedTuple):
    """One frame; the flow to the previous output, in pixels; the masks of three scales, at full size."""

    picture: Tensor
    previous_flow: Tensor
    masks: tuple[Tensor, ...]


State = tuple[Tensor, Tensor, Tensor]


class VINet(nn.Module):
    """VINet (Kim et al. 2019): (window, masks, state) -> (picture, state).

    window   (N,5,3,S,S) BGR in [-1,1]: frames t-6, t-3, t, t+3, t+6
    masks    (N,5,1,S,S), 1 in the hole
    state    previous output, its mask, and (N,1,1,1): 1 if they exist; zeros at the start
    picture  (N,3,S,S) BGR: the whole network output, not pasted into the source outside the hole
    As published, the LSTM starts with zeros at every frame.
    """

    def __init__(self, *, double_size: bool = False) -> None:
        super().__init__()
        stride = 2 if double_size else 1
        self.encoder1 = Encoder(stride)
        self.encoder2 = Encoder(stride)
        self.bottleneck = Bottleneck()
        self.convlstm = ConvLstm(128, 128)
        self.decoder = Decoder(double_size=double_size)
        self.flownet = FlowNet(128)
        self.flownet_64 = FlowNet(96 + 2)
        self.flownet_128 = FlowNet(64 + 2)
        self.flownet_256 = FlowNet(32 + 2)
        self.masknet = MaskNet(128)
        self.masknet_64 = MaskNet(96)
        self.masknet_128 = MaskNet(64)
        self.masknet_256 = MaskNet(32)
        self.st_agg = Aggregator(128)
        self.st_agg_64 = Aggregator(96)
        self.st_agg_128 = Aggregator(64)
        self.double_size = double_size
        self.size_multiple = 8 * stride

    def initial_state(self, window: Tensor) -> State:
        """Return a state of zeros."""
        target = torch.zeros_like(window[:, TARGET])
        return target, target[:, :1], target[:, :1, :1, :1]

    def join(self, scale: str, target: Tensor, references: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
        """Align the references, aggregate them, mix with the target; return the result and the mask (N,1,h,w) used."""
        aligned = warp_zeros(references, flows)
        over_time = aligned.reshape(-1, WINDOW, *aligned.shape[1:]).transpose(1, 2)
        joined = self.get_submodule(f"st_agg{scale}")(over_time)
        mask = self.get_submodule(f"masknet{scale}")((target - joined).abs())
        return (1 - mask) * target + mask * joined, mask

    def fill(self, window: Tensor, masks: Tensor, state: State) -> Filled:
        """Compute one frame. Its five references, the previous output last, are one batch (N*5,C,h,w)."""
        before, before_mask, begun = state
        target_mask = masks[:, TARGET]
        before = begun * before + (1 - begun) * window[:, TARGET] * (1 - target_mask)
        before_mask = begun * before_mask + (1 - begun) * target_mask
        previous = torch.cat([before, torch.ones_like(target_mask), before_mask], dim=1)

        frames = torch.cat([window * (1 - masks), torch.ones_like(masks), masks], dim=2)
        others = [frames[:, index] for index in range(WINDOW) if index != TARGET]
        target = self.encoder1(frames[:, TARGET])
        references = self.encoder2(torch.stack([*others, previous], dim=1).flatten(0, 1))
        each = [level.repeat_interleave(WINDOW, dim=0) for level in target[:3]]

        flows = self.flownet(each[0], references[0])
        eighth, mask = self.join("", target[0], references[0], flows)
        found = [mask]
        skips = []
        for level, scale in ((1, "_64"), (2, "_128")):
            flows = double_flow(flows)
            aligned = warp_zeros(references[level], flows)
            flows = flows + self.get_submodule(f"flownet{scale}")(each[level], aligned, flows)
            skip, mask = self.join(scale, target[level], references[level], flows)
            skips.append(skip)
            found.append(mask)

        x = self.bottleneck(torch.cat([target[0], eighth], dim=1))
        hidden, _ = self.convlstm(x, torch.zeros_like(x), torch.zeros_like(x))
        new = self.decoder(hidden, *skips)
        shown = tuple(
            interpolate(mask, scale_factor=8.0 / 2**level, mode="bilinear") for level, mask in enumerate(found)
        )
        last = slice(WINDOW - 1, None, WINDOW)
        warped, flow, mask = self.warp_previous(before, target[3], references[3][last], flows[last])
        mask = begun * mask
        return Filled((1 - mask) * new + mask * warped, flow, shown)

    def warp_previous(
        self, picture: Tensor, target: Tensor, reference: Tensor, half_flow: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Warp the previous output to this frame; return it, the flow used, and its weight (N,1,H,W) in (0,1)."""
        flow = double_flow(half_flow)
        warped = warp_border(reference, flow)
        mask = self.masknet_256((target - warped).abs())
        if self.double_size:
            flow, mask = double_flow(half_flow, 4), interpolate(mask, scale_factor=2.0)
        else:
            flow = flow + self.flownet_256(target, warped, flow)
        return warp_border(picture, flow), flow, mask

    def forward(self, window: Tensor, masks: Tensor, state: State) -> tuple[Tensor, State]:
        picture = self.fill(window, masks, state).picture
        mask = masks[:, TARGET] * (0.5 if self.double_size else 0.0)
        return picture, (picture, mask, torch.ones_like(state[2]))


def vinet_sizes(weights: Mapping[str, Tensor], *, size: int | None = None) -> dict[str, Any]:
    """Return the arguments of `VINet`; `size` is needed because files for 256 and 512 have the same tensors."""
    if size is None:
        raise ModelRefused("VINet's files for 256x256 and 512x512 look alike: give --hint size=256 or --hint size=512")
    return {"double_size": size >= 512}
