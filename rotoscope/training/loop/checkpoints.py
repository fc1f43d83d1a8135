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

import torch
from safetensors.torch import save
from torch import nn

from rotoscope.base.errors import InputRefused, OutputFailed
from rotoscope.base.files import part_file

NAME = "step-{step:08d}.pt"
OF_OTHER_PROCESS = "step-{step:08d}.rank{rank}.pt"
EXTRA_STATE = "_extra_state"  # nn.Module's key for state that is not a tensor of its own


def checkpoint_steps(folder: Path) -> list[int]:
    """Return the steps of the complete checkpoints in a folder, in order."""
    found = (re.fullmatch(r"step-(\d+)\.pt", file.name) for file in folder.glob("step-*.pt"))
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
        for other in folder.glob(f"step-{old:08d}.rank*.pt"):
            other.unlink()


def _write(path: Path, state: Mapping[str, Any]) -> None:
    try:
        with part_file(path, overwrite=True) as part, part.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's archive writer reports a full disk so
        raise OutputFailed(f"{path}: could not be written; is the disk full?") from error


def load_checkpoint(folder: Path, *, rank: int) -> dict[str, Any]:
    """Return the newest checkpoint with the state of this process. Raises InputRefused if there is none."""
    steps = checkpoint_steps(folder)
    if not steps:
        raise InputRefused(f"{folder}: no checkpoint to resume from")
    state: dict[str, Any] = torch.load(folder / NAME.format(step=steps[-1]), map_location="cpu", weights_only=True)
    other = folder / OF_OTHER_PROCESS.format(step=steps[-1], rank=rank)
    if other.exists():
        own = torch.load(other, map_location="cpu", weights_only=True)
        state["system"] |= own["system"]
        state["random"] = own["random"]
    return state


def save_weights(path: Path, network: nn.Module, description: Mapping[str, Any]) -> None:
    """Write a .safetensors file whose metadata (key `rotoscope`, JSON) lets `from_state_dict` rebuild the network."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    with part_file(path, overwrite=True) as part:
        part.write_bytes(save(tensors, metadata={"rotoscope": json.dumps(dict(description))}))
