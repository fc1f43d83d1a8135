"""Detail: pyramids are those of OpenCV, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import quick, seeds

from rotoscope.kernels.detail import Energies, detail, detail_reference, first_energies
from rotoscope.kernels.pyramid import doubled_reference, down_reference

sizes = st.one_of(
    st.sampled_from([(16, 16), (16, 17), (31, 16), (33, 48)]), st.tuples(st.integers(16, 60), st.integers(16, 60))
)


def pictures(rng, size):
    """(averaged, frame-wise, weight): the first has half of the fine detail of the second, where the weight is high."""
    y, x = np.mgrid[: size[0], : size[1]]
    smooth = 0.5 + 0.2 * np.sin(x / 5 + rng.uniform(0, 6)) * np.cos(y / 6)
    noise = rng.normal(0, 0.08, (*size, 3))
    weight = np.clip(rng.uniform(0.3, 1.2) - x / size[1] / 2, 0, 1).astype(np.float32)
    framewise, averaged = np.zeros((2, *size, 4), np.float32)
    framewise[..., :3] = smooth[..., None] + noise
    averaged[..., :3] = smooth[..., None] + noise * (1 - 0.5 * weight[..., None])
    return averaged, framewise, weight


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (5, 4), (16, 17), (33, 31)])
def test_the_pyramid_is_opencv_s(size):
    cv2 = pytest.importorskip("cv2")
    level = np.random.default_rng(1).random((*size, 3))
    coarser = cv2.pyrDown(level)
    np.testing.assert_allclose(down_reference(level), coarser, atol=1e-12)
    expected = cv2.pyrUp(coarser, dstsize=size[::-1])
    np.testing.assert_allclose(doubled_reference(coarser, size), expected.reshape(*size, 3), atol=1e-12)


@pytest.mark.parametrize("measure", [True, False])
def test_agrees_with_the_reference(device, measure):
    @quick(device)
    @given(size=sizes, seed=seeds)
    def check(size, seed):
        rng = np.random.default_rng(seed)
        averaged, framewise, weight = pictures(rng, size)
        energies, aim = rng.uniform(0.5, 2, (4, 4)), rng.uniform(0.6, 1.4, 4)
        dtype = np.float64 if device.name == "cpu" else np.float32
        known = Energies(device.put(energies.astype(dtype)), device.put(aim.astype(dtype)))
        result = device.get(detail(*map(device.put, (averaged, framewise, weight)), known, measure=measure))
        expected, after, next_aim = detail_reference(averaged, framewise, weight, energies, aim, measure)
        np.testing.assert_allclose(device.get(known.energies), after, rtol=1e-3)
        np.testing.assert_allclose(device.get(known.aim), next_aim, rtol=2e-3)
        np.testing.assert_allclose(result, expected, atol=1e-4)

    check()


def test_the_result_may_replace_the_averaged_picture(device):
    averaged, framewise, weight = map(device.put, pictures(np.random.default_rng(3), (20, 30)))
    known = first_energies(averaged)
    detail(averaged, framewise, weight, known, measure=True)
    expected = device.get(detail(averaged, framewise, weight, known, measure=False))
    assert detail(averaged, framewise, weight, known, measure=False, out=averaged) is averaged
    np.testing.assert_array_equal(device.get(averaged), expected)


def test_refuses_wrong_arguments():
    averaged, framewise, weight = pictures(np.random.default_rng(4), (16, 20))
    known = first_energies(averaged)
    with pytest.raises(ValueError, match="both sides at least 16"):
        detail(averaged[:15], framewise[:15], weight[:15], known, measure=False)
    with pytest.raises(ValueError, match="framewise: float32"):
        detail(averaged, framewise[1:], weight, known, measure=False)
    with pytest.raises(ValueError, match="weight: float64"):
        detail(averaged, framewise, weight.astype(float), known, measure=False)
