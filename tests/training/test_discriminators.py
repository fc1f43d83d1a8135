"""Discriminators against the published ones, and their sizes."""

import pytest
import torch
from golden_training import golden

from rotoscope.training.losses.discriminators import (
    MultiscaleDiscriminator,
    MunitDiscriminator,
    PatchDiscriminator,
    PixelDiscriminator,
    WholeDiscriminator,
)


def size_of(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("patchgan_n3_in", lambda: PatchDiscriminator(3, 8)),
        ("patchgan_n3_bn_cond", lambda: PatchDiscriminator(6, 8, norm="batch_running")),
        ("pixelgan_in", lambda: PixelDiscriminator(3, 8)),
    ],
)
def test_published_weights_give_the_published_scores(name, network):
    vector, network = golden(name), network().eval()
    network.load_state_dict(vector.weights)
    torch.testing.assert_close(network(vector.inputs["x"]), vector.outputs["y"], atol=1e-4, rtol=0)


def test_munit_scores_every_scale_as_published():
    vector, network = golden("munit_msdis"), MunitDiscriminator(3, 8)
    network.load_state_dict(vector.weights)
    for scale, scores in enumerate(network(vector.inputs["x"])):
        torch.testing.assert_close(scores, vector.outputs[f"y{scale}"], atol=1e-4, rtol=0)


def test_vid2vid_gives_the_published_features_of_both_scales():
    vector, network = golden("vid2vid_multiscale_d"), MultiscaleDiscriminator(7, 8)
    network.load_state_dict(vector.weights)
    found = network.train()(vector.inputs["x"])
    for scale in range(2):
        for layer in (0, 4):
            expected = vector.outputs[f"s{scale}_l{layer}"]
            torch.testing.assert_close(found[scale][layer], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (lambda: PatchDiscriminator(3), 2_764_737),
        (lambda: PatchDiscriminator(6, norm="batch_running"), 2_768_705),
        (MunitDiscriminator, 8_271_171),
        (lambda: MultiscaleDiscriminator(36 + 3), 5_606_786),
        (lambda: MultiscaleDiscriminator(3 * 3 + 2 * 2), 5_553_538),
    ],
)
def test_sizes_are_those_of_the_papers(network, parameters):
    assert size_of(network()) == parameters


def test_the_patch_discriminator_sees_seventy_pixels():
    network = PatchDiscriminator(3, 4, norm="none")
    picture = torch.zeros(1, 3, 142, 142, requires_grad=True)
    scores = network(picture)
    (slope,) = torch.autograd.grad(scores[0, 0, 8, 8], picture)
    rows = slope.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 70


def test_a_discriminator_of_whole_pictures_gives_one_score_each():
    network = WholeDiscriminator(3, 64, 4)
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 1)
