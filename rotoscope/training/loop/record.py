"""What a run tells of itself while it goes on: rows of mean losses, TensorBoard, run.html, grids of samples."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rotoscope.base.files import part_file
from rotoscope.training.loop.report import read_log, write_grid, write_report

REPORT_SECONDS = 10.0  # run.html is written this often at most


@dataclass
class Means:
    """Running means of loss terms, kept on their device until somebody asks."""

    sums: dict[str, Tensor | float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What there is a mean of."""
        return list(self.sums)

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """One more value of each of these terms."""
        for name, term in terms.items():
            # In single precision: thousands of them have more digits than bf16 has.
            self.sums[name] = self.sums.get(name, 0.0) + term.detach().float()
            self.counts[name] = self.counts.get(name, 0) + 1

    def state(self) -> dict[str, Any]:
        """What `go_on` takes."""
        return {"sums": {name: float(total) for name, total in self.sums.items()}, "counts": dict(self.counts)}

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Add to what there was."""
        self.sums, self.counts = dict(state["sums"]), dict(state["counts"])

    def take(self) -> dict[str, float]:
        """The means; then begin anew."""
        found = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums.clear()
        self.counts.clear()
        return found


class Record:
    """The record of one run in its folder; only the first of several processes writes.

    options  what the run was told
    """

    def __init__(self, fabric: Fabric, folder: Path, options: Mapping[str, Any]) -> None:
        self.means = Means()
        self._fabric, self._folder, self._options = fabric, folder, options
        self._log, self._samples = folder / "log.jsonl", folder / "samples"
        self._reported = 0.0
        self._samples.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Forget a run that ended before its first checkpoint."""
        self._log.unlink(missing_ok=True)

    def go_on(self, step: int) -> None:
        """Forget what came after this step."""
        if self._fabric.global_rank == 0:
            rows = [row for row in read_log(self._log) if row["step"] <= step]
            with part_file(self._log, overwrite=True) as part:
                part.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write_row(self, step: int, total: int, seconds: float) -> dict[str, float]:
        """Mean terms over the steps since the last row, and over all processes."""
        terms = self.means.take()
        if self._fabric.world_size > 1:
            means = self._fabric.all_reduce(torch.tensor(list(terms.values()), device=self._fabric.device))
            terms = dict(zip(terms, cast(Tensor, means).tolist(), strict=True))
        if self._fabric.global_rank == 0:
            self._fabric.log_dict(terms, step)
            row = {"step": step, "seconds": round(seconds, 3), **terms}
            with self._log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            now = time.monotonic()
            if now - self._reported > REPORT_SECONDS:
                self._reported = now
                self.write_page(f"step {step:,} of {total:,}", is_running=True)
        return terms

    def write_page(self, state: str, *, is_running: bool) -> None:
        """Write run.html."""
        if self._fabric.global_rank == 0:
            write_report(self._folder, self._options, state=state, is_running=is_running)

    def write_samples(self, step: int, columns: Mapping[str, Tensor]) -> None:
        """Write a grid of pictures, (N,3,H,W) in [-1,1] for each column."""
        arrays = {name: pictures.float().cpu().numpy() for name, pictures in columns.items()}
        write_grid(self._samples / f"step-{step:08d}.jpg", arrays)
