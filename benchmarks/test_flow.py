"""Measure flow sources against true flow: end-point error and time of each preset and scale of DIS, and of RAFT-small.

The error is the mean distance in pixels between the found and the true end point over pixels whose flow is known and whose
target is visible (Baker et al. 2011). Pairs: three of the demo scene with its sensor's noise and, if the folder `shared`
exists beside the checkout, four of Middlebury and one of FlyingChairs. Times are of one direction of a 640x360 pair.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from rotoscope.demo import Scene, Sensor
from rotoscope.runtime.motion.dis import EFFORTS, DisFlow

SHARED = Path(__file__).parents[2] / "shared" / "data"
ROUNDS = int(os.environ.get("ROUNDS", "20"))
UNKNOWN = 1e8  # pixels; larger values mark pixels without a known flow (Middlebury)
DEMO_FRAMES = (10, 60, 110)


def read_flo(path):
    """Read a .flo file: a magic number, width, height, then (u, v) of each pixel, little-endian float32."""
    width, height = np.fromfile(path, "<i4", 2, offset=4)
    return np.fromfile(path, "<f4", offset=12).reshape(height, width, 2)


def read_rgb(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def pairs():
    return true_pairs()


def true_pairs():
    """Name -> pairs of (H,W,3) uint8 pictures with true flow and a mask of pixels that count."""
    scene, sensor = Scene(), Sensor()
    found = {
        "demo scene": [
            (
                *(sensor.capture(scene.picture(i), i) for i in (t, t + 1)),
                scene.flow(t, t + 1),
                ~scene.occlusion(t, t + 1),
            )
            for t in DEMO_FRAMES
        ]
    }
    for truth in sorted(SHARED.glob("flow/*/*.flo")):
        chairs = (truth.parent / "img1.png").exists()
        first, second = ("img1.png", "img2.png") if chairs else ("frame10.png", "frame11.png")
        flow = read_flo(truth)
        known = (np.abs(flow) < UNKNOWN).all(axis=2)
        found[truth.parent.name] = [(read_rgb(truth.parent / first), read_rgb(truth.parent / second), flow, known)]
    return found


def end_point_errors(estimate, pairs):
    def error(first, second, truth, counts):
        return np.linalg.norm(estimate(first, second) - truth, axis=2)[counts].mean()

    return {name: round(float(np.mean([error(*pair) for pair in several])), 3) for name, several in pairs.items()}


def measure(benchmark, estimate, pairs, rounds=ROUNDS):
    benchmark.group = "flow"
    first, second = pairs["demo scene"][0][:2]
    benchmark.pedantic(estimate, args=(first, second), rounds=rounds, iterations=1, warmup_rounds=1)
    errors = end_point_errors(estimate, pairs)
    benchmark.extra_info.update(errors)
    assert errors["demo scene"] < 1


@pytest.mark.parametrize("scale", [1.0, 0.75, 0.5, 0.25])
@pytest.mark.parametrize("preset", list(EFFORTS))
def test_dis(benchmark, preset, scale, pairs):
    measure(benchmark, DisFlow(preset, scale), pairs)


def test_raft_small(benchmark, pairs):
    torch = pytest.importorskip("torch")
    from rotoscope.export.checkpoint import open_checkpoint

    weights = SHARED / "weights" / "flow" / "raft-small.pth"
    if not weights.exists():
        pytest.skip("the weights of RAFT-small are in the shared data folder, which is not here")
    network = open_checkpoint(weights).network

    def estimate(first, second):
        height, width = first.shape[:2]
        pad = [(0, -height % 8), (0, -width % 8), (0, 0)]
        inputs = [
            torch.from_numpy(np.pad(picture, pad, mode="edge")).permute(2, 0, 1)[None].float()
            for picture in (first, second)
        ]
        with torch.inference_mode():
            flow = network(*inputs)
        return flow[0].permute(1, 2, 0)[:height, :width].numpy()

    measure(benchmark, estimate, pairs, rounds=2)
