"""The next frame of a photograph, made from it: a smooth random flow, and the temporal loss that it allows.

Single-frame training of video translation (Wang and Feng; the flow as in "Consistent Video Style Transfer via
Relaxation and Regularization", Wang et al. 2020): x' = Warp(x, O) + noise, and whatever is made of x' should be what
is made of x, warped. No video is needed, and the loss costs nothing when the result runs.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

from rotoscope.networks.warps import pixel_grid

SWAY_PX = 8.0  # deviation of the flow at the knots
KNOT_DISTANCE_PX = 100
SHIFT_PX = 10  # the whole picture moves by up to this
BLUR_PX = 100
NOISE = (0.001, 0.002)  # range of the deviation, for pictures of deviation one


def draw_flow(like: Tensor) -> Tensor:
    """A smooth random flow (N,2,H,W) in pixels, dx first, for pictures (N,C,H,W) of any size.

    Normal numbers of deviation 8 px on knots 100 px apart, enlarged bilinearly, plus one whole-pixel shift of up to 10
    px each way, blurred by a box of 100 px. Pictures smaller than that have one knot and a box of their own size.
    """
    number, _, height, width = like.shape
    device = like.device
    knots = (max(1, height // KNOT_DISTANCE_PX), max(1, width // KNOT_DISTANCE_PX))
    sway = SWAY_PX * torch.randn(number, 2, *knots, device=device)
    shift = torch.randint(-SHIFT_PX, SHIFT_PX + 1, (number, 2, 1, 1), device=device)
    return box_blurred(interpolate(sway, size=(height, width), mode="bilinear") + shift)


def box_blurred(flow: Tensor) -> Tensor:
    """Mean over a box of 100 px, or of the picture's own size if that is smaller; the border continues outside."""
    height, width = flow.shape[-2:]
    tall, wide = min(BLUR_PX, height), min(BLUR_PX, width)
    around = (wide // 2, (wide - 1) // 2, tall // 2, (tall - 1) // 2)
    columns = avg_pool2d(pad(flow, around, mode="replicate"), (tall, 1), stride=1)
    return avg_pool2d(columns, (1, wide), stride=1)  # rows after columns: a hundred times fewer additions


def warp_nearest(pictures: Tensor, flow: Tensor) -> Tensor:
    """The nearest pixel at p - flow(p) of (N,C,H,W), the border continued outside; flow (N,2,H,W) in pixels."""
    height, width = pictures.shape[-2:]
    x, y = (pixel_grid(flow) - flow).unbind(dim=1)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    moved = grid_sample(pictures.to(grid.dtype), grid, mode="nearest", padding_mode="border", align_corners=True)
    return moved.to(pictures.dtype)


def next_frame(pictures: Tensor, flow: Tensor, *, noise: tuple[float, float] = NOISE) -> Tensor:
    """The pictures warped, with noise of a deviation drawn anew for each of them from this range."""
    low, high = noise
    deviation = low + (high - low) * torch.rand(pictures.shape[0], 1, 1, 1, device=pictures.device)
    moved = warp_nearest(pictures, flow)
    return moved + deviation * torch.randn_like(moved)


def temporal_loss(of_next: Tensor, of_this: Tensor, flow: Tensor) -> Tensor:
    """Mean absolute difference between what was made of the next frame and what was made of this one, warped."""
    return (of_next - warp_nearest(of_this, flow)).abs().mean()
