"""CartoonGAN's generator (Chen et al. 2018): residual blocks at a quarter of the size, between two down- and two upsamplings.

Conv k7 with reflection padding, norm, ReLU; twice [conv k3 s2, conv k3, norm, ReLU] to twice the channels; eight residual
blocks; twice [transposed conv k3 s2, conv k3, norm, ReLU]; conv k7, tanh. Norms are affine instance norms with eps 1e-9.
11,129,667 parameters at width 64.

Two ports have the same shapes. That to TensorFlow and back names its norms `weight` and `bias` and pads everything by
reflection. The torch files (Yijunmaverick/CartoonGAN-Test-Pytorch-Torch, *_net_G_float.pth) name them `scale` and `shift`;
their convolutions between the residual blocks and the first and last layer are padded with zeros.

(N,3,H,W) BGR in [-1,1] -> (N,3,H,W) BGR in [-1,1]; H and W multiples of 4.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.base.errors import UsageError
from rotoscope.networks.fast_style_deconv import reflect_conv
from rotoscope.networks.munit_layers import PADDING_MODES

NUM_BLOCKS = 8


def instance_norm(channels: int) -> nn.InstanceNorm2d:
    """Return an affine instance norm with eps 1e-9, as in the published code."""
    return nn.InstanceNorm2d(channels, eps=1e-9, affine=True)


def double(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that doubles the size."""
    return nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)


class CartoonGenerator(nn.Module):
    """CartoonGAN's generator (Chen et al. 2018), see the top of this file.

    (N,3,H,W) BGR in [-1,1] -> (N,3,H,W) BGR in [-1,1]; H and W multiples of 4.
    Layers have the numbers of the published weights: conv04 to conv11 are the residual blocks.

    padding  of the convolutions outside the residual blocks, but for the first and the last: "reflect" or "zero"
    """

    size_multiple = 4

    def __init__(self, width: int = 64, *, padding: str = "reflect") -> None:
        super().__init__()
        wide = 4 * width
        mode = PADDING_MODES[padding]

        def resampling_conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
            return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, padding_mode=mode)

        self.conv01_1 = reflect_conv(3, width, 7)
        self.in01_1 = instance_norm(width)
        self.conv02_1 = resampling_conv(width, 2 * width, stride=2)
        self.conv02_2 = resampling_conv(2 * width, 2 * width)
        self.in02_1 = instance_norm(2 * width)
        self.conv03_1 = resampling_conv(2 * width, wide, stride=2)
        self.conv03_2 = resampling_conv(wide, wide)
        self.in03_1 = instance_norm(wide)
        for number in range(4, 4 + NUM_BLOCKS):
            for step in (1, 2):
                self.add_module(f"conv{number:02}_{step}", reflect_conv(wide, wide, 3))
                self.add_module(f"in{number:02}_{step}", instance_norm(wide))
        self.deconv01_1 = double(wide, 2 * width)
        self.deconv01_2 = resampling_conv(2 * width, 2 * width)
        self.in12_1 = instance_norm(2 * width)
        self.deconv02_1 = double(2 * width, width)
        self.deconv02_2 = resampling_conv(width, width)
        self.in13_1 = instance_norm(width)
        self.deconv03_1 = reflect_conv(width, 3, 7)

    def residual(self, x: Tensor, number: int) -> Tensor:
        """Apply residual block `number`: x + norm(conv(ReLU(norm(conv(x)))))."""
        conv1, in1, conv2, in2 = (
            self.get_submodule(f"{kind}{number:02}_{step}") for step in (1, 2) for kind in ("conv", "in")
        )
        return torch.add(x, in2(conv2(torch.relu(in1(conv1(x))))))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.in01_1(self.conv01_1(x)))
        y = torch.relu(self.in02_1(self.conv02_2(self.conv02_1(y))))
        y = torch.relu(self.in03_1(self.conv03_2(self.conv03_1(y))))
        for number in range(4, 4 + NUM_BLOCKS):
            y = self.residual(y, number)
        y = torch.relu(self.in12_1(self.deconv01_2(self.deconv01_1(y))))
        y = torch.relu(self.in13_1(self.deconv02_2(self.deconv02_1(y))))
        return torch.tanh(self.deconv03_1(y))


def cartoon_sizes(weights: Mapping[str, Tensor], *, padding: str | None = None) -> dict[str, Any]:
    """Return the arguments of `CartoonGenerator` for a state dict; `padding` replaces what the names of its norms say."""
    if padding == "replicate":
        raise UsageError("hint padding=replicate: CartoonGAN has reflect or zero")
    by_name = "zero" if "in13_1.scale" in weights else "reflect"
    return {"width": weights["conv01_1.weight"].shape[0], "padding": padding or by_name}


def convert_cartoon(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the norms of the torch files: `scale` is a weight, `shift` a bias."""
    names = {"scale": "weight", "shift": "bias"}
    return {re.sub(r"(scale|shift)$", lambda found: names[found[1]], key): value for key, value in weights.items()}
