"""SRVGGNetCompact of Real-ESRGAN (Wang et al. 2021): convolutions at the size of the input, then one pixel shuffle.

Conv k3, activation, `num_convs` times [conv k3, activation], conv k3 to 3 * scale^2 channels, pixel shuffle; the input,
enlarged by nearest neighbours, is added. The activation is PReLU with a weight for each channel; files without its weights
have ReLU, or LeakyReLU 0.1 by `activation`.

(N,3,H,W) RGB in [0,1] -> (N,3,S*H,S*W) RGB, about [0,1], not clamped; any size. 621,424 parameters with 16 convolutions of 64
channels and a scale of 4 (realesr-animevideov3).
"""

from collections.abc import Mapping
from math import isqrt
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from rotoscope.networks.resnet import numbers


class CompactUpscaler(nn.Module):
    """SRVGGNetCompact, see the top of this file; activation "prelu", "relu" or "lrelu"."""

    size_multiple = 1

    def __init__(self, width: int = 64, num_convs: int = 16, scale: int = 4, activation: str = "prelu") -> None:
        super().__init__()

        def activated() -> nn.Module:
            if activation == "prelu":
                return nn.PReLU(width)
            return nn.ReLU() if activation == "relu" else nn.LeakyReLU(0.1)

        layers = [nn.Conv2d(3, width, 3, padding=1), activated()]
        for _ in range(num_convs):
            layers += [nn.Conv2d(width, width, 3, padding=1), activated()]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * scale**2, 3, padding=1))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        base = interpolate(x, scale_factor=float(self.scale), mode="nearest")
        return pixel_shuffle(self.body(x), self.scale) + base


def srvgg_sizes(weights: Mapping[str, Tensor], *, activation: str = "relu") -> dict[str, Any]:
    """Return the arguments of `CompactUpscaler` for a state dict."""
    last = numbers(weights, r"body\.(\d+)\.weight")[-1]
    sizes = {
        "width": weights["body.0.weight"].shape[0],
        "num_convs": last // 2 - 1,
        "scale": isqrt(weights[f"body.{last}.weight"].shape[0] // 3),
    }
    return sizes | {"activation": "prelu" if "body.1.weight" in weights else activation}
