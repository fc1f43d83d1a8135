"""FID, VFID and VLPIPS: shapes, windows and formulas, with random weights (the published ones are not in the repository)."""

import numpy as np
import pytest
from golden_metric import golden_metric

torch = pytest.importorskip("torch")

from rotoscope.base.errors import ModelRefused  # noqa: E402
from rotoscope.metrics.feature_distances import (  # noqa: E402
    InceptionVector,
    VideoDistance,
    VideoVector,
    sliding_windows,
)
from rotoscope.networks.i3d import I3dFeatures, video_distance  # noqa: E402
from rotoscope.networks.inception import InceptionFeatures  # noqa: E402


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Random weights with the tensor names of the published files."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.save(I3dFeatures().state_dict(), folder / "i3d.pt")
    torch.save(InceptionFeatures().state_dict(), folder / "inception.pth")
    return folder


def clip(seed, frames=11):
    return list(np.random.default_rng(seed).random((frames, 32, 40, 3), np.float32))


def test_windows_are_ten_frames_one_apart():
    assert [window[0] for window in sliding_windows(range(13))] == [0, 1, 2, 3]
    assert all(len(window) == 10 for window in sliding_windows(range(13)))
    assert next(sliding_windows(range(3))) == [0, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    with pytest.raises(ValueError, match="without frames"):
        next(sliding_windows([]))


def test_a_video_makes_one_vector_for_each_window(files):
    vector = VideoVector(files / "i3d.pt")
    found = list(vector.windows(clip(0)))
    assert [one.shape for one in found] == [(1, 1024), (1, 1024)]
    np.testing.assert_array_equal(found[1], vector.whole(clip(0)[1:]))


def test_the_distance_of_videos_is_the_mean_over_windows(files):
    distance = VideoDistance(files / "i3d.pt")
    assert distance(clip(1), clip(1)) == 0
    both = [distance(clip(1)[k : k + 10], clip(2)[k : k + 10]) for k in (0, 1)]
    assert distance(clip(1), clip(2)) == pytest.approx(np.mean(both), rel=1e-6)
    with pytest.raises(ValueError, match="longer"):
        distance(clip(1), clip(2, frames=12))


def test_distances_of_given_features_are_those_of_the_published_code():
    given, wanted = golden_metric("metric_pvcs_head")
    tensors = {name: torch.from_numpy(array) for name, array in given.items()}
    found = video_distance([tensors["feat0_l0"], tensors["feat0_l1"]], [tensors["feat1_l0"], tensors["feat1_l1"]])
    np.testing.assert_allclose(found, wanted["distance"], atol=1e-4)


def test_a_picture_makes_a_vector_of_2048(files):
    assert InceptionVector(files / "inception.pth")(np.zeros((30, 40, 3), np.uint8)).shape == (1, 2048)
    with pytest.raises(ModelRefused, match="InceptionFeatures missing"):
        InceptionVector(files / "i3d.pt")
