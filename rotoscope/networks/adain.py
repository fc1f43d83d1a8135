"""AdaIN (Huang and Belongie 2017) as in naoto0804/pytorch-AdaIN: the style of any picture by the statistics of VGG features.

Both pictures pass through VGG-19 up to relu4_1 (with a 1x1 convolution before it that prepares the colours). The features of
the content get the mean and deviation of the style's features, per channel (unbiased variance, eps 1e-5), and a decoder that
mirrors the encoder makes the picture. All convolutions have reflection padding; pooling rounds up; upsampling is nearest x2.

Its weights are two files: `decoder.pth` and `vgg_normalised.pth`. (N,3,H,W) RGB in [0,1] and a style picture of any size ->
(N,3,H,W) RGB, about [0,1], not clamped; H and W multiples of 8. Encoder 3,505,740 and decoder 3,505,219 parameters.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from rotoscope.networks.norms import EPSILON
from rotoscope.networks.resnet import numbers

LAST = 29  # number of VGG's convolution before relu4_1
CHANNELS = (64, 64, 128, 128, 256, 256, 256, 256, 512)  # of VGG's convolutions
POOLED_AFTER = (1, 3, 7)  # convolutions that a pooling follows
DECODED = (256, 256, 256, 256, 128, 128, 64, 64, 3)  # channels of the decoder's convolutions
ENLARGED_AFTER = (0, 4, 6)  # convolutions of the decoder that a doubling follows


def padded(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return reflection padding and a convolution k3."""
    return [nn.ReflectionPad2d(1), nn.Conv2d(in_channels, out_channels, 3)]


def vgg_encoder(widths: tuple[int, ...]) -> nn.Sequential:
    """Return VGG-19 up to relu4_1 with the numbers of `vgg_normalised.pth`; `widths` of its convolutions."""
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for place, width in enumerate(widths):
        layers += [*padded(channels, width), nn.ReLU()]
        layers += [nn.MaxPool2d(2, 2, ceil_mode=True)] if place in POOLED_AFTER else []
        channels = width
    return nn.Sequential(*layers)


def decoder(in_channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Return the decoder with the numbers of `decoder.pth`; no ReLU after its last convolution."""
    layers: list[nn.Module] = []
    channels = in_channels
    for place, width in enumerate(widths):
        layers += [*padded(channels, width), nn.ReLU()]
        layers += [nn.Upsample(scale_factor=2.0)] if place in ENLARGED_AFTER else []
        channels = width
    return nn.Sequential(*layers[:-1])


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (N,C,1,1) of features (N,C,H,W)."""
    return features.mean(dim=(2, 3), keepdim=True), (features.var(dim=(2, 3), keepdim=True) + EPSILON).sqrt()


class AdaIN(nn.Module):
    """AdaIN: (picture, style picture) -> the picture in that style; see the top of this file."""

    size_multiple = 8

    def __init__(self, encoded: tuple[int, ...] = CHANNELS, decoded: tuple[int, ...] = DECODED) -> None:
        super().__init__()
        self.encoder = vgg_encoder(encoded)
        self.decoder = decoder(encoded[-1], decoded)

    def forward(self, picture: Tensor, example: Tensor) -> Tensor:
        content, style = self.encoder(picture), self.encoder(example)
        (mean, deviation), (target_mean, target_deviation) = moments(content), moments(style)
        made: Tensor = self.decoder((content - mean) / deviation * target_deviation + target_mean)
        return made


def convert_adain(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the two files `encoder` and `decoder`, in whichever order they were given; drop VGG's later layers."""
    parts = sorted({key.partition(".")[0] for key in weights})
    found: dict[str, Tensor] = {}
    for part in parts:
        own = {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(f"{part}.")}
        name = "encoder" if "0.weight" in own else "decoder"
        layers = {key: int(key.partition(".")[0]) for key in own if key.partition(".")[0].isdecimal()}
        found |= {f"{name}.{key}": own[key] for key, layer in layers.items() if layer <= LAST}
    return found


def adain_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `AdaIN` for its two files."""
    ours = convert_adain(weights)

    def widths(part: str) -> tuple[int, ...]:
        return tuple(ours[f"{part}.{layer}.weight"].shape[0] for layer in numbers(ours, rf"{part}\.(\d+)\.weight"))

    return {"encoded": widths("encoder")[1:], "decoded": widths("decoder")}
