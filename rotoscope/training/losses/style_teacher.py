"""A trained network that paints in the style of a picture, as the teacher of another."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.networks import Signature, from_state_dict

ACCEPTED = (
    "accepted: a .safetensors file of a network that takes a picture and a style picture, such as MicroAST or AdaIN; "
    "rotoscope export FILES teacher.safetensors writes it"
)


class StyleTeacher:
    """A frozen network (picture, style picture) -> picture."""

    def __init__(self, network: nn.Module, signature: Signature) -> None:
        self.network, self.signature = network.eval().requires_grad_(False), signature

    @classmethod
    def open(cls, path: Path) -> "StyleTeacher":
        """Open a .safetensors file of ours. Raises UsageError if it holds no such network."""
        try:
            loaded = from_state_dict(load_file(path))
        except (OSError, SafetensorError, ModelRefused) as error:
            raise UsageError(f"--teacher {path}: {str(error).splitlines()[0]}; {ACCEPTED}") from error
        if loaded.description.signature.inputs != ("picture", "example"):
            raise UsageError(f"--teacher {path}: {loaded.description.system}; {ACCEPTED}")
        return cls(loaded.network, loaded.description.signature)

    @torch.no_grad()
    def paint(self, photos: Tensor, paintings: Tensor) -> Tensor:
        """Return photos (N,3,H,W) in the styles of paintings (N,3,h,w), all RGB in [-1,1]."""
        made = self.network.to(photos.device)(self._coded(photos), self._coded(paintings))
        low, high = self.signature.range
        height, width = photos.shape[-2:]  # of a photograph whose sides are no multiples, the network makes more
        rgb: Tensor = (made.flip(1) if self.signature.order == "BGR" else made)[..., :height, :width]
        return ((rgb - low) * (2 / (high - low)) - 1).clamp(-1, 1)

    def _coded(self, pictures: Tensor) -> Tensor:
        """Return pictures, RGB in [-1,1], in the network's order and range."""
        low, high = self.signature.range
        ordered = pictures.flip(1) if self.signature.order == "BGR" else pictures
        return (ordered + 1) * ((high - low) / 2) + low
