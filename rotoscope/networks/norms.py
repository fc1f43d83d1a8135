"""Norm layers as the published systems use them at inference.

A norm kind is one word. Network arguments, descriptions and model files use the same words:

| kind | statistics | stored tensors |
|---|---|---|
| `instance` | of the frame, per channel | none |
| `instance_affine` | of the frame, per channel | scale and shift |
| `instance_running` | stored | running mean and variance |
| `batch_by_frame` | of the frame, per channel | scale and shift (and running statistics that are not used) |
| `batch_running` | stored | scale, shift, running mean and variance |
| `none` | - | none |

pix2pix and vid2vid run inference in training mode, so their batch norm uses the statistics of each test frame.
`batch_by_frame` does this in training and evaluation mode; frames of one batch do not influence each other.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused

EPSILON = 1e-5
STATISTICS = ("frame", "running")


class FrameBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of each frame (biased variance), in training and evaluation mode; (N,C,H,W)."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


def make_norm(kind: str, channels: int) -> nn.Module:
    """Return the layer of a norm kind; `none` is an identity, so that the layers after it keep their numbers."""
    if kind == "instance":
        return nn.InstanceNorm2d(channels, eps=EPSILON)
    if kind == "instance_affine":
        return nn.InstanceNorm2d(channels, eps=EPSILON, affine=True)
    if kind == "instance_running":
        return nn.InstanceNorm2d(channels, eps=EPSILON, track_running_stats=True)
    if kind == "batch_by_frame":
        return FrameBatchNorm2d(channels, eps=EPSILON)
    if kind == "batch_running":
        return nn.BatchNorm2d(channels, eps=EPSILON)
    if kind == "none":
        return nn.Identity()
    raise ValueError(
        f"norm {kind!r}: instance, instance_affine, instance_running, batch_by_frame, batch_running or none"
    )


def norm_kind(weights: Mapping[str, Tensor], statistics: str, *, bias: bool = True, norm: str | None = None) -> str:
    """Return the norm kind of a checkpoint from its tensors and `statistics` ("frame" or "running"), which they do not contain.

    Instance norm without stored tensors is told from no norm by `norm` ("instance" or "none"), else by `bias`: whether
    convolutions in front of it have one.
    Raises ModelRefused for unknown `statistics`, or for "running" if no statistics are stored.
    """
    stored = [key for key in weights if key.endswith(".running_var")]
    if statistics not in STATISTICS:
        raise ModelRefused(f"--hint statistics={statistics}: give one of {', '.join(STATISTICS)}")
    if statistics == "running" and not stored:
        raise ModelRefused("--hint statistics=running: this file stores no running statistics; leave the hint out")
    batch = any(key.removesuffix("running_var") + "weight" in weights for key in stored)
    if batch:
        return "batch_by_frame" if statistics == "frame" else "batch_running"
    if any(value.ndim == 1 and key.endswith(".weight") for key, value in weights.items()):
        return "instance_affine"
    if (norm or ("instance" if bias else "none")) == "none":
        return "none"
    return "instance" if statistics == "frame" else "instance_running"


def kind_of(network: nn.Module) -> str:
    """Return the norm kind of a network from its layers; `group` for group norm."""
    layers = list(network.modules())
    if any(isinstance(layer, FrameBatchNorm2d) for layer in layers):
        return "batch_by_frame"
    if any(isinstance(layer, nn.BatchNorm2d) for layer in layers):
        return "batch_running"
    instance = [layer for layer in layers if isinstance(layer, nn.InstanceNorm2d)]
    if instance:
        return "instance_running" if instance[0].track_running_stats else "instance"
    return "group" if any(isinstance(layer, nn.GroupNorm) for layer in layers) else "none"
