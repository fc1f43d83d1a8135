"""What steadying costs: HyperCon's pooling beside the forms that people write, and blend beside frame by frame.

Generator time is left out of the first: the translated frames are there. Competent: DIS between neighbouring frames, flows
composed, cv2.remap, NumPy's median. Naive: DIS for every pair, torch's grid_sample, a stacked median.
"""

import os
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

import rotoscope
from rotoscope.demo import Scene, Sensor, make_clip
from rotoscope.demo.clip import noisy_frames
from rotoscope.frame import Frame, Picture
from rotoscope.runtime.flow.dis import DisFlow
from rotoscope.runtime.flow.motion import MotionEstimator, with_motion
from rotoscope.runtime.stage_times import StageTimes
from rotoscope.runtime.steady.hypercon import HyperCon, Neighbourhood
from rotoscope.runtime.steady.insert import insert_frames

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SIZE = 640, 360
NUM_FRAMES = 8
AROUND = Neighbourhood(insert=3, window=2, dilation=2, pool="median")


@pytest.fixture(scope="module")
def pictures():
    """Source frames (H,W,3) uint8; their translations are their own negatives, which any flow suits as well."""
    return list(noisy_frames(Scene(*SIZE, NUM_FRAMES), Sensor(seed=0)))


def negative(picture):
    return np.ascontiguousarray(np.dstack([1 - picture[..., :3], np.zeros_like(picture[..., :1])]), np.float32)


def ours(pictures):
    times = StageTimes()
    frames = (Frame(t, t, Fraction(1, 30), 1, Picture((picture,))) for t, picture in enumerate(pictures))
    moving = with_motion(frames, MotionEstimator(DisFlow(scale=1.0), both_ways=True), times)

    def translated():
        for frame in insert_frames(moving, AROUND.insert, times):
            planes = frame.source.planes[0]
            frame.result = negative(planes.astype(np.float32) / (255 if planes.dtype == np.uint8 else 1))
            yield frame

    pooled = HyperCon(AROUND, lambda size: (0, 0, *size), times)(translated())
    return [frame.result[..., :3] for frame in pooled]


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
    results = []
    for center in range(0, len(fine), AROUND.steps):
        stack = [1 - fine[center].astype(np.float32) / 255]
        for k in range(-AROUND.window, AROUND.window + 1):
            other = center + k * AROUND.dilation
            if k and 0 <= other < len(fine):
                stack.append(sample(1 - fine[other].astype(np.float32) / 255, flow_to(center, other)))
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


@pytest.mark.benchmark(group="hypercon, i=3, window 2, dilation 2, generator left out")
@pytest.mark.parametrize("kind", ["rotoscope", "competent", "naive"])
def test_hypercon(benchmark, kind, pictures):
    run = {"rotoscope": ours, "competent": competent, "naive": naive}[kind]
    results = benchmark.pedantic(run, args=(pictures,), rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info.update(frames=NUM_FRAMES, ms_per_frame=benchmark.stats["min"] / NUM_FRAMES * 1e3)
    wanted = [1 - picture.astype(np.float32) / 255 for picture in pictures]
    errors = [np.abs(a - b).mean() for a, b in zip(results, wanted, strict=True)]
    assert np.mean(errors) < 0.05


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
