"""HDR from SDR: every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import quick, seeds, sizes

from rotoscope.kernels.hdr import HLG, PQ, hdr_from_sdr, hdr_from_sdr_reference


def test_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, transfer=st.sampled_from([PQ, HLG]), in_place=st.booleans())
    def check(size, seed, transfer, in_place):
        picture = np.random.default_rng(seed).uniform(-0.1, 1.1, (*size, 4)).astype(np.float32)
        put = device.put(picture.copy())
        found = device.get(hdr_from_sdr(put, transfer, out=put if in_place else None))
        expected = hdr_from_sdr_reference(picture[..., :3].astype(np.float64), transfer)
        np.testing.assert_allclose(found[..., :3], expected, atol=2e-4)  # a fifth of a code value of 10 bits
        np.testing.assert_array_equal(found[..., 3], picture[..., 3])

    check()


def test_refuses_other_curves():
    with pytest.raises(ValueError, match="accepted: 16"):
        hdr_from_sdr(np.zeros((2, 2, 4), np.float32), 1)
