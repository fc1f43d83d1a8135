"""How many frames of a live stream are translated."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from rotoscope.runtime.pipeline.keep_pace import BUSY, frames_per_key


@pytest.mark.parametrize(("translated", "carried", "most", "expected"), [
    (0.030, None, 4, 1),  # fits into 0.034 s
    (0.060, 0.010, 4, 3),  # (60 + 2 * 10) / 3 = 27 ms
    (0.060, 0.010, 2, 2),
    (0.060, 0.010, 1, 1),
    (1.000, 0.010, 8, 8),
    (0.060, 0.050, 4, 4),  # carrying alone is too slow
])  # fmt: skip
def test_known_answers(translated, carried, most, expected):
    assert frames_per_key(translated, carried, 0.04, most) == expected


times = st.floats(0.001, 2)


@given(times, times, times, st.integers(1, 64))
def test_the_answer_fits_and_no_smaller_one_does(translated, carried, frame_s, most):
    carried = min(carried, translated)

    def fits(n):
        return translated + (n - 1) * carried <= BUSY * n * frame_s * (1 + 1e-9)

    n = frames_per_key(translated, carried, frame_s, most)
    assert 1 <= n <= most
    assert n == most or fits(n)
    assert n == 1 or not (translated + (n - 2) * carried <= BUSY * (n - 1) * frame_s * (1 - 1e-9))
