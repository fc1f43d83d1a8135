"""The folder of a run: where it may be, and how a run starts in it without overwriting a file of somebody else.

config.toml                        every option of the run
log.jsonl, run.html, samples/, tensorboard/
checkpoints/step-00001000.safetensors  what `resume` reads
NAME.safetensors                   the weights at the newest checkpoint; with --best-by also best/NAME.safetensors
not-finite-step-00001000.rank0.pt  the batch whose loss was infinite or NaN
"""

import os
import re
from pathlib import Path

from rotoscope.base.errors import InputRefused, OutputFailed, UsageError
from rotoscope.base.files import part_file
from rotoscope.training.loop.checkpoints import checkpoint_steps
from rotoscope.training.options import RunOptions, SystemOptions
from rotoscope.training.options.config_file import CONFIG, as_toml, from_toml

CHECKPOINTS = "checkpoints"
NOT_FINITE = "not-finite-step-{step:08d}.rank{rank}.pt"
# Files that a run writes before its first checkpoint: they hold nothing that a new start would lose.
BEFORE_FIRST_CHECKPOINT = {CONFIG, "log.jsonl", "run.html", "samples", "tensorboard", CHECKPOINTS}


def check_new_run(out: Path) -> None:
    """Refuse a folder in which a new run could overwrite a file. Raises UsageError.

    Accepted: a folder that does not exist, one without visible files, and that of a run without a checkpoint.
    """
    if out.is_symlink() and not out.exists():
        raise UsageError(f"{out} is a broken link; a new run needs a new or empty folder")
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UsageError(f"{existing} is not a folder; a new run needs a new or empty folder")
    if not os.access(existing, os.W_OK):
        raise UsageError(f"{existing}: not writable")
    if not out.exists() or not visible_names(out) or is_unchanged_and_not_started(out):
        return
    if (out / CONFIG).is_file() and checkpoint_steps(out / CHECKPOINTS):
        raise UsageError(f"{out} holds a run already; `rotoscope train resume {out}` continues it")
    raise UsageError(f"{out} is not empty; a new run needs a new or empty folder")


def check_resumable(out: Path) -> bool:
    """Return whether there is a checkpoint; False means that the run stopped before its first one and starts at step 0.

    Raises UsageError if the folder holds no run, InputRefused if its checkpoints are gone but its weights are there.
    """
    if not (out / CONFIG).is_file():
        raise UsageError(f"{out}: no run here (no {CONFIG})")
    if checkpoint_steps(out / CHECKPOINTS):
        return True
    if not is_not_started(out):
        raise InputRefused(f"{out / CHECKPOINTS}: no checkpoint to resume from; train again in a new folder")
    return False


def create_run(out: Path, options: SystemOptions, run: RunOptions) -> None:
    """Create the folder with its config.toml, which replaces that of a run without a checkpoint and no other file."""
    check_new_run(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{out}: {error.strerror or error}") from error
    config = out / CONFIG
    with part_file(config, overwrite=config.exists()) as part:
        part.write_text(as_toml(options, run), encoding="utf-8")


def is_not_started(out: Path) -> bool:
    """Whether the folder holds a run that stopped before its first complete checkpoint, and no weights."""
    own = BEFORE_FIRST_CHECKPOINT
    names = visible_names(out)
    return (
        CONFIG in names
        and all(name in own or name.startswith("not-finite-step-") for name in names)
        and all(re.fullmatch(r"step-\d+\.rank\d+\.safetensors", name) for name in visible_names(out / CHECKPOINTS))
    )


def is_unchanged_and_not_started(out: Path) -> bool:
    """Whether, in addition, config.toml is as a run wrote it: a file that was edited is not replaced."""
    if not is_not_started(out):
        return False
    try:
        text = (out / CONFIG).read_text(encoding="utf-8")
        return text == as_toml(*from_toml(out / CONFIG))
    except (UsageError, OSError, UnicodeDecodeError):
        return False


def visible_names(folder: Path) -> list[str]:
    """Return the names in a folder that do not begin with a dot; a run writes no hidden file that stays."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
