"""Fast style transfer (Johnson et al. 2016) as in rrmina/fast-neural-style-pytorch: transposed convolutions, BGR in [0,255].

ConvBlock: conv k9, k3 s2, k3 s2, each with affine instance norm and ReLU. DeconvBlock: two transposed convolutions k3 s2, norm,
ReLU; conv k9 without norm. Between them is one of

- `residual`: five blocks of two convolutions (1,679,235 parameters, widths 32, 64, 128);
- `preactivated`: the same with norm and ReLU before each convolution (TransformerNetworkV2), of the same names and shapes:
  `--hint blocks=preactivated` chooses it;
- `bottleneck`: three blocks of 1x1, 3x3, 1x1 (the pruned nets, 8,229 and 63,459 parameters);
- `dense`: 1x1 to 64 channels, then layers that each append 16 channels (269,731 parameters; no bias in ConvBlock).

(N,3,H,W) BGR 0..255 -> (N,3,H,W), about 0..255, not clamped; H and W multiples of 4.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.resnet import activation_of, numbers


def reflect_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, bias: bool = True) -> nn.Conv2d:
    """Return a convolution with reflection padding; stride 1 keeps the size."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, padding_mode="reflect", bias=bias)


class NormedConv(nn.Module):
    """Convolution, then affine instance norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, bias: bool = True) -> None:
        super().__init__()
        self.conv_layer = reflect_conv(in_channels, out_channels, kernel, stride, bias=bias)
        self.norm_layer = nn.InstanceNorm2d(out_channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm_layer(self.conv_layer(x))
        return y


class PlainConv(nn.Module):
    """The last convolution, without norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv_layer = reflect_conv(in_channels, out_channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_layer(x)
        return y


class NormedDeconv(nn.Module):
    """Transposed convolution k3 s2 that doubles the size, then affine instance norm."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)
        self.norm_layer = nn.InstanceNorm2d(out_channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm_layer(self.conv_transpose(x))
        return y


class ResidualLayer(nn.Module):
    """x + conv2(ReLU(conv1(x))), both with norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = NormedConv(width, width, 3)
        self.conv2 = NormedConv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.conv2(torch.relu(self.conv1(x))))


class PreactivatedLayer(nn.Module):
    """x + conv2(conv1(x)), each with norm and ReLU before the convolution; names and shapes are those of `ResidualLayer`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = PreactivatedConv(width, width, 3, bias=True)
        self.conv2 = PreactivatedConv(width, width, 3, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.conv2(self.conv1(x)))


class BottleneckLayer(nn.Module):
    """x + three convolutions (1x1 to fewer channels, 3x3, 1x1 back), each with norm, ReLU between them."""

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.conv1 = NormedConv(width, narrow, 1)
        self.conv2 = NormedConv(narrow, narrow, 3)
        self.conv3 = NormedConv(narrow, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return torch.add(x, self.conv3(y))


class PreactivatedConv(nn.Module):
    """Affine instance norm, ReLU, convolution."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, bias: bool) -> None:
        super().__init__()
        self.norm_layer = nn.InstanceNorm2d(in_channels, affine=True)
        self.conv_layer = reflect_conv(in_channels, out_channels, kernel, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_layer(torch.relu(self.norm_layer(x)))
        return y


class DenseLayer(nn.Module):
    """Append `growth` new channels to the input, computed through 4 * `growth` channels."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.conv1 = PreactivatedConv(in_channels, 4 * growth, 1, bias=False)
        self.conv3 = PreactivatedConv(4 * growth, growth, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv3(self.conv1(x))], dim=1)


def dense_block(width: int, narrow: int, growth: int, num_layers: int) -> nn.Sequential:
    """Return a 1x1 convolution to `narrow` channels and dense layers; the result has narrow + num_layers * growth channels."""
    layers = [DenseLayer(narrow + index * growth, growth) for index in range(num_layers)]
    return nn.Sequential(PreactivatedConv(width, narrow, 1, bias=True), *layers)


class DeconvTransformerNet(nn.Module):
    """Style network with transposed convolutions, see the top of this file.

    (N,3,H,W) BGR in [0,255] -> (N,3,H,W) BGR, about [0,255], not clamped; H and W multiples of 4.

    widths  channels of the three convolutions of ConvBlock
    blocks  "residual", "preactivated", "bottleneck" or "dense"
    output  "linear", or "tanh150": 150 * tanh, as TransformerNetworkTanh of the same repository ends
    """

    size_multiple = 4

    def __init__(
        self,
        widths: tuple[int, int, int] = (32, 64, 128),
        deconv_widths: tuple[int, int] = (64, 32),
        blocks: str = "residual",
        num_layers: int = 5,
        narrow: int = 64,
        output: str = "linear",
    ) -> None:
        super().__init__()
        first, second, third = widths
        bias = blocks != "dense"
        self.ConvBlock = nn.Sequential(
            NormedConv(3, first, 9, bias=bias),
            nn.ReLU(),
            NormedConv(first, second, 3, stride=2, bias=bias),
            nn.ReLU(),
            NormedConv(second, third, 3, stride=2, bias=bias),
            nn.ReLU(),
        )
        if blocks in ("residual", "preactivated"):
            layer = ResidualLayer if blocks == "residual" else PreactivatedLayer
            self.ResidualBlock = nn.Sequential(*(layer(third) for _ in range(num_layers)))
        elif blocks == "bottleneck":
            self.ResidualBlock = nn.Sequential(*(BottleneckLayer(third, narrow) for _ in range(num_layers)))
        else:
            self.DenseBlock = dense_block(third, narrow, (third - narrow) // num_layers, num_layers)
        self.is_dense = blocks == "dense"
        self.DeconvBlock = nn.Sequential(
            NormedDeconv(third, deconv_widths[0]),
            nn.ReLU(),
            NormedDeconv(*deconv_widths),
            nn.ReLU(),
            PlainConv(deconv_widths[1], 3, 9),
            activation_of(output),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.ConvBlock(x)
        y = self.DenseBlock(y) if self.is_dense else self.ResidualBlock(y)
        picture: Tensor = self.DeconvBlock(y)
        return picture


def deconv_transformer_sizes(
    weights: Mapping[str, Tensor], *, output: str = "linear", blocks: str = "residual"
) -> dict[str, Any]:
    """Return the arguments of `DeconvTransformerNet` for a state dict; `blocks` tells residual from preactivated layers."""
    sizes: dict[str, Any] = {
        "widths": tuple(weights[f"ConvBlock.{index}.conv_layer.weight"].shape[0] for index in (0, 2, 4)),
        "deconv_widths": tuple(weights[f"DeconvBlock.{index}.conv_transpose.weight"].shape[1] for index in (0, 2)),
        "output": output,
    }
    if "DenseBlock.0.conv_layer.weight" in weights:
        num_layers = len(numbers(weights, r"DenseBlock\.(\d+)\.conv3\.conv_layer\.weight"))
        narrow = weights["DenseBlock.0.conv_layer.weight"].shape[0]
        return sizes | {"blocks": "dense", "num_layers": num_layers, "narrow": narrow}
    num_layers = len(numbers(weights, r"ResidualBlock\.(\d+)\.conv2\.conv_layer\.weight"))
    if "ResidualBlock.0.conv3.conv_layer.weight" in weights:
        narrow = weights["ResidualBlock.0.conv1.conv_layer.weight"].shape[0]
        return sizes | {"blocks": "bottleneck", "num_layers": num_layers, "narrow": narrow}
    return sizes | {"blocks": blocks, "num_layers": num_layers}
