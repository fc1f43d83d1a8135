"""Weights of the ramp: known answers, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import flow, quick, seeds, sizes

from rotoscope.kernels.look_ahead_weights import look_ahead_weights, look_ahead_weights_reference
from rotoscope.kernels.past_weight import past_weight, past_weight_reference

SIZE = (6, 7)


def test_the_weight_of_a_trusted_past_tends_to_that_of_endless_recursion(device):
    still, trust = np.zeros((*SIZE, 2), np.float32), np.ones(SIZE, np.float32)
    weight = np.ones(SIZE, np.float32)
    for _ in range(60):
        weight, share = past_weight(*map(device.put, (weight, still, trust)), strength=0.75)
        weight, share = device.get(weight), device.get(share)
    np.testing.assert_allclose(weight, 4, rtol=1e-5)  # 1 / (1 - strength)
    np.testing.assert_allclose(share, 0.75, rtol=1e-5)


def test_what_was_not_seen_before_has_no_past(device):
    away, trust = np.full((*SIZE, 2), 50, np.float32), np.ones(SIZE, np.float32)
    weight, share = past_weight(*map(device.put, (3 * trust, away, trust)), strength=0.75)
    np.testing.assert_array_equal(device.get(weight), 1)
    np.testing.assert_array_equal(device.get(share), 0)


def test_past_weight_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds)
    def check(size, seed):
        rng = np.random.default_rng(seed)
        before, field, trust = 4 * rng.random(size, np.float32), flow(rng, size), rng.random(size, np.float32)
        strength = float(rng.random())
        results = past_weight(*map(device.put, (before, field, trust)), strength=strength)
        for result, expected in zip(results, past_weight_reference(before, field, trust, strength), strict=True):
            np.testing.assert_allclose(device.get(result), expected, rtol=1e-4, atol=2e-4)

    check()


def test_later_frames_count_beside_a_present_of_weight_one(device):
    share, trust = np.full(SIZE, 0.75, np.float32), np.full(SIZE, 0.5, np.float32)
    weights, used = look_ahead_weights(device.put(share), [device.put(trust)], [0.5], full=3.5)
    np.testing.assert_allclose(device.get(weights[0]), 0.25 / 4)  # the mean of the past counts 4
    np.testing.assert_allclose(device.get(used), 3.25 / 3.5, rtol=1e-6)


def test_look_ahead_weights_agree_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, count=st.integers(0, 3))
    def check(size, seed, count):
        rng = np.random.default_rng(seed)
        share, trusts = rng.uniform(0, 0.95, size).astype(np.float32), rng.random((count, *size), np.float32)
        factors = [float(value) for value in rng.random(count)]
        weights, used = look_ahead_weights(device.put(share), [device.put(trust) for trust in trusts], factors, full=3)
        expected, expected_used = look_ahead_weights_reference(share, list(trusts), factors, 3)
        for result, wanted in zip(weights, expected, strict=True):
            np.testing.assert_allclose(device.get(result), wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(device.get(used), expected_used, rtol=1e-4, atol=1e-5)

    check()


def test_refuses_wrong_arguments():
    plane, field = np.ones(SIZE, np.float32), np.zeros((*SIZE, 2), np.float32)
    with pytest.raises(ValueError, match="strength=2; accepted: 0 to 1"):
        past_weight(plane, field, plane, strength=2)
    with pytest.raises(ValueError, match="trust: "):
        past_weight(plane, field, plane[:3], strength=1)
    with pytest.raises(ValueError, match="1 trusts and 2 factors; accepted: as many of each"):
        look_ahead_weights(plane, [plane], [0.5, 0.2], full=1)
    with pytest.raises(ValueError, match="full=0; accepted: above 0"):
        look_ahead_weights(plane, [], [], full=0)
