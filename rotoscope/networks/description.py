"""What a loaded network is, in words and numbers: enough to export it and to feed it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn


@dataclass(frozen=True)
class Signature:
    """The tensors that `forward` takes and returns, in order, and how pictures are coded in them.

    A network with state is called as `forward(*inputs, state)` and returns `(outputs, state)`; a state of zeros means
    that nothing has been seen yet. Pictures are (N,3,H,W) float, `order` of channels, `range` of values.
    """

    inputs: tuple[str, ...] = ("picture",)
    outputs: tuple[str, ...] = ("picture",)
    state: tuple[str, ...] = ()
    range: tuple[float, float] = (-1.0, 1.0)
    order: str = "RGB"


@dataclass(frozen=True)
class Description:
    """What a checkpoint turned out to hold; `sizes` are the arguments that its network was built with."""

    system: str
    sizes: Mapping[str, Any]
    signature: Signature
    size_multiple: int
    norm: str
    parameters: int


class Loaded(NamedTuple):
    """A network in eval mode with its weights, and its description."""

    network: nn.Module
    description: Description
