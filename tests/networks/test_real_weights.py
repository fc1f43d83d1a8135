"""Published weights load unchanged and reproduce the stored outputs of their authors' code."""

import cv2
import numpy as np
import pytest
import torch

from rotoscope.networks import from_state_dict

# Weights, stored output, bound on pictures in the network's range.
GENERATORS = [
    ("transformernet/candy_fp16.pth", "transformernet_candy", 2e-2),
    ("transformernet/mosaic_fp16.pth", "transformernet_mosaic", 2e-2),
    ("transformernet/rain_princess_fp16.pth", "transformernet_rain_princess", 2e-2),
    ("cartoongan/cartoongan_hayao_fp16.pth", "cartoongan_hayao", 1e-4),
    ("tiny_styles/mosaic_TransformerNetworkDenseNet.pth", "tiny_mosaic_TransformerNetworkDenseNet", 2e-2),
    (
        "tiny_styles/mosaic_TransformerResNextNetwork_Pruned03.pth",
        "tiny_mosaic_TransformerResNextNetwork_Pruned03",
        2e-2,
    ),
    (
        "tiny_styles/mosaic_TransformerResNextNetwork_Pruned10.pth",
        "tiny_mosaic_TransformerResNextNetwork_Pruned10",
        2e-2,
    ),
]


def read_weights(shared, name):
    return torch.load(shared / "data" / "weights" / name, map_location="cpu", weights_only=True)


def read_picture(path, signature):
    """Return (1,3,H,W) in the channel order and range of a network."""
    bgr = cv2.imread(str(path))
    assert bgr is not None
    picture = bgr if signature.order == "BGR" else bgr[..., ::-1]
    low, high = signature.range
    return (
        torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)) / 255 * (high - low) + low
    )


@pytest.mark.parametrize(("weights", "reference", "bound"), GENERATORS, ids=[row[1] for row in GENERATORS])
def test_generator_reproduces_its_reference(weights, reference, bound, shared):
    network, description = from_state_dict(read_weights(shared, weights))
    picture = read_picture(shared / "data" / "reference" / "input_160x120.png", description.signature)
    expected = np.load(shared / "data" / "reference" / f"{reference}.npz")["output"]
    with torch.inference_mode():
        output = network(picture)[0].numpy()
    assert np.abs(output - expected).max() <= bound


# Two pictures, their true flow, and the end-point error in pixels of the authors' code with 12 iterations.
FLOWS = [
    ("middlebury_RubberWhale", "frame10.png", "frame11.png", "flow10.flo", 0.320),
    ("middlebury_Venus", "frame10.png", "frame11.png", "flow10.flo", 0.381),
    ("middlebury_Grove2", "frame10.png", "frame11.png", "flow10.flo", 0.355),
    ("middlebury_Urban3", "frame10.png", "frame11.png", "flow10.flo", 0.734),
    ("flyingchairs_1", "img1.png", "img2.png", "flow.flo", 1.137),
]


def read_flow(path):
    """Return the flow (2,H,W) and the mask (H,W) of known pixels."""
    data = path.read_bytes()
    width, height = np.frombuffer(data, np.int32, 2, offset=4)
    flow = np.frombuffer(data, np.float32, offset=12).reshape(height, width, 2).transpose(2, 0, 1)
    return flow, (np.abs(flow) < 1e8).all(axis=0)


@pytest.mark.parametrize(("folder", "first", "second", "truth", "published"), FLOWS, ids=[row[0] for row in FLOWS])
def test_raft_reaches_its_end_point_errors(folder, first, second, truth, published, shared):
    network, description = from_state_dict(read_weights(shared, "flow/raft-small.pth"))
    folder = shared / "data" / "flow" / folder
    expected, known = read_flow(folder / truth)
    height, width = known.shape
    below, right = -height % 8, -width % 8
    padding = (right // 2, right - right // 2, below // 2, below - below // 2)
    pictures = (
        torch.nn.functional.pad(read_picture(folder / name, description.signature), padding, mode="replicate")
        for name in (first, second)
    )
    with torch.inference_mode():
        flow = network(*pictures)[0].numpy()[:, padding[2] :, padding[0] :][:, :height, :width]
    error = np.hypot(*(flow - expected))[known].mean()
    assert abs(error - published) <= 5e-3
