"""rotoscope demo: make a clip, paint it, steady it, and show all of that on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.lines import print_lines, report_lines
from rotoscope.cli.progress import Style, shown_progress
from rotoscope.cli.translate import print_run

if TYPE_CHECKING:
    from rotoscope import Run

LOOK = "starry"


def demo(
    folder: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    overwrite: bool = False,
    progress: Style = "auto",
) -> int:
    """Make a five-second clip, paint it steadily, and write a page that compares; nothing is downloaded.

    Parameters
    ----------
    folder
        Where the two videos and the page go; made if missing; by default demo.
    output
        The same as an option.
    overwrite
        Replace them if they exist.
    progress
        What to show on standard error.

    """
    import rotoscope
    from rotoscope.demo.make_demo import make_demo

    if folder is not None and output is not None:
        raise UsageError(f"two folders, {folder} and --output {output}; accepted: one")
    folder = folder or output or Path("demo")
    look = rotoscope.load(LOOK)

    def translate(source: Path, target: Path, options: dict[str, Any]) -> "Run":
        with shown_progress(progress) as show:
            return rotoscope.translate(source, target, model=look, on_progress=show, **options)

    made = make_demo(folder, look=LOOK, translate=translate, overwrite=overwrite, say=report_lines)
    print_run(made.run)
    print_lines(
        f"the clip:  {made.clip}", f"painted:   {made.painted}", f"the page:  {made.page} (open it in a browser)"
    )
    return 0
