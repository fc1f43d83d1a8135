"""The weights in the folder of a training run of ours, also of one that was interrupted."""

from pathlib import Path

from rotoscope.base.errors import ModelRefused

CONFIG = "config.toml"
CHECKPOINTS = "checkpoints"


def is_run_folder(path: Path) -> bool:
    """Whether a path is the folder of a training run: it has the run's options and weights or checkpoints."""
    try:
        return (path / CONFIG).is_file() and (any(path.glob("*.safetensors")) or (path / CHECKPOINTS).is_dir())
    except (OSError, ValueError):  # ValueError: a name with a NUL
        return False


def weights_of_run(folder: Path) -> Path:
    """Return the weights that a run wrote, or its newest checkpoint; raise ModelRefused for several, or for none."""
    found = sorted(folder.glob("*.safetensors"))
    if len(found) > 1:
        names = ", ".join(str(path) for path in found)
        raise ModelRefused(f"{folder}: a run with several networks: give one of {names}")
    newest = found or sorted((folder / CHECKPOINTS).glob("step-????????.pt"))[-1:]
    if not newest:
        raise ModelRefused(
            f"{folder}: a run without a checkpoint; the first comes after a minute, and rotoscope train resume {folder} "
            "continues a run that was stopped"
        )
    return newest[0]
