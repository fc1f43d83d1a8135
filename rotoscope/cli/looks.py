"""rotoscope looks: list the bundled looks."""

from pathlib import Path
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
    """Return name, size of the file in bytes and description of each look; the one that needs a painting comes last."""
    from rotoscope.assembly.models import ANY_PAINTING, bundled_looks, model_path

    return [
        {"name": name, "bytes": path.stat().st_size, "description": description(path.with_suffix(".md"))}
        for name in (*bundled_looks(), ANY_PAINTING)
        for path in [model_path(name)]
    ]


def description(card: Path) -> str:
    """Return the first sentence of a look's card, without Markdown."""
    lines = card.read_text(encoding="utf-8").splitlines()
    sentence = next(line for line in lines[1:] if line.strip())
    return sentence.removeprefix("A look: ").translate({ord(mark): None for mark in "*`"})
