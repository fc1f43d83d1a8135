"""Warps at flows with known results, the cost volume against its definition, and both traced with dynamic sizes."""

import pytest
import torch
from torch import nn

from rotoscope.networks.warps import cost_volume, warp_border, warp_scaled, warp_zeros


def constant_flow(dx, dy, like):
    return torch.tensor([dx, dy]).view(1, 2, 1, 1).expand(len(like), 2, *like.shape[-2:]).float()


def test_whole_pixels_are_moved_exactly_and_only_borders_differ():
    image = torch.rand(2, 3, 10, 12)
    by_border, by_zeros = (warp(image, constant_flow(3, -2, image)) for warp in (warp_border, warp_zeros))
    torch.testing.assert_close(by_border[..., 2:, :-3], image[..., :-2, 3:])
    torch.testing.assert_close(by_zeros[..., 2:, :-3], image[..., :-2, 3:])
    torch.testing.assert_close(by_border[..., 2:, -3:], image[..., :-2, -1:].expand(-1, -1, -1, 3))
    assert by_zeros[..., -3:].abs().max() < 1e-4


def test_the_scaled_warp_moves_the_picture_at_zero_flow():
    ramp = torch.arange(12.0).expand(1, 1, 10, 12)
    moved = warp_scaled(ramp, torch.zeros(1, 2, 10, 12))
    torch.testing.assert_close(moved[0, 0, 5], torch.arange(12.0) * 11 / 12)


def test_cost_volume_is_the_mean_of_products_with_dy_slowest():
    first, second = torch.rand(2, 1, 5, 7, 9)
    volume = cost_volume(first, second, reach=2)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            there = torch.roll(second, (-dy, -dx), dims=(2, 3))[:, :, 2:5, 2:7]
            expected = (first[:, :, 2:5, 2:7] * there).mean(dim=1)
            torch.testing.assert_close(volume[:, (dy + 2) * 5 + dx + 2, 2:5, 2:7], expected)
    assert volume[0, 0, 0, 0] == 0


def test_half_precision_pictures_are_warped_by_exact_positions():
    ramp = torch.linspace(0, 1, 3000).expand(1, 1, 2, 3000)
    moved = warp_border(ramp.half(), constant_flow(0.25, 0, ramp).half())
    assert moved.dtype == torch.float16
    torch.testing.assert_close(moved.float(), warp_border(ramp, constant_flow(0.25, 0, ramp)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("operation", [warp_border, warp_zeros, warp_scaled])
def test_sizes_stay_dynamic_when_traced(operation):
    class Warp(nn.Module):
        def forward(self, image, flow):
            return operation(image, flow)

    image = torch.rand(2, 3, 10, 12)
    flow = constant_flow(1, 1, image)
    sizes = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(Warp(), (image, flow), dynamic_shapes=(sizes, sizes))
    larger = torch.rand(1, 3, 14, 20)
    flow = constant_flow(0.5, -1.25, larger)
    torch.testing.assert_close(program.module()(larger, flow), operation(larger, flow))
