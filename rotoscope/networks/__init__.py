"""PyTorch modules of the published generators, flow and feature networks; used by training, export and metrics."""

from rotoscope.networks.description import Description, Loaded, Signature
from rotoscope.networks.recognise import from_state_dict
from rotoscope.networks.shared_norm import share_statistics

__all__ = ["Description", "Loaded", "Signature", "from_state_dict", "share_statistics"]
