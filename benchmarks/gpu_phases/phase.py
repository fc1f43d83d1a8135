"""What a phase is given: the machine that it runs on, results of earlier phases, and a file for its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any


class Phase:
    """One phase; its results are in its file after each `save`.

    part       the file
    earlier    results of the phases before, by name
    simulated  the machine is the simulated GPU: results are compared, times are not taken
    smallest   use the smallest sizes
    """

    def __init__(self, part: Path, earlier: dict, *, simulated: bool, smallest: bool) -> None:
        self._part, self.earlier, self.simulated, self.smallest = part, earlier, simulated, smallest
        self.results: dict[str, Any] = {}

    @contextmanager
    def machine(self) -> Iterator[None]:
        """Let `import cupy` and the libraries on it give the simulated ones, in a simulated run."""
        if self.simulated:
            from simulated_gpu import whole_machine
        with whole_machine() if self.simulated else nullcontext():
            yield

    def save(self, **results: Any) -> None:
        """Add results; a later one of the same name replaces the earlier."""
        self.results.update(results)
        self._part.write_text(json.dumps(self.results, default=float))

    def add(self, table: str, row: dict) -> None:
        """Add a row to a table of the results. On the simulated GPU it is marked so."""
        rows = self.results.setdefault(table, [])
        rows.append({**row, "simulated": True} if self.simulated else row)
        self.save()

    def needs_card(self, why: str) -> bool:
        """Whether this is the simulated GPU; if so the phase's state says that it needs a card, and why."""
        if self.simulated:
            self.save(state="needs a card", reason=why)
        return self.simulated

    def earlier_figure(self, phase: str, name: str) -> float | None:
        """A number that an earlier phase saved; None if it did not."""
        found = self.earlier.get(phase, {}).get(name)
        return None if found is None else float(found)
