"""Make the demo: a clip, the painted clip, and a page that compares strengths."""

import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rotoscope.base.files import check_target, part_file
from rotoscope.base.options import SteadyOptions
from rotoscope.base.processor import cpu_name
from rotoscope.demo.clip import make_clip
from rotoscope.demo.page import Rendering, write_page
from rotoscope.demo.scene import Scene
from rotoscope.runtime.pipeline.job import Run

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
PAGE_SECONDS = 2.5  # of the clip that the page plays at each strength

TranslateWithLook = Callable[[Path, Path, dict[str, Any]], Run]
"""(source, target, options of `rotoscope.translate`) -> Run."""


class Demo(NamedTuple):
    """The files of a demo, and how the painted clip was made."""

    clip: Path
    painted: Path
    page: Path
    run: Run


def make_demo(
    folder: Path,
    *,
    look: str,
    translate: TranslateWithLook,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Demo:
    """Make a five-second clip, paint it with a look, and write a page that compares strengths of steadiness.

    folder     made if missing
    look       name of the bundled look, for file names and commands; `translate` runs it
    translate  translates with that look
    say        called with a line before each long step
    Raises UsageError if a file exists and overwrite is False.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clip, painted, page = folder / "clip.mp4", folder / f"clip.{look}.mp4", folder / "demo.html"
    for target in (clip, painted, page):
        check_target(target, source=None, overwrite=overwrite)
    say("making a clip from three photographs ...")
    with part_file(clip, overwrite=True) as part:
        make_clip(part)
    say(f"painting it with {look} ...")
    run = translate(clip, painted, {"overwrite": True})
    say(f"painting {PAGE_SECONDS:g} s at {len(STRENGTHS)} strengths for the page ...")
    with tempfile.TemporaryDirectory() as temporary, part_file(page, overwrite=True) as part:
        renderings = [_rendering(clip, Path(temporary), look, strength, translate) for strength in STRENGTHS]
        default = SteadyOptions().strength
        write_page(
            part,
            Scene(),
            clip,
            renderings,
            duration=PAGE_SECONDS,
            chosen=min(range(len(STRENGTHS)), key=lambda index: abs(STRENGTHS[index] - default)),
            title=f"Rotoscope: {look}, frame by frame and steady",
            machine=f"{run.fps:.1f} frames per second of {run.width}x{run.height}, decoding and encoding included "
            f"({run.engine}; {run.encoder}; {cpu_name()}).",
        )
    return Demo(clip, painted, page, run)


def _rendering(clip: Path, folder: Path, look: str, strength: float, translate: TranslateWithLook) -> Rendering:
    """Translate the first seconds of the clip at one strength, without loss; strength 0 is frame by frame."""
    steady = "blend" if strength else "off"
    command = f"rotoscope translate {shlex.quote(str(clip))} -m {look} --steady {steady}"
    command += f" --strength {strength:g}" if strength else ""
    path = folder / f"{strength}.mkv"
    options = {"steady": steady, "strength": strength, "duration": PAGE_SECONDS, "codec": "ffv1"}
    translate(clip, path, options)
    return Rendering(strength, path, command)
