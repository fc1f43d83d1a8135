"""The page of a blind preference test: pairs in random order and on random sides, choices counted in the browser."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from string import Template


@dataclass(frozen=True)
class BlindPair:
    """Files beside the page that show one thing made by both methods, and perhaps the original."""

    name: str
    a: str
    b: str
    original: str | None = None


def blind_page(a: str, b: str, pairs: Sequence[BlindPair], question: str) -> str:
    """Return the text of an HTML page that needs no network.

    a, b  names of the methods, which the page shows at the end only
    """
    test = {"question": question, "a": a, "b": b, "pairs": [asdict(pair) for pair in pairs]}
    names = json.dumps([question, a, b, [pair.name for pair in pairs]])
    test["id"] = hashlib.sha256(names.encode()).hexdigest()[:16]
    page = Template(resources.files("rotoscope.plots").joinpath("blind_page.html").read_text(encoding="utf-8"))
    # Inside a script, "</" could end it.
    return page.substitute(test=json.dumps(test).replace("<", "\\u003c"))
