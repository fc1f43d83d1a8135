"""Checkpoints that a run resumes from, and weights that `export` and `translate` take.

A checkpoint is written to a part file and renamed when it is complete. With several processes rank 0 writes everything, the
others write what differs (random state, image pools) to files beside it. Rank 0 writes last, so its file marks a complete
checkpoint.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save
from torch import nn

from rotoscope.base.errors import InputRefused, OutputFailed
from rotoscope.base.files import part_file
from rotoscope.training.loop.state_file import read_state, write_state

NAME = "step-{step:08d}.safetensors"
OF_OTHER_PROCESS = "step-{step:08d}.rank{rank}.safetensors"
EXTRA_STATE = "_extra_state"  # nn.Module's key for state that is not a tensor of its own


def checkpoint_steps(folder: Path) -> list[int]:
    """Return the steps of the complete checkpoints in a folder, in order."""
    found = (re.fullmatch(r"step-(\d{1,12})\.safetensors", file.name) for file in folder.glob("step-*.safetensors"))
    return sorted(int(name[1]) for name in found if name)


def save_checkpoint(folder: Path, state: dict[str, Any], *, rank: int, keep: int) -> None:
    """Write the file of one process; rank 0, called last, also removes all but the newest `keep` checkpoints."""
    step = state["step"]
    if rank:
        own = {key: value for key, value in state["system"].items() if key.endswith(EXTRA_STATE)}
        _write(folder / OF_OTHER_PROCESS.format(step=step, rank=rank), {"system": own, "random": state["random"]})
        return
    _write(folder / NAME.format(step=step), state)
    for old in checkpoint_steps(folder)[:-keep]:
        (folder / NAME.format(step=old)).unlink()
        for other in folder.glob(f"step-{old:08d}.rank*.safetensors"):
            other.unlink()


def _write(path: Path, state: Mapping[str, Any]) -> None:
    try:
        with part_file(path, overwrite=True) as part:
            write_state(part, state)
    except SafetensorError as error:  # so it reports a full disk
        raise OutputFailed(f"{path}: could not be written; is the disk full?") from error


def load_checkpoint(folder: Path, *, rank: int) -> dict[str, Any]:
    """Return the newest checkpoint with the state of this process. Raises InputRefused if there is none or it is damaged."""
    steps = checkpoint_steps(folder)
    if not steps:
        raise InputRefused(f"{folder}: no checkpoint to resume from")
    path = folder / NAME.format(step=steps[-1])
    state = read_state(path)
    other = folder / OF_OTHER_PROCESS.format(step=steps[-1], rank=rank)
    if other.exists():
        own = read_state(other)
        try:
            state["system"] |= own["system"]
            state["random"] = own["random"]
        except (KeyError, TypeError) as error:
            raise InputRefused(f"{other}: a damaged checkpoint") from error
    return state


def save_weights(path: Path, network: nn.Module, description: Mapping[str, Any]) -> None:
    """Write a .safetensors file whose metadata (key `rotoscope`, JSON) lets `from_state_dict` rebuild the network."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    with part_file(path, overwrite=True) as part:
        part.write_bytes(save(tensors, metadata={"rotoscope": json.dumps(dict(description))}))
