"""Ten clips with their flow, and how a translated clip is measured on them.

E_warp is judged by inverse search at full size; the steadiers use DIS at half size. C_PSNR and C_SSIM need no flow. LPIPS
(SqueezeNet) to frame by frame stands in for the papers' FID: the weights of Inception-v3 are not at hand.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from steady_material import CLIPS, WEIGHTS, Pair, judge, read

from rotoscope import Translator
from rotoscope.metrics.feature_distances import LpipsDistance
from rotoscope.metrics.patch_consistency import PatchSearch, mean_psnr
from rotoscope.metrics.warping_error import warping_error
from rotoscope.runtime.motion.inverse_search import InverseSearchFlow
from tables.pieces import kept

PATCHES_EVERY = 3  # pairs of frames; the search takes more time than everything else
TEN = {
    "bikes": ("bikes.mp4", (160, 96), 0.0),
    "book": ("book.mkv", (128, 96), 0.0),
    "bunny": ("bbb_960x540_60fps_vp8.webm", (160, 96), 0.0),
    "car": ("car-detection.mp4", (160, 96), 4.0),
    "city": ("sample_with_increasing_timestamps_320w_240h_5s.mp4", (128, 96), 0.0),
    "cockatoo": ("cockatoo.mp4", (160, 96), 0.0),
    "flower": ("flower.mp4", (160, 96), 0.5),
    "sintel": ("demo.mp4", (160, 96), 0.0),
    "walk": ("walk.mkv", (128, 96), 0.8),
    "water": ("stream-of-water.webm", (128, 96), 0.0),
}  # name: file of ../shared/data, (width, height), seconds from its beginning


@dataclass(frozen=True)
class Clip:
    """Frames (H,W,3) uint8, flow from each to the next (T-1,H,W,2), and where it is valid (T-1,H,W) bool."""

    name: str
    frames: list[np.ndarray]
    flow: np.ndarray
    valid: np.ndarray


def clips(setup, num_frames):
    """Yield the ten clips in sorted order; two of four frames if tiny."""
    names = sorted(TEN)[:2] if setup.tiny else sorted(TEN)
    num_frames = 4 if setup.tiny else num_frames
    for name in names:
        file, size, start_s = TEN[name]

        def make(file=file, size=size, start_s=start_s):
            frames = list(read(Pair(None, CLIPS / file, size, start_s), num_frames))
            return {"frames": np.stack(frames), **judge(frames, InverseSearchFlow(scale=1.0))._asdict()}

        stored = kept(setup.work / "clips" / f"{name}.{num_frames}.npz", make)
        yield Clip(name, list(stored["frames"]), stored["flow"], stored["valid"].astype(bool))


def translated(weights, clip, *, masks=None, calibration=None, **options):
    """Return the clip's frames translated, (H,W,3) uint8; options as in `rotoscope.Translator`."""
    with Translator(weights, calibration=calibration, **options) as translator:
        pushed = [
            translator.push(frame, mask=None if masks is None else masks[t]) for t, frame in enumerate(clip.frames)
        ]
        return [frame for frame in pushed if frame is not None] + translator.flush()


def flicker(clip, shown, valid=None):
    """Return E_warp of a translated clip, over its valid pixels or those of `valid` (T-1,H,W)."""
    valid = clip.valid if valid is None else valid
    pairs = zip(shown, shown[1:], clip.flow, valid, strict=False)
    return float(np.nanmean([warping_error(a, b, flow, there) for a, b, flow, there in pairs]))


class Patches:
    """C_PSNR and C_SSIM of one method, on every third pair of frames; its random generators go on from clip to clip."""

    def __init__(self):
        self.psnr, self.ssim = PatchSearch(), PatchSearch()

    def __call__(self, shown):
        pairs = list(pairwise(shown))[::PATCHES_EVERY]
        return {
            "C_PSNR": mean_psnr([self.psnr.best_psnr(a, b) for a, b in pairs]),
            "C_SSIM": float(np.mean([self.ssim.best_ssim(a, b) for a, b in pairs])),
        }


def lpips():
    return LpipsDistance(WEIGHTS / "lpips" / "lpips_squeeze_v0.1.pth")


def mean_distance(distance, shown, plain):
    """Return the mean LPIPS of two clips, frame by frame."""
    return float(np.mean([distance(a, b) for a, b in zip(shown, plain, strict=True)]))
