"""The log of a run: rows of mean losses in log.jsonl and TensorBoard, grids of samples, run.html."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rotoscope.base.files import part_file
from rotoscope.training.loop.run_page import read_log, write_grid, write_page

PAGE_SECONDS = 10.0  # least time between two versions of run.html


@dataclass
class Means:
    """Running means of loss terms, kept on their device until they are read."""

    sums: dict[str, Tensor | float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of the terms added so far."""
        return list(self.sums)

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Add one value of each of these terms."""
        for name, term in terms.items():
            # In fp32: a sum of thousands of values needs more digits than bf16 has.
            self.sums[name] = self.sums.get(name, 0.0) + term.detach().float()
            self.counts[name] = self.counts.get(name, 0) + 1

    def state(self) -> dict[str, Any]:
        """Return the argument of `restore`."""
        return {"sums": {name: float(total) for name, total in self.sums.items()}, "counts": dict(self.counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.sums = {name: float(total) for name, total in state["sums"].items()}
        self.counts = {name: int(state["counts"][name]) for name in self.sums}
        if min(self.counts.values(), default=1) < 1:
            raise ValueError("a mean of no values")

    def pop(self) -> dict[str, float]:
        """Return the means and start again from nothing."""
        found = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums.clear()
        self.counts.clear()
        return found


class RunLog:
    """The log of one run in its folder; with several processes, rank 0 writes.

    options  every option of the run, for run.html
    """

    def __init__(self, fabric: Fabric, folder: Path, options: Mapping[str, Any]) -> None:
        self.means = Means()
        self._fabric, self._folder, self._options = fabric, folder, options
        self._log, self._samples = folder / "log.jsonl", folder / "samples"
        self._page_written = 0.0

    def create(self) -> None:
        """Create the folder of samples."""
        self._samples.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove the rows of a run that ended before its first checkpoint."""
        self._log.unlink(missing_ok=True)

    def cut_after(self, step: int) -> None:
        """Remove the rows after this step."""
        if self._fabric.global_rank == 0:
            rows = [row for row in read_log(self._log) if row["step"] <= step]
            with part_file(self._log, overwrite=True) as part:
                part.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write_row(self, step: int, seconds: float) -> dict[str, float]:
        """Write and return the mean of each term over the steps since the last row and over all processes."""
        terms = self.means.pop()
        if self._fabric.world_size > 1:
            means = self._fabric.all_reduce(torch.tensor(list(terms.values()), device=self._fabric.device))
            terms = dict(zip(terms, cast(Tensor, means).tolist(), strict=True))
        if self._fabric.global_rank == 0:
            self._fabric.log_dict(terms, step)
            row = {"step": step, "seconds": round(seconds, 3), **terms}
            with self._log.open("a") as file:
                file.write(json.dumps(row) + "\n")
        return terms

    def write_running_page(self, state: str) -> None:
        """Write run.html, at most every ten seconds."""
        now = time.monotonic()
        if now - self._page_written > PAGE_SECONDS:
            self._page_written = now
            self.write_page(state, is_running=True)

    def write_page(self, state: str, *, is_running: bool) -> None:
        """Write run.html."""
        if self._fabric.global_rank == 0:
            write_page(self._folder, self._options, state=state, is_running=is_running)

    def write_samples(self, step: int, columns: Mapping[str, Tensor], *, of: Literal["step", "clip"] = "step") -> None:
        """Write a grid of pictures, (N,3,H,W) in [-1,1] for each column: of the samples, or of the frames of a clip."""
        arrays = {name: pictures.float().cpu().numpy() for name, pictures in columns.items()}
        write_grid(self._samples / f"{of}-{step:08d}.jpg", arrays)
