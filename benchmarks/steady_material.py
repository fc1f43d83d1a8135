"""Clips, their frame-by-frame translations and flows, on which steady_quality.py judges methods.

Translations and flows take minutes; they are computed once and stored in a folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.stage import run_stage
from rotoscope.base.times import StageTimes
from rotoscope.demo.clip import noisy_frames
from rotoscope.demo.scene import Scene
from rotoscope.demo.sensor import Sensor
from rotoscope.metrics.warping_error import visible
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import MotionEstimator, MotionStage
from rotoscope.runtime.motion.inverse_search import InverseSearchFlow
from rotoscope.runtime.steady.insert import InsertFrames

DATA = Path(__file__).parents[2] / "shared" / "data"
CLIPS, WEIGHTS = DATA / "videos" / "clips", DATA / "weights"
MOST_PX = 640


@dataclass(frozen=True)
class Pair:
    """A network on a clip.

    weights  a checkpoint; None: the bundled look
    clip     a video; None: the demo clip, whose flow is known
    size     (width, height) that the clip is resized to; None: at most 640 pixels across
    start_s  seconds from its beginning
    crop     (width, height) of the middle that is used; None: whole frames
    first_judge  "RAFT-small"; or "inverse search" at full size, which needs a hundredth of its time
    """

    weights: Path | None
    clip: Path | None
    size: tuple[int, int] | None
    start_s: float = 0.0
    crop: tuple[int, int] | None = None
    first_judge: str = "RAFT-small"


MOSAIC, CANDY, RAIN = (WEIGHTS / "transformernet" / f"{name}_fp16.pth" for name in ("mosaic", "candy", "rain_princess"))
PAIRS = {
    "car": Pair(MOSAIC, CLIPS / "car-detection.mp4", (640, 360), 4.0),
    "flower": Pair(CANDY, CLIPS / "flower.mp4", (640, 360), 0.5),
    "sintel": Pair(MOSAIC, CLIPS / "demo.mp4", (640, 272)),
    "bikes": Pair(RAIN, CLIPS / "bikes.mp4", (640, 272)),
    "walk": Pair(WEIGHTS / "cartoongan" / "cartoongan_hayao_fp16.pth", CLIPS / "walk.mkv", (480, 360), 0.8),
    "demo": Pair(None, None, (640, 360)),
    "cockatoo": Pair(CANDY, CLIPS / "cockatoo.mp4", (640, 360)),
    "book": Pair(RAIN, CLIPS / "book.mkv", (480, 360)),
    "bunny": Pair(RAIN, CLIPS / "bbb_960x540_60fps_vp8.webm", (640, 360)),
    "water": Pair(CANDY, CLIPS / "stream-of-water.webm", (480, 360)),
    "phone": Pair(MOSAIC, CLIPS / "carphone_pristine.mp4", (352, 288)),
}
HELD_OUT = {"bunny", "water", "phone"}  # not used for choosing anything


class Judge(NamedTuple):
    """Flow from each frame to the next, (N-1,H,W,2), and where it is valid, (N-1,H,W) bool."""

    flow: np.ndarray
    valid: np.ndarray


class Material:
    """Source, frame-by-frame translation, motion and judges of one pair.

    judges  "RAFT-small", or "true" on the demo clip; and "DIS medium" at full size; no method uses these flows
    """

    def __init__(self, name: str, pair: Pair, num_frames: int, cache: Path) -> None:
        stored = kept(cache / f"{name}.{num_frames}.npz", lambda: translated(pair, num_frames))
        self.name, self.pair = name, pair
        self.source = list(stored["source"])
        self.plain = [four(picture) for picture in stored["plain"]]
        first = "true" if pair.clip is None else pair.first_judge
        self.judges = {
            first: Judge(stored["flow"], stored["valid"].astype(bool)),
            "DIS medium": Judge(**kept(cache / f"{name}.{num_frames}.dis.npz", self._dis_medium)),
        }
        estimator = MotionEstimator(DisFlow(scale=1.0), both_ways=True)
        moving = run_stage(MotionStage(estimator, StageTimes()), self._bare())
        self.motions = [frame.motion for frame in moving]
        self._inserted = cache / f"{name}.{num_frames}.inserted.npz"

    def _dis_medium(self) -> dict[str, np.ndarray]:
        return judge(self.source, DisFlow("medium", scale=1.0))._asdict()

    def _bare(self) -> Iterator[Frame]:
        for t, source in enumerate(self.source):
            yield Frame(t, t, Fraction(1, 25), 1, Picture((source,)))

    def frames(self, *, trusted: bool = True) -> Iterator[Frame]:
        """Translated frames with their motion; its trust is 1 everywhere unless `trusted`."""
        for frame, plain, motion in zip(self._bare(), self.plain, self.motions, strict=True):
            if motion is not None and not trusted:
                motion = replace(motion, trust=np.ones_like(motion.trust))  # noqa: PLW2901
            yield replace(frame, result=Picture((plain,)), motion=motion)

    def finer(self) -> Iterator[Frame]:
        """Yield the same frames with a translated frame half-way between every two."""
        between = (four(picture) for picture in kept(self._inserted, self._translated_between)["between"])
        for frame in self.frames():
            if frame.motion is not None:
                yield replace(frame, result=Picture((next(between),)), motion=None, inserted=True)
            yield frame

    def _translated_between(self) -> dict[str, np.ndarray]:
        """Translations of the inserted frames, in order, (N,H,W,3) float16."""
        frames = (replace(frame, motion=motion) for frame, motion in zip(self._bare(), self.motions, strict=True))
        inserted = [frame for frame in run_stage(InsertFrames(1, StageTimes()), frames) if frame.inserted]
        with rotoscope.Translator(network(self.pair), steady="off", in_flight=1) as translator:
            results = [frame.pixels()[..., :3] for frame in translator.stream(inserted)]
        return {"between": np.stack(results).astype(np.float16)}


def kept(path: Path, make) -> dict[str, np.ndarray]:
    """Return the arrays stored at `path`; make and store them first if the file does not exist."""
    if not path.exists():
        np.savez(path, **make())
    with np.load(path) as stored:
        return dict(stored)


def network(pair: Pair) -> rotoscope.Model:
    return rotoscope.load("starry") if pair.weights is None else rotoscope.load(pair.weights, engine="torch")


def translated(pair: Pair, num_frames: int) -> dict[str, np.ndarray]:
    """Source (N,H,W,3) uint8, translation (N,H,W,3) float16 in [0,1], and the first judge."""
    if pair.clip is None:
        scene = Scene(*(pair.crop or pair.size), num_frames)
        source = list(noisy_frames(scene, Sensor(seed=0)))
        flow = np.stack([scene.flow(t, t + 1) for t in range(num_frames - 1)])
        valid = ~np.stack([scene.occlusion(t, t + 1) for t in range(num_frames - 1)])
    else:
        source = list(read(pair, num_frames))
        flow, valid = judge(source, raft() if pair.first_judge == "RAFT-small" else InverseSearchFlow(scale=1.0))
    model = network(pair)
    plain = np.stack([model(picture) for picture in source])
    return {"source": np.stack(source), "plain": plain.astype(np.float16) / 255, "flow": flow, "valid": valid}


def read(pair: Pair, num_frames: int) -> Iterator[np.ndarray]:
    """The first frames of a pair's clip, (H,W,3) uint8."""
    with rotoscope.read(pair.clip, start=pair.start_s) as reader:
        for _, frame in zip(range(num_frames), reader, strict=False):
            width = min(MOST_PX, frame.source.width)
            size = pair.size or (width, round(width * frame.source.height / frame.source.width))
            picture = cv2.resize(rotoscope.rgb(frame.source), size, interpolation=cv2.INTER_AREA)
            yield picture if pair.crop is None else middle(picture, pair.crop)


