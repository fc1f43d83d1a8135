"""Fast style transfer (Johnson et al. 2016, instance norm by Ulyanov et al.) as in pytorch/examples.

Conv k9 to 32 channels, conv k3 s2 to 64, conv k3 s2 to 128, each with affine instance norm and ReLU; five residual blocks
without activation after the sum; twice nearest x2, conv k3 (64, 32), norm, ReLU; conv k9 to 3. All convolutions have
reflection padding and a bias. 1,679,235 parameters. RGB in [0,255] in and out; the output is not clamped. Any size: H and W
of the output are the next multiples of 4.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.resnet import activation_of


class ReflectConv(nn.Module):
    """Convolution with reflection padding; stride 1 keeps the size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2d(x)
        return y


class StyleResidual(nn.Module):
    """x + norm(conv(ReLU(norm(conv(x)))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ReflectConv(width, width, 3)
        self.in1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = ReflectConv(width, width, 3)
        self.in2 = nn.InstanceNorm2d(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.in1(self.conv1(x)))
        return torch.add(x, self.in2(self.conv2(y)))


class TransformerNet(nn.Module):
    """Johnson's style network (2016): (N,3,H,W) RGB in [0,255] -> (N,3,4*ceil(H/4),4*ceil(W/4)) RGB, about [0,255]."""

    size_multiple = 4

    def __init__(self, width: int = 32, *, output: str = "linear") -> None:
        super().__init__()
        self.conv1 = ReflectConv(3, width, 9)
        self.in1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = ReflectConv(width, 2 * width, 3, stride=2)
        self.in2 = nn.InstanceNorm2d(2 * width, affine=True)
        self.conv3 = ReflectConv(2 * width, 4 * width, 3, stride=2)
        self.in3 = nn.InstanceNorm2d(4 * width, affine=True)
        self.res1 = StyleResidual(4 * width)
        self.res2 = StyleResidual(4 * width)
        self.res3 = StyleResidual(4 * width)
        self.res4 = StyleResidual(4 * width)
        self.res5 = StyleResidual(4 * width)
        self.deconv1 = ReflectConv(4 * width, 2 * width, 3)
        self.in4 = nn.InstanceNorm2d(2 * width, affine=True)
        self.deconv2 = ReflectConv(2 * width, width, 3)
        self.in5 = nn.InstanceNorm2d(width, affine=True)
        self.deconv3 = ReflectConv(width, 3, 9)
        self.activation = activation_of(output)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.in1(self.conv1(x)))
        y = torch.relu(self.in2(self.conv2(y)))
        y = torch.relu(self.in3(self.conv3(y)))
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            y = block(y)
        y = torch.relu(self.in4(self.deconv1(nn.functional.interpolate(y, scale_factor=2.0))))
        y = torch.relu(self.in5(self.deconv2(nn.functional.interpolate(y, scale_factor=2.0))))
        picture: Tensor = self.activation(self.deconv3(y))
        return picture


def transformer_net_sizes(weights: Mapping[str, Tensor], *, output: str = "linear") -> dict[str, Any]:
    """Return the arguments of `TransformerNet` for a state dict."""
    return {"width": weights["conv1.conv2d.weight"].shape[0], "output": output}
