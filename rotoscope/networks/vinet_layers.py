"""Layers of VINet (Kim et al. 2019): gated convolutions, encoder, aggregation over time, bottleneck, decoder."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

WINDOW = 5
DILATIONS = (1, 2, 4, 8)


def gate(x: Tensor, slope: float = 0.0) -> Tensor:
    """Multiply the first half of the channels by the sigmoid of the second: (N,2C,...) -> (N,C,...)."""
    features, opening = x.chunk(2, dim=1)
    return torch.sigmoid(opening) * leaky_relu(features, slope)


class GatedConv(nn.Module):
    """Gated 3x3 convolution without bias."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 2 * out_channels, 3, stride, padding=dilation, dilation=dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return gate(self.conv(x))


class GatedConv3d(nn.Module):
    """Gated convolution over `depth` frames and 3x3 pixels, (N,C,T,H,W); padded in space, not in time."""

    def __init__(self, in_channels: int, out_channels: int, depth: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(
            in_channels,
            2 * out_channels,
            (depth, 3, 3),
            padding=(0, dilation, dilation),
            dilation=(1, dilation, dilation),
            bias=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        return gate(self.conv(x))


class GatedUpConv(nn.Module):
    """Double H and W by interpolation, then a gated convolution with LeakyReLU 0.2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        double = nn.Upsample(scale_factor=(1.0, 2.0, 2.0), mode="trilinear")
        self.conv = nn.Sequential(
            double, nn.Conv3d(in_channels, 2 * out_channels, (1, 3, 3), padding=(0, 1, 1), bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return gate(self.conv(x), 0.2)


class Encoder(nn.Module):
    """Encode (N,5,H,W) (picture, ones, mask) as features at 1/8, 1/4, 1/2 and 1/1 of the working size."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.ec0 = GatedConv(5, 32, stride)
        self.ec1 = GatedConv(32, 64, 2)
        self.ec2 = GatedConv(64, 64)
        self.ec3_1 = GatedConv(64, 96, 2)
        self.ec3_2 = GatedConv(96, 96)
        self.ec4_1 = GatedConv(96, 128, 2)
        self.ec4 = GatedConv(128, 128)
        self.ec5 = GatedConv(128, 128)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        full = self.ec0(x)
        half = self.ec2(self.ec1(full))
        quarter = self.ec3_2(self.ec3_1(half))
        return self.ec5(self.ec4(self.ec4_1(quarter))), quarter, half, full


class Aggregator(nn.Module):
    """Aggregate aligned references over time: (N,C,5,H,W) -> (N,C,H,W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stAgg = GatedConv3d(width, width, depth=WINDOW)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.stAgg(x)
        return y[:, :, 0]


class Bottleneck(nn.Module):
    """Dilated gated convolutions at 1/8 of the size: (N,256,h,w) -> (N,128,h,w)."""

    def __init__(self) -> None:
        super().__init__()
        self.bt0, self.bt1, self.bt2, self.bt3 = (
            GatedConv(128 if index else 256, 128, dilation=dilation) for index, dilation in enumerate(DILATIONS)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bt3(self.bt2(self.bt1(self.bt0(x))))
        return y


class Decoder(nn.Module):
    """LSTM output (N,128,h,w) at 1/8 and skip features at 1/4 and 1/2 -> picture (N,3,H,W)."""

    def __init__(self, *, double_size: bool) -> None:
        super().__init__()
        self.dc0 = GatedConv3d(128, 128)
        self.dc1 = GatedConv3d(128, 128)
        self.dc1_1 = GatedUpConv(128, 96)
        self.dc2_1 = GatedConv3d(192, 96)
        self.dc2_bt1, self.dc2_bt2, self.dc2_bt3 = (GatedConv3d(96, 96, dilation=step) for step in DILATIONS[1:])
        self.dc2_2 = GatedUpConv(96, 64)
        self.dc3_1 = GatedConv3d(128, 64)
        self.dc3_2 = GatedConv3d(64, 64)
        self.dc4 = GatedUpConv(64, 32)
        self.dc5 = GatedConv3d(32, 16)
        self.dc6 = nn.Conv3d(16, 3, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.double_size = double_size

    def forward(self, x: Tensor, quarter: Tensor, half: Tensor) -> Tensor:
        y = self.dc1_1(self.dc1(self.dc0(x[:, :, None])))
        y = self.dc2_1(torch.cat([y, quarter[:, :, None]], dim=1))
        y = self.dc2_2(self.dc2_bt3(self.dc2_bt2(self.dc2_bt1(y))))
        y = self.dc4(self.dc3_2(self.dc3_1(torch.cat([y, half[:, :, None]], dim=1))))
        if self.double_size:
            y = interpolate(y, scale_factor=(1.0, 2.0, 2.0), mode="trilinear")
        picture: Tensor = self.dc6(self.dc5(y))
        return picture[:, :, 0]
