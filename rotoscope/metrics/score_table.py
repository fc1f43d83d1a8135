"""A table of methods and measures: mean and standard error over clips, as text, CSV, JSON and LaTeX.

table = ScoreTable({"ours": {"E_warp": [0.1, 0.2]}, "theirs": {"E_warp": [0.3, 0.2]}})
print(table.text())
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rotoscope.base.errors import UsageError
from rotoscope.metrics.mean_error import MeanError, mean_error

LOWER = ("E_warp", "E_warp as printed", "E_warp around the hole", "temporal loss", "lattice", "lattice in tiles")
LOWER_DISTANCES = ("LPIPS", "FID", "VFID", "VLPIPS")
HIGHER = (
    "PSNR",
    "SSIM",
    "C_PSNR",
    "C_SSIM",
    "C_PSNR at the hole",
    "per-pixel accuracy",
    "per-class accuracy",
    "class IoU",
)
HIGHER_IS_BETTER = dict.fromkeys((*LOWER, *LOWER_DISTANCES), False) | dict.fromkeys(HIGHER, True)
"""Which sense each measure has; other columns have no marks unless the table is told their sense."""

Mark = Literal["best", "close", ""]
SIGNS: dict[Mark, str] = {"best": "*", "close": "~", "": " "}
TEX = str.maketrans({sign: f"\\{sign}" for sign in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"})


@dataclass(frozen=True)
class ScoreTable:
    """Values of methods on clips: `ScoreTable({"ours": {"E_warp": [0.1, 0.2]}}).text()`.

    values            by method, then by measure: one number for each clip, NaN where there is none
    of_all_clips      measures with one number for all clips together
    higher_is_better  the sense of measures that `HIGHER_IS_BETTER` does not name
    Raises UsageError for a table without methods or measures.
    """

    values: Mapping[str, Mapping[str, Sequence[float]]]
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    of_all_clips: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.columns:
            raise UsageError("a table of no method or no measure; accepted: at least one of each")

    @property
    def columns(self) -> tuple[str, ...]:
        """The measures, in the order in which the methods name them."""
        return tuple(dict.fromkeys(name for measures in self.values.values() for name in measures))

    def cell(self, method: str, column: str) -> MeanError:
        """Mean, standard error and number of clips."""
        return mean_error(self.values[method].get(column, ()))

    def is_higher_better(self, column: str) -> bool | None:
        """Whether higher values of a measure are better; None: not known."""
        return {**HIGHER_IS_BETTER, **self.higher_is_better}.get(column)

    def mark(self, method: str, column: str) -> Mark:
        """Return "best" for the best mean, "close" if the distance to it is below the standard error of this mean."""
        higher, mine = self.is_higher_better(column), self.cell(method, column)
        if higher is None or math.isnan(mine.mean):
            return ""
        means = [cell.mean for name in self.values if (cell := self.cell(name, column)).num]
        best = max(means) if higher else min(means)
        return "best" if mine.mean == best else "close" if abs(mine.mean - best) < mine.error else ""

    def text(self) -> str:
        """Return the table for a terminal; the last line says what the marks mean."""
        senses = {None: "", True: " (higher)", False: " (lower)"}
        one = ", all clips)"
        head = [
            f"{name}{sense.replace(')', one) if name in self.of_all_clips else sense}"
            for name, sense in ((name, senses[self.is_higher_better(name)]) for name in self.columns)
        ]
        rows = [
            [f"{SIGNS[self.mark(method, name)]} {shown(self.cell(method, name), '+-')}" for name in self.columns]
            for method in self.values
        ]
        first = max(map(len, self.values))
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            f"{name:{first}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
            for name, cells in zip(("", *self.values), (head, *rows), strict=True)
        ]
        counts = sorted(
            {
                num
                for method in self.values
                for name in self.columns
                if name not in self.of_all_clips and (num := self.cell(method, name).num)
            }
        )
        clips = " to ".join(map(str, dict.fromkeys((*counts[:1], *counts[-1:])))) or "0"
        meaning = f"mean +- standard error over {clips} clips; * best, ~ nearer to the best than its standard error"
        return "\n".join([*(line.rstrip() for line in lines), meaning])

    def csv(self) -> str:
        """Return a line for each method and measure, with unrounded numbers."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["method", "measure", "mean", "standard error", "clips", "mark"])
        for method in self.values:
            for name in self.columns:
                writer.writerow([method, name, *self.cell(method, name), self.mark(method, name)])
        return text.getvalue()

    def content(self) -> dict[str, Any]:
        """Return what a JSON file holds; pass it to `json_text`, which writes NaN as null."""
        return {
            "methods": {
                method: {
                    name: {
                        "mean": (cell := self.cell(method, name)).mean,
                        "standard error": cell.error,
                        "clips": cell.num,
                        "mark": self.mark(method, name),
                        "values": list(measures[name]),
                    }
                    for name in measures
                }
                for method, measures in self.values.items()
            }
        }

    def latex(self) -> str:
        r"""Return a tabular: the best mean is bold, those nearer to it than their standard error are underlined."""
        arrows = {None: "", True: r" $\uparrow$", False: r" $\downarrow$"}
        head = [name.translate(TEX) + arrows[self.is_higher_better(name)] for name in self.columns]
        lines = [rf"\begin{{tabular}}{{l{'r' * len(head)}}}", r"\hline", " & ".join(["", *head]) + r" \\", r"\hline"]
        commands: dict[Mark, str] = {"best": r"\textbf{%s}", "close": r"\underline{%s}", "": "%s"}
        for method in self.values:
            cells = [
                commands[self.mark(method, name)] % shown(self.cell(method, name), r"$\pm$") for name in self.columns
            ]
            lines.append(" & ".join([method.translate(TEX), *cells]) + r" \\")
        return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"


def shown(cell: MeanError, sign: str) -> str:
    """Write a mean with its error to two digits, such as "2.50 +- 0.65"; without an error four digits, "-" for nothing."""
    if cell.num == 0:
        return "-"
    if not cell.error > 0:  # also NaN
        return f"{cell.mean:.4g}" + (f" {sign} 0" if cell.error == 0 else "")
    decimals = max(0, 1 - math.floor(math.log10(cell.error)))
    return f"{cell.mean:.{decimals}f} {sign} {cell.error:.{decimals}f}"
