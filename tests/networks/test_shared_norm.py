"""Instance norms with shared statistics: exact on calibration frames, stable on others, state passed explicitly."""

import pytest
import torch
from catalogue import CASES, build
from torch import nn

from rotoscope.networks.shared_norm import measure, share_statistics

WITH_INSTANCE_NORM = [
    case
    for case in CASES
    if case.system.startswith(("CycleGAN", "CUT", "Recycle", "MUNIT", "fast style", "CartoonGAN", "compact", "DualGAN"))
    and "no norm" not in str(case)
    and "stored" not in str(case)
    and "(prediction)"
    not in str(case)  # its first layers run twice per call: the second frame would use the statistics of the first
]


@pytest.mark.parametrize("case", WITH_INSTANCE_NORM, ids=str)
def test_statistics_of_one_frame_reproduce_the_network(case):
    network = build(case)
    inputs = case.inputs(1)
    shared = share_statistics(network)
    state = shared.calibrate(*inputs)
    output, left = shared(*inputs, state)
    assert torch.equal(left, state)
    expected = network(*inputs)
    # Reference code adds 1e-8 to the variance here, and 1e-5 in instance norms: up to 3 % of these small networks.
    torch.testing.assert_close(output, expected, atol=4e-2 * float(expected.abs().max()), rtol=0)


def test_the_given_network_is_not_changed():
    network = build(CASES[0])
    share_statistics(network)
    assert any(isinstance(layer, nn.InstanceNorm2d) for layer in network.modules())


def test_layers_are_calibrated_after_the_layers_before_them():
    network = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 5, 3), nn.InstanceNorm2d(5)).requires_grad_(False)
    frames = torch.rand(4, 3, 20, 24)
    state = share_statistics(network).calibrate(frames)
    first = measure(frames)
    normalised = (frames - first[0].view(1, -1, 1, 1)) * first[1].view(1, -1, 1, 1)
    torch.testing.assert_close(state, torch.cat([first, measure(network[1](normalised))], dim=1))


def test_a_brighter_frame_stays_brighter_and_inside_the_range():
    network = share_statistics(nn.Sequential(nn.InstanceNorm2d(3)))
    frame = torch.rand(1, 3, 16, 16)
    state = network.calibrate(frame)
    dark, _ = network(0.5 * frame, state)
    usual, _ = network(frame, state)
    bright, _ = network(frame + 10, state)
    assert dark.mean() < usual.mean() < bright.mean()
    assert bright.amax() <= usual.amax()


def test_moving_statistics_follow_and_their_state_is_explicit():
    fixed, moving = (share_statistics(nn.Sequential(nn.InstanceNorm2d(3)), keep=keep) for keep in (1.0, 0.75))
    frame, other = torch.rand(1, 3, 16, 16), 5 * torch.rand(1, 3, 16, 16)
    state = fixed.calibrate(frame)
    _, left = moving(other, state)
    torch.testing.assert_close(left, 0.75 * state + 0.25 * measure(other))
    again, _ = moving(other, state)
    torch.testing.assert_close(again, moving(other, state)[0])
