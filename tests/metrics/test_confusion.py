"""FCN scores: counts by hand."""

import numpy as np
import pytest

from rotoscope.metrics.confusion import ConfusionMatrix


def test_scores_of_a_small_map_are_those_counted_by_hand():
    matrix = ConfusionMatrix(3)
    matrix.add(np.array([[0, 0, 0, 1], [1, 255, 1, 1]]), np.array([[0, 0, 1, 1], [1, 2, 1, 0]]))
    np.testing.assert_array_equal(matrix.counts, [[2, 1, 0], [1, 3, 0], [0, 0, 0]])
    scores = matrix.scores()
    assert scores.per_pixel == pytest.approx(5 / 7)
    assert scores.per_class == pytest.approx((2 / 3 + 3 / 4 + 0) / 3)
    assert scores.iou == pytest.approx((2 / 4 + 3 / 5 + 0) / 3)


def test_counting_picture_by_picture_equals_counting_all_at_once():
    random = np.random.default_rng(0)
    truth, found = random.integers(-1, 20, (4, 9, 9)), random.integers(0, 19, (4, 9, 9))
    one, many = ConfusionMatrix(), ConfusionMatrix()
    one.add(truth, found)
    for pair in zip(truth, found, strict=True):
        many.add(*pair)
    np.testing.assert_array_equal(one.counts, many.counts)
    assert one.counts.sum() == ((truth >= 0) & (truth < 19)).sum()


def test_perfect_labels_score_one():
    labels = np.arange(19).reshape(1, 19)
    matrix = ConfusionMatrix()
    matrix.add(labels, labels)
    assert matrix.scores() == pytest.approx((1, 1, 1))


def test_found_labels_outside_the_classes_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"found labels 1\.\.3; accepted: 0\.\.2"):
        ConfusionMatrix(3).add(np.array([0, 1]), np.array([3, 1]))
    with pytest.raises(ValueError, match="one shape"):
        ConfusionMatrix(3).add(np.array([0, 1]), np.array([1]))
