"""Training frames: clips of picture files, from folders of pictures and from videos that are decoded once.

A path names one or several clips: a folder of pictures is one clip, a video is one, a folder of folders and videos holds
several. The first use decodes a video to PNG files in the user's cache, with a list of the frames at which a scene begins;
`rotoscope frames` does the same into a given folder.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.cache import cache_folder, trim, use
from rotoscope.base.errors import InputRefused, OutputFailed
from rotoscope.base.files import why_unusable
from rotoscope.base.parts import Part
from rotoscope.base.stage import Chain, run_stage
from rotoscope.base.times import StageTimes
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.runtime.media.open_source import open_source
from rotoscope.runtime.media.sequence_files import READABLE, sequence_files
from rotoscope.runtime.motion.cuts import CutAtSizeChange
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import MotionEstimator, MotionStage
from rotoscope.training.data.line_drawings import line_drawing

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif", ".y4m", ".mpg", ".ts", ".mxf")
CUTS = "cuts.json"  # beside the frames: the numbers of the frames at which a scene begins
MAX_CUTS_BYTES = 16 << 20
CUT_SIDE_PX = 180  # shorter side of the pictures in which cuts are detected, at most half of the video's
PNG_COMPRESSION = 1  # zlib's fastest: reading time matters more than disk space

Clip = list[Path]


def clips_of(path: Path, *, shorter_side: int = 0) -> list[Clip]:
    """Return the clips of a path, each a list of its picture files in order; at least one. Decode new videos.

    Frames of videos with a longer shorter side are reduced to `shorter_side` pixels (0: never). Raises InputRefused.
    """
    if not path.exists():
        raise InputRefused(f"{path}: no such file or folder")
    if path.is_file():
        if path.suffix.lower() in READABLE:
            return [[path]]
        return [_cached(path, shorter_side)]
    inner = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    if any(item.suffix.lower() in READABLE and item.is_file() for item in inner):
        return [sequence_files(str(path)) or []]
    several = [item for item in inner if item.is_dir() or item.suffix.lower() in VIDEOS]
    clips = [clip for item in several for clip in clips_of(item, shorter_side=shorter_side)]
    if not clips:
        raise InputRefused(f"{path}: no pictures ({', '.join(READABLE)}), videos or folders of them in this folder")
    return clips


def split_at_cuts(views: Mapping[str, list[Clip]]) -> dict[str, list[Clip]]:
    """Split aligned views of clips into scenes, at every cut that any view has."""
    scenes: dict[str, list[Clip]] = {name: [] for name in views}
    for clips in zip(*views.values(), strict=True):
        cuts = {cut for clip in clips for cut in _read_cuts(clip) if 0 < cut < len(clip)}
        for begin, end in pairwise([0, *sorted(cuts), len(clips[0])]):
            for name, clip in zip(views, clips, strict=True):
                scenes[name].append(clip[begin:end])
    return scenes


def _read_cuts(clip: Clip) -> list[int]:
    """Return the cuts found while decoding; none for a folder without cuts.json. Raises InputRefused if it holds others."""
    file = clip[0].with_name(CUTS)
    if not file.exists():
        return []
    if reason := why_unusable(file, MAX_CUTS_BYTES):
        raise InputRefused(f"{file}: {reason}")
    try:
        cuts = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{file}: not JSON") from error
    if not isinstance(cuts, list) or not all(type(cut) is int for cut in cuts):
        raise InputRefused(f"{file}: accepted: a list of the numbers of frames")
    return cuts


def _cached(video: Path, shorter_side: int) -> Clip:
    """Return the frames of a video in the user's cache; the key holds its path, size and time of change."""
    status = video.stat()
    key = f"{video.resolve()}|{status.st_size}|{status.st_mtime_ns}|{shorter_side}|with {CUTS}"
    name = f"{video.stem[:40]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    folder = cache_folder("frames") / name
    if not use(folder):
        try:
            extract_frames(video, folder, shorter_side=shorter_side)
        except OutputFailed:
            if not folder.is_dir():  # else another process decoded the same video first
                raise
        trim("frames")
    return sequence_files(str(folder)) or []


def extract_frames(
    source: Path,
    folder: Path,
    *,
    shorter_side: int = 0,
    every: int = 1,
    edges: bool = False,
    on_frame: Callable[[int], None] = lambda _done: None,
) -> int:
    """Decode every `every`-th frame of a video into a new folder as 00000.png, 00001.png ... and cuts.json; return how many.

    With `edges` their lines, one channel, as `line_drawings.line_drawing` draws them.
    The folder appears when it is complete; an existing one is never changed. Raises InputRefused or OutputFailed.
    """
    part = Part(folder, is_folder=True)
    staging = part.path
    count, cuts, is_cut = 0, [], False
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.create()
        with open_source(str(source)) as reader:
            scale = min(0.5, CUT_SIDE_PX / min(reader.info.width, reader.info.height))
            motion = MotionStage(MotionEstimator(DisFlow(scale=1.0), scale=scale), StageTimes())
            for frame in run_stage(Chain((CutAtSizeChange(), motion)), reader):
                is_cut |= frame.cut
                if frame.index % every:
                    continue
                if is_cut:
                    cuts.append(count)
                    is_cut = False
                rgb = reduced(rgb_picture(frame.source), shorter_side)
                pixels = line_drawing(rgb) if edges else cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
                _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])
                (staging / f"{count:05d}.png").write_bytes(encoded.tobytes())
                count += 1
                on_frame(count)
        if not count:
            raise InputRefused(f"{source}: no frame could be decoded")
        (staging / CUTS).write_text(json.dumps(cuts) + "\n")
        if folder.exists() or folder.is_symlink():
            raise OutputFailed(f"{folder} appeared while the frames were decoded; give a new folder")
        staging.rename(folder)
    except OSError as error:
        raise OutputFailed(f"{folder}: {error.strerror or error}") from error
    finally:
        part.remove()
    return count


def reduced(rgb: NDArray[np.uint8], shorter_side: int) -> NDArray[np.uint8]:
    """Reduce a picture (H,W,3) by area averaging to a shorter side of `shorter_side` pixels; never enlarge. 0: unchanged."""
    height, width = rgb.shape[:2]
    scale = shorter_side / min(height, width)
    if not 0 < scale < 1:
        return rgb
    size = (max(shorter_side, round(width * scale)), max(shorter_side, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
