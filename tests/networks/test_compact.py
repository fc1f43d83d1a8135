"""The compact student: no lattice on even pictures, whatever the weights; the lattice penalty is the metric."""

import numpy as np
import torch

from rotoscope.metrics.lattice import lattice_share
from rotoscope.networks.compact import CompactGenerator, EqualShuffle
from rotoscope.training.losses.lattice import lattice_penalty


@torch.inference_mode()
def test_equal_shuffle_answers_an_even_input_with_an_even_picture():
    layer = EqualShuffle(4, 3)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    made = layer(torch.randn(1, 4, 1, 1).expand(1, 4, 6, 8))
    assert made.shape == (1, 3, 12, 16)
    assert float((made - made[..., :1, :1]).abs().max()) < 1e-5


@torch.inference_mode()
def test_equal_shuffle_still_draws_different_phases_at_an_edge():
    layer = EqualShuffle(1, 1)
    torch.nn.init.normal_(layer.weight)
    phases = torch.nn.functional.pixel_unshuffle(layer(torch.eye(8)[None, None]), 2)
    assert float(phases.detach().std(dim=1).max()) > 0.1


@torch.inference_mode()
def test_a_network_of_random_weights_prints_no_lattice_on_an_even_picture():
    torch.manual_seed(0)
    network = CompactGenerator(16, 2)
    for name, values in network.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(values, 0.5)
    made = network(torch.full((1, 3, 64, 64), 0.3))
    assert float((made - made[..., :1, :1]).abs().max()) < 1e-3 * float(made.detach().abs().max())


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
