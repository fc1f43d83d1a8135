"""Label maps as vid2vid and pix2pixHD see them: one channel of zeros and ones a label, and one for the edges of instances."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def encode_labels(labels: Tensor, num_labels: int, instances: Tensor | None = None) -> Tensor:
    """Integers (N,T,H,W) -> zeros and ones (N,T*L,H,W): per frame one channel a label, then its instance edges, if given."""
    one_hot = (labels[:, :, None] == torch.arange(num_labels, device=labels.device).view(-1, 1, 1)).float()
    if instances is not None:
        one_hot = torch.cat([one_hot, instance_edges(instances)[:, :, None]], dim=2)
    return one_hot.flatten(1, 2)


def instance_edges(instances: Tensor) -> Tensor:
    """(...,H,W) of ids -> 1 where any of the four neighbours belongs to another instance."""
    across = instances[..., 1:] != instances[..., :-1]
    along = instances[..., 1:, :] != instances[..., :-1, :]
    edges = pad(across, (0, 1)) | pad(across, (1, 0)) | pad(along, (0, 0, 0, 1)) | pad(along, (0, 0, 1, 0))
    return edges.float()
