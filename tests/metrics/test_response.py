"""Response to a sudden change: recursive filters with a known time constant."""

import numpy as np
import pytest

from rotoscope.metrics.response import frames_until, response, with_change

REGION = np.s_[4:12, 6:18]


def recursion(frames, share):
    """Recursive filter that keeps `share` of the previous output: its step response is 1 - share^(n+1)."""
    outputs = [frames[0]]
    for frame in frames[1:]:
        outputs.append(share * outputs[-1] + (1 - share) * frame)
    return outputs


@pytest.mark.parametrize(("share", "frames"), [(0.0, 0), (0.3, 1), (0.5, 3), (0.8, 10)])
def test_a_recursive_filter_has_the_response_of_its_time_constant(share, frames):
    still = np.random.default_rng(0).random((20, 24, 3))
    plain, changed = [still] * 14, [still] * 2 + [with_change(still, REGION)] * 12
    steady, steady_changed = recursion(plain, share), recursion(changed, share)
    found = [
        response(*pictures, REGION) for pictures in list(zip(steady, steady_changed, plain, changed, strict=True))[2:]
    ]
    np.testing.assert_allclose(found, 1 - share ** np.arange(1, 13), atol=1e-5)
    assert frames_until(found) == frames


def test_the_change_stays_in_its_region_and_is_large():
    picture = np.random.default_rng(1).integers(0, 256, (20, 24, 3), np.uint8)
    changed = with_change(picture, REGION)
    outside = np.ones((20, 24), bool)
    outside[REGION] = False
    np.testing.assert_array_equal(changed[outside], picture[outside])
    assert (changed[REGION] != picture[REGION]).mean() > 0.95
    np.testing.assert_array_equal(with_change(changed, REGION), picture)


def test_a_response_that_falls_again_is_not_counted():
    assert frames_until([0.95, 0.5, 0.91, 0.99]) == 2
    assert frames_until([0.5, 0.95, 0.8]) is None


def test_a_change_without_effect_is_refused():
    picture = np.zeros((20, 24, 3))
    with pytest.raises(ValueError, match="changes nothing"):
        response(picture, picture, picture, picture, REGION)
