"""White-box Cartoonization (Wang and Yu 2020): a small U-Net, then a guided filter that keeps the edges of the source.

Conv k7; twice [conv k3 s2, conv k3]; residual blocks; conv k3; twice [bilinear x2, added to the features of that size, conv
k3, conv k3], of which the last is k7 to the picture. LeakyReLU 0.2, zero padding, no norm. The guided filter (He et al. 2010)
fits, in each 3x3 window, the result as a linear function of the source. 1,467,075 parameters at width 32.

Three dialects of the same shapes differ in padding, upsampling and colour order; the names in a file tell them apart:

| dialect | names | order | stride 2 pads | upsampling | end | filter eps |
|---|---|---|---|---|---|---|
| `tensorflow` | `generator/Conv/weights` | BGR | (0,1) | corners of TensorFlow 1 | linear | 0.005 |
| `torch`, the authors' | `generator.Conv.weight` | BGR | (1,1) | aligned corners | linear | 0.005 |
| `port`, vinesmsuic's | `initial_down.0.weight` | RGB | (1,1) | half-pixel centres | tanh | 0.01 |

(N,3,H,W) in [-1,1] -> (N,3,H,W), about [-1,1]; H and W multiples of 4.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, pad

from rotoscope.networks.resnet import numbers

SLOPE = 0.2  # of the LeakyReLU


class Dialect(NamedTuple):
    """Differences of one port; `first` is the padding before and after of convolutions with stride 2."""

    order: str
    first: tuple[int, int]
    upsampling: str
    has_tanh: bool
    epsilon: float


DIALECTS = {
    "tensorflow": Dialect("BGR", (0, 1), "tensorflow 1", False, 5e-3),
    "torch": Dialect("BGR", (1, 1), "aligned corners", False, 5e-3),
    "port": Dialect("RGB", (1, 1), "half-pixel", True, 1e-2),
}


def double_as_tensorflow_1(x: Tensor) -> Tensor:
    """Double the sides of (N,C,H,W): between two values stands their mean, after the last one the last one again."""
    for axis in (2, 3):
        last = x.narrow(axis, x.shape[axis] - 1, 1)
        following = torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), last], dim=axis)
        x = torch.stack([x, (x + following) / 2], dim=axis + 1).flatten(axis, axis + 1)
    return x


def double(x: Tensor, upsampling: str) -> Tensor:
    """Double the sides of (N,C,H,W) bilinearly."""
    if upsampling == "tensorflow 1":
        return double_as_tensorflow_1(x)
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=upsampling == "aligned corners")


def box(x: Tensor) -> Tensor:
    """Return the mean over 3x3 pixels, at the border over those inside."""
    return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def guided_filter(guide: Tensor, x: Tensor, epsilon: float) -> Tensor:
    """Filter `x` so that it is locally a linear function of `guide`, both (N,C,H,W); windows of 3x3."""
    mean_guide, mean_x = box(guide), box(x)
    covariance = box(guide * x) - mean_guide * mean_x
    variance = box(guide * guide) - mean_guide * mean_guide
    slope = covariance / (variance + epsilon)
    return box(slope) * guide + box(mean_x - slope * mean_guide)


class Residual(nn.Module):
    """x + conv(LeakyReLU(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.conv2(leaky_relu(self.conv1(x), SLOPE)), x)


class CartoonUnet(nn.Module):
    """The U-Net, with the names of the authors' files: `Conv` to `Conv_9` and `block_0` ...; (N,3,H,W) -> (N,3,H,W)."""

    def __init__(self, width: int, num_blocks: int, dialect: Dialect) -> None:
        super().__init__()
        self.dialect, self.num_blocks = dialect, num_blocks
        self.Conv = nn.Conv2d(3, width, 7, padding=3)
        self.Conv_1 = nn.Conv2d(width, width, 3, stride=2)
        self.Conv_2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.Conv_3 = nn.Conv2d(2 * width, 2 * width, 3, stride=2)
        self.Conv_4 = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        for number in range(num_blocks):
            self.add_module(f"block_{number}", Residual(4 * width))
        self.Conv_5 = nn.Conv2d(4 * width, 2 * width, 3, padding=1)
        self.Conv_6 = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.Conv_7 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.Conv_8 = nn.Conv2d(width, width, 3, padding=1)
        self.Conv_9 = nn.Conv2d(width, 3, 7, padding=3)

    def run(self, x: Tensor, *places: int) -> Tensor:
        """Run numbered convolutions in order, LeakyReLU after each."""
        for place in places:
            layer = self.get_submodule(f"Conv_{place}")
            before, after = self.dialect.first if place in (1, 3) else (0, 0)
            x = leaky_relu(layer(pad(x, (before, after, before, after))), SLOPE)
        return x

    def forward(self, x: Tensor) -> Tensor:
        whole = leaky_relu(self.Conv(x), SLOPE)
        half = self.run(whole, 1, 2)
        y = self.run(half, 3, 4)
        for number in range(self.num_blocks):
            y = self.get_submodule(f"block_{number}")(y)
        y = double(self.run(y, 5), self.dialect.upsampling)
        y = double(self.run(y + half, 6, 7), self.dialect.upsampling)
        y = self.Conv_9(self.run(y + whole, 8))
        return torch.tanh(y) if self.dialect.has_tanh else y


class WhiteboxGenerator(nn.Module):
    """White-box Cartoonization, see the top of this file."""

    size_multiple = 4

    def __init__(self, width: int = 32, num_blocks: int = 4, dialect: str = "torch") -> None:
        super().__init__()
        self.generator = CartoonUnet(width, num_blocks, DIALECTS[dialect])
        self.epsilon = DIALECTS[dialect].epsilon

    def forward(self, x: Tensor) -> Tensor:
        return guided_filter(x, self.generator(x), self.epsilon)


# Layers of the port, by our names.
PORT = {
    "initial_down.0": "Conv", "down1.0": "Conv_1", "down1.2": "Conv_2", "down2.0": "Conv_3", "down2.2": "Conv_4",
    "up1.0": "Conv_5", "up2.0": "Conv_6", "up2.2": "Conv_7", "last.0": "Conv_8", "last.2": "Conv_9",
}  # fmt: skip


def convert_whitebox(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of any dialect our names; TensorFlow's kernels from HWIO to OIHW."""
    found: dict[str, Tensor] = {}
    for key, value in weights.items():
        tensorflow = re.fullmatch(r"generator/((?:block_\d+/)?[Cc]onv_?\d*)/(weights|biases)", key)
        if tensorflow:
            is_kernel = tensorflow[2] == "weights"
            name = f"{tensorflow[1].replace('/', '.')}.{'weight' if is_kernel else 'bias'}"
            found[f"generator.{name}"] = value.permute(3, 2, 0, 1).contiguous() if is_kernel else value
            continue
        layer, _, kind = key.rpartition(".")
        block = re.fullmatch(r"res_blocks\.(\d+)\.block\.([02])", layer)
        if block:
            layer = f"block_{block[1]}.conv{1 + int(block[2]) // 2}"
        name = f"{PORT.get(layer, layer)}.{kind}"
        if "/" not in key:
            found[name if name.startswith("generator.") else f"generator.{name}"] = value
    return found


def whitebox_sizes(weights: Mapping[str, Tensor], *, dialect: str | None = None) -> dict[str, Any]:
    """Return the arguments of `WhiteboxGenerator` for a state dict of any dialect; `dialect` replaces what its names say."""
    ours = convert_whitebox(weights)
    is_tensorflow = any(key.startswith("generator/") for key in weights)
    by_name = "tensorflow" if is_tensorflow else "port" if "initial_down.0.weight" in weights else "torch"
    return {
        "width": ours["generator.Conv.bias"].shape[0],
        "num_blocks": len(numbers(ours, r"generator\.block_(\d+)\.conv1\.weight")),
        "dialect": dialect or by_name,
    }
