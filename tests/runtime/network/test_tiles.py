"""Tiles of a large picture: equal to the whole picture where pixels depend on a region, refused or blended elsewhere."""

import numpy as np
import pytest
import tiny_clips
import tiny_models
import torch
from catalogue import build, named
from onnx import helper, numpy_helper

import rotoscope
from rotoscope.assembly.engines import make_engine
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.models.reach import reach_of
from rotoscope.runtime.network.tiles import in_tiles

node = helper.make_node


def weights(name, *shape):
    values = np.random.default_rng(len(name) + sum(shape)).normal(0, 1.5 / np.sqrt(np.prod(shape[1:])), shape)
    return numpy_helper.from_array(values.astype(np.float32), name)


def numbers(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def local_network(path, *, scale=2):
    """Strided, dilated and transposed convolutions, borders by reflection, pooling, resizing, a sum across scales."""
    nodes = [
        node("Pad", ["in", "border"], ["padded"], mode="reflect"),
        node("Conv", ["padded", "wide"], ["a"], kernel_shape=[7, 7]),
        node("Conv", ["a", "down"], ["b"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["b"], ["c"]),
        node("Conv", ["c", "dilated"], ["d"], kernel_shape=[3, 3], dilations=[2, 2], pads=[2, 2, 2, 2]),
        node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", ["e", "", "double"], ["f"], mode="linear"),
        node("Add", ["d", "f"], ["g"]),
        node("ConvTranspose", ["g", "up"], ["h"], kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Add", ["a", "h"], ["i"]),
        node("Conv", ["i", "last"], ["j"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("DepthToSpace", ["j"], ["k"], blocksize=scale),
        node("Sigmoid", ["k"], ["out"]),
    ]
    constants = [
        numbers("border", 0, 0, 3, 3, 0, 0, 3, 3), weights("wide", 8, 3, 7, 7), weights("down", 8, 8, 3, 3),
        weights("dilated", 8, 8, 3, 3), numpy_helper.from_array(np.float32([1, 1, 2, 2]), "double"),
        weights("up", 8, 8, 4, 4), weights("last", 3 * scale**2, 8, 3, 3),
    ]  # fmt: skip
    return tiny_models.save(path, nodes, constants=constants, out_shape=("N", 3, "h", "w"))


def far_seeing(path):
    nodes = [node("Conv", ["in", "wide"], ["out"], kernel_shape=[81, 81], pads=[40] * 4)]
    return tiny_models.save(path, nodes, constants=[weights("wide", 3, 3, 81, 81)])


def normed(path, kind="InstanceNormalization"):
    ones = [numpy_helper.from_array(np.full(3, value, np.float32), name) for name, value in (("s", 0.2), ("b", 0.5))]
    return tiny_models.save(path, [node(kind, ["in", "s", "b"], ["out"])], constants=ones)


def noise(width, height):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(300, 212), (128, 128), (129, 515)])
def test_tiles_of_a_local_network_give_the_whole_picture(size, tmp_path):
    path = local_network(tmp_path / "local.onnx")
    whole, tiled = (rotoscope.load(path, multiple=4, tile=tile) for tile in (None, "144"))
    image = noise(*size)
    expected, found = whole(image), tiled(image)
    assert found.shape == (2 * size[1], 2 * size[0], 3)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_seams_are_exact_and_not_only_alike(tmp_path):
    file = open_model(local_network(tmp_path / "local.onnx"), {"frame.multiple": 4})
    engine = make_engine(file)
    picture = np.random.default_rng(0).random((1, 3, 260, 404), np.float32)
    tiled = in_tiles(file, engine, "128", frozen=False, engine_of=lambda _: engine)
    results = []
    for one in (engine, tiled):
        out = {"out": np.full(one.shapes({"in": picture}, {})["out"], np.nan, np.float32)}
        one.run({"in": picture}, {}, out, {})
        results.append(out["out"])
    assert np.abs(results[0] - results[1]).max() < 1e-5


def test_the_reach_is_at_least_what_an_impulse_shows(tmp_path):
    path = local_network(tmp_path / "local.onnx")
    reach = reach_of(path, {"in"}, "out", nhwc=False)
    engine = make_engine(open_model(path, {"frame.multiple": 4}))
    picture = np.random.default_rng(0).random((1, 3, 160, 160), np.float32)
    changed = picture.copy()
    changed[..., 80, 80] += 5
    out = [np.empty((1, 3, 320, 320), np.float32) for _ in range(2)]
    for given, made in zip((picture, changed), out, strict=True):
        engine.run({"in": given}, {}, {"out": made}, {})
    rows = np.flatnonzero((out[0] != out[1]).any(axis=(0, 1, 3))) // 2
    seen = max(80 - rows[0], rows[-1] - 80)
    assert seen <= reach.pixels <= seen + 16
    assert reach.alignment == 4


@pytest.mark.parametrize("tile", ["40", "x", "1024:", "128:100", "99999999"])
def test_what_is_no_tile_is_refused(tile, tmp_path):
    with pytest.raises(rotoscope.UsageError, match=r"--tile .*; accepted: a side from 64 pixels on"):
        rotoscope.load(tiny_models.identity(tmp_path / "m.onnx"), tile=tile)(noise(8, 8))


def test_a_named_overlap_blends_tiles_that_differ(tmp_path):
    path = normed(tmp_path / "norm.onnx")
    blended = rotoscope.load(path, tile="96:16")(np.full((100, 200, 3), 90, np.uint8))
    assert (blended == blended[0, 0]).all()
    ramp = np.broadcast_to(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], (100, 200, 3))
    steps = np.diff(rotoscope.load(path, tile="96:32")(ramp)[50, :, 0].astype(int))
    assert np.abs(steps).max() < 12  # no seam


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (1, 3, 64, 64)}, "takes one size only"),
        ({"side": "64", "network": far_seeing}, "looks 41 pixels to each side; accepted: a side from 84 on"),
    ],
)
def test_other_networks_that_take_no_tiles(change, words, tmp_path):
    side, network = change.pop("side", "128"), change.pop("network", tiny_models.identity)
    path = network(tmp_path / "m.onnx", **change)
    with pytest.raises(rotoscope.UsageError, match=words):
        rotoscope.load(path, tile=side)(noise(200, 100))


def test_a_checkpoint_of_the_torch_engine_takes_no_tiles(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(build(named("CartoonGAN")).state_dict(), path)
    with pytest.raises(rotoscope.UsageError, match="runs as a checkpoint; accepted: --engine onnxruntime, openvino"):
        rotoscope.load(path, engine="torch", tile="512")(noise(20, 20))


def test_a_size_that_the_graph_computes_is_not_taken_for_local(tmp_path):
    nodes = [
        node("Shape", ["in"], ["shape"]), node("Resize", ["in", "", "", "shape"], ["out"], mode="linear"),
    ]  # fmt: skip
    path = tiny_models.save(tmp_path / "m.onnx", nodes)
    with pytest.raises(rotoscope.UsageError, match="Resize to a size that depends on the picture's"):
        rotoscope.load(path, tile="128")(noise(200, 100))


def test_a_video_in_tiles(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "c.mkv", frames=2, size=(150, 90))
    for name, tile in (("a.mkv", None), ("b.mkv", "64")):
        rotoscope.translate(str(clip), str(tmp_path / name), model=identity, codec="ffv1", steady="off", tile=tile)
    pairs = zip(rotoscope.read(str(tmp_path / "a.mkv")), rotoscope.read(str(tmp_path / "b.mkv")), strict=True)
    assert all((rotoscope.rgb(a.source) == rotoscope.rgb(b.source)).all() for a, b in pairs)
