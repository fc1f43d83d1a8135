"""Decide whether a named result may be written: without -o it replaces nothing but a picture of our own, and never an input.

A shell turns `*.mp4` into the names of all videos: the second would stand where the target does. The name of a result that is
not named is chosen in `rotoscope.runtime.pipeline.output`.
"""

from collections.abc import Iterable
from pathlib import Path

from rotoscope.base.errors import UsageError
from rotoscope.base.own_pictures import is_own_picture


def chosen_target(
    by_position: str | Path | None,
    output: str | Path | None,
    inputs: Iterable[str | Path | None],
    *,
    overwrite: bool,
) -> str | None:
    """Return the target given by position or by `-o/--output`; None if neither is given.

    Raises UsageError if both are given, if the target is an input, or if one given by position is a file, or with `overwrite`
    a folder that is not empty: only `-o` replaces. With `overwrite`, a picture that Rotoscope wrote itself may be replaced.
    """
    if by_position is not None and output is not None:
        raise UsageError(f"two results, {by_position} and --output {output}; accepted: one")
    target = output if by_position is None else by_position
    refuse_inputs(target, inputs)
    if by_position is not None:
        path = Path(by_position)
        is_own = overwrite and path.is_file() and is_own_picture(path)
        if (path.is_file() and not is_own) or (overwrite and path.is_dir() and any(path.iterdir())):
            raise UsageError(f"{path} exists; to replace it: -o {path} --overwrite")
    return None if target is None else str(target)


def required_target(
    by_position: Path | None, output: Path | None, inputs: Iterable[str | Path | None], usage: str, *, overwrite: bool
) -> Path:
    """Like `chosen_target`; raise UsageError with the usage if neither is given."""
    target = chosen_target(by_position, output, inputs, overwrite=overwrite)
    if target is None:
        raise UsageError(f"no name for the result; {usage}")
    return Path(target)


def refuse_inputs(target: str | Path | None, inputs: Iterable[str | Path | None]) -> None:
    """Raise UsageError if the target is the same file as an input, by name, symbolic link or hard link."""
    if target is None:
        return
    for name in inputs:
        if name is None or name == "":
            continue
        path = Path(str(name).removeprefix("onnx:"))
        try:
            is_same = path.samefile(target)
        except (OSError, ValueError):  # one of them does not exist
            is_same = str(path) == str(target) and str(path) != "-"
        if is_same:
            raise UsageError(f"{target}: input and output are the same file")
