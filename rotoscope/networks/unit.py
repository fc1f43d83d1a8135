"""UNIT (Liu et al. 2017) as in NVlabs/MUNIT: one auto-encoder per domain, with one code for both and without a style.

Encoder and decoder are those of MUNIT's content, but the decoder's residual blocks have plain instance norm. In training noise
is added to the code; at inference it is not. (N,3,H,W) RGB in [-1,1] -> (N,3,H,W) in [-1,1]; H and W multiples of 4.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.munit import ContentEncoder, enlarging_layers
from rotoscope.networks.munit_layers import Blocks, ContentBlock
from rotoscope.networks.resnet import numbers


class UnitGenerator(nn.Module):
    """UNIT's auto-encoder of one domain: the picture decoded again (N,3,H,W).

    To translate from A to B: `enc` of A's generator, then `dec` of B's.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        num_downs: int = 2,
        num_blocks: int = 4,
        activation: str = "relu",
        padding: str = "reflect",
    ) -> None:
        super().__init__()
        wide = width * 2**num_downs
        self.enc = ContentEncoder(in_channels, width, num_downs, num_blocks, activation, padding)
        blocks = Blocks(*(ContentBlock(wide, activation, padding) for _ in range(num_blocks)))
        self.dec = Blocks(blocks, *enlarging_layers(wide, num_downs, in_channels, activation, padding))
        self.size_multiple = 2**num_downs

    def forward(self, picture: Tensor) -> Tensor:
        made: Tensor = self.dec(self.enc(picture))
        return made


class UnitPair(nn.Module):
    """Two auto-encoders: a picture of one domain -> the picture in the other domain; direction "AtoB" or "BtoA"."""

    def __init__(self, a: Mapping[str, Any], b: Mapping[str, Any], direction: str) -> None:
        super().__init__()
        self.a = UnitGenerator(**a)
        self.b = UnitGenerator(**b)
        self.direction = direction
        self.size_multiple = self.a.size_multiple

    def forward(self, picture: Tensor) -> Tensor:
        source, target = (self.a, self.b) if self.direction == "AtoB" else (self.b, self.a)
        made: Tensor = target.dec(source.enc(picture))
        return made


def unit_sizes(weights: Mapping[str, Tensor], *, activation: str = "relu", padding: str = "reflect") -> dict[str, Any]:
    """Return the arguments of `UnitGenerator` for one domain's state dict."""
    width, in_channels = weights["enc.model.0.conv.weight"].shape[:2]
    return {
        "in_channels": in_channels,
        "width": width,
        "num_downs": len(numbers(weights, r"enc\.model\.(\d+)\.conv\.weight")) - 1,
        "num_blocks": len(numbers(weights, r"enc\.model\.\d+\.model\.(\d+)\.model\.0\.conv\.weight")),
        "activation": activation,
        "padding": padding,
    }


def unit_pair_sizes(
    weights: Mapping[str, Tensor], *, direction: str | None = None, activation: str = "relu", padding: str = "reflect"
) -> dict[str, Any]:
    """Return the arguments of `UnitPair` for a file that holds both domains, `a` and `b`."""
    if direction not in ("AtoB", "BtoA"):
        raise ModelRefused(
            "this UNIT file holds both domains, a and b: give --hint direction=AtoB or --hint direction=BtoA"
        )
    domains = {
        domain: {key[2:]: value for key, value in weights.items() if key.startswith(f"{domain}.")} for domain in "ab"
    }
    sizes = {domain: unit_sizes(inner, activation=activation, padding=padding) for domain, inner in domains.items()}
    return sizes | {"direction": direction}