def middle(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H,W,3): the middle of a picture, `size` (width, height) pixels or what there is."""
    left, top = (max(0, (whole - part) // 2) for whole, part in zip(picture.shape[1::-1], size, strict=True))
    return np.ascontiguousarray(picture[top : top + size[1], left : left + size[0]])


def judge(pictures: list[np.ndarray], estimate) -> Judge:
    """Return the forward flow, valid where it passes the forward-backward check."""
    there = [estimate(a, b) for a, b in pairwise(pictures)]
    back = [estimate(b, a) for a, b in pairwise(pictures)]
    return Judge(np.stack(there), np.stack([visible(a, b) for a, b in zip(there, back, strict=True)]))


def raft():
    """RAFT-small: two pictures (H,W,3) uint8 -> (H,W,2) float32."""
    import torch

    from rotoscope.export.checkpoint import open_checkpoint

    model = open_checkpoint(WEIGHTS / "flow" / "raft-small.pth").network.float()

    def estimate(a, b):
        a, b = (torch.from_numpy(picture).permute(2, 0, 1)[None].float() for picture in (a, b))
        with torch.inference_mode():
            return np.ascontiguousarray(model(a, b)[0].permute(1, 2, 0).numpy())

    return estimate


def four(picture: np.ndarray) -> np.ndarray:
    """(H,W,3) -> (H,W,4) float32, the fourth channel 0."""
    return np.ascontiguousarray(np.dstack([picture, np.zeros_like(picture[..., :1])]), np.float32)
