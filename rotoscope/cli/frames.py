"""rotoscope frames: decode a video into a folder of training frames."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.lines import report_lines
from rotoscope.cli.overwrite_rules import required_target


def frames(
    source: Path,
    folder: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    shorter_side: int = 0,
    every: int = 1,
    edges: bool = False,
) -> int:
    """Decode a video into pictures to train on, or into drawings of their lines: FOLDER/00000.png and so on.

    Parameters
    ----------
    source
        A video.
    folder
        A folder that does not exist yet.
    output
        The same as an option.
    shorter_side
        Reduce frames to this shorter side, pixels; 0 keeps their size.
    every
        Take every n-th frame.
    edges
        Write white lines on black (Canny, after an edge-preserving filter), for vid2vid --lines.

    """
    from rotoscope.training.data.frames import extract_frames

    folder = required_target(folder, output, [source], "rotoscope frames VIDEO FOLDER", overwrite=False)
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists; give a new folder")
    if every < 1 or shorter_side < 0:
        raise UsageError(f"--every {every} --shorter-side {shorter_side}; accepted: 1 or more, 0 or more")
    count = extract_frames(source, folder, shorter_side=shorter_side, every=every, edges=edges)
    report_lines(f"{count} frames -> {folder}")
    return 0
