"""Print a results file as a table of times and ratios.

    python benchmarks/report.py benchmarks/results/translate.json

The first row of each group is Rotoscope; the ratios of the others say how many times as long they take.
"""

import json
import os
import sys
from pathlib import Path

BROKEN_PIPE = 141  # exit code, as in docs/command-line.md


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("python benchmarks/report.py FILE")
    results = json.loads(Path(sys.argv[1]).read_text())
    if "benchmarks" not in results:
        sys.exit(f"{sys.argv[1]}: made by a script of this folder, not by pytest-benchmark; its table is in docs/lab/")
    print(f"{results['machine_info']['cpu_name']}, {results['machine_info']['cpu'].get('count', '?')} cores\n")
    groups: dict[str, list[dict]] = {}
    for row in results["benchmarks"]:
        groups.setdefault(row["group"] or row["name"], []).append(row)
    for group, rows in groups.items():
        print(group)
        ours = rows[0]["stats"]["median"]
        for row in rows:
            median = row["stats"]["median"]
            info = ", ".join(f"{key} {value}" for key, value in row["extra_info"].items())
            label = (row.get("params") or {}).get("kind", row["name"])
            print(f"  {label:<24}{median * 1e3:10.1f} ms   {median / ours:5.2f}x   {info}")
        print()
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # the reader, such as head, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
