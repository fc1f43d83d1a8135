"""Composite: the network state's arithmetic, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import flow, quick, seeds, sizes

from rotoscope.kernels.composite import composite, composite_reference
from rotoscope.kernels.warp import warp


def arrays(rng, size, layers):
    before, drawn = rng.random((2, 3, *size), np.float32)
    field = np.ascontiguousarray(np.moveaxis(flow(rng, size), 2, 0))
    return before, field, rng.random((layers, *size), np.float32), drawn


def test_on_the_cpu_it_is_the_arithmetic_of_the_network_state_to_the_last_bit():
    before, field, carried, drawn = arrays(np.random.default_rng(1), (37, 53), 1)
    picture = warp(before, np.ascontiguousarray(np.moveaxis(field, 0, 2)))
    picture *= carried
    picture += drawn
    np.testing.assert_array_equal(composite(before, field, carried, drawn), picture)


def test_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, layers=st.sampled_from([1, 3]))
    def check(size, seed, layers):
        if size[1] == 4:
            return  # (3,H,4) is read as a picture of three rows
        given_ = arrays(np.random.default_rng(seed), size, layers)
        out = device.put(np.zeros((3, *size), np.float32))
        assert composite(*map(device.put, given_), out=out) is out
        np.testing.assert_allclose(device.get(out), composite_reference(*given_), rtol=1e-5, atol=1e-5)

    check()


def test_refuses_wrong_arguments():
    before, field, carried, drawn = arrays(np.random.default_rng(2), (4, 6), 1)
    with pytest.raises(ValueError, match="flow: float32"):
        composite(before, before, carried, drawn)
    with pytest.raises(ValueError, match="carried: float32"):
        composite(before, field, field, drawn)
