"""Describe a loaded network: its architecture, its sizes, its inputs and outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import nn


@dataclass(frozen=True)
class Signature:
    """The tensors that `forward` takes and returns, in order, and how pictures are coded in them.

    A network with state is called as `forward(*inputs, state)` and returns `(outputs, state)`; a state of zeros is the
    state before the first frame. Pictures are (N,3,H,W) float, `order` of channels, `range` of values; the sides of the
    output are `scale` times those of the input.
    """

    inputs: tuple[str, ...] = ("picture",)
    outputs: tuple[str, ...] = ("picture",)
    state: tuple[str, ...] = ()
    range: tuple[float, float] = (-1.0, 1.0)
    order: str = "RGB"
    scale: int = 1


@dataclass(frozen=True)
class Description:
    """The network that was recognised in a checkpoint.

    system         the architecture's name with its sizes, such as "CycleGAN ResNet-9"
    sizes          arguments that the network was built with
    size_multiple  height and width must be multiples of this, pixels
    norm           kind of its normalisation layers, as `networks.norms.kind_of` names them
    parameters     number of weights
    part           name of the network in its file; "" if it is the whole file
    notes          what was chosen or assumed, and how to change it
    hints          that open the weights again under the names of our network
    """

    system: str
    sizes: Mapping[str, Any]
    signature: Signature
    size_multiple: int
    norm: str
    parameters: int
    part: str = ""
    notes: tuple[str, ...] = ()
    hints: dict[str, Any] = field(default_factory=dict)


class Loaded(NamedTuple):
    """A network in eval mode with its weights, and its description."""

    network: nn.Module
    description: Description
