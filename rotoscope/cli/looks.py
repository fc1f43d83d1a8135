"""rotoscope looks: list the bundled looks."""

from importlib import resources
from typing import Any

from rotoscope.base.text import json_text


def looks(*, json: bool = False) -> int:
    """List the bundled looks, which translate -m takes by name.

    Parameters
    ----------
    json
        Print JSON.

    """
    rows = listed_looks()
    if json:
        print(json_text(rows))
    else:
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            print(f"{row['name']:<{width}}  {row['bytes'] / 1e6:.2f} MB  {row['description']}")
    return 0


def listed_looks() -> list[dict[str, Any]]:
    """Return name, size of the file in bytes and description of each look."""
    from rotoscope.assembly.models import bundled_looks, model_path

    return [
        {"name": name, "bytes": model_path(name).stat().st_size, "description": description(name)}
        for name in bundled_looks()
    ]


def description(name: str) -> str:
    """Return the first sentence of a look's card, without Markdown."""
    lines = (resources.files("rotoscope") / "looks" / f"{name}.md").read_text(encoding="utf-8").splitlines()
    sentence = next(line for line in lines[1:] if line.strip())
    return sentence.removeprefix("A look: ").replace("*", "")
