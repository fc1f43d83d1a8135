"""GAN losses against the published ones and against hand-made answers."""

import copy
import math

import pytest
import torch
from golden_training import golden

from rotoscope.training.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty, score_loss
from rotoscope.training.losses.discriminators import MunitDiscriminator, PatchDiscriminator


@pytest.mark.parametrize("name", ["patchgan_n3_in", "patchgan_n3_bn_cond"])
@pytest.mark.parametrize(("objective", "published"), [("lsgan", "lsgan"), ("vanilla", "vanilla"), ("wgan", "wgangp")])
@pytest.mark.parametrize("real", [True, False])
def test_values_of_scores_are_the_published_ones(name, objective, published, real):
    vector = golden(name)
    found = score_loss(vector.outputs["y"], objective, real=real)
    expected = vector.outputs[f"loss_{published}_{'real' if real else 'fake'}"][0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


def test_munit_adds_scales_and_does_not_halve():
    vector, network = golden("munit_msdis"), MunitDiscriminator(3, 8)
    network.load_state_dict(vector.weights)
    fake, real = network(vector.inputs["x"]), network(vector.inputs["x_real"])
    torch.testing.assert_close(
        discriminator_loss(real, fake, "lsgan"), vector.outputs["dis_loss"][0], atol=1e-4, rtol=1e-5
    )
    torch.testing.assert_close(generator_loss(fake, "lsgan"), vector.outputs["gen_loss"][0], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("objective", "discriminator", "adversarial"),
    [
        ("lsgan", (2 - 1) ** 2 + 3**2, (3 - 1) ** 2),
        ("vanilla", math.log1p(math.exp(-2)) + math.log1p(math.exp(3)), math.log1p(math.exp(-3))),
        ("hinge", 0 + (1 + 3), -3),
        ("wgan", -2 + 3, -3),
    ],
)
def test_values_by_hand_for_a_real_score_of_two_and_a_fake_one_of_three(objective, discriminator, adversarial):
    real, fake = torch.full((1, 1, 2, 2), 2.0), torch.full((1, 1, 2, 2), 3.0)
    assert discriminator_loss(real, fake, objective).item() == pytest.approx(discriminator, rel=1e-5)
    assert generator_loss(fake, objective).item() == pytest.approx(adversarial, rel=1e-5)


def test_the_penalty_of_a_linear_score_is_that_of_its_slope():
    slope = torch.zeros(3, 4, 4)
    slope[0, 0, 0], slope[1, 2, 3] = 3.0, 4.0  # length 5
    pictures = torch.rand(2, 3, 4, 4)
    penalty = gradient_penalty(lambda x: (x * slope).sum(dim=(1, 2, 3)), pictures, torch.rand(2, 3, 4, 4))
    assert penalty.item() == pytest.approx(16.0, rel=1e-5)
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, 2, 3] = 1  # of which only the 4 is seen
    masked = gradient_penalty(lambda x: (x * slope).sum(dim=(1, 2, 3)), pictures, torch.rand(2, 3, 4, 4), mask=mask)
    assert masked.item() == pytest.approx(9.0, rel=1e-5)


def test_the_penalty_trains_the_discriminator():
    weight = torch.tensor([3.0], requires_grad=True)
    one_pixel = torch.rand(1, 1, 1, 1)
    gradient_penalty(lambda x: (weight * x).flatten(), one_pixel, torch.rand(1, 1, 1, 1)).backward()
    assert weight.grad.item() == pytest.approx(2 * (3 - 1), rel=1e-4)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # the compiler looks there
def test_gradient_penalty_differentiates_compiled_networks_twice():
    torch.manual_seed(0)
    eager = PatchDiscriminator(width=2, num_layers=1)
    compiled = copy.deepcopy(eager)
    compiled.compile(backend="aot_eager")
    real, fake = torch.rand(2, 1, 3, 16, 16)
    compiled(real).sum().backward()  # now it is
    compiled.zero_grad()
    for network in (eager, compiled):
        torch.manual_seed(1)
        gradient_penalty(network, real, fake).backward()
    for one, other in zip(eager.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
