"""A history of generated pictures for the discriminator (Shrivastava et al. 2017; size 50 in CycleGAN)."""

import random
from typing import Any

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Gives back new pictures or, half of the time once it is full, older ones in exchange.

    While it fills, a picture is kept and returned. Afterwards a fair coin decides for each picture: returned as it is,
    or kept in the place of a random older one, which is returned. Size 0 returns what it is given. The coin's seed is
    drawn from torch unless it is given. The pictures and the state of the coin are part of the module's state dict,
    so that a resumed run goes on as if never stopped.
    """

    def __init__(self, size: int, seed: int | None = None) -> None:
        super().__init__()
        self.size = size
        self.random = random.Random(int(torch.randint(2**31, ())) if seed is None else seed)
        self.kept: list[Tensor] = []

    def forward(self, pictures: Tensor) -> Tensor:
        """(N,...) new pictures -> (N,...) pictures to judge; no gradient passes."""
        return torch.stack([self.exchange(picture) for picture in pictures.detach()])

    def exchange(self, picture: Tensor) -> Tensor:
        """One picture for one picture."""
        if len(self.kept) < self.size:
            self.kept.append(picture.clone())
            return picture
        if not self.size or self.random.uniform(0, 1) <= 0.5:
            return picture
        place = self.random.randint(0, self.size - 1)
        older, self.kept[place] = self.kept[place], picture.clone()
        return older.to(picture.device)  # a checkpoint gives them back on the CPU

    def get_extra_state(self) -> dict[str, Any]:
        """Everything that decides what comes back next."""
        return {"kept": list(self.kept), "random": self.random.getstate()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.kept = list(state["kept"])
        version, internal, gauss = state["random"]
        self.random.setstate((version, tuple(internal), gauss))
