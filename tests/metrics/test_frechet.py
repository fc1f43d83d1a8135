"""Fréchet distance: known answers, values of the published code, batches."""

import numpy as np
import pytest
from golden_metric import golden_metric
from hypothesis import given, settings
from hypothesis import strategies as st

from rotoscope.metrics.frechet import frechet_distance, statistics_of


def statistics(features, batch=7):
    return statistics_of(features[start : start + batch] for start in range(0, len(features), batch))


@pytest.mark.parametrize(("name", "relative"), [("metric_frechet", 1e-6), ("metric_frechet_singular", 1e-3)])
def test_distances_are_those_of_the_published_code(name, relative):
    given_, wanted = golden_metric(name)
    found = frechet_distance(statistics(given_["features1"]), statistics(given_["features2"]))
    assert found == pytest.approx(wanted["distance"].item(), rel=relative)


def test_gaussians_of_one_dimension_differ_by_mean_and_deviation():
    first, second = statistics(np.array([[0.0], [2.0]])), statistics(np.array([[3.0], [9.0]]))
    assert frechet_distance(first, second) == pytest.approx((6 - 1) ** 2 + (np.sqrt(18) - np.sqrt(2)) ** 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.floats(-1e4, 1e4))
def test_batches_and_an_offset_change_nothing(seed, batch, offset):
    features = np.random.default_rng(seed).normal(size=(40, 5)) + offset
    found = statistics(features, batch)
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.covariance, np.cov(features, rowvar=False), rtol=1e-6, atol=1e-9)
    assert frechet_distance(found, statistics(features)) == pytest.approx(0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_distances_are_symmetric_and_not_negative(seed):
    random = np.random.default_rng(seed)
    first, second = (statistics(random.normal(size=(6, 8))) for _ in range(2))  # singular
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first), rel=1e-5)
    assert frechet_distance(first, second) > 0


def test_one_vector_has_no_covariance():
    one = statistics(np.ones((1, 3)))
    with pytest.raises(ValueError, match="1 feature vectors; accepted: at least 2"):
        frechet_distance(one, one)
    with pytest.raises(ValueError, match="no feature vectors"):
        statistics_of([])
