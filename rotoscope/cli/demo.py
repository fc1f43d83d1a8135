"""rotoscope demo: make a clip, paint it, and show looks and steadiness on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.lines import print_lines, report_lines
from rotoscope.cli.progress import Style, shown_progress
from rotoscope.cli.translate import print_run

if TYPE_CHECKING:
    from rotoscope import Run


def demo(
    folder: Path | None = None,
    /,
    *,
    clip: Path | None = None,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    overwrite: bool = False,
    progress: Style = "auto",
) -> int:
    """Make a five-second clip, paint it, and write a page: three looks, and what steadying does.

    It takes one to four minutes on two cores. Nothing is downloaded.

    Parameters
    ----------
    folder
        Where the two videos and the page go; made if missing; by default demo.
    clip
        A video of your own: the page shows its first seconds in the same looks, reduced to 640x360 at most.
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
    models: dict[str, rotoscope.Model] = {}

    def translate(source: Path, target: Path, model: str, options: dict[str, Any]) -> "Run":
        if model not in models:
            models[model] = rotoscope.load(model)
        with shown_progress(progress) as show:
            return rotoscope.translate(source, target, model=models[model], on_progress=show, **options)

    made = make_demo(folder, translate=translate, clip=clip, overwrite=overwrite, say=report_lines)
    print_run(made.run)
    print_lines(
        f"the clip:  {made.clip}", f"painted:   {made.painted}", f"the page:  {made.page} (open it in a browser)"
    )
    return 0
