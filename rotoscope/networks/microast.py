"""MicroAST (Wang et al. 2023) as in EndyWon/MicroAST: the style of any picture by small encoders, without VGG.

Two encoders of one form, for content and style: reflection-padded conv k9 to 16 channels, twice a convolution of stride 2 by
groups and one k1, to 32 and 64, a residual block; a second residual block makes the second level. A modulator makes weights
and biases of channels from the style's features, by a convolution of each channel and a mean over the picture. The decoder
gives the deeper level the mean and deviation of the style's, passes it through a residual block whose convolutions are weighted
by the modulator, and does the same with the shallower style; then twice bilinear x2 and two convolutions, and one k9.

Its weights are four files, `content_encoder_*`, `style_encoder_*`, `modulator_*`, `decoder_*`; the two encoders can be told
apart by their order alone: content first. (N,3,H,W) RGB in [0,1] and a style picture of any size -> (N,3,H,W) RGB, about
[0,1], not clamped; H and W multiples of 4. 471,987 parameters.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.adain import moments

WIDTHS = (16, 32, 64)  # at the full size, a half, a quarter
PARTS = ["content_encoder", "decoder", "modulator", "style_encoder"]
MARKS = {  # a tensor by which each of the published files is known
    "encoder": "enc1.0.conv_layer.weight",
    "modulator": "weight1.0.conv_layer.weight",
    "decoder": "dec1.conv1.conv_layer.weight",
}


class PaddedConv(nn.Module):
    """Reflection padding by half the kernel, then a convolution."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.padding = nn.ReflectionPad2d(kernel // 2)
        self.conv_layer = nn.Conv2d(in_channels, out_channels, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv_layer(self.padding(x))
        return made


class ResidualLayer(nn.Module):
    """x + conv(ReLU(conv(x))); with filters, each convolution is weighted by channel and its input is added with a bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = PaddedConv(channels, channels, 3)
        self.conv2 = PaddedConv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.conv2(torch.relu(self.conv1(x))))

    def filtered(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Apply the layer to (N,C,H,W) with the weights and biases (N,C,1,1) of a style."""
        inner = torch.relu(weight * self.conv1(x) + bias * x)
        made: Tensor = x + weight * self.conv2(inner) + bias * inner
        return made


class Encoder(nn.Module):
    """Picture (N,3,H,W) -> features of two levels, both (N,64,H/4,W/4)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        first, half, quarter = widths
        self.enc1 = nn.Sequential(
            PaddedConv(3, first, 9),
            nn.ReLU(),
            PaddedConv(first, half, 3, stride=2, groups=first),
            nn.ReLU(),
            PaddedConv(half, half, 1),
            nn.ReLU(),
            PaddedConv(half, quarter, 3, stride=2, groups=half),
            nn.ReLU(),
            PaddedConv(quarter, quarter, 1),
            nn.ReLU(),
            ResidualLayer(quarter),
        )
        self.enc2 = nn.Sequential(ResidualLayer(quarter))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        shallow = self.enc1(picture)
        return shallow, self.enc2(shallow)


class Modulator(nn.Module):
    """Features (N,C,H,W) of both levels of a style -> a weight and a bias (N,C,1,1) for each level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight1, self.bias1, self.weight2, self.bias2 = (
            nn.Sequential(PaddedConv(channels, channels, 3, groups=channels)) for _ in range(4)
        )

    def forward(self, shallow: Tensor, deep: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        layers = ((self.weight1, shallow), (self.bias1, shallow), (self.weight2, deep), (self.bias2, deep))
        weight1, bias1, weight2, bias2 = (layer(level).mean(dim=(2, 3), keepdim=True) for layer, level in layers)
        return weight1, bias1, weight2, bias2


class Style(NamedTuple):
    """The style of a picture: mean, deviation, weight and bias of each level, all (N,C,1,1)."""

    shallow: tuple[Tensor, Tensor, Tensor, Tensor]
    deep: tuple[Tensor, Tensor, Tensor, Tensor]


class Decoder(nn.Module):
    """Features of the content and a style -> picture (N,3,H,W)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        first, half, quarter = widths
        self.dec1 = ResidualLayer(quarter)
        self.dec2 = ResidualLayer(quarter)
        self.dec3 = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="bilinear"),
            PaddedConv(quarter, half, 3, groups=half),
            nn.ReLU(),
            PaddedConv(half, half, 1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2.0, mode="bilinear"),
            PaddedConv(half, first, 3, groups=first),
            nn.ReLU(),
            PaddedConv(first, first, 1),
            nn.ReLU(),
            PaddedConv(first, 3, 9),
        )

    def forward(self, content: Tensor, style: Style) -> Tensor:
        y = content
        for layer, (mean, deviation, weight, bias) in ((self.dec1, style.deep), (self.dec2, style.shallow)):
            own_mean, own_deviation = moments(y)
            y = layer.filtered((y - own_mean) / own_deviation * deviation + mean, weight, bias)
        made: Tensor = self.dec3(y)
        return made


class MicroAst(nn.Module):
    """MicroAST: (picture, style picture) -> the picture in that style; see the top of this file."""

    size_multiple = 4

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.content_encoder = Encoder(widths)
        self.style_encoder = Encoder(widths)
        self.modulator = Modulator(widths[-1])
        self.decoder = Decoder(widths)

    def style_of(self, example: Tensor) -> Style:
        """Return the style of pictures (N,3,H,W)."""
        shallow, deep = self.style_encoder(example)
        weight1, bias1, weight2, bias2 = self.modulator(shallow, deep)
        return Style((*moments(shallow), weight1, bias1), (*moments(deep), weight2, bias2))

    def forward(self, picture: Tensor, example: Tensor) -> Tensor:
        made: Tensor = self.decoder(self.content_encoder(picture)[1], self.style_of(example))
        return made


def convert_microast(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the four files by their parts. They may come in any order, but the first encoder is that of the content.

    Raises ModelRefused unless there are two encoders, a modulator and a decoder.
    """
    parts = sorted({key.partition(".")[0] for key in weights})
    if parts == PARTS:
        return dict(weights)
    found: dict[str, Tensor] = {}
    names = []
    for part in parts:
        own = {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(f"{part}.")}
        kind = next((kind for kind, mark in MARKS.items() if mark in own), "unknown")
        name = f"{'style' if 'content_encoder' in names else 'content'}_encoder" if kind == "encoder" else kind
        names.append(name)
        found |= {f"{name}.{key}": value for key, value in own.items()}
    if sorted(names) != PARTS:
        raise ModelRefused(
            f"MicroAST has four files, content_encoder, style_encoder, modulator and decoder; found: {', '.join(names)}"
        )
    return found


def microast_sizes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the arguments of `MicroAst` for its four files."""
    ours = convert_microast(weights)
    layers = (0, 2, 6)
    return {"widths": tuple(ours[f"content_encoder.enc1.{layer}.conv_layer.weight"].shape[0] for layer in layers)}
