"""Prediction of label maps (vid2vid, Wang et al. 2018): the next map from the last ones, by the coarse generator of vid2vid.

The generator sees K maps of the past, one channel of 0 and 1 for each label. It draws probabilities of the next map (softmax),
a flow, and a weight: probability = drawn * weight + warp(newest map, flow) * (1 - weight). Further maps follow from its own
results. The paper names the form (flow, weight, drawn) and published no code for it; widths and layers are those of netG0.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from rotoscope.networks.norms import norm_kind
from rotoscope.networks.vid2vid import ScaleGenerator, ScalePicture, scale_sizes

PREFIX = "predictor."


class LabelPredictor(nn.Module):
    """Past maps (N,K*L,H,W), 0 and 1, oldest first -> probabilities of the next map (N,L,H,W); sides multiples of 2**levels.

    The map of one frame is L channels, one for each label.
    """

    def __init__(
        self,
        num_labels: int,
        num_maps: int,
        width: int = 128,
        num_levels: int = 3,
        num_blocks: int = 9,
        *,
        norm: str = "batch_by_frame",
    ) -> None:
        super().__init__()
        self.predictor = ScaleGenerator(
            num_maps * num_labels, 2 * num_labels, num_labels, width, num_levels, num_blocks, norm=norm,
            draws_classes=True,
        )  # fmt: skip
        self.num_labels, self.num_maps = num_labels, num_maps
        self.size_multiple = 2**num_levels

    def composite(self, past: Tensor) -> ScalePicture:
        """Return all outputs of the generator; `picture` holds the probabilities."""
        made: ScalePicture = self.predictor(past, past[:, -2 * self.num_labels :])
        return made

    def forward(self, past: Tensor) -> Tensor:
        return self.composite(past).picture


def predictor_sizes(weights: Mapping[str, Tensor], *, statistics: str = "frame") -> dict[str, Any]:
    """Return the arguments of `LabelPredictor` for a state dict."""
    inner = {key.removeprefix(PREFIX): value for key, value in weights.items()}
    sizes = scale_sizes(inner, 0, norm_kind(weights, statistics))
    num_labels = sizes["out_channels"]
    return {
        "num_labels": num_labels,
        "num_maps": sizes["label_channels"] // num_labels,
        **{name: sizes[name] for name in ("width", "num_levels", "num_blocks", "norm")},
    }
