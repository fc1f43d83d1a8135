"""Normalisation as the published systems use it when they make pictures.

A norm kind is one word, the same in a network's arguments, in descriptions and in model files:

| kind | statistics | tensors of its own |
|---|---|---|
| `instance` | of the frame, per channel | none |
| `instance_running` | stored | running mean and variance |
| `batch_by_frame` | of the frame, per channel | scale and shift (and running statistics that nobody reads) |
| `batch_running` | stored | scale, shift, running mean and variance |
| `none` | - | none |

pix2pix and vid2vid never leave training mode, so their batch norm normalises every test frame by itself.
`batch_by_frame` does that whatever mode the module is in; frames that share a batch do not see each other.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused

EPSILON = 1e-5
STATISTICS = ("frame", "running")


class FrameBatchNorm2d(nn.BatchNorm2d):
    """Batch norm's tensors, each frame's own statistics: (N,C,H,W) -> (N,C,H,W), biased variance, in every mode."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


def make_norm(kind: str, channels: int) -> nn.Module:
    """The layer of a norm kind; `none` keeps its place in a numbered sequence with an identity."""
    if kind == "instance":
        return nn.InstanceNorm2d(channels, eps=EPSILON)
    if kind == "instance_running":
        return nn.InstanceNorm2d(channels, eps=EPSILON, track_running_stats=True)
    if kind == "batch_by_frame":
        return FrameBatchNorm2d(channels, eps=EPSILON)
    if kind == "batch_running":
        return nn.BatchNorm2d(channels, eps=EPSILON)
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"norm {kind!r}: instance, instance_running, batch_by_frame, batch_running or none")


def norm_kind(weights: Mapping[str, Tensor], statistics: str, *, bias: bool = True) -> str:
    """What the tensors of a checkpoint say about its norm; `statistics` (frame or running) decides what they cannot say.

    Where an instance norm keeps nothing, the `bias` of the convolutions in front of it tells it from no norm at all.
    """
    stored = [key for key in weights if key.endswith(".running_var")]
    if statistics not in STATISTICS:
        raise ModelRefused(f"statistics={statistics!r}: give one of {', '.join(STATISTICS)}")
    if statistics == "running" and not stored:
        raise ModelRefused("statistics='running', but this file stores no running statistics: leave the hint out")
    batch = any(key.removesuffix("running_var") + "weight" in weights for key in stored)
    if batch:
        return "batch_by_frame" if statistics == "frame" else "batch_running"
    if not bias:
        return "none"
    return "instance" if statistics == "frame" else "instance_running"


def kind_of(network: nn.Module) -> str:
    """The norm kind of a network by the layers it is made of; `group` for group norm."""
    layers = list(network.modules())
    if any(isinstance(layer, FrameBatchNorm2d) for layer in layers):
        return "batch_by_frame"
    if any(isinstance(layer, nn.BatchNorm2d) for layer in layers):
        return "batch_running"
    instance = [layer for layer in layers if isinstance(layer, nn.InstanceNorm2d)]
    if instance:
        return "instance_running" if instance[0].track_running_stats else "instance"
    return "group" if any(isinstance(layer, nn.GroupNorm) for layer in layers) else "none"
