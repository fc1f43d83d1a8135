"""Measure the time that steadying takes: HyperCon beside common implementations, blend and key frames beside frame by frame.

For HyperCon the time of the network is not counted. Competent: DIS (medium, full size) between neighbouring frames, composed
flows, cv2.remap, NumPy's median. Naive: DIS for every pair, torch's grid_sample, a stacked median. Ours is what
`--steady hypercon` does. Reported too: E_warp by the scene's true flow and, if the weights exist, LPIPS to frame by frame.
"""

import os
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.stage import run_stage
from rotoscope.base.times import StageTimes
from rotoscope.demo import Scene, Sensor, make_clip
from rotoscope.demo.clip import noisy_frames
from rotoscope.metrics.warping_error import warping_error
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import MotionEstimator, MotionStage
from rotoscope.runtime.pipeline.steadiness import WORKING_SCALE
from rotoscope.runtime.steady.hypercon import HyperCon, Neighbourhood
from rotoscope.runtime.steady.insert import InsertFrames

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SIZE = 640, 360
NUM_FRAMES = 8
SCENE = Scene(*SIZE, NUM_FRAMES)
AROUND = Neighbourhood(insert=3, window=2, dilation=2, pool="median")
LPIPS_WEIGHTS = Path(__file__).parents[2] / "shared/data/weights/lpips/lpips_squeeze_v0.1.pth"


class Painter:
    """The bundled look, and a clock that excludes the time of the network."""

    def __init__(self):
        self.look, self.seconds = rotoscope.load("starry"), 0.0

    def __call__(self, picture, channels=3):
        """(H,W,3) uint8 or (H,W,4) float32 -> (H,W,channels) float32."""
        begin = time.perf_counter()
        if picture.dtype != np.uint8:
            picture = np.uint8(np.round(np.clip(picture[..., :3], 0, 1) * 255))
        painted = np.zeros((*picture.shape[:2], channels), np.float32)
        painted[..., :3] = self.look(picture) / np.float32(255)
        self.seconds += time.perf_counter() - begin
        return painted

    def clock(self):
        return time.perf_counter() - self.seconds


PAINT = Painter()


@pytest.fixture(scope="module")
def pictures():
    """Source frames (H,W,3) uint8."""
    return list(noisy_frames(SCENE, Sensor(seed=0)))


def ours(pictures):
    times, around = StageTimes(), AROUND.needed()
    frames = (Frame(t, t, Fraction(1, 30), 1, Picture((picture,))) for t, picture in enumerate(pictures))
    estimator = MotionEstimator(DisFlow(scale=1.0), scale=WORKING_SCALE, both_ways=True)
    moving = run_stage(MotionStage(estimator, times), frames)

    def translated():
        for frame in run_stage(InsertFrames(around.insert, times), moving):
            yield replace(frame, result=Picture((PAINT(frame.source.planes[0], channels=4),)))

    pooled = run_stage(HyperCon(around, lambda size: (0, 0, *size), times), translated())
    return [frame.pixels()[..., :3] for frame in pooled]


def inserted(pictures, pair_flows):
    """Interpolated pictures by cv2.remap, and their source in grey."""
    fine = []
    for a, b, (there, back) in zip(pictures, pictures[1:], pair_flows, strict=False):
        fine.append(a)
        for step in range(1, AROUND.steps):
            t = step / AROUND.steps
            from_a = remapped(a.astype(np.float32), t * t * back - t * (1 - t) * there)
            from_b = remapped(b.astype(np.float32), (1 - t) ** 2 * there - t * (1 - t) * back)
            fine.append(np.uint8(np.clip((1 - t) * from_a + t * from_b, 0, 255)))
    return [*fine, pictures[-1]]


def remapped(picture, flow):
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    map_x, map_y = np.float32(x + flow[..., 0]), np.float32(y + flow[..., 1])
    return cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def dis(a, b):
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (a, b)]
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)


