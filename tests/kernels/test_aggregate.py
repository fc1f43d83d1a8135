"""Aggregate: known answers, golden vectors, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import LAYOUTS, assert_close, flow, picture, quick, seeds, sizes

from rotoscope.kernels.aggregate import aggregate, aggregate_reference
from rotoscope.kernels.median_network import full_network, median_network


def run(device, center, neighbours, flows, pool, valid=None, sampling="bilinear"):
    put = device.put
    valid = None if valid is None else [put(mask) for mask in valid]
    return device.get(
        aggregate(
            put(center),
            [put(n) for n in neighbours],
            [put(f) for f in flows],
            pool=pool,
            valid=valid,
            sampling=sampling,
        )
    )


def scene(rng, layout, size, pictures, dtype=np.float32):
    images = [picture(rng, layout, size) for _ in range(pictures)]
    return images[0], images[1:], [flow(rng, size, dtype) for _ in images[1:]]


@pytest.mark.parametrize("pool", ["mean", "median"])
def test_golden_aggregate(device, golden, pool):
    vectors = golden("op_aggregate_mean_median")
    flows = [np.ascontiguousarray(np.moveaxis(f, 0, 2)) for f in vectors["in/flows"]]
    result = run(device, vectors["in/center"][0], vectors["in/neighbours"], flows, pool)
    np.testing.assert_allclose(result, vectors[f"out/{pool}"][0], atol=1e-4)


def test_median_ignores_one_flash_and_mean_spreads_it(device):
    flat = np.full((6, 8, 4), 0.5, np.float32)
    flows = [np.zeros((6, 8, 2), np.float32)] * 6
    neighbours = [flat, np.ones_like(flat), flat, flat, flat, flat]
    np.testing.assert_array_equal(run(device, flat, neighbours, flows, "median"), flat)
    np.testing.assert_allclose(run(device, flat, neighbours, flows, "mean"), 4 / 7, rtol=1e-6)


@pytest.mark.parametrize("pool", ["mean", "median"])
def test_neighbours_with_zero_masks_leave_the_centre(device, pool):
    rng = np.random.default_rng(1)
    center, neighbours, _ = scene(rng, "float32x4", (7, 9), 7)
    away = np.full((7, 9, 2), 100, np.float32)
    everywhere, nowhere = np.ones((7, 9), np.uint8), np.zeros((7, 9), np.uint8)
    np.testing.assert_allclose(run(device, center, neighbours, [away] * 6, pool, [everywhere] * 6), center, rtol=1e-6)
    still = np.zeros((7, 9, 2), np.float32)
    np.testing.assert_allclose(run(device, center, neighbours, [still] * 6, pool, [nowhere] * 6), center, rtol=1e-6)


def test_weighted_mean_counts_the_centre_as_one(device):
    ones, zeros = np.ones((3, 4, 4), np.float32), np.zeros((3, 4, 4), np.float32)
    still, weight = np.zeros((3, 4, 2), np.float32), np.full((3, 4), 3, np.float32)
    np.testing.assert_allclose(run(device, zeros, [ones], [still], "weighted", [weight]), 0.75)


@pytest.mark.parametrize("pool", ["mean", "median", "weighted"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_agrees_with_the_reference(device, layout, pool):
    @quick(device)
    # The shim is compiled for some values of K only; CPU and GPU accept all.
    @given(
        size=sizes,
        seed=seeds,
        pictures=st.sampled_from([2, 7]) if device.name == "shim" else st.integers(2, 15),
        votes=st.booleans(),
    )
    def check(size, seed, pictures, votes):
        rng = np.random.default_rng(seed)
        center, neighbours, flows = scene(rng, layout, size, pictures)
        valid = None
        if pool == "weighted":
            valid = [rng.random(size, np.float32) * (rng.random(size) > 0.2) for _ in flows]
            valid = [weights.astype(np.float32) for weights in valid]
        elif votes:
            valid = [rng.choice(np.uint8([0, 1, 255]), size) for _ in flows]
        result = run(device, center, neighbours, flows, pool, valid)
        assert_close(result, aggregate_reference(center, neighbours, flows, pool, valid))

    check()


@pytest.mark.parametrize("votes", [False, True])
def test_fifteen_pictures(device, votes):
    rng = np.random.default_rng(4)
    center, neighbours, flows = scene(rng, "planar", (21, 33), 15)
    valid = [rng.integers(0, 2, (21, 33), np.uint8) for _ in flows] if votes else None
    result = run(device, center, neighbours, flows, "median", valid)
    assert_close(result, aggregate_reference(center, neighbours, flows, "median", valid))


@pytest.mark.parametrize("sampling", ["bilinear", "cubic"])
def test_half_flows_and_both_samplings(device, sampling):
    rng = np.random.default_rng(2)
    center, neighbours, flows = scene(rng, "float32x4", (19, 23), 3, np.float16)
    result = run(device, center, neighbours, flows, "median", sampling=sampling)
    assert_close(result, aggregate_reference(center, neighbours, flows, "median", sampling=sampling))


def test_bool_masks_and_one_stacked_array(device):
    rng = np.random.default_rng(3)
    center, neighbours, flows = scene(rng, "float32x4", (8, 9), 3)
    valid = rng.random((2, 8, 9)) > 0.5
    result = aggregate(
        device.put(center), device.put(np.stack(neighbours)), device.put(np.stack(flows)), valid=device.put(valid)
    )
    assert_close(device.get(result), aggregate_reference(center, neighbours, flows, "median", valid))


@pytest.mark.parametrize("inputs", range(2, 16))
def test_networks_sort_every_zero_one_input(inputs):
    """Knuth's zero-one principle: a network that sorts all sequences of 0 and 1 sorts everything."""
    sequences = (np.arange(2**inputs)[:, None] >> np.arange(inputs)) & 1
    for network, middle_only in ((full_network(inputs), False), (median_network(inputs), True)):
        values = sequences.copy()
        for low, high in network:
            values[:, [low, high]] = np.sort(values[:, [low, high]], axis=1)
        expected = np.sort(sequences, axis=1)
        outputs = [(inputs - 1) // 2, inputs // 2] if middle_only else range(inputs)
        np.testing.assert_array_equal(values[:, list(outputs)], expected[:, list(outputs)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neighbours": []}, "0 neighbours, 1 flows; accepted: as many of each, 1 to 14"),
        ({"pool": "max"}, "accepted: mean, median, weighted"),
        ({"pool": "weighted"}, "needs the weights"),
        ({"valid": []}, "0 arrays in valid for 1 neighbours"),
        ({"valid": [np.ones((4, 5), np.float32)]}, r"valid\[0\]: float32"),
        ({"neighbours": [np.zeros((4, 5, 3), np.uint8)]}, r"neighbours\[0\]: uint8"),
        ({"neighbours": [np.zeros((4, 10, 4), np.float32)[:, ::2]]}, "not contiguous"),
        ({"flows": [np.zeros((4, 5, 3), np.float32)]}, r"flows\[0\]: float32 \(4, 5, 3\)"),
    ],
)
def test_refuses_wrong_arguments(change, message):
    flat, still = np.zeros((4, 5, 4), np.float32), np.zeros((4, 5, 2), np.float32)
    arguments = {"center": flat, "neighbours": [flat], "flows": [still], **change}
    with pytest.raises(ValueError, match=message):
        aggregate(**arguments)
