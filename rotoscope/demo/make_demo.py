"""Make the demo: a clip, the painted clip, and a page that compares strengths."""

import shlex
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from rotoscope.base.files import check_target, part_file
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.options import OutputOptions, SteadyOptions
from rotoscope.base.processor import cpu_name
from rotoscope.demo.clip import make_clip
from rotoscope.demo.page import Looks, Rendering, write_page
from rotoscope.demo.scene import Scene
from rotoscope.demo.tiles import MILLISECOND
from rotoscope.metrics.matched import side_by_side
from rotoscope.runtime.pipeline.job import Run
from rotoscope.runtime.pipeline.write import write_frames

LOOKS = ("starry", "woodblock", "comic")
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
PAGE_SECONDS = 2.5  # of each clip that the page plays
PAGE_SIZE = (640, 360)  # width, height, pixels: a clip of the user's is reduced to fit

TranslateWith = Callable[[Path, Path, str, dict[str, Any]], Run]
"""(source, target, name or path of a model, options of `rotoscope.translate`) -> Run."""


class Demo(NamedTuple):
    """The files of a demo, and how the painted clip was made."""

    clip: Path
    painted: Path
    page: Path
    run: Run


def make_demo(
    folder: Path,
    *,
    translate: TranslateWith,
    clip: Path | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Demo:
    """Make a five-second clip, paint it, and write a page of three looks, and of strengths for a network that flickers.

    folder     made if missing
    translate  translates with a model
    clip       a video of the user's, which the page shows in the same looks
    say        called with a line before each long step
    Raises UsageError if a file exists and overwrite is False, and InputRefused for a clip that cannot be read.
    """
    if clip is not None:
        next(_reduced(clip))  # refuses what is no video before the work begins
    folder.mkdir(parents=True, exist_ok=True)
    made, painted, page = folder / "clip.mp4", folder / f"clip.{LOOKS[0]}.mp4", folder / "demo.html"
    for target in (made, painted, page):
        check_target(target, source=clip, overwrite=overwrite)
    say("making a clip from three photographs ...")
    with part_file(made, overwrite=True) as part:
        make_clip(part)
    say(f"painting it with {LOOKS[0]} ...")
    run = translate(made, painted, LOOKS[0], {"overwrite": True})
    say(f"painting {PAGE_SECONDS:g} s in {len(LOOKS)} looks and at {len(STRENGTHS)} strengths for the page ...")
    with tempfile.TemporaryDirectory() as temporary, part_file(page, overwrite=True) as part:
        looks = [_in_looks("The demo clip", made, Path(temporary, "demo"), translate)]
        if clip is not None:
            looks.append(_in_looks(clip.name, clip, Path(temporary, "own"), translate))
        renderings = [_rendering(made, Path(temporary), strength, translate) for strength in STRENGTHS]
        default = SteadyOptions().strength
        write_page(
            part,
            Scene(),
            made,
            renderings,
            looks=looks,
            duration=PAGE_SECONDS,
            chosen=min(range(len(STRENGTHS)), key=lambda index: abs(STRENGTHS[index] - default)),
            title="Rotoscope: three looks, and what steadying does",
            machine=f"{run.fps:.1f} frames per second of {run.width}x{run.height} with {LOOKS[0]}, decoding and encoding "
            f"included ({run.engine}; {run.encoder}; {cpu_name()}).",
            invitation=f"rotoscope demo {shlex.quote(str(folder))} --clip YOUR_CLIP.mp4 --overwrite",
        )
    return Demo(made, painted, page, run)


def _in_looks(title: str, clip: Path, folder: Path, translate: TranslateWith) -> Looks:
    """Reduce the first seconds of a clip to the size of the page, without loss, and translate them in all looks."""
    folder.mkdir()
    source = folder / "source.mkv"
    write_frames(source, _reduced(clip), OutputOptions(codec="ffv1"))
    paths = [source]
    for look in LOOKS:
        paths.append(folder / f"{look}.mkv")
        translate(source, paths[-1], look, {"codec": "ffv1"})
    return Looks(title, LOOKS, paths)


def _reduced(clip: Path) -> Iterator[Frame]:
    """The first seconds of a clip, not larger than PAGE_SIZE, with even sides."""
    for index, (seconds, (picture,)) in enumerate(side_by_side([str(clip)], duration=PAGE_SECONDS)):
        height, width = picture.shape[:2]
        factor = min(1.0, PAGE_SIZE[0] / width, PAGE_SIZE[1] / height)
        size = max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)
        smaller = np.zeros((size[1], size[0], 4), np.float32)
        smaller[..., :3] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        made = Picture((smaller / 255,))
        yield Frame(index, round(seconds / MILLISECOND), MILLISECOND, 0, made, made)


def _rendering(clip: Path, folder: Path, strength: float, translate: TranslateWith) -> Rendering:
    """Translate the first seconds of the clip at one strength, without loss; strength 0 is frame by frame."""
    steady = "blend" if strength else "off"
    network = str(resources.files("rotoscope") / "looks" / "networks" / "starry.onnx")
    command = f"rotoscope translate {shlex.quote(str(clip))} -m {shlex.quote(network)} --steady {steady}"
    command += f" --strength {strength:g}" if strength else ""
    path = folder / f"{strength}.mkv"
    options = {"steady": steady, "strength": strength, "duration": PAGE_SECONDS, "codec": "ffv1"}
    translate(clip, path, network, options)
    return Rendering(strength, path, command)