def pooled_around(fine, flow_to, sample):
    painted = [PAINT(picture) for picture in fine]
    results = []
    for center in range(0, len(fine), AROUND.steps):
        stack = [painted[center]]
        for k in range(-AROUND.window, AROUND.window + 1):
            other = center + k * AROUND.dilation
            if k and 0 <= other < len(fine):
                stack.append(sample(painted[other], flow_to(center, other)))
        results.append(np.median(np.stack(stack), axis=0))
    return results


def competent(pictures):
    flows = [(dis(a, b), dis(b, a)) for a, b in pairwise(pictures)]

    def flow_to(center, other):
        place, steps = center // AROUND.steps, abs(other - center)
        total = np.zeros_like(flows[0][0])
        while steps:
            ahead = other > center
            onward = flows[place][0] if ahead else flows[place - 1][1]
            part = min(steps, AROUND.steps)
            total = total + remapped(onward * np.float32(part / AROUND.steps), total)
            steps -= part
            place += 1 if ahead else -1
        return total

    return pooled_around(inserted(pictures, flows), flow_to, remapped)


def naive(pictures):
    import torch

    def grid_sampled(picture, flow):
        height, width = flow.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        grid = np.stack([2 * (x + flow[..., 0]) / (width - 1) - 1, 2 * (y + flow[..., 1]) / (height - 1) - 1], axis=2)
        tensor = torch.from_numpy(picture).permute(2, 0, 1)[None]
        places = torch.from_numpy(np.float32(grid))[None]
        sampled = torch.nn.functional.grid_sample(tensor, places, padding_mode="border", align_corners=True)
        return sampled[0].permute(1, 2, 0).numpy()

    flows = [(dis(a, b), dis(b, a)) for a, b in pairwise(pictures)]
    fine = inserted(pictures, flows)
    return pooled_around(fine, lambda center, other: dis(fine[center], fine[other]), grid_sampled)


def levels(pictures):
    return [np.uint8(np.round(np.clip(picture, 0, 1) * 255)) for picture in pictures]


def flicker(results, scene=SCENE):
    """Mean E_warp of (H,W,3) float pictures by the scene's true flow."""

    def error(a, b, t):
        return warping_error(a, b, scene.flow(t, t + 1), ~scene.occlusion(t, t + 1))

    return float(np.mean([error(a, b, t) for t, (a, b) in enumerate(pairwise(levels(results)))]))


def closeness(results, plain):
    """Mean LPIPS to the frame-wise pictures; None without the weights."""
    if not LPIPS_WEIGHTS.exists():
        return None
    from rotoscope.metrics.feature_distances import LpipsDistance

    distance = LpipsDistance(LPIPS_WEIGHTS)
    pairs = zip(levels(results), levels(plain), strict=True)
    return round(float(np.mean([distance(a, b) for a, b in pairs])), 4)


@pytest.fixture(scope="module")
def errors():
    """E_warp of each implementation that has run."""
    return {}


@pytest.mark.benchmark(group="hypercon, i=3, window 2, dilation 2, generator left out", timer=PAINT.clock)
@pytest.mark.parametrize("kind", ["rotoscope", "competent", "naive"])
def test_hypercon(benchmark, kind, pictures, errors):
    run = {"rotoscope": ours, "competent": competent, "naive": naive}[kind]
    results = benchmark.pedantic(run, args=(pictures,), rounds=ROUNDS, warmup_rounds=1)
    plain = [PAINT(picture) for picture in pictures]
    errors[kind] = flicker(results)
    benchmark.extra_info.update(
        frames=NUM_FRAMES,
        ms_per_frame=round(benchmark.stats["median"] / NUM_FRAMES * 1e3, 1),
        e_warp_gain=round(flicker(plain) / errors[kind], 2),
        lpips=closeness(results, plain),
    )
    assert errors["rotoscope"] <= 1.03 * errors[kind]


