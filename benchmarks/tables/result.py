"""The result of one table: our values, the paper's values beside them, and whether both put the methods in the same order."""

import json
import math
from dataclasses import dataclass, field
from itertools import combinations

from rotoscope.base.processor import cpu_name
from rotoscope.base.text import json_text
from rotoscope.metrics.score_table import ScoreTable


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a paper reports.

    where   data and table
    values  by measure, then by method of ours
    claims  (measure of ours, better method, worse method) where the paper's figures cannot be compared or are not at hand
    """

    where: str
    values: dict[str, dict[str, float]]
    claims: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """One finished table.

    values     by method, then by measure: one number for each clip, scene or seed
    published  what the paper reports; None: no figures are at hand
    higher     measures whose higher values are better, beside those that `ScoreTable` knows
    settings   sizes of the run, written beside the values
    notes      what differs from the paper
    """

    name: str
    title: str
    values: dict[str, dict[str, list[float]]]
    published: Published | None
    settings: dict[str, object]
    notes: tuple[str, ...] = ()
    higher: dict[str, bool] = field(default_factory=dict)

    @property
    def scores(self):
        return ScoreTable(self.values, higher_is_better=self.higher)

    def orders(self):
        """Yield (measure, agreeing pairs, pairs, pairs that differ by less than their errors) for each published measure."""
        for measure, theirs in (self.published.values if self.published else {}).items():
            means = {name: self.scores.cell(name, measure) for name in theirs if measure in self.values.get(name, {})}
            pairs = [(a, b) for a, b in combinations(means, 2) if theirs[a] != theirs[b]]
            if not pairs:
                continue
            agreeing = [(theirs[a] < theirs[b]) == (means[a].mean < means[b].mean) for a, b in pairs]
            near = [abs(means[a].mean - means[b].mean) < math.hypot(means[a].error, means[b].error) for a, b in pairs]
            yield measure, sum(agreeing), len(pairs), sum(near)

    def claims(self):
        """Yield (measure, better method, worse method, whether our means agree, whether they are within their errors)."""
        for measure, better, worse in self.published.claims if self.published else ():
            a, b = self.scores.cell(better, measure), self.scores.cell(worse, measure)
            agrees = a.mean > b.mean if self.scores.is_higher_better(measure) else a.mean < b.mean
            yield measure, better, worse, agrees, abs(a.mean - b.mean) < math.hypot(a.error, b.error)

    def text(self):
        lines = [f"({self.name}) {self.title}", "", self.scores.text(), ""]
        if self.published is None:
            lines.append("The paper's figures are not at hand, so no order is compared.")
        else:
            lines.append(f"The paper reports ({self.published.where}):")
            for measure, theirs in self.published.values.items():
                lines.append(f"  {measure}: " + ", ".join(f"{name} {value:g}" for name, value in theirs.items()))
        for measure, agreeing, pairs, near in self.orders():
            verdict = "agrees" if agreeing == pairs else "differs"
            lines.append(
                f"Order by {measure} {verdict}: {agreeing} of {pairs} pairs of methods as in the paper; "
                f"{near} of {pairs} pairs are within their standard errors here"
            )
        for measure, better, worse, agrees, near in self.claims():
            verdict = f"Order by {measure} {'agrees' if agrees else 'differs'}: the paper puts {better} before {worse}"
            lines.append(verdict + ("; the difference here is within its standard error" if near else ""))
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    def write(self, folder):
        """Write FOLDER/NAME.json; NaN becomes null."""
        content = {
            "title": self.title, "cpu": cpu_name(), "settings": self.settings, **self.scores.content(),
            "published": None if self.published is None else {"where": self.published.where, **self.published.values},
            "orders": [dict(zip(("measure", "agreeing", "pairs", "within errors"), row, strict=True)) for row in self.orders()],
            "claims": [
                dict(zip(("measure", "better", "worse", "agrees", "within errors"), row, strict=True)) for row in self.claims()
            ],
            "notes": list(self.notes),
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(json.loads(json_text(content)), indent=1) + "\n")
        return path
