"""Image pool, schedules, synthetic flow, initial weights."""

import pytest
import torch
from golden_training import golden, golden_facts

from rotoscope.networks.munit import MunitGenerator
from rotoscope.training.data.image_pool import ImagePool
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss, warp_nearest
from rotoscope.training.loop.optimisation import (
    constant_then_linear,
    constant_then_to_zero,
    divided_at,
    halved_every,
    init_kaiming,
    init_normal,
    init_truncated_normal,
    warm_then_cosine,
)


def test_the_pool_exchanges_pictures_as_published():
    facts = golden_facts("schedules")["image_pool"]
    pool = ImagePool(facts["pool_size"], facts["python_random_seed"])
    returned = [pool(torch.full((1, 1, 2, 2), float(value)))[0, 0, 0, 0].item() for value in facts["inputs"]]
    assert returned == facts["returned"]


def test_a_pool_goes_on_from_its_state():
    one, other = ImagePool(3, seed=1), ImagePool(3, seed=2)
    for value in range(7):
        one(torch.full((1, 1), float(value)))
    other.load_state_dict(one.state_dict())
    pictures = torch.arange(20.0)[:, None]
    assert torch.equal(one(pictures), other(pictures))


def test_a_pool_of_size_zero_returns_what_it_is_given():
    pictures = torch.rand(4, 3, 2, 2)
    assert torch.equal(ImagePool(0)(pictures), pictures)


def test_learning_rates_follow_the_published_tables():
    facts = golden_facts("schedules")
    linear = facts["cyclegan_linear"]
    for steps, rate in linear["lr_after_k_scheduler_steps"].items():
        found = constant_then_linear(int(steps), linear["n_epochs"], linear["n_epochs_decay"])
        assert linear["lr"] * found == pytest.approx(rate, abs=1e-12)
    vid2vid = facts["vid2vid"]
    for epoch, rate in vid2vid["lr_set_at_end_of_epoch"].items():
        found = constant_then_to_zero(int(epoch), vid2vid["niter"], vid2vid["niter_decay"])
        assert vid2vid["lr"] * found == pytest.approx(rate, abs=1e-12)
    for epoch, rate in facts["vcons"]["lr_by_epoch"].items():
        assert 1e-4 * halved_every(int(epoch), 20) == pytest.approx(rate)
    munit = facts["munit_step"]
    for iterations, rate in munit["lr_after_k_iterations"].items():
        assert munit["lr"] * halved_every(int(iterations), munit["step_size"]) == pytest.approx(rate)
    assert [divided_at(epoch, (100, 150)) for epoch in (99, 100, 149, 150)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_the_nearest_warp_is_the_published_one():
    vector = golden("op_synthetic_flow_warp")
    found = warp_nearest(vector.inputs["image"], vector.inputs["flow"])
    expected = vector.outputs["y_align_corners_true"]
    assert (found == expected).float().mean() >= 0.99


def test_a_whole_pixel_flow_moves_the_picture_along_it():
    picture = torch.rand(1, 3, 20, 30)
    flow = torch.zeros(1, 2, 20, 30)
    flow[:, 0], flow[:, 1] = 3, -2
    moved = warp_nearest(picture, flow)
    assert torch.equal(moved[:, :, :18, 3:], picture[:, :, 2:, :27])


@pytest.mark.parametrize("size", [(256, 256), (100, 150), (64, 48), (33, 201)])
def test_a_drawn_flow_is_smooth_and_of_a_few_pixels(size):
    torch.manual_seed(0)
    flow = draw_flow(torch.zeros(50, 3, *size))
    assert flow.shape == (50, 2, *size)
    assert flow.diff(dim=-1).abs().max() < 0.5
    assert 4 < flow.flatten(2).mean(dim=2).std() < 12


def test_the_temporal_loss_is_zero_for_what_moves_with_the_picture_and_not_for_what_stays():
    torch.manual_seed(0)
    picture = torch.rand(2, 3, 120, 130)
    flow = draw_flow(picture)
    assert temporal_loss(warp_nearest(picture, flow), picture, flow) == 0
    assert temporal_loss(picture, picture, flow) > 0.1
    noisy = next_frame(picture, flow)
    assert 0 < (noisy - warp_nearest(picture, flow)).std() < 0.003


def test_initial_weights_have_the_published_spread():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(64, 256, 3), torch.nn.BatchNorm2d(256))
    for fill, deviation in (
        (init_normal, 0.02),
        (init_truncated_normal, 0.0176),
        (init_kaiming, (2 / (64 * 9)) ** 0.5),
    ):
        fill(network)
        assert network[0].weight.std().item() == pytest.approx(deviation, rel=0.03)
        assert network[0].bias.abs().max() == 0
    assert network[1].weight.mean().item() == pytest.approx(1, abs=0.01)


def test_initial_weights_of_munit_cover_its_dense_layers():
    network = MunitGenerator(width=8, style_channels=8)
    init_kaiming(network)
    assert network.mlp.model[0].fc.bias.abs().max() == 0


def test_a_pool_from_a_checkpoint_gives_pictures_back_where_they_are_judged():
    pool = ImagePool(1, seed=0)
    pool(torch.zeros(1, 1, 2, 2))  # kept on the CPU, as a checkpoint's pictures are
    assert {pool(torch.zeros(1, 1, 2, 2, device="meta")).device.type for _ in range(20)} == {"meta"}


def test_no_schedule_falls_below_zero_or_rises_again():
    assert [constant_then_linear(epoch, 2, 2) for epoch in (4, 5, 50)] == [0, 0, 0]
    assert [constant_then_to_zero(epoch, 2, 2) for epoch in (4, 5, 50)] == [0, 0, 0]
    assert constant_then_to_zero(2, 2, 0) == 1
    assert [warm_then_cosine(step, 100, 0.05) for step in (100, 150, 1000)] == [0, 0, 0]
