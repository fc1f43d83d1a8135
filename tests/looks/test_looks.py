"""The bundled looks: file size, card, flicker frame by frame, no lattice, and that each is more than a colour filter."""

import sys
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from shared_data import SHARED, need_shared

import rotoscope
from rotoscope.assembly.models import bundled_looks, model_path
from rotoscope.demo import Scene, Sensor
from rotoscope.demo.clip import noisy_frames
from rotoscope.metrics.lattice import lattice_share

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from make_painted_looks import make

LOOKS = bundled_looks()
FILTERS = [name for name in LOOKS if rotoscope.info(name).manifest.system == "classical filters"]
PAINTED = [name for name in LOOKS if name not in FILTERS]
NETWORKS = resources.files("rotoscope") / "looks" / "networks"  # of the painted ones, before their finish
NUM_FRAMES = 4
MOST_LATTICE = 0.003  # of fine detail, in the picture and in tiles
LEAST_CHANGE = 0.1  # LPIPS to the source: a look that changes nothing has no lattice either


@pytest.fixture(scope="module")
def scene():
    return Scene(640, 360, NUM_FRAMES, seed=3)


@pytest.fixture(scope="module")
def sources(scene):
    return list(noisy_frames(scene, Sensor(seed=3)))


@pytest.fixture(scope="module")
def results(sources):
    """Return look -> its results for all frames."""
    return {name: [look(frame) for frame in sources] for name in LOOKS for look in [rotoscope.load(name)]}


def warping_error(scene, frames):
    """Return the mean squared difference of frame t and frame t+1 warped by the true flow, without occlusions; RGB in [0,1]."""
    errors = []
    y, x = np.mgrid[:360, :640].astype(np.float32)
    for t in range(len(frames) - 1):
        flow, visible = scene.flow(t, t + 1), ~scene.occlusion(t, t + 1)
        warped = cv2.remap(
            frames[t + 1], x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
        )
        difference = (warped.astype(np.float64) - frames[t]) / 255
        errors.append((difference[visible] ** 2).mean())
    return np.mean(errors)


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_at_most_one_megabyte_with_a_card(look):
    folder = resources.files("rotoscope") / "looks"
    assert len((folder / f"{look}.onnx").read_bytes()) <= 1_000_000
    card = (folder / f"{look}.md").read_text()
    words = ("licence", "command", "time", "warping error", "lattice", "shift")
    for word in words + (("painting", "photographs") if look in PAINTED else ("filter",)):
        assert word in card.lower()


def flicker(scene, pictures):
    """Warping error, divided by the variance, because a look of less contrast flickers less without being steadier."""
    return warping_error(scene, pictures) / np.var(np.stack(pictures) / 255)


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_flickers_little_in_relation_to_its_variance(look, scene, results):
    """The source itself has 0.009."""
    assert rotoscope.info(look).manifest.is_steady
    assert flicker(scene, results[look]) < 0.02


@pytest.mark.parametrize("look", PAINTED)
def test_the_finish_takes_the_flicker_of_the_network_away(look, scene, sources, results):
    network = rotoscope.load(NETWORKS / f"{look}.onnx")
    assert flicker(scene, results[look]) < 0.5 * flicker(scene, [network(frame) for frame in sources])


@pytest.mark.parametrize("look", PAINTED)
def test_the_file_is_what_the_script_makes_of_the_network(look):
    shipped, made = (onnx.load(model_path(look)), make(onnx.load(NETWORKS / f"{look}.onnx"), look))
    for model in (shipped, made):
        del model.metadata_props[:]
    assert shipped.SerializeToString(deterministic=True) == made.SerializeToString(deterministic=True)


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_called_what_its_file_is_called(look):
    assert rotoscope.load(look).file.manifest.name == look


@pytest.mark.parametrize("look", LOOKS)
def test_it_prints_no_lattice_on_a_generated_picture(look, results):
    assert max(lattice_share(results[look][0])) <= MOST_LATTICE


@pytest.fixture(scope="module")
def photographs():
    folder = need_shared(SHARED / "data" / "images" / "content")
    names = ("tubingen.jpg", "leopard.jpg", "plumeria.jpg")
    return {name: cv2.imread(str(folder / name))[:360, :640, ::-1].copy() for name in names}


@pytest.fixture(scope="module")
def lpips():
    from rotoscope.metrics.feature_distances import LpipsDistance

    return LpipsDistance(need_shared(SHARED / "data" / "weights" / "lpips" / "lpips_squeeze_v0.1.pth"))


@pytest.mark.parametrize("look", LOOKS)
def test_it_prints_no_lattice_on_photographs_and_changes_them(look, photographs, lpips):
    paint = rotoscope.load(look)
    for name, picture in photographs.items():
        made = paint(picture)
        assert max(lattice_share(made)) <= MOST_LATTICE, name
        assert lpips(made, picture) >= LEAST_CHANGE, name


@pytest.mark.parametrize("look", FILTERS)
def test_a_filter_answers_to_a_shift_by_one_pixel_with_the_shifted_picture(look, sources):
    paint, picture = rotoscope.load(look), sources[0]
    whole = paint(picture).astype(float)
    moved = paint(np.ascontiguousarray(picture[1:-3, 1:-3]))
    assert np.abs(moved - whole[1:-3, 1:-3])[32:-32, 32:-32].mean() < 2  # levels of 255


@pytest.mark.parametrize("look", PAINTED)
def test_it_is_a_painting_not_a_colour_filter(look, sources, results):
    """The best function of the source's colour leaves at least 0.2 of the variance unexplained; for a colour filter it is 0."""
    source, result = sources[0].astype(np.float64), results[look][0].astype(np.float64)
    bins = (sources[0] // 16).astype(int)
    index = bins[..., 0] * 256 + bins[..., 1] * 16 + bins[..., 2]
    counts = np.maximum(np.bincount(index.ravel(), minlength=4096), 1)
    by_colour = np.stack([np.bincount(index.ravel(), result[..., c].ravel(), 4096) / counts for c in range(3)], axis=1)
    unexplained = ((result - by_colour[index]) ** 2).mean() / result.var(axis=(0, 1)).mean()
    assert unexplained > 0.2
    assert source.shape == result.shape
