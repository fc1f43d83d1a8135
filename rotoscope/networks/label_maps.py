"""Encode label maps for vid2vid and pix2pixHD: one channel of 0 and 1 per label, and one for instance edges."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def encode_labels(labels: Tensor, num_labels: int, instances: Tensor | None = None) -> Tensor:
    """Encode labels, integers (N,T,H,W), as float32 (N,T*L,H,W) of 0 and 1: per frame L channels.

    L is num_labels, plus one channel of instance edges if `instances` (N,T,H,W) is given.
    """
    one_hot = (labels[:, :, None] == torch.arange(num_labels, device=labels.device).view(-1, 1, 1)).float()
    if instances is not None:
        one_hot = torch.cat([one_hot, instance_edges(instances)[:, :, None]], dim=2)
    return one_hot.flatten(1, 2)


def instance_edges(instances: Tensor) -> Tensor:
    """Return float32 (...,H,W): 1 if one of the four neighbours has another instance id, else 0."""
    across = instances[..., 1:] != instances[..., :-1]
    along = instances[..., 1:, :] != instances[..., :-1, :]
    edges = pad(across, (0, 1)) | pad(across, (1, 0)) | pad(along, (0, 0, 0, 1)) | pad(along, (0, 0, 1, 0))
    return edges.float()
