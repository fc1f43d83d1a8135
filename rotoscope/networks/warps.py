"""Backward warps and the cost volume of published networks. A network needs the warp that it was trained with.

All take an image (N,C,H,W) and a flow (N,2,H,W), (dx, dy) in pixels, and sample the image bilinearly at p + flow(p). They
differ in values outside the image and in the pixel grid:

| function | outside | grid | used by |
|---|---|---|---|
| `warp_border` | nearest border pixel | pixel centres at integers | vid2vid, Resample2d of FlowNet2, VINet's last step |
| `warp_zeros` | zeros | pixel centres at integers | features of VINet, PWC-Net |
| `warp_scaled` | zeros | divided by W and H instead of W-1 and H-1: zero flow is not the identity | Super SloMo |
"""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad


def pixel_grid(like: Tensor) -> Tensor:
    """Return (1,2,H,W): x and y of every pixel, float32 or the wider dtype of `like` (half floats cannot count pixels)."""
    height, width = like.shape[-2:]
    dtype = torch.promote_types(like.dtype, torch.float32)
    y = torch.arange(height, device=like.device, dtype=dtype)
    x = torch.arange(width, device=like.device, dtype=dtype)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


def moved(flow: Tensor) -> Tensor:
    """Return p + flow(p) for every pixel p, (N,2,H,W).

    x and y are added separately: OpenVINO would fuse one addition with the convolution before it, and then computes only the
    first picture of a batch.
    """
    x, y = pixel_grid(flow).unbind(dim=1)
    dx, dy = flow.unbind(dim=1)
    return torch.stack([x + dx, y + dy], dim=1)


def sample(image: Tensor, positions: Tensor, width: int, height: int, outside: str) -> Tensor:
    """Sample an image bilinearly at positions (N,2,H,W); x in [0,width] and y in [0,height] are mapped to [-1,1].

    outside  padding mode of grid_sample: "border" or "zeros"
    """
    x, y = positions.unbind(dim=1)
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], dim=-1)
    samples = grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode=outside, align_corners=True)
    return samples.to(image.dtype)


def warp_border(image: Tensor, flow: Tensor) -> Tensor:
    """Warp (N,C,H,W) backward; positions outside take the nearest border pixel."""
    height, width = image.shape[-2:]
    return sample(image, moved(flow), width - 1, height - 1, "border")


def warp_zeros(image: Tensor, flow: Tensor) -> Tensor:
    """Warp (N,C,H,W) backward; the image is zero outside, also in bilinear samples at the edge."""
    height, width = image.shape[-2:]
    return sample(image, moved(flow), width - 1, height - 1, "zeros")


def warp_scaled(image: Tensor, flow: Tensor) -> Tensor:
    """Warp like Super SloMo: positions are divided by W and H, so that a flow of zero shifts the picture slightly."""
    height, width = image.shape[-2:]
    return sample(image, moved(flow), width, height, "zeros")


def cost_volume(first: Tensor, second: Tensor, reach: int = 4) -> Tensor:
    """Return (N,(2*reach+1)**2,H,W): the mean over channels of first(p) * second(p + d), both (N,C,H,W).

    d runs over [-reach, reach]^2, dy slowest; outside is zero.
    """
    height, width = first.shape[-2:]
    padded = pad(second, (reach, reach, reach, reach))
    steps = range(2 * reach + 1)
    shifted = torch.stack([padded[:, :, :, dx : dx + width] for dx in steps], dim=1)
    rows = [(first[:, None] * shifted[:, :, :, dy : dy + height]).mean(dim=2) for dy in steps]
    return torch.cat(rows, dim=1)
