"""PWC-Net (Sun et al. 2018): optical flow by pyramid, warping and cost volume. 9,374,274 parameters.

Six pyramid levels of three convolutions (16, 32, 64, 96, 128, 196 channels). Decoders for levels 6 to 2: each is a dense
block of 128, 128, 96, 64, 32 channels on the cost volume and, below level 6, on the features and the upsampled flow and
features of the coarser level. Dilated convolutions refine level 2. LeakyReLU 0.1, zero padding. Names are those of
sniklaus/pytorch-pwc (`netExtractor...`). Its published files have `module` instead of `net`; those of NVlabs/PWC-Net have
`conv1a`, `conv6_0`, `deconv6`, ...; `convert_pwc` reads both.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from rotoscope.networks.warps import cost_volume, warp_zeros

WORDS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")
WIDTHS = (16, 32, 64, 96, 128, 196)
DENSE_WIDTHS = (128, 128, 96, 64, 32)
VOLUME = 81
MULTIPLE = 64
FLOW_SCALE = 20.0  # full-size pixels per unit of the network's flow
VALID = 0.999


def conv(in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution with zero padding; stride 1 keeps the size."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation)


def activation() -> nn.LeakyReLU:
    """Return LeakyReLU 0.1."""
    return nn.LeakyReLU(0.1)


def backwarp(image: Tensor, flow: Tensor) -> Tensor:
    """Warp image (N,C,H,W) backward by flow (N,2,H,W); pixels whose four samples are not all inside become 0."""
    ones = torch.ones_like(image[:, :1])
    valid = (warp_zeros(ones, flow) > VALID).to(image.dtype)
    return warp_zeros(image, flow) * valid


class Extractor(nn.Module):
    """(N,3,H,W) -> six feature maps, from half to 1/64 of the size."""

    def __init__(self) -> None:
        super().__init__()
        before = 3
        for word, width in zip(WORDS, WIDTHS, strict=True):
            layers = [conv(before, width, stride=2), activation(), conv(width, width), activation(), conv(width, width)]
            self.add_module(f"net{word}", nn.Sequential(*layers, activation()))
            before = width

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = []
        for level in self.children():
            x = level(x)
            levels.append(x)
        return levels


class Estimate(NamedTuple):
    """The flow (N,2,h,w) of one pyramid level, and the decoder features it was computed from."""

    flow: Tensor
    features: Tensor


class Decoder(nn.Module):
    """Estimate the flow of one level from both frames' features and the estimate of the coarser level."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.flow_scale = FLOW_SCALE / 2**level  # from network units to this level's pixels
        channels = VOLUME
        if level < len(WIDTHS):
            coarser = VOLUME + sum(DENSE_WIDTHS) + (WIDTHS[level] + 4 if level + 1 < len(WIDTHS) else 0)
            self.netUpflow = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
            self.netUpfeat = nn.ConvTranspose2d(coarser, 2, 4, stride=2, padding=1)
            channels += WIDTHS[level - 1] + 4
        for word, width in zip(WORDS, DENSE_WIDTHS, strict=False):
            self.add_module(f"net{word}", nn.Sequential(conv(channels, width), activation()))
            channels += width
        self.netSix = nn.Sequential(conv(channels, 2))

    def forward(self, first: Tensor, second: Tensor, coarser: Estimate | None) -> Estimate:
        if coarser is None:
            features = leaky_relu(cost_volume(first, second), 0.1)
        else:
            flow = self.netUpflow(coarser.flow)
            warped = backwarp(second, flow * self.flow_scale)
            volume = leaky_relu(cost_volume(first, warped), 0.1)
            features = torch.cat([volume, first, flow, self.netUpfeat(coarser.features)], dim=1)
        for word in WORDS[: len(DENSE_WIDTHS)]:
            features = torch.cat([self.get_submodule(f"net{word}")(features), features], dim=1)
        return Estimate(self.netSix(features), features)


class Refiner(nn.Module):
    """Dilated convolutions on the features of level 2; the result (N,2,h,w) is added to its flow."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, dilation in ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1)):
            layers += [conv(in_channels, width, dilation=dilation), activation()]
            in_channels = width
        self.netMain = nn.Sequential(*layers, conv(in_channels, 2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.netMain(x)
        return y


class PWCNet(nn.Module):
    """PWC-Net (Sun et al. 2018): two pictures (N,3,H,W) BGR in [0,1] -> flow (N,2,H,W), (dx, dy) in pixels.

    The flow goes from the first picture to the second. Any size of at least 128x128.
    """

    size_multiple = 1

    def __init__(self) -> None:
        super().__init__()
        self.netExtractor = Extractor()
        self.netTwo, self.netThr, self.netFou, self.netFiv, self.netSix = (Decoder(level) for level in range(2, 7))
        self.netRefiner = Refiner(VOLUME + WIDTHS[1] + 4 + sum(DENSE_WIDTHS))

    def quarter_flow(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the flow in pixels of full size, at a quarter of the size; H and W multiples of 64."""
        pyramid = list(zip(self.netExtractor(first), self.netExtractor(second), strict=True))
        estimate: Estimate | None = None
        for decoder, (one, two) in zip(
            (self.netSix, self.netFiv, self.netFou, self.netThr, self.netTwo), reversed(pyramid[1:]), strict=True
        ):
            estimate = decoder(one, two, estimate)
        assert estimate is not None
        return torch.mul(estimate.flow + self.netRefiner(estimate.features), FLOW_SCALE)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[-2:]
        size = [-(-side // MULTIPLE) * MULTIPLE for side in (height, width)]
        first, second = (interpolate(picture, size=size, mode="bilinear") for picture in (first, second))
        flow = interpolate(self.quarter_flow(first, second), size=(height, width), mode="bilinear")
        return torch.cat([flow[:, :1] * (width / size[1]), flow[:, 1:] * (height / size[0])], dim=1)


def pwc_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of the network: none, all widths are fixed."""
    return {}


def nvlabs_names() -> dict[str, str]:
    """Return a dict from NVlabs' names of layers to ours."""
    names = {}
    for level, word in enumerate(WORDS, start=1):
        first, *others = ("aa", "a", "b") if level == len(WORDS) else ("a", "aa", "b")
        for place, letters in zip((0, 2, 4), (first, *others), strict=True):
            names[f"conv{level}{letters}.0"] = f"netExtractor.net{word}.{place}"
        if level == 1:
            continue
        for index in range(len(DENSE_WIDTHS)):
            names[f"conv{level}_{index}.0"] = f"net{word}.net{WORDS[index]}.0"
        names[f"predict_flow{level}"] = f"net{word}.netSix.0"
        if level < len(WORDS):
            names[f"deconv{level + 1}"] = f"net{word}.netUpflow"
            names[f"upfeat{level + 1}"] = f"net{word}.netUpfeat"
    return names | {
        f"dc_conv{index + 1}" + (".0" if index < 6 else ""): f"netRefiner.netMain.{2 * index}" for index in range(7)
    }


def convert_pwc(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of either published file; NVlabs' unused `deconv2` is dropped."""
    if "conv1a.0.weight" not in weights:
        return {re.sub(r"(^|\.)module(?=[A-Z])", r"\1net", key): value for key, value in weights.items()}
    names = nvlabs_names()
    parts = {key: key.rpartition(".") for key in weights if not key.startswith("deconv2.")}
    return {f"{names.get(layer, layer)}.{tensor}": weights[key] for key, (layer, _, tensor) in parts.items()}
