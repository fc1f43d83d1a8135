"""The compact student: no lattice whatever the weights, shifts that shift the result, and the sizes of its parts."""

import numpy as np
import torch
from torch.nn.functional import conv2d, interpolate, pad

from rotoscope.metrics.lattice import lattice_share
from rotoscope.networks.compact import DOWN_BLUR, CompactGenerator, SmoothDown, SmoothUp
from rotoscope.training.losses.equivariance import shift_difference
from rotoscope.training.losses.lattice import lattice_penalty


def with_random_norms(network):
    for name, values in network.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(values, 0.5)
    return network


@torch.inference_mode()
def test_smooth_up_is_a_convolution_of_the_bilinearly_enlarged_features():
    layer, x = SmoothUp(3, 5), torch.randn(2, 3, 6, 7)
    enlarged = interpolate(x, scale_factor=2, mode="bilinear")
    expected = conv2d(pad(enlarged, (1, 1, 1, 1), mode="replicate"), layer.weight, layer.bias)
    made = layer(x)
    assert made.shape == (2, 5, 12, 14)
    torch.testing.assert_close(made, expected)


@torch.inference_mode()
def test_smooth_down_blurs_convolves_and_drops_every_second_pixel():
    layer, x = SmoothDown(3, 5), torch.randn(2, 3, 8, 12)
    blur = torch.outer(torch.tensor(DOWN_BLUR), torch.tensor(DOWN_BLUR))[None, None]
    blurred = conv2d(pad(x, (2, 2, 2, 2), mode="replicate").flatten(0, 1)[:, None], blur)[:, 0].unflatten(0, (2, 3))
    expected = conv2d(blurred, layer.weight, layer.bias)[..., ::2, ::2]
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).shape == (2, 5, 4, 6)


@torch.inference_mode()
def test_smooth_down_does_not_see_the_finest_stripes():
    stripes = torch.tensor([1.0, -1.0]).repeat(12).expand(1, 1, 24, 24)
    layer = SmoothDown(1, 4)
    torch.testing.assert_close(layer(stripes)[..., 2:-2, 2:-2], layer.bias.view(1, 4, 1, 1).expand(1, 4, 8, 8))


@torch.inference_mode()
def test_a_network_of_random_weights_prints_no_lattice_on_an_even_picture():
    torch.manual_seed(0)
    network = with_random_norms(CompactGenerator(16, 2))
    made = network(torch.full((1, 3, 96, 96), 0.3))[..., 32:-32, 32:-32]  # padding is seen near the border
    assert float((made - made[..., :1, :1]).abs().max()) < 1e-3 * float(made.abs().max())


@torch.inference_mode()
def test_a_network_of_random_weights_answers_to_a_shift_with_nearly_the_shifted_picture():
    """On noise the difference is less than half of that of the same network without blur."""
    torch.manual_seed(0)
    picture = torch.nn.functional.avg_pool2d(torch.randn(1, 3, 130, 130), 3, stride=1)
    network = CompactGenerator(16, 0)
    plain = CompactGenerator(16, 0)
    plain.load_state_dict(network.state_dict())
    for layer in (plain.down1, plain.down2):
        layer.blur = (0.0, 1.0, 0.0, 0.0)
    smooth, rough = (relative_shift_difference(net, picture) for net in (network, plain))
    assert smooth < rough / 2


def relative_shift_difference(network, picture):
    torch.manual_seed(1)
    made = network(picture)
    return float(shift_difference(network, picture, made) / (made - made.mean()).abs().mean())


@torch.inference_mode()
def test_a_shift_of_a_convolution_makes_no_difference():
    picture = torch.randn(1, 3, 64, 64)
    same = torch.nn.Conv2d(3, 3, 3, padding=1)
    assert float(shift_difference(same, picture, same(picture))) < 1e-5
    every_fourth = torch.zeros(1, 3, 64, 64)
    every_fourth[..., ::4] = 1

    def lattice(pictures):
        return pictures + every_fourth[..., : pictures.shape[-2], : pictures.shape[-1]]

    assert float(shift_difference(lattice, picture, lattice(picture))) > 0.2


def test_the_penalty_grows_with_the_pattern_as_the_metric_does():
    found = []
    for strength in (0.0, 0.1, 0.3):
        picture = np.random.default_rng(5).normal(0, 0.1, (182, 182, 1)).repeat(3, axis=2)
        picture[::4, ::4] += strength
        penalty = float(lattice_penalty(torch.from_numpy(picture).permute(2, 0, 1)[None].float()))
        found.append((penalty, lattice_share((picture + 1) / 2).tiles))
    (none, _), *others = found
    assert none < 0.005
    for penalty, share in others:  # period 4 with its part that has period 2
        assert share < penalty < 1.5 * share


def test_a_plain_picture_has_no_penalty():
    assert lattice_penalty(torch.zeros(2, 3, 64, 64)) == 0
