"""Feature networks have the published shapes, names and sizes; with their weights they give the published numbers."""

import cv2
import numpy as np
import pytest
import torch

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.features import AlexNetFeatures, VggFeatures, load_features
from rotoscope.networks.i3d import I3dFeatures, video_vector
from rotoscope.networks.inception import InceptionFeatures
from rotoscope.networks.lpips import Lpips, load_lpips


def parameters(make):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


def read_patch(path):
    return torch.from_numpy(cv2.imread(str(path))[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)) / 127.5 - 1


def test_lpips_with_squeezenet_gives_its_published_distances(shared):
    distance = load_lpips("squeeze", shared / "data" / "weights" / "lpips" / "lpips_squeeze_v0.1.pth")
    reference, first, second = (
        read_patch(shared / "data" / "images" / "lpips" / f"ex_{name}.png") for name in ("ref", "p0", "p1")
    )
    with torch.inference_mode():
        found = distance(reference.expand(3, -1, -1, -1), torch.cat([reference, first, second]))
    np.testing.assert_allclose(found, [0, 0.7110, 0.1479], atol=5e-5)


@pytest.mark.parametrize("backbone", ["squeeze", "alex", "vgg"])
def test_lpips_weights_may_come_in_two_files(tmp_path, backbone):
    network = Lpips(backbone)
    torch.save({"classifier.1.weight": torch.zeros(1)} | network.backbone.state_dict(), tmp_path / "net.pth")
    torch.save(network.heads.state_dict(), tmp_path / "heads.pth")
    distance = load_lpips(backbone, tmp_path / "net.pth", tmp_path / "heads.pth")
    pictures = torch.rand(2, 3, 64, 64)
    assert distance(pictures, pictures).tolist() == [0, 0]
    with pytest.raises(ModelRefused, match=r"heads.pth: \d+ tensors of \w+ missing, such as features.0.weight"):
        load_lpips(backbone, tmp_path / "heads.pth")


def test_files_that_hold_no_weights_are_refused_in_one_line(tmp_path):
    (tmp_path / "text.pth").write_text("weights")
    torch.save([1], tmp_path / "list.pth")
    for name, said in (("none", "no such file"), ("text", "not a checkpoint but"), ("list", "holds a list")):
        with pytest.raises(ModelRefused, match=f"{name}.pth: {said}"):
            load_features(AlexNetFeatures(), tmp_path / f"{name}.pth")


def test_vgg_has_torchvision_s_names_and_the_named_maps():
    assert parameters(lambda: VggFeatures(16, ())) == 14_714_688
    assert parameters(lambda: VggFeatures(19, ())) == 20_024_384
    vgg = VggFeatures(19, ("relu2_1", "relu1_1", "relu3_4"))
    assert vgg.state_dict()["features.34.weight"].shape == (512, 512, 3, 3)
    assert [tuple(found.shape[1:]) for found in vgg(torch.rand(1, 3, 32, 32))] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
    ]
    with pytest.raises(ValueError, match="VGG16 has no relu5_4"):
        VggFeatures(16, ("relu5_4",))


def test_alexnet_has_torchvision_s_names_and_five_maps():
    assert parameters(AlexNetFeatures) == 2_469_696
    shapes = [tuple(found.shape[1:]) for found in AlexNetFeatures()(torch.rand(1, 3, 64, 64))]
    assert shapes == [(64, 15, 15), (192, 7, 7), (384, 3, 3), (256, 3, 3), (256, 3, 3)]


def test_inception_makes_one_vector_of_a_picture_of_any_size(tmp_path):
    assert parameters(InceptionFeatures) == 21_785_568
    network = InceptionFeatures()
    torch.save(network.state_dict() | {"fc.weight": torch.zeros(1008, 2048)}, tmp_path / "inception.pth")
    loaded = load_features(InceptionFeatures(), tmp_path / "inception.pth")
    with torch.inference_mode():
        assert loaded(torch.rand(1, 3, 40, 60)).shape == (1, 2048)


def test_i3d_keeps_tensorflow_s_sizes():
    network = I3dFeatures(("Conv3d_1a_7x7", "Mixed_3c", "Mixed_5c")).eval()
    with torch.inference_mode():
        maps = network(torch.rand(1, 3, 10, 50, 64))
    assert [tuple(found.shape[1:]) for found in maps] == [(64, 5, 25, 32), (480, 5, 7, 8), (1024, 2, 2, 2)]
    assert video_vector(maps[-1]).shape == (1, 1024)
    assert network.state_dict()["Mixed_4f.b1b.conv3d.weight"].shape == (320, 160, 3, 3, 3)
