"""Promise: memory does not grow with the number of frames, pictures or models.

Growth is the change of the resident memory between two moments after a warm-up. A leak of one picture of 96x64
(74 KB of floats) for each frame would show as 22 MB in the short form, and as 700 MB in the full one.
"""

import gc
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tiny_models

import rotoscope
from rotoscope.base.frame import Frame, Picture

IS_FULL = os.environ.get("ROTOSCOPE_PROMISES") == "full"
FRAMES = 10_000 if IS_FULL else 400
PICTURES = 1_000 if IS_FULL else 100
MODELS = 200 if IS_FULL else 20
WARM_UP = 100  # frames after which buffers, threads and caches are there
MOST_GROWTH_MB = 40 if IS_FULL else 12
SIZE = (96, 64)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the system does not report resident memory"
)

METHODS = {
    "off": {"steady": "off"},
    "blend": {"steady": "blend"},
    "ramp": {"steady": "ramp"},
    "key frames": {"steady": "off", "keyframes": 4},
    "hypercon mean": {"steady": "hypercon", "insert": 1, "window": 1, "dilation": 1},
    "hypercon median": {"steady": "hypercon", "insert": 1, "window": 1, "dilation": 1, "pool": "median"},
    "hypercon weighted": {"steady": "hypercon", "insert": 1, "window": 1, "dilation": 1, "pool": "weighted"},
}


def resident_mb():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def grown_mb(steps, num, warm_up):
    """Take `num` steps; the growth from the end of the warm-up to the end."""
    before = None
    for index, _ in enumerate(steps):
        if index == warm_up:
            before = resident_mb()
    assert index == num - 1
    return resident_mb() - before


@pytest.fixture
def figures(record_property, request):
    def record(growth):
        record_property("growth_mb", round(growth, 1))
        with request.getfixturevalue("capsys").disabled():
            print(f"\n{request.node.name}: {growth:+.1f} MB")

    return record


def moving(num):
    """Texture that moves and a cut now and then, as frames in memory; each is made when it is asked for."""
    texture = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    for index in range(num):
        picture = (
            np.roll(texture, index % 40, axis=1) if index // 97 % 2 else np.roll(texture[::-1], index % 40, axis=0)
        )
        yield Frame(index, index, Fraction(1, 25), 1, Picture((np.ascontiguousarray(picture),)))


@pytest.mark.parametrize("method", METHODS)
def test_frames_of_a_stream(method, identity, figures):
    with rotoscope.Translator(identity, threads=2, in_flight=2, **METHODS[method]) as translator:
        growth = grown_mb(translator.stream(moving(FRAMES)), FRAMES, WARM_UP)
    figures(growth)
    assert growth < MOST_GROWTH_MB


def test_frames_of_a_file(identity, tmp_path, figures):
    """The whole line, with decoder, encoder and the sink; twice as many frames may not need more memory."""
    seen = []
    num = FRAMES // 2

    def watch(progress):
        if progress.done in (WARM_UP, num):
            seen.append(resident_mb())

    source = f"synthetic:{SIZE[0]}x{SIZE[1]}@25"
    rotoscope.translate(
        source, tmp_path / "out.mp4", model=identity, steady="blend", duration=num / 25, threads=2, on_progress=watch
    )
    growth = seen[-1] - seen[0]
    figures(growth)
    assert len(seen) == 2 and growth < MOST_GROWTH_MB


def test_pictures_through_one_model(tmp_path, figures):
    model = rotoscope.load(tiny_models.invert(tmp_path / "invert.onnx"))
    chance = np.random.default_rng(0)

    def pictures():
        for index in range(PICTURES):
            size = (48 + 8 * (index % 5), 64, 3)  # every size has buffers of its own
            yield model(chance.integers(0, 256, size, np.uint8))

    growth = grown_mb(pictures(), PICTURES, PICTURES // 4)
    figures(growth)
    assert growth < MOST_GROWTH_MB


def test_models_that_are_opened_and_dropped(tmp_path, figures):
    picture = np.zeros((48, 64, 3), np.uint8)

    def opened():
        for index in range(MODELS):
            yield rotoscope.load(tiny_models.affine(tmp_path / f"{index % 5}.onnx", 0.9, index / 1000))(picture)

    growth = grown_mb(opened(), MODELS, MODELS // 4)
    figures(growth)
    assert growth < MOST_GROWTH_MB
