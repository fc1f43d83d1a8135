"""The options of a translation that a client may choose, in the query of its request."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from rotoscope.base.nearest import nearest
from rotoscope.base.options import OutputOptions, SteadyMethod, SteadyOptions
from rotoscope.base.sizes import parse_size
from rotoscope.base.text import one_line
from rotoscope.service.refusals import Refused

NAMES = ("model", "working_size", "steady", "strength", "mix")


def options_of(query: Iterable[tuple[str, str]], models: Sequence[str]) -> dict[str, Any]:
    """Options of `translate` from the names and values of a query; raises Refused with 400 for what is not accepted.

    models  names that `model` may be; the first one is the default
    """
    given: dict[str, Any] = {}
    for name, text in query:
        if name == "token":  # the access has read it
            continue
        if name not in NAMES:
            near = nearest(name, NAMES)
            hint = f"did you mean {near}?" if near else f"accepted: {', '.join(NAMES)}"
            raise Refused(400, f"unknown option {one_line(name[:80])!r}; {hint}")
        if name in given:
            raise Refused(400, f"{name} is given twice")
        given[name] = _number(name, text) if name in ("strength", "mix") else text
    _check_choice("model", given.setdefault("model", models[0]), models)
    _check_choice("steady", given.get("steady", "off"), get_args(SteadyMethod))
    SteadyOptions(strength=given.get("strength", 0.0))
    OutputOptions(mix=given.get("mix", 0.0))
    if "working_size" in given:
        parse_size(given["working_size"], (64, 64))
    return given


def _check_choice(name: str, value: str, accepted: Sequence[str]) -> None:
    if value not in accepted:
        raise Refused(400, f"{name} {one_line(value[:80])!r}; accepted: {', '.join(accepted)}")


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Refused(400, f"{name} {one_line(text[:80])!r}; accepted: a number from 0 to 1")
    return number
