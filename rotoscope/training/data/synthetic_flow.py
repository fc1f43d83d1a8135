"""Synthetic motion for photographs: a smooth random flow, a next frame made with it, and the temporal loss.

Single-frame training of video translation (Wang and Feng; the flow as in "Consistent Video Style Transfer via Relaxation and
Regularization", Wang et al. 2020): the next frame is x' = Warp(x, O) + noise, and the network's output for x' should equal its
output for x, warped by O. This needs no video, and adds no cost at inference.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

from rotoscope.networks.warps import pixel_grid

FLOW_DEVIATION_PX = 8.0  # standard deviation of the flow at the knots
KNOT_DISTANCE_PX = 100
SHIFT_PX = 10  # largest global shift on each axis
BLUR_PX = 100
NOISE = (0.001, 0.002)  # range of the noise's standard deviation, for pictures with standard deviation 1


def draw_flow(like: Tensor) -> Tensor:
    """Draw a smooth random flow (N,2,H,W) in pixels, dx first, for pictures (N,C,H,W) of any size.

    Normal numbers with standard deviation 8 px on knots 100 px apart, enlarged bilinearly, plus one whole-pixel shift of at
    most 10 px on each axis, blurred by a box of 100 px. A smaller picture has one knot and a box of its own size.
    """
    number, _, height, width = like.shape
    device = like.device
    knots = (max(1, height // KNOT_DISTANCE_PX), max(1, width // KNOT_DISTANCE_PX))
    local = FLOW_DEVIATION_PX * torch.randn(number, 2, *knots, device=device)
    shift = torch.randint(-SHIFT_PX, SHIFT_PX + 1, (number, 2, 1, 1), device=device)
    return box_blurred(interpolate(local, size=(height, width), mode="bilinear") + shift)


def box_blurred(flow: Tensor) -> Tensor:
    """Return the mean over a box of 100 px, or of the picture's size if that is smaller; border values are repeated outside."""
    height, width = flow.shape[-2:]
    tall, wide = min(BLUR_PX, height), min(BLUR_PX, width)
    around = (wide // 2, (wide - 1) // 2, tall // 2, (tall - 1) // 2)
    columns = avg_pool2d(pad(flow, around, mode="replicate"), (tall, 1), stride=1)
    return avg_pool2d(columns, (1, wide), stride=1)  # separable: a hundred times fewer additions


def warp_nearest(pictures: Tensor, flow: Tensor) -> Tensor:
    """Return the nearest pixel at p - flow(p), for pictures (N,C,H,W) and flow (N,2,H,W) in pixels; borders are repeated."""
    height, width = pictures.shape[-2:]
    x, y = (pixel_grid(flow) - flow).unbind(dim=1)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    moved = grid_sample(pictures.to(grid.dtype), grid, mode="nearest", padding_mode="border", align_corners=True)
    return moved.to(pictures.dtype)


def next_frame(pictures: Tensor, flow: Tensor, *, noise: tuple[float, float] = NOISE) -> Tensor:
    """Warp pictures (N,C,H,W) and add noise; its standard deviation is drawn for each picture from the range `noise`."""
    low, high = noise
    deviation = low + (high - low) * torch.rand(pictures.shape[0], 1, 1, 1, device=pictures.device)
    moved = warp_nearest(pictures, flow)
    return moved + deviation * torch.randn_like(moved)


def temporal_loss(of_next: Tensor, of_this: Tensor, flow: Tensor) -> Tensor:
    """Return the mean absolute difference between the output for the next frame and the warped output for this frame."""
    return (of_next - warp_nearest(of_this, flow)).abs().mean()
