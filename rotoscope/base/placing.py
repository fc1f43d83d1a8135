"""Give finished files their names: one file by one rename, many files so that an interrupted move is undone or finished.

Before the first of many files moves, a journal is written into the hidden folder that holds them. A run that finds the folder
after a kill finishes the move (`finish_move`): all files were complete when it began.
"""

import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from rotoscope.base.errors import OutputFailed
from rotoscope.base.signals import deferred_signals

JOURNAL = "move.json"  # in the hidden folder: where its files go, and whether they may replace others
MOST_BYTES = 1 << 16  # of the journal
REPLACED = "replaced"  # folder in the hidden folder: the old files, until all new ones are in place


def rename_to_new(part: Path, target: Path) -> None:
    """Rename without replacing a file that appeared meanwhile; raises OutputFailed then."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise OutputFailed(appeared(target)) from None
    except OSError:  # a file system without hard links
        if target.exists():
            raise OutputFailed(appeared(target)) from None
        part.replace(target)
    else:
        part.unlink()


def appeared(target: Path) -> str:
    """The error message for a target that another program made during the run."""
    return f"{target} appeared while the result was being made; --overwrite (in Python overwrite=True) replaces it"


def move_files(hidden: Path, folder: Path, *, overwrite: bool) -> None:
    """Move all files of a hidden folder, which lies in `folder` or beside it, into `folder`; signals wait until it is done.

    On an error everything is moved back; what could not be is named in the OutputFailed.
    """
    replaced = hidden / REPLACED
    new = sorted(hidden.iterdir())
    moved: list[Path] = []
    with deferred_signals():
        replaced.mkdir()
        where = "." if folder.resolve() == hidden.parent.resolve() else folder.name
        (hidden / JOURNAL).write_text(json.dumps({"folder": where, "overwrite": overwrite}))
        try:
            for part in new:
                place = folder / part.name
                if overwrite and place.is_file():
                    place.rename(replaced / part.name)
                rename_to_new(part, place)
                moved.append(place)
        except (Exception, KeyboardInterrupt) as error:
            moved += [folder / part.name for part in new if _has_both_names(part, folder / part.name)]
            left = _move_back(moved, replaced, folder)
            (hidden / JOURNAL).unlink()
            kept = _kept(replaced, folder)
            if not left and not kept:
                raise
            reason = getattr(error, "strerror", None) or error
            names = ", ".join(item.name for item in left[:3]) + " ..." * (len(left) > 3)
            stand = f"; {len(left)} of {len(new)} new files stand there ({names})" if left else ""
            raise OutputFailed(f"{folder}: {reason}{stand}{kept}") from error


def finish_move(hidden: Path) -> Path | None:
    """Finish the move that a killed run had started, and return its folder; None if it had started none.

    Files that would replace others without leave stay in the hidden folder.
    """
    try:
        entry = (hidden / JOURNAL).stat()
        if not stat.S_ISREG(entry.st_mode) or entry.st_size > MOST_BYTES:
            return None
        journal = json.loads((hidden / JOURNAL).read_text())
        where, overwrite = str(journal["folder"]), journal["overwrite"] is True
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    folder = hidden.parent / where
    if where != "." and (where in ("", "..") or Path(where).name != where):
        return None
    if not folder.is_dir():
        return None
    for part in hidden.iterdir():
        if part.name in (JOURNAL, REPLACED) or not part.is_file() or part.is_symlink():
            continue
        place = folder / part.name
        if overwrite or _has_both_names(part, place):
            part.replace(place)
            part.unlink(missing_ok=True)  # renaming a file to another name of itself does nothing
        elif not place.exists():
            rename_to_new(part, place)
    return folder


def holds_old_files(hidden: Path) -> bool:
    """Whether a hidden folder holds files that stood under the result's names before."""
    try:
        return any((hidden / REPLACED).iterdir())
    except OSError:
        return False


def _has_both_names(part: Path, place: Path) -> bool:
    return part.exists() and place.exists() and place.samefile(part)


def _move_back(moved: list[Path], replaced: Path, folder: Path) -> list[Path]:
    """Delete files that were moved and move replaced ones back; return those that could not be deleted."""
    left = []
    for place in moved:
        try:
            place.unlink(missing_ok=True)
        except OSError:
            left.append(place)
    for old in replaced.iterdir():
        with suppress(OSError):
            if folder / old.name not in left:
                old.replace(folder / old.name)
    return left


def _kept(replaced: Path, folder: Path) -> str:
    """Put old files that could not be moved back beside the folder, and say so for an error message."""
    if not any(replaced.iterdir()):
        return ""
    place = replaced
    with suppress(OSError):
        place = replaced.rename(folder.with_name(f"{folder.name}.replaced-{secrets.token_hex(4)}"))
    return f"; the files that they replaced are in {place}"
