"""Discriminators with the parameter names of the published files: of patches, pixels, several scales, or whole pictures.

| class | used by | field of view |
|---|---|---|
| `PatchDiscriminator` | CycleGAN, pix2pix, Recycle-GAN | patches of 70x70 pixels at 3 layers (Isola et al. 2017) |
| `PixelDiscriminator` | CycleGAN, pix2pix | single pixels |
| `MultiscaleDiscriminator` | vid2vid, pictures and windows of frames | patches at several scales; also returns features |
| `MunitDiscriminator` | MUNIT | patches at three scales |
| `WholeDiscriminator` | DualGAN, contextual attention | one score for the picture |

All return scores without a sigmoid, higher for real.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from rotoscope.networks.dualgan import SameConv, TensorFlowNorm
from rotoscope.networks.munit_layers import ConvBlock
from rotoscope.networks.norms import make_norm
from rotoscope.networks.vid2vid import pyramid

MAX_WIDENING = 8  # largest channel count of a PatchGAN, relative to its first layer
MAX_FIRST_CHANNELS = 64  # of vid2vid's discriminators
MAX_CHANNELS = 512


def conv_k4(in_channels: int, out_channels: int, stride: int, *, padding: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return the 4x4 convolution of all patch discriminators."""
    return nn.Conv2d(in_channels, out_channels, 4, stride, padding=padding, bias=bias)


def needs_bias(norm: str) -> bool:
    """Return whether convolutions have a bias; in CycleGAN's code only before instance norm."""
    return norm.startswith("instance")


class PatchDiscriminator(nn.Module):
    """PatchGAN: (N,C,H,W) -> scores (N,1,H',W'), one for each patch, of 70x70 pixels for `num_layers` 3.

    Convolutions double the channels `num_layers` times, to at most 8 times; the last of them has stride 1.
    """

    def __init__(self, in_channels: int = 3, width: int = 64, num_layers: int = 3, *, norm: str = "instance") -> None:
        super().__init__()
        widths = [width * min(2**level, MAX_WIDENING) for level in range(num_layers + 1)]
        layers: list[nn.Module] = [conv_k4(in_channels, width, 2), nn.LeakyReLU(0.2)]
        for level, (before, after) in enumerate(pairwise(widths), start=1):
            stride = 2 if level < num_layers else 1
            conv = conv_k4(before, after, stride, bias=needs_bias(norm))
            layers += [conv, make_norm(norm, after), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*layers, conv_k4(widths[-1], 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of all patches."""
        scores: Tensor = self.model(x)
        return scores


class PixelDiscriminator(nn.Module):
    """1x1 convolutions: (N,C,H,W) -> scores (N,1,H,W)."""

    def __init__(self, in_channels: int = 3, width: int = 64, *, norm: str = "instance") -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            make_norm(norm, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of all pixels."""
        scores: Tensor = self.net(x)
        return scores


class MultiscaleDiscriminator(nn.Module):
    """vid2vid: (N,C,H,W) -> for each scale, the finest first, its feature maps and, last, its scores (N,1,h,w).

    Each coarser scale is twice as wide, with at most 64 channels in its first layer. Padding is 2 and every convolution has a
    bias. In the names `scale<k>_layer<j>` the finest scale has the highest k.
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 64,
        num_layers: int = 3,
        num_scales: int = 2,
        *,
        norm: str = "batch_running",
    ) -> None:
        super().__init__()
        self.num_scales, self.num_layers = num_scales, num_layers
        for index in range(num_scales):
            first = min(MAX_FIRST_CHANNELS, width * 2 ** (num_scales - 1 - index))
            widths = [min(MAX_CHANNELS, first * 2**level) for level in range(num_layers + 1)]
            self.add_module(
                f"scale{index}_layer0", nn.Sequential(conv_k4(in_channels, first, 2, padding=2), nn.LeakyReLU(0.2))
            )
            for level, (before, after) in enumerate(pairwise(widths), start=1):
                conv = conv_k4(before, after, 2 if level < num_layers else 1, padding=2)
                layer = nn.Sequential(conv, make_norm(norm, after), nn.LeakyReLU(0.2))
                self.add_module(f"scale{index}_layer{level}", layer)
            scores = nn.Sequential(conv_k4(widths[-1], 1, 1, padding=2))
            self.add_module(f"scale{index}_layer{num_layers + 1}", scores)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Return features and scores of every scale."""
        found = []
        for scale, level in enumerate(pyramid(x, self.num_scales)):
            maps = [level]
            for layer in range(self.num_layers + 2):
                maps.append(self.get_submodule(f"scale{self.num_scales - 1 - scale}_layer{layer}")(maps[-1]))
            found.append(maps[1:])
        return found


class MunitDiscriminator(nn.Module):
    """MUNIT: (N,3,H,W) -> scores of every scale, the finest first; with four layers, sides must have at least 64 pixels."""

    def __init__(self, in_channels: int = 3, width: int = 64, num_layers: int = 4, num_scales: int = 3) -> None:
        super().__init__()
        widths = [in_channels, *(width * 2**level for level in range(num_layers))]
        self.cnns = nn.ModuleList(
            nn.Sequential(
                *(ConvBlock(before, after, 4, 2, activation=nn.LeakyReLU(0.2)) for before, after in pairwise(widths)),
                nn.Conv2d(widths[-1], 1, 1),
            )
            for _ in range(num_scales)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the scores of every scale."""
        return [network(level) for network, level in zip(self.cnns, pyramid(x, len(self.cnns)), strict=True)]


class WholeDiscriminator(nn.Module):
    """Pictures (N,C,size,size), `size` a multiple of 16 -> one score each (N,1): strided convolutions, then a dense layer.

    DualGAN: first kernel 5, affine instance norm from the second layer on, widths 1, 2, 4, 8, 8 times `width`, all with stride
    2, so that 256 pixels become 8x8. Contextual attention: kernels 5, no norm, four layers.
    """

    def __init__(
        self,
        in_channels: int,
        size: int,
        width: int = 64,
        *,
        widening: tuple[int, ...] = (1, 2, 4, 8, 8),
        kernels: tuple[int, ...] = (5, 3, 3, 3, 3),
        normed: bool = True,
    ) -> None:
        super().__init__()
        widths = [in_channels, *(width * times for times in widening)]
        pairs = zip(pairwise(widths), kernels, strict=True)
        self.convs = nn.ModuleList(SameConv(before, after, kernel) for (before, after), kernel in pairs)
        self.norms = nn.ModuleList(
            TensorFlowNorm(after) if normed and index else nn.Identity() for index, after in enumerate(widths[1:])
        )
        side = size // 2 ** len(widening)
        self.score = nn.Linear(widths[-1] * side * side, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one score for each picture."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = leaky_relu(norm(conv(x)), 0.2)
        score: Tensor = self.score(x.flatten(1))
        return score
