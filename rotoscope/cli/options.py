"""The options of a translation as flags: cyclopts annotations around the values of `rotoscope.base.options`."""

import ast
import inspect
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, make_dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.option_checks import check_fields
from rotoscope.base.options import (
    IN_FLIGHT,
    THREADS,
    LiveOptions,
    ModelOptions,
    OutputOptions,
    SourceOptions,
    SteadyOptions,
)
from rotoscope.cli.usage_errors import no_model
from rotoscope.cli.whole_numbers import MOST_DIGITS

Options = TypeVar("Options")


def parse_range(_type: Any, tokens: Any) -> tuple[float, float]:
    """Parse 0,255 to (0.0, 255.0)."""
    text = tokens[0].value
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"range {text!r}; accepted: two numbers such as 0,255 or -1,1") from None
    return low, high


def parse_style(_type: Any, tokens: Any) -> int | str:
    """Parse 7 to a number; return anything else as it is: a blend, or the name of a file."""
    text: str = tokens[0].value
    is_seed = text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS
    return int(text) if is_seed else text


def parse_seconds(_type: Any, tokens: Any) -> float:
    """Parse 90.5, 1:30.5 or 0:01:30.5 to seconds; a single number may be negative, which the options refuse."""
    text: str = tokens[0].value
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    is_clock = all(part[:1].isdigit() for part in parts) and all(number < 60 for number in numbers[1:])
    if not 1 <= len(numbers) <= 3 or not all(map(math.isfinite, numbers)) or (len(numbers) > 1 and not is_clock):
        raise UsageError(
            f"{tokens[0].keyword} {text}; accepted: seconds such as 90.5, or hours, minutes and seconds such as 0:01:30.5"
        )
    seconds = 0.0
    for number in numbers:
        seconds = 60 * seconds + number
    return seconds


def parse_explicit(_type: Any, tokens: Any) -> str:
    """Return a value that only a flag may give: a file of options, or the environment, must not name a program to run."""
    text: str = tokens[0].value
    if tokens[0].source != "cli":
        raise UsageError(
            f"{text} from {tokens[0].source}: a library is a program, accepted only as the flag --op-library"
        )
    return text


RANGE = Parameter(converter=parse_range, n_tokens=1, allow_leading_hyphen=True)
SECONDS = Parameter(converter=parse_seconds, n_tokens=1, allow_leading_hyphen=True)
STYLE = Parameter(converter=parse_style, n_tokens=1, allow_leading_hyphen=True)

SPECIAL: dict[str, Parameter] = {
    "start": SECONDS,
    "duration": SECONDS,
    "input_range": RANGE,
    "output_range": RANGE,
    "style": STYLE,
    "op_library": Parameter(converter=parse_explicit, n_tokens=1),
    "hints": Parameter(name="--hint", show_default=False),
    "settings": Parameter(name="--set", show_default=False),
    "palette": Parameter(name="--palette", show_default=False),
    "give_up_after": SECONDS,
    "host": Parameter(name="--listen"),
    "encoder_options": Parameter(name="-e", show_default=False),
}


def flags(kind: type[Any]) -> Any:
    """Return a subclass of an options value, with the help text and the parser of each field for cyclopts."""
    hints, helps = get_type_hints(kind), field_docs(kind)
    annotated = [
        (
            field.name,
            Annotated[hints[field.name], Parameter(help=helps[field.name]), SPECIAL.get(field.name, Parameter())],
            field,
        )
        for field in fields(kind)
    ]
    made = make_dataclass(kind.__name__, annotated, bases=(kind,), frozen=True, kw_only=True)
    made.__module__ = __name__  # cyclopts does not flatten classes of the standard library
    return made


@cache
def classes_of(module: ModuleType) -> dict[str, ast.ClassDef]:
    """Return the classes that the source of a module defines, by name."""
    return {node.name: node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ClassDef)}


def field_docs(kind: type[Any]) -> dict[str, str]:
    """Return the docstring below each field of a class, on one line."""
    body = classes_of(sys.modules[kind.__module__])[kind.__name__]
    docs = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            docs[field.target.id] = " ".join(str(text.value.value).split())
    return docs


if TYPE_CHECKING:
    SourceFlags = SourceOptions
    ModelFlags = ModelOptions
    SteadyFlags = SteadyOptions
    OutputFlags = OutputOptions
    LiveFlags = LiveOptions
else:
    SourceFlags, ModelFlags, SteadyFlags, OutputFlags, LiveFlags = map(
        flags, (SourceOptions, ModelOptions, SteadyOptions, OutputOptions, LiveOptions)
    )


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """Cores and frames in work at once."""

    threads: Annotated[int | None, THREADS] = None
    """Cores shared by engine, kernels and codecs; by default all."""

    in_flight: Annotated[int | None, IN_FLIGHT] = None
    """Frames translated at the same time (models without state only); by default one for each core, at most 8. It delays a
    result by up to this many frames + 1; 1 has the least delay."""

    def __post_init__(self) -> None:
        check_fields(self)


SourceArguments = Annotated[SourceFlags, Parameter(name="*", group=Group.create_ordered("Source"))]
ModelArguments = Annotated[ModelFlags, Parameter(name="*", group=Group.create_ordered("Model"))]
SteadyArguments = Annotated[SteadyFlags, Parameter(name="*", group=Group.create_ordered("Steadiness"))]
OutputArguments = Annotated[OutputFlags, Parameter(name="*", group=Group.create_ordered("Output"))]
LiveArguments = Annotated[LiveFlags, Parameter(name="*", group=Group.create_ordered("Live"))]
RunArguments = Annotated[RunFlags, Parameter(name="*", group=Group.create_ordered("Machine"))]

SOURCE, MODEL, STEADY, OUTPUT, RUN = SourceFlags(), ModelFlags(), SteadyFlags(), OutputFlags(), RunFlags()
LIVE = LiveFlags()
"""Defaults of the arguments above."""


def as_keywords(*values: Any) -> dict[str, Any]:
    """Return the fields of several values as keywords of a function."""
    return {field.name: getattr(value, field.name) for value in values for field in fields(value)}


def chosen_models(command: str, given: Sequence[str] | None, like: str | None) -> list[str]:
    """Return the models of -m; without -m and with a style picture, the bundled network that takes any.

    Raises UsageError if there are neither.
    """
    from rotoscope.assembly.models import ANY_PAINTING

    if given:
        return list(given)
    if like is None:
        raise UsageError(no_model(command))
    return [ANY_PAINTING]
