"""Dense inverse search and the operations around it: known answers, then every device against the references.

The search makes choices: a neighbour's flow or its own, another step or none. Where two costs are nearly equal, float32 and
float64 may choose differently, so flows of the search are compared where the choice is clear, and costs everywhere. All other
operations are compared value by value; rounding adds up over the sweeps of the refinement.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import quick, seeds, sizes

from rotoscope.kernels.densify_flow import densify_flow, densify_flow_reference
from rotoscope.kernels.halve import halve, halve_reference, halved_size
from rotoscope.kernels.inverse_search import inverse_search, inverse_search_reference, patch_grid
from rotoscope.kernels.refine_flow import refine_flow, refine_flow_reference

ODD_SIZES = [(1, 1), (7, 5), (5, 7), (1, 40), (33, 2)]


def texture(size, rng, dx=0.0, dy=0.0):
    """Two pictures of one smooth pattern, 0 to 255; what the first shows at p is at p + (dx, dy) in the second."""
    waves = rng.uniform(-0.5, 0.5, (12, 2))
    phases = rng.uniform(0, 2 * np.pi, 12)
    y, x = np.mgrid[: size[0], : size[1]]

    def seen(right, down):
        pattern = np.sin(
            waves[:, 0, None, None] * (x - right) + waves[:, 1, None, None] * (y - down) + phases[:, None, None]
        )
        return (128 + 10 * pattern.sum(0)).astype(np.float32)

    return seen(0, 0), seen(dx, dy)


def run(device, operation, *arrays, **options):
    """The result of an operation on copies of the arrays; options that are arrays are moved to the device too."""
    moved = {name: device.put(value) if isinstance(value, np.ndarray) else value for name, value in options.items()}
    return device.get(operation(*(device.put(array) for array in arrays), **moved))


def agrees(flow, expected, costs, first, second):
    """Assert that the flow of the search is the reference's, or one that explains the patches about as well.

    Nearly all patches agree within 0.01 px. The others made another choice between costs that hardly differ, which the steps
    after it can only improve: their costs differ from the reference's by less than 15 % and one squared level per pixel.
    """
    assert np.isfinite(flow).all()
    same = np.abs(flow - expected).max(-1) < 0.01
    assert same.mean() > 0.9 or same.size < 40
    ours = inverse_search_reference(first, second, patches=flow, reach=0, descents=0)[1]
    clear = np.abs(ours - costs) < 64 + 0.15 * costs
    assert clear[~same].all()


@pytest.mark.parametrize(("dx", "dy"), [(2.0, -1.0), (0.4, 0.7), (-1.25, 0.0)])
def test_patches_find_a_shift_both_ways(device, dx, dy):
    first, second = texture((48, 64), np.random.default_rng(0), dx, dy)
    patches = run(device, inverse_search, first, second, descents=8)
    patches = run(device, inverse_search, first, second, patches=patches, descents=8)
    inner = patches[:, 2:-2, 2:-2]
    assert np.abs(inner[0] - (dx, dy)).mean() < 0.03
    assert np.abs(inner[1] + (dx, dy)).mean() < 0.03


def test_a_change_of_brightness_is_not_motion(device):
    first, _ = texture((32, 40), np.random.default_rng(1))
    patches = run(device, inverse_search, first, first + np.float32(30))
    assert np.abs(patches).max() < 1e-3


@pytest.mark.parametrize("size", [(48, 64), *ODD_SIZES])
def test_nothing_moves_in_pictures_of_one_colour(device, size):
    flat = np.full(size, 77, np.float32)
    patches = run(device, inverse_search, flat, flat)
    flow = run(device, densify_flow, flat, flat, patches)
    assert patches.shape == (2, *patch_grid(*size), 2) and not patches.any()
    assert flow.shape == (2, *size, 2) and not flow.any()
    assert not run(device, refine_flow, flat, flat, flow).any()


def test_a_start_from_half_the_size_counts_twice(device):
    flat = np.full((9, 14), 50, np.float32)
    coarser = np.zeros((2, *halved_size(flat.shape), 2), np.float32)
    coarser[0], coarser[1] = (1.5, -2), (-3, 0.25)
    patches = run(device, inverse_search, flat, flat, coarser=coarser, descents=0)
    np.testing.assert_allclose(patches[0], np.broadcast_to((3, -4), patches[0].shape), atol=1e-6)
    np.testing.assert_allclose(patches[1], np.broadcast_to((-6, 0.5), patches[1].shape), atol=1e-6)


def test_a_neighbours_flow_is_taken_where_it_explains_more(device):
    first, second = texture((40, 40), np.random.default_rng(2), dx=6)
    patches = np.zeros((2, 10, 10, 2), np.float32)
    patches[0, :, 4] = (6, 0)
    for _ in range(3):
        patches = run(device, inverse_search, first, second, patches=patches, reach=2, descents=0)
    assert (patches[0, 2:8, [2, 6, 8]] == (6, 0)).all()
    assert (patches[0, :, 5] == (0, 0)).all()  # two patches away is never beside an even column


def test_far_and_undefined_starts_stay_in_the_picture(device):
    first, second = texture((21, 30), np.random.default_rng(3))
    patches = (
        np.random.default_rng(4).choice([np.nan, np.inf, -np.inf, 1e30, -1e4, 3.0], (2, 6, 8, 2)).astype(np.float32)
    )
    run(device, inverse_search, first, second, patches=patches)  # the sanitizers of the shim see reads out of bounds
    run(device, densify_flow, first, second, patches)


def test_a_pixel_follows_the_patch_that_explains_it(device):
    """Two patches disagree: the left half moves by 3, the right half stands still."""
    first, second = texture((24, 48), np.random.default_rng(5), dx=3)
    second[:, 24:] = first[:, 24:]
    patches = np.zeros((2, 6, 12, 2), np.float32)
    patches[0, :, :6] = (3, 0)
    flow = run(device, densify_flow, first, second, patches)
    assert np.median(np.abs(flow[0, :, 4:18] - (3, 0))) < 1e-3
    assert np.abs(flow[0, :, 27:]).max() < 1e-3
    assert np.median(np.abs(flow[0, :, 24:26])) < 0.3  # covered by both


def test_refinement_removes_noise(device):
    first, second = texture((40, 56), np.random.default_rng(6), dx=1.3, dy=-0.6)
    truth = np.array([[[[1.3, -0.6]]], [[[-1.3, 0.6]]]])
    flow = (truth + np.random.default_rng(7).normal(0, 0.4, (2, 40, 56, 2))).astype(np.float32)
    wrong = np.abs(flow - truth).mean()
    refined = run(device, refine_flow, first, second, flow, sweeps=8)
    assert np.abs(refined - truth)[:, 4:-4, 4:-4].mean() < 0.2 * wrong


def test_refinement_fills_a_hole_from_its_neighbours(device):
    flat = np.full((15, 21), 100, np.float32)
    flow = np.full((2, 15, 21, 2), 2, np.float32)
    flow[:, 7, 10] = -9
    refined = run(device, refine_flow, flat, flat, flow, sweeps=2)
    assert np.abs(refined[:, 7, 10] - 2).max() < 2


@pytest.mark.parametrize("sweeps", [0, 1, 2])
def test_refinement_says_which_array_holds_the_result(device, sweeps):
    first, second = texture((12, 17), np.random.default_rng(7), dx=0.5)
    flow, spare = (device.put(np.zeros((2, 12, 17, 2), np.float32)) for _ in range(2))
    result = refine_flow(device.put(first), device.put(second), flow, sweeps=sweeps, spare=spare)
    assert result is (spare if sweeps == 1 else flow)


def test_halving_repeats_the_last_column_and_row(device):
    picture = np.arange(15, dtype=np.float32).reshape(3, 5)
    np.testing.assert_array_equal(run(device, halve, picture), [[3, 5, 6.5], [10.5, 12.5, 14]])


def test_halving_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds)
    def check(size, seed):
        picture = np.random.default_rng(seed).uniform(0, 255, size).astype(np.float32)
        np.testing.assert_allclose(run(device, halve, picture), halve_reference(picture), atol=1e-4)

    check()


def test_the_search_agrees_with_the_reference(device):
    @quick(device)
    @given(
        size=sizes,
        seed=seeds,
        start=st.sampled_from(["zero", "coarser", "patches"]),
        reach=st.sampled_from([0, 1, 2, 100]),
        descents=st.integers(0, 5),
        shift=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    )
    def check(size, seed, start, reach, descents, shift):
        rng = np.random.default_rng(seed)
        first, second = texture(size, rng, *shift)
        second += rng.normal(0, 1, size).astype(np.float32)
        options = {}
        if start == "coarser":
            options["coarser"] = rng.normal(0, 1, (2, *halved_size(size), 2)).astype(np.float32)
        elif start == "patches":
            options["patches"] = rng.normal(0, 2, (2, *patch_grid(*size), 2)).astype(np.float32)
        flow = run(device, inverse_search, first, second, reach=reach, descents=descents, **options)
        expected, costs = inverse_search_reference(first, second, reach=reach, descents=descents, **options)
        agrees(flow, expected, costs, first, second)

    check()


def test_densifying_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds)
    def check(size, seed):
        rng = np.random.default_rng(seed)
        first, second = (rng.uniform(0, 255, size).astype(np.float32) for _ in range(2))
        patches = rng.normal(0, 5, (2, *patch_grid(*size), 2)).astype(np.float32)
        flow = run(device, densify_flow, first, second, patches)
        # A weight is 1/e^2 and e a difference of readings near 255, rounded to 2^-16: relatively 2^-15 / LEAST_LEVELS.
        np.testing.assert_allclose(flow, densify_flow_reference(first, second, patches), rtol=2e-3, atol=2e-3)

    check()


def test_refinement_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, sweeps=st.integers(0, 6))
    def check(size, seed, sweeps):
        rng = np.random.default_rng(seed)
        first, second = texture(size, rng, 0.5, -0.25)
        flow = (np.array([[[[0.5, -0.25]]], [[[-0.5, 0.25]]]]) + rng.normal(0, 0.3, (2, *size, 2))).astype(np.float32)
        expected = refine_flow_reference(first, second, flow, sweeps)
        refined = run(device, refine_flow, first, second, flow, sweeps=sweeps)
        # Second differences of readings near 255, rounded to 2^-16, times weights of up to 1000 per squared level.
        np.testing.assert_allclose(refined, expected, rtol=1e-3, atol=5e-3)

    check()


def test_equal_calls_give_equal_bits(device):
    first, second = texture((45, 70), np.random.default_rng(8), 1.5, 0.5)
    once, again = (run(device, inverse_search, first, second) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_refuses_wrong_arguments():
    first, second = np.zeros((9, 12), np.float32), np.zeros((9, 12), np.float32)
    start, coarser = np.zeros((2, 3, 3, 2), np.float32), np.zeros((2, 5, 6, 2), np.float32)
    with pytest.raises(ValueError, match=r"second: uint8 \(9, 12\); accepted: C-contiguous \(9, 12\) of float32"):
        inverse_search(first, second.astype(np.uint8))
    with pytest.raises(ValueError, match=r"patches: float32 \(2, 5, 6, 2\); accepted: C-contiguous \(2, 3, 3, 2\)"):
        inverse_search(first, second, patches=coarser)
    with pytest.raises(ValueError, match=r"coarser: float32 \(2, 3, 3, 2\); accepted: C-contiguous \(2, 5, 6, 2\)"):
        inverse_search(first, second, coarser=start)
    with pytest.raises(ValueError, match="two starts; accepted: one of them"):
        inverse_search(first, second, coarser=coarser, patches=start)
    with pytest.raises(ValueError, match="reach=-1, descents=3; accepted"):
        inverse_search(first, second, reach=-1)
    with pytest.raises(ValueError, match="sweeps=-1; accepted: 0 and more"):
        refine_flow(first, second, np.zeros((2, 9, 12, 2), np.float32), sweeps=-1)
    with pytest.raises(ValueError, match=r"picture: float32 \(3,\); accepted: \(H,W\) float32"):
        halve(np.zeros(3, np.float32))
