"""rotoscope demo: make a clip, paint it, steady it, and show all of that on one page."""

import platform
import shlex
import sys
import tempfile
from pathlib import Path

from rotoscope.base.options import SteadyMethod, SteadyOptions
from rotoscope.cli.progress import Style, shown_progress
from rotoscope.cli.translate import print_run

LOOK = "starry"
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
PAGE_SECONDS = 2.5  # of the clip that the page plays, at every strength


def demo(folder: Path = Path("demo"), /, *, overwrite: bool = False, progress: Style = "auto") -> int:
    """Make a five-second clip, paint it steadily, and write a page that compares; nothing is downloaded.

    Parameters
    ----------
    folder
        Where the two videos and the page go; made if missing.
    overwrite
        Replace them if they exist.
    progress
        What to show on standard error.

    """
    import rotoscope
    from rotoscope.base.files import check_target, part_file
    from rotoscope.demo import Scene, make_clip
    from rotoscope.demo.page import Rendering, write_page

    folder.mkdir(parents=True, exist_ok=True)
    clip, painted, page = folder / "clip.mp4", folder / f"clip.{LOOK}.mp4", folder / "demo.html"
    for target in (clip, painted, page):
        check_target(target, source=None, overwrite=overwrite)
    print("making a clip from three photographs ...", file=sys.stderr)
    with part_file(clip, overwrite=True) as part:
        make_clip(part)
    look = rotoscope.load(LOOK)
    with shown_progress(progress) as show:
        run = rotoscope.translate(clip, painted, model=look, overwrite=True, on_progress=show)
    print_run(run)
    print(f"painting {PAGE_SECONDS:g} s at five strengths for the page ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary:
        renderings = []
        for strength in STRENGTHS:
            steady: SteadyMethod = "blend" if strength else "off"
            command = f"rotoscope translate {shlex.quote(str(clip))} -m {LOOK} --steady {steady}"
            command += f" --strength {strength:g}" if strength else ""
            path = Path(temporary, f"{strength}.mkv")
            with shown_progress(progress) as show:
                rotoscope.translate(
                    clip, path, model=look, steady=steady, strength=strength,
                    duration=PAGE_SECONDS, codec="ffv1", on_progress=show,
                )  # fmt: skip
            renderings.append(Rendering(strength, path, command))
        default = SteadyOptions().strength
        chosen = min(range(len(STRENGTHS)), key=lambda index: abs(STRENGTHS[index] - default))
        with part_file(page, overwrite=True) as part:
            write_page(
                part,
                Scene(),
                clip,
                renderings,
                duration=PAGE_SECONDS,
                chosen=chosen,
                title=f"Rotoscope: {LOOK}, frame by frame and steady",
                machine=f"{run.fps:.1f} frames per second of {run.width}x{run.height}, decoding and encoding included "
                f"({run.engine}; {run.encoder}; {_processor()}).",
            )
    print(f"the clip:  {clip}\npainted:   {painted}\nthe page:  {page} (open it in a browser)")
    return 0


def _processor() -> str:
    """What the system calls its processor."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
