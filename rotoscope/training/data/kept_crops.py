"""A fixed number of crops for a whole run, so that work on a crop, such as a heavy teacher's picture of it, is done once."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rotoscope.training.data.datasets import Domain, Geometry

NUMBER = "crop"  # the view that holds the number of each sample's crop


class KeptCrops(Domain):
    """`number` crops, spread evenly over all pictures; sample i is the same crop in every epoch, and of every run.

    Beside its pictures, a sample has the view `crop`: its number, int64.
    """

    def __init__(self, views: Mapping[str, Path], geometry: Geometry, number: int) -> None:
        super().__init__(views, geometry)
        self.number = number

    def __len__(self) -> int:
        return self.number

    def sample(self, index: int, epoch: int, random: np.random.Generator) -> dict[str, Tensor]:
        """Return crop `index` and its number; `epoch` and `random` change nothing."""
        window = index * len(self.windows) // self.number
        return super().sample(window, 0, np.random.default_rng(index)) | {NUMBER: torch.tensor(index)}
