"""Feature vectors for the Fréchet inception distance, with weights by path; the distance is `frechet.frechet_distance`.

The weights that published values rest on are mseitzer/pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rotoscope.metrics.pictures import RGB, unit_range
from rotoscope.networks.features import load_features
from rotoscope.networks.inception import InceptionFeatures


class InceptionVector:
    """Pictures of any size -> vectors of 2,048 numbers; raises ModelRefused where the file lacks tensors."""

    def __init__(self, weights: str | Path) -> None:
        self.network = load_features(InceptionFeatures(), weights)

    def __call__(self, picture: RGB) -> NDArray[np.float32]:
        """(1,2048) for `frechet.statistics_of`."""
        with torch.inference_mode():
            return np.asarray(self.network(torch.from_numpy(unit_range(picture)).permute(2, 0, 1)[None]).numpy())
