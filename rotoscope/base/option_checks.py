"""Check option values against the types, choices and limits of their fields, with one line for each refusal."""

import numbers
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from rotoscope.base.errors import UsageError
from rotoscope.base.limits import Within, plain_type
from rotoscope.base.nearest import nearest

Range = tuple[float, float]
"""The numbers that stand for black and white."""

LARGEST_VALUE = 1e6  # of a Range


def check_count(name: str, value: Any, limits: Within) -> None:
    """Raise UsageError unless the value is None or a whole number within the limits."""
    if value is not None and not (_fits(value, int) and value in limits):
        raise UsageError(f"--{name.replace('_', '-')} {value!r}; accepted: a whole number, {limits}")


def check_number(name: str, value: Any, limits: Within) -> None:
    """Raise UsageError unless the value is None or a number within the limits."""
    if value is not None and not (_fits(value, float) and value in limits):
        raise UsageError(f"--{name.replace('_', '-')} {value!r}; accepted: {limits}")


def check_known(given: Mapping[str, object], *kinds: type[Any], also: tuple[str, ...] = ()) -> None:
    """Raise UsageError for a keyword that is a field of none of these kinds, with the nearest name."""
    known = sorted({field.name for kind in kinds for field in fields(kind)} | set(also))
    for name in given:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"accepted: {', '.join(known)}"
            raise UsageError(f"unknown option {name}; {hint}")


def check_fields(options: Any, kind: type[Any] | None = None) -> None:
    """Raise UsageError for a field whose value is not one of its choices, not of its type, or not within its limits.

    kind  the class whose fields are checked; by default that of the value
    """
    for name, annotated in get_type_hints(kind or type(options), include_extras=True).items():
        if get_origin(annotated) is ClassVar:
            continue
        value = getattr(options, name)
        hint, limits = plain_type(annotated)
        kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if not any(_fits(value, kind) for kind in kinds):
            accepted = " or ".join(_accepted(kind) for kind in kinds if kind is not type(None))
            raise UsageError(f"{name}={value!r}; accepted: {accepted}")
        if limits is not None:
            for number in value if isinstance(value, tuple | list) else (value,):
                if isinstance(number, numbers.Real) and number not in limits:
                    raise UsageError(f"{name}={value}; accepted: {limits}")


def _fits(value: Any, kind: Any) -> bool:
    """Tell whether a value has the type of a field. A bool is not a number; a list is accepted as a tuple."""
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind is float:
        return isinstance(value, numbers.Real) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if kind in (str, Path):
        return isinstance(value, str | os.PathLike)
    if kind == Range:
        is_pair = isinstance(value, tuple | list) and len(value) == 2
        return is_pair and all(_fits(each, float) and abs(each) <= LARGEST_VALUE for each in value)
    if kind is Any:
        return True
    if get_origin(kind) is tuple:  # of any length
        return isinstance(value, tuple | list) and all(_fits(each, get_args(kind)[0]) for each in value)
    return isinstance(value, kind)


def _accepted(kind: Any) -> str:
    """Describe the values that `_fits` accepts, for a message."""
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    if kind == Range:
        return f"two numbers, such as (0, 255), of at most {LARGEST_VALUE:.0f}"
    if get_origin(kind) is tuple:
        return "a tuple of texts" if get_args(kind)[0] is str else "a tuple of whole numbers"
    words = {float: "a number", int: "a whole number", str: "text", bool: "True or False", Path: "a path"}
    return words.get(kind, str(kind))
