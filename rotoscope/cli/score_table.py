"""rotoscope evaluate --table, and of pictures alone: what they print and write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotoscope.base.files import check_target, part_file
from rotoscope.base.text import json_text
from rotoscope.cli.lines import print_lines, report_lines
from rotoscope.cli.overwrite_rules import refuse_inputs
from rotoscope.cli.progress import Style, shown_progress


def measure_table(
    table: Path, measure: Mapping[str, Any], json: Path | None, progress: Style, *, overwrite: bool
) -> int:
    """Measure the methods of a TOML file; print the table, write it as JSON, CSV and LaTeX. Returns the exit code."""
    import rotoscope

    first = json or Path(f"{table.stem}.table.json")
    targets = [first, *(first.with_suffix(ending) for ending in (".csv", ".tex"))]
    for target in targets:
        refuse_inputs(target, [str(table)])
        check_target(target, source=table, overwrite=overwrite)

    def show(method: str, clip: str, what: str) -> None:
        if progress != "none" and what != "kept":
            report_lines(f"{clip}, {method}: {what}")

    with shown_progress(progress) as on_progress:
        found = rotoscope.evaluate_table(table, on_result=show, on_progress=on_progress, **measure)
    print_lines(*found.text().splitlines())
    content = {"table": str(table), **found.content()}
    for target, text in zip(targets, (json_text(content) + "\n", found.csv(), found.latex()), strict=True):
        with part_file(target, overwrite=overwrite) as part:
            part.write_text(text, encoding="utf-8")
    print_lines(f"numbers: {', '.join(map(str, targets))}")
    return 0


def measure_pictures(
    pictures: str, reference: str | None, measure: Mapping[str, Any], json: Path | None, *, overwrite: bool
) -> int:
    """Measure pictures that are no video; print the scores and write them as JSON. Returns the exit code."""
    import rotoscope

    target = json or Path(f"{Path(pictures).stem}.evaluation.json")
    refuse_inputs(target, [pictures, reference])
    check_target(target, source=Path(pictures), overwrite=overwrite)
    found = rotoscope.evaluate_pictures(pictures, reference, **measure)
    print_lines(*(f"{name:28}{value:12.4g}" for name, value in found.items()))
    content = {"pictures": pictures, "reference": reference, "labels": measure.get("labels"), "summary": found}
    with part_file(target, overwrite=overwrite) as part:
        part.write_text(json_text({**content, "labels": None if content["labels"] is None else str(content["labels"])}))
    print_lines(f"numbers: {target}")
    return 0
