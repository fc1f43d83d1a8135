"""Mix, copy, weighted sums, flows between, trust along a chain: today's results, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import flow, quick, seeds, sizes

from rotoscope.kernels.complement import complement, complement_reference
from rotoscope.kernels.exchange_luma import exchange_luma, exchange_luma_reference
from rotoscope.kernels.flows_between import LEAST_VISIBLE, flows_between, flows_between_reference
from rotoscope.kernels.mix import mix, mix_reference
from rotoscope.kernels.share_of_second import share_of_second, share_of_second_reference
from rotoscope.kernels.trust_along import trust_along, trust_along_reference
from rotoscope.kernels.weighted_sum import weighted_sum, weighted_sum_reference


def test_mix_is_the_arithmetic_of_numpy_to_the_last_bit_on_the_cpu():
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 33, 47, 4), np.float32)
    expected = first * np.float32(1 - 0.3) + second * np.float32(0.3)
    np.testing.assert_array_equal(mix(first, second, share=0.3), expected)
    mask = rng.random((33, 47)) < 0.5
    np.testing.assert_array_equal(mix(first, second, mask=mask), np.where(mask[..., None], second, first))


def test_two_copies_set_pictures_side_by_side(device):
    rng = np.random.default_rng(2)
    left, right = rng.random((2, 9, 14, 4), np.float32)
    both = device.put(np.zeros((9, 28, 4), np.float32))
    mix(device.put(left), out=both[:, :14])
    mix(device.put(right), out=both[:, 14:])
    np.testing.assert_array_equal(device.get(both), np.concatenate([left, right], axis=1))


def test_what_has_no_share_is_not_used(device):
    good, broken = np.full((4, 6, 4), 0.5, np.float32), np.full((4, 6, 4), np.nan, np.float32)
    for first, second, share in ((good, broken, 0.0), (broken, good, 1.0)):
        assert (device.get(mix(device.put(first), device.put(second), share=share)) == 0.5).all()
    mask = np.zeros((4, 6), bool)
    assert (device.get(mix(device.put(good), device.put(broken), mask=device.put(mask))) == 0.5).all()


@pytest.mark.parametrize("channels", [(4,), ()])
def test_mix_agrees_with_the_reference(device, channels):
    @quick(device)
    @given(
        size=sizes, seed=seeds, share=st.sampled_from([0.0, 0.25, 0.9, 1.0]), masked=st.booleans(), part=st.booleans()
    )
    def check(size, seed, share, masked, part):
        rng = np.random.default_rng(seed)
        first, second = rng.random((2, *size, *channels), np.float32)
        mask = (rng.random(size) < 0.5).astype(np.uint8) if masked else None
        arrays = [first, second, mask, np.zeros_like(first)]
        if part:  # parts of larger arrays
            arrays = [None if a is None else np.pad(a, [(0, 2), (0, 3)] + [(0, 0)] * (a.ndim - 2)) for a in arrays]
        given_ = [None if a is None else device.put(a)[: size[0], : size[1]] for a in arrays]
        assert mix(given_[0], given_[1], share=share, mask=given_[2], out=given_[3]) is given_[3]
        np.testing.assert_allclose(device.get(given_[3]), mix_reference(first, second, share, mask), atol=1e-6)

    check()


@pytest.mark.parametrize("count", [1, 2, 14])
def test_weighted_sums_agree_with_the_reference(device, count):
    rng = np.random.default_rng(3)
    arrays, factors = rng.normal(0, 3, (count, 7, 11, 2)).astype(np.float32), rng.normal(0, 1, count)
    result = device.get(weighted_sum([device.put(array) for array in arrays], factors.tolist()))
    np.testing.assert_allclose(result, weighted_sum_reference(list(arrays), factors), rtol=1e-5, atol=1e-5)
    first = device.put(arrays[0].copy())
    assert weighted_sum([first], [0.5], out=first) is first
    np.testing.assert_array_equal(device.get(first), arrays[0] * np.float32(0.5))


def test_flows_between_are_those_of_the_runtime(device):
    cv2 = pytest.importorskip("cv2")
    from rotoscope.runtime.steady import insert

    assert insert.LEAST_VISIBLE == LEAST_VISIBLE
    rng = np.random.default_rng(4)
    there, back = rng.normal(0, 5, (2, 13, 17, 2)).astype(np.float32)
    sure = rng.random((13, 17), np.float32)
    t = 0.25
    to_a = cv2.addWeighted(back, t * t, there, -t * (1 - t), 0)
    to_b = cv2.addWeighted(there, (1 - t) * (1 - t), back, -t * (1 - t), 0)
    seen = np.maximum(sure, np.float32(LEAST_VISIBLE))
    weight = cv2.divide(t, cv2.addWeighted(seen, 1 - t, seen, 0, t))
    made = flows_between(*map(device.put, (there, back, sure)), t)
    for result, expected in zip(made, (to_a, to_b, weight), strict=True):
        np.testing.assert_allclose(device.get(result), expected, atol=1e-5)


def test_flows_between_agree_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, time=st.sampled_from([0.1, 0.5, 0.75]))
    def check(size, seed, time):
        rng = np.random.default_rng(seed)
        there, back = flow(rng, size, wild=False), flow(rng, size, wild=False)
        sure = rng.random(size, np.float32)
        out = tuple(device.put(np.zeros(shape, np.float32)) for shape in ((*size, 2), (*size, 2), size))
        assert flows_between(*map(device.put, (there, back, sure)), time, out=out) == out
        for result, expected in zip(out, flows_between_reference(there, back, sure, time), strict=True):
            np.testing.assert_allclose(device.get(result), expected, rtol=1e-5, atol=1e-5)

    check()


def test_trust_along_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, first=st.booleans())
    def check(size, seed, first):
        rng = np.random.default_rng(seed)
        sure, before = rng.random((2, *size), np.float32)
        chain = (None, None) if first else (flow(rng, size), before)
        votes = device.put(np.full(size, 9, np.uint8))
        given_ = [None if array is None else device.put(array) for array in chain]
        result = device.get(trust_along(device.put(sure), *given_, votes=votes))
        np.testing.assert_allclose(result, trust_along_reference(sure, *chain), atol=1e-5)
        np.testing.assert_array_equal(device.get(votes), result > 0.5)

    check()


def test_refuses_wrong_arguments():
    picture, plane, field = (
        np.zeros((4, 6, 4), np.float32),
        np.zeros((4, 6), np.float32),
        np.zeros((4, 6, 2), np.float32),
    )
    with pytest.raises(ValueError, match="share=2"):
        mix(picture, picture, share=2)
    with pytest.raises(ValueError, match=r"accepted: \(H,W,4\) or \(H,W\)"):
        mix(np.zeros((4, 6, 3), np.float32))
    with pytest.raises(ValueError, match="second: float32"):
        mix(picture, picture[:3])
    with pytest.raises(ValueError, match="mask: int64"):
        mix(picture, picture, mask=np.zeros((4, 6), int))
    with pytest.raises(ValueError, match="rows that are contiguous"):
        mix(picture[:, ::2], picture[:, ::2])
    with pytest.raises(ValueError, match="1 arrays and 2 factors"):
        weighted_sum([plane], [1, 2])
    with pytest.raises(ValueError, match="between 0 and 1"):
        flows_between(field, field, plane, 1.0)
    with pytest.raises(ValueError, match="both or neither"):
        trust_along(plane, field)


def test_luma_complement_and_share_agree_with_their_references(device):
    weights = (0.299, 0.587, 0.114)

    @quick(device)
    @given(size=sizes, seed=seeds, time=st.sampled_from([0.25, 0.5, 0.9]))
    def check(size, seed, time):
        rng = np.random.default_rng(seed)
        colours, lumas = rng.random((2, *size, 4), np.float32)
        made = device.get(exchange_luma(device.put(colours), device.put(lumas), weights))
        np.testing.assert_allclose(made, exchange_luma_reference(colours, lumas, weights), atol=1e-6)
        mask = rng.integers(0, 3, size).astype(np.uint8)
        np.testing.assert_array_equal(device.get(complement(device.put(mask))), complement_reference(mask))
        seen = rng.random(size, np.float32)
        found = device.get(share_of_second(device.put(seen), time))
        np.testing.assert_allclose(found, share_of_second_reference(seen, time), rtol=1e-5, atol=1e-6)

    check()


def test_they_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="lumas: float32"):
        exchange_luma(np.zeros((2, 3, 4), np.float32), np.zeros((2, 3), np.float32), (0.3, 0.6, 0.1))
    with pytest.raises(ValueError, match="mask: float32"):
        complement(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="accepted: between 0 and 1"):
        share_of_second(np.zeros((2, 3), np.float32), 1.0)
