"""LPIPS: published distances of published patches."""

import cv2
import numpy as np
import pytest
from golden_metric import golden_metric

torch = pytest.importorskip("torch")

from rotoscope.metrics.feature_distances import LpipsDistance  # noqa: E402
from rotoscope.networks.lpips import feature_distance, scale_picture, unit_length  # noqa: E402


@pytest.fixture(scope="module")
def distance(shared):
    return LpipsDistance(shared / "data" / "weights" / "lpips" / "lpips_squeeze_v0.1.pth")


def test_published_patches_have_their_published_distances(distance, shared):
    reference, first, second = (
        cv2.cvtColor(cv2.imread(str(shared / "data" / "images" / "lpips" / f"ex_{name}.png")), cv2.COLOR_BGR2RGB)
        for name in ("ref", "p0", "p1")
    )
    assert distance(reference, reference) == 0
    assert distance(reference, first) == pytest.approx(0.7110, abs=5e-5)
    assert distance(reference, second) == pytest.approx(0.1479, abs=5e-5)
    assert distance(reference / 255, second / 255) == pytest.approx(distance(reference, second), abs=1e-5)


def test_more_noise_is_further_away(distance):
    random = np.random.default_rng(0)
    picture = cv2.GaussianBlur(random.random((64, 64, 3), np.float32), (0, 0), 3)
    noise = random.standard_normal(picture.shape).astype(np.float32)
    distances = [distance(picture, picture + amount * noise) for amount in (0.01, 0.05, 0.2)]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_distances_of_given_features_are_those_of_the_published_code():
    given, wanted = golden_metric("metric_lpips_head")
    tensors = {name: torch.from_numpy(array) for name, array in given.items()}
    layers = range(3)
    found = feature_distance(
        [tensors[f"feat0_l{k}"] for k in layers],
        [tensors[f"feat1_l{k}"] for k in layers],
        [tensors[f"lin{k}"] for k in layers],
    )
    np.testing.assert_allclose(found, wanted["distance"], atol=1e-4)
    np.testing.assert_allclose(scale_picture(tensors["image"]), wanted["scaled_image"], atol=1e-4)


def test_features_of_length_zero_have_a_finite_gradient():
    features = torch.zeros(1, 4, 2, 2)
    features[..., 0] = 3.0
    features.requires_grad_()
    lengths = unit_length(features)
    (lengths * torch.arange(4.0).view(1, 4, 1, 1)).sum().backward()
    assert features.grad.isfinite().all()
    assert lengths[0, :, 0, 0].norm().item() == pytest.approx(1)
    assert not lengths[..., 1].any()