@pytest.mark.benchmark(group="the bundled look, end to end, 640x360")
@pytest.mark.parametrize("options", [
    {"steady": "off"}, {"steady": "blend"}, {"steady": "off", "keyframes": 4}, {"steady": "blend", "keyframes": 4},
], ids=lambda options: " ".join(map(str, options.values())))  # fmt: skip
def test_chain(benchmark, options, tmp_path):
    make_clip(tmp_path / "clip.mp4", num_frames=90)
    look = rotoscope.load("starry")

    def run():
        return rotoscope.translate(tmp_path / "clip.mp4", tmp_path / "out.mp4", model=look, overwrite=True, **options)

    done = benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info.update(fps=done.frames_out / benchmark.stats["min"])
    assert done.frames_out == 90


@pytest.fixture(scope="module")
def resnet9(tmp_path_factory):
    """CycleGAN's generator of published size with random weights; it takes the same time as a trained one."""
    torch = pytest.importorskip("torch")
    from rotoscope.networks.resnet import ResnetGenerator

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("resnet9") / "latest_net_G_A.pth"
    torch.save(ResnetGenerator().state_dict(), path)
    return rotoscope.load(path)


TINY = Scene(192, 108, 100)
MANY = 10_000


def resident_mb():
    """Return the resident memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.benchmark(group="memory over 10,000 frames of 192x108")
@pytest.mark.parametrize("options", [
    {"steady": "blend"}, {"steady": "hypercon"}, {"steady": "blend", "keyframes": 4},
], ids=lambda options: " ".join(map(str, options.values())))  # fmt: skip
def test_memory_is_flat(benchmark, options):
    there = list(noisy_frames(TINY, Sensor(seed=0)))
    pictures = [*there, *there[-2:0:-1]]  # forward and backward, so that there is no cut

    def frames():
        for t in range(MANY):
            yield Frame(t, t, Fraction(1, 30), 1, Picture((pictures[t % len(pictures)],)))

    def run():
        with rotoscope.Translator("starry", **options) as translator:
            return [resident_mb() for frame in translator.stream(frames()) if frame.index % 100 == 99]

    held = benchmark.pedantic(run, rounds=1)
    early, late = max(held[5:10]), max(held[-5:])
    benchmark.extra_info.update(frames=MANY, mb_at_1000=round(early), mb_at_10000=round(late))
    assert len(held) == MANY // 100
    assert late - early < 10


SMALL = Scene(256, 256, 48)


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "clip.mp4"
    make_clip(path, width=SMALL.width, height=SMALL.height, num_frames=SMALL.num_frames)
    return path


def translated(clip, model, **options):
    """(H,W,3) float32 results, before any encoding."""
    with rotoscope.read(clip) as frames, rotoscope.Translator(model, **options) as translator:
        return [frame.result[..., :3] for frame in translator.stream(frames)]


@pytest.fixture(scope="module")
def plain(small_clip, resnet9):
    return translated(small_clip, resnet9, steady="off")


@pytest.mark.timeout(3600)  # a busy machine takes a second for a frame
@pytest.mark.benchmark(group="ResNet-9 at 256x256, end to end")
@pytest.mark.parametrize("options", [
    {"steady": "off"}, {"steady": "off", "keyframes": 4}, {"steady": "blend", "keyframes": 4},
], ids=lambda options: " ".join(map(str, options.values())))  # fmt: skip
def test_key_frames_of_a_heavy_network(benchmark, options, resnet9, small_clip, plain, tmp_path):
    def run():
        return rotoscope.translate(small_clip, tmp_path / "out.mp4", model=resnet9, overwrite=True, **options)

    done = benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    shown = translated(small_clip, resnet9, **options)
    benchmark.extra_info.update(
        fps=round(done.frames_out / benchmark.stats["median"], 2),
        e_warp_gain=round(flicker(plain, SMALL) / flicker(shown, SMALL), 2),
        lpips=closeness(shown, plain),
    )
    assert done.frames_out == SMALL.num_frames
