"""rotoscope cache: show what is kept between runs, and delete it."""

from cyclopts import App, Parameter

from rotoscope.base.cache import KINDS, LIMIT_BYTES, Kind, clear, usage
from rotoscope.cli.lines import print_lines, report_lines

MEGABYTE = 1e6

cache = App(
    name="cache",
    help="Show what is kept between runs; clear deletes it.",
    default_parameter=Parameter(show_env_var=False, negative_iterable=(), negative_none=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@cache.default
def show() -> int:
    """Show the kinds of things that are kept: how many, their size, the limit of it, and the folder."""
    print(f"{'kind':<8}  {'entries':>7}  {'MB':>9}  {'limit MB':>9}  folder")
    for kind in KINDS:
        found = usage(kind)
        size, limit = found.size / MEGABYTE, LIMIT_BYTES[kind] / MEGABYTE
        print_lines(f"{kind:<8}  {found.entries:>7}  {size:>9.1f}  {limit:>9.0f}  {found.folder}")
    return 0


@cache.command(name="clear")
def delete(kind: Kind | None = None, /) -> int:
    """Delete what is kept; what a running process uses stays. Everything is made again when it is needed.

    Parameters
    ----------
    kind
        Only this: models (exported checkpoints), engines (TensorRT), frames (of training videos), kernels, clips (of the demo).

    """
    for each in KINDS if kind is None else (kind,):
        before = usage(each)
        num_used = clear(each)
        after = usage(each)
        stays = f"; {num_used} in use" if num_used else ""
        report_lines(f"{each}: {(before.size - after.size) / MEGABYTE:.1f} MB deleted{stays}")
    return 0
