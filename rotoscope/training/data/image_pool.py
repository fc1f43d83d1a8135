"""A history of generated pictures for the discriminator (Shrivastava et al. 2017; CycleGAN uses size 50)."""

import random
from typing import Any

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """A pool of at most `size` generated pictures that mixes older ones into what the discriminator sees.

    While the pool fills, it stores each picture and returns it. Once it is full, each picture is returned with probability 1/2,
    and otherwise replaces a random stored picture, which is returned instead. Size 0 returns its input. The seed is drawn from
    torch unless it is given. Pictures and random state are in the state dict, so a resumed run continues exactly.
    """

    def __init__(self, size: int, seed: int | None = None) -> None:
        super().__init__()
        self.size = size
        self.random = random.Random(int(torch.randint(2**31, ())) if seed is None else seed)
        self.kept: list[Tensor] = []

    def forward(self, pictures: Tensor) -> Tensor:
        """Take new pictures (N,...), return pictures (N,...) for the discriminator; no gradient passes."""
        return torch.stack([self.exchange(picture) for picture in pictures.detach()])

    def exchange(self, picture: Tensor) -> Tensor:
        """Take one picture, return one picture."""
        if len(self.kept) < self.size:
            self.kept.append(picture.clone())
            return picture
        if not self.size or self.random.uniform(0, 1) <= 0.5:
            return picture
        place = self.random.randint(0, self.size - 1)
        older, self.kept[place] = self.kept[place], picture.clone()
        return older.to(picture.device)  # pictures from a checkpoint are on the CPU

    def get_extra_state(self) -> dict[str, Any]:
        """Return the stored pictures and the random state."""
        return {"kept": list(self.kept), "random": self.random.getstate()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.kept = list(state["kept"])
        if not all(isinstance(picture, Tensor) for picture in self.kept):
            raise TypeError("a pool of something else than pictures")
        version, internal, gauss = state["random"]
        self.random.setstate((version, tuple(internal), gauss))
