"""The backward warps and the cost volume that published networks were trained with; they are not interchangeable.

All take an image (N,C,H,W) and a flow (N,2,H,W) in pixels, dx first, and bring the value at p + flow(p) to p,
bilinearly. What differs is what lies outside the image and where the pixel grid lies:

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
    """(1,2,H,W): x and y of every pixel of `like`, in float32 at least (half precision cannot count pixels)."""
    height, width = like.shape[-2:]
    dtype = torch.promote_types(like.dtype, torch.float32)
    y = torch.arange(height, device=like.device, dtype=dtype)
    x = torch.arange(width, device=like.device, dtype=dtype)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


def moved(flow: Tensor) -> Tensor:
    """(N,2,H,W): where the flow leads from every pixel.

    Axis by axis: OpenVINO fuses one sum over both with the convolution that made the flow, and loses all pictures but one.
    """
    x, y = pixel_grid(flow).unbind(dim=1)
    dx, dy = flow.unbind(dim=1)
    return torch.stack([x + dx, y + dy], dim=1)


def sample(image: Tensor, positions: Tensor, width: int, height: int, outside: str) -> Tensor:
    """Bilinear samples at pixel positions, after the division that turns 0..width into -1..1 and 0..height likewise."""
    x, y = positions.unbind(dim=1)
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], dim=-1)
    samples = grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode=outside, align_corners=True)
    return samples.to(image.dtype)


def warp_border(image: Tensor, flow: Tensor) -> Tensor:
    """Outside continues the nearest border pixel."""
    height, width = image.shape[-2:]
    return sample(image, moved(flow), width - 1, height - 1, "border")


def warp_zeros(image: Tensor, flow: Tensor) -> Tensor:
    """Outside is zero, mixed in bilinearly at the edge."""
    height, width = image.shape[-2:]
    return sample(image, moved(flow), width - 1, height - 1, "zeros")


def warp_scaled(image: Tensor, flow: Tensor) -> Tensor:
    """Super SloMo's grid: positions are divided by the number of pixels, so that zero flow moves the picture a little."""
    height, width = image.shape[-2:]
    return sample(image, moved(flow), width, height, "zeros")


def cost_volume(first: Tensor, second: Tensor, reach: int = 4) -> Tensor:
    """(N,C,H,W) twice -> (N,(2*reach+1)**2,H,W): mean over channels of first(p) * second(p + d), zeros outside, dy slowest."""
    height, width = first.shape[-2:]
    padded = pad(second, (reach, reach, reach, reach))
    steps = range(2 * reach + 1)
    shifted = torch.stack([padded[:, :, :, dx : dx + width] for dx in steps], dim=1)
    rows = [(first[:, None] * shifted[:, :, :, dy : dy + height]).mean(dim=2) for dy in steps]
    return torch.cat(rows, dim=1)
