"""MUNIT (Huang et al. 2018): one auto-encoder per domain; content of one domain and style of the other give a translation.

Content encoder: conv k7, two convolutions k4 s2, residual blocks, all with instance norm. Style encoder: conv k7,
convolutions k4 s2 without norm, global average, 1x1 to the style code. Decoder: residual blocks whose instance norm
takes scale and shift from the style code (AdaIN, through a three-layer perceptron), then twice nearest x2 and conv k5
with layer norm, conv k7, tanh. Reflection padding, ReLU. 15,026,187 parameters: style encoder 2,764,936, content
encoder 5,385,856, decoder 5,754,627, perceptron 1,120,768.

(N,3,H,W) RGB in [-1,1] and a style code (N,S,1,1), drawn from N(0,1) or encoded from an example; H and W multiples of
4.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.munit_layers import (
    Blocks,
    ContentBlock,
    ConvBlock,
    LayerNorm,
    LinearBlock,
    StyledBlocks,
    activation_named,
    instance_block,
)
from rotoscope.networks.resnet import numbers


class ContentEncoder(nn.Module):
    """(N,3,H,W) -> (N,4*width,H/4,W/4)."""

    def __init__(
        self, in_channels: int, width: int, num_downs: int, num_blocks: int, activation: str, padding: str
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [instance_block(in_channels, width, 7, activation=activation, padding=padding)]
        for _ in range(num_downs):
            layers.append(instance_block(width, 2 * width, 4, 2, activation=activation, padding=padding))
            width *= 2
        blocks = (ContentBlock(width, activation, padding) for _ in range(num_blocks))
        self.model = nn.Sequential(*layers, Blocks(*blocks))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class StyleEncoder(nn.Module):
    """(N,3,H,W) -> style code (N,S,1,1)."""

    def __init__(
        self, in_channels: int, width: int, num_downs: int, style_channels: int, activation: str, padding: str
    ) -> None:
        super().__init__()
        layers = [ConvBlock(in_channels, width, 7, activation=activation_named(activation), padding=padding)]
        for index in range(num_downs):
            wider = 2 * width if index < 2 else width
            layers.append(ConvBlock(width, wider, 4, 2, activation=activation_named(activation), padding=padding))
            width = wider
        self.model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, style_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


def enlarging_layers(width: int, num_ups: int, out_channels: int, activation: str, padding: str) -> list[nn.Module]:
    """Return the layers of a decoder after its blocks: per level nearest x2 and conv k5 with layer norm; conv k7, tanh."""
    layers: list[nn.Module] = []
    for _ in range(num_ups):
        norm = LayerNorm(width // 2)
        layers.append(nn.Upsample(scale_factor=2.0))
        layers.append(
            ConvBlock(width, width // 2, 5, norm=norm, activation=activation_named(activation), padding=padding)
        )
        width //= 2
    return [*layers, ConvBlock(width, out_channels, 7, activation=nn.Tanh(), padding=padding)]


class Decoder(nn.Module):
    """Content (N,C,H/4,W/4) and AdaIN parameters (N,P) -> picture (N,3,H,W)."""

    def __init__(
        self, width: int, num_ups: int, num_blocks: int, out_channels: int, activation: str, padding: str
    ) -> None:
        super().__init__()
        self.width = width
        blocks = StyledBlocks(width, num_blocks, activation, padding)
        self.model = nn.Sequential(blocks, *enlarging_layers(width, num_ups, out_channels, activation, padding))

    def forward(self, content: Tensor, parameters: Tensor) -> Tensor:
        blocks, *others = self.model
        y: Tensor = blocks(content, iter(torch.split(parameters[:, :, None, None], self.width, dim=1)))
        for layer in others:
            y = layer(y)
        return y


class MunitGenerator(nn.Module):
    """MUNIT's auto-encoder of one domain (Huang et al. 2018): (picture, style code) -> the picture decoded with that style.

    Picture (N,3,H,W) RGB in [-1,1]; style code (N,S,1,1), about N(0,1); result (N,3,H,W) in [-1,1]. H and W multiples of 4.
    To translate from A to B: `encode_content` of A's generator, then `decode` of B's.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        style_channels: int = 8,
        num_downs: int = 2,
        num_blocks: int = 4,
        hidden: int = 256,
        num_style_downs: int = 4,
        activation: str = "relu",
        padding: str = "reflect",
    ) -> None:
        super().__init__()
        wide = width * 2**num_downs
        self.enc_style = StyleEncoder(in_channels, width, num_style_downs, style_channels, activation, padding)
        self.enc_content = ContentEncoder(in_channels, width, num_downs, num_blocks, activation, padding)
        self.dec = Decoder(wide, num_downs, num_blocks, in_channels, activation, padding)
        self.mlp = Blocks(
            LinearBlock(style_channels, hidden, activation_named(activation)),
            LinearBlock(hidden, hidden, activation_named(activation)),
            LinearBlock(hidden, 4 * num_blocks * wide, nn.Identity()),
        )
        self.size_multiple = 2**num_downs

    def encode_content(self, picture: Tensor) -> Tensor:
        """(N,3,H,W) -> content (N,C,H/4,W/4)."""
        content: Tensor = self.enc_content(picture)
        return content

    def encode_style(self, picture: Tensor) -> Tensor:
        """(N,3,H,W) -> style code (N,S,1,1)."""
        style: Tensor = self.enc_style(picture)
        return style

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Content (N,C,H/4,W/4) and style code (N,S,1,1) -> picture (N,3,H,W) in [-1,1]."""
        picture: Tensor = self.dec(content, self.mlp(style.flatten(1)))
        return picture

    def forward(self, picture: Tensor, style: Tensor) -> Tensor:
        return self.decode(self.encode_content(picture), style)


class MunitPair(nn.Module):
    """Two auto-encoders: (picture of one domain, style of the other) -> the picture in the other domain.

    direction  "AtoB" or "BtoA"; arrays as in `MunitGenerator`
    """

    def __init__(self, a: Mapping[str, Any], b: Mapping[str, Any], direction: str) -> None:
        super().__init__()
        self.a = MunitGenerator(**a)
        self.b = MunitGenerator(**b)
        self.direction = direction
        self.size_multiple = self.a.size_multiple

    def forward(self, picture: Tensor, style: Tensor) -> Tensor:
        source, target = (self.a, self.b) if self.direction == "AtoB" else (self.b, self.a)
        return target.decode(source.encode_content(picture), style)


def munit_sizes(weights: Mapping[str, Tensor], *, activation: str = "relu", padding: str = "reflect") -> dict[str, Any]:
    """Return the arguments of `MunitGenerator` for one domain's state dict."""
    width, in_channels = weights["enc_content.model.0.conv.weight"].shape[:2]
    style_convs = numbers(weights, r"enc_style\.model\.(\d+)\.conv\.weight")
    hidden, style_channels = weights["mlp.model.0.fc.weight"].shape
    return {
        "in_channels": in_channels,
        "width": width,
        "style_channels": style_channels,
        "num_downs": len(numbers(weights, r"enc_content\.model\.(\d+)\.conv\.weight")) - 1,
        "num_blocks": len(numbers(weights, r"enc_content\.model\.\d+\.model\.(\d+)\.model\.0\.conv\.weight")),
        "hidden": hidden,
        "num_style_downs": len(style_convs) - 1,
        "activation": activation,
        "padding": padding,
    }


def munit_pair_sizes(
    weights: Mapping[str, Tensor], *, direction: str | None = None, activation: str = "relu", padding: str = "reflect"
) -> dict[str, Any]:
    """Return the arguments of `MunitPair` for a file that holds both domains, `a` and `b`."""
    if direction not in ("AtoB", "BtoA"):
        raise ModelRefused(
            "this MUNIT file holds both domains, a and b: give --hint direction=AtoB or --hint direction=BtoA"
        )
    domains = {
        domain: {key[2:]: value for key, value in weights.items() if key.startswith(f"{domain}.")} for domain in "ab"
    }
    sizes = {domain: munit_sizes(inner, activation=activation, padding=padding) for domain, inner in domains.items()}
    return sizes | {"direction": direction}
