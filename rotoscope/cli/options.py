"""The options of a translation as flags: cyclopts annotations around the values of `rotoscope.base.options`."""

import ast
import inspect
from dataclasses import dataclass, fields, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.options import ModelOptions, OutputOptions, SourceOptions, SteadyOptions

Options = TypeVar("Options")


def parse_range(_type: Any, tokens: Any) -> tuple[float, float]:
    """Parse 0,255 into (0.0, 255.0)."""
    text = tokens[0].value
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"range {text!r}; accepted: two numbers such as 0,255 or -1,1") from None
    return low, high


def parse_style(_type: Any, tokens: Any) -> int | str:
    """Parse 7 into a seed; anything else, 1.5 too, is the name of a file."""
    text: str = tokens[0].value
    return int(text) if text.isdecimal() else text


def parse_seconds(_type: Any, tokens: Any) -> float:
    """Parse 90.5, 1:30.5 or 0:01:30.5 into seconds."""
    text: str = tokens[0].value
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or any(not 0 <= number < 60 for number in numbers[1:]):
        raise UsageError(
            f"time {text!r}; accepted: seconds such as 90.5, or hours, minutes and seconds such as 0:01:30.5"
        )
    seconds = 0.0
    for number in numbers:
        seconds = 60 * seconds + number
    return seconds


def parse_explicit(_type: Any, tokens: Any) -> str:
    """A value that only the command line may give: a folder that comes with a rotoscope.toml must not name a program to run."""
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
    "palette": Parameter(name="--palette", show_default=False),
    "encoder_options": Parameter(name="-e", show_default=False),
}


def flags(kind: type[Options]) -> Any:
    """A subclass of an options value whose fields carry the help and the parsing that cyclopts needs."""
    hints, helps = get_type_hints(kind), field_docs(kind)
    annotated = [
        (
            field.name,
            Annotated[hints[field.name], Parameter(help=helps[field.name]), SPECIAL.get(field.name, Parameter())],
            field,
        )
        for field in fields(kind)  # type: ignore[arg-type]  # a dataclass
    ]
    made = make_dataclass(kind.__name__, annotated, bases=(kind,), frozen=True, kw_only=True)
    made.__module__ = __name__  # cyclopts does not flatten classes of the standard library
    return made


def field_docs(kind: type[Any]) -> dict[str, str]:
    """Field -> the docstring that stands below it in the class."""
    (body,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        is_doc = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_doc:
            docs[field.target.id] = " ".join(str(text.value.value).split())  # type: ignore[attr-defined]
    return docs


if TYPE_CHECKING:
    SourceFlags = SourceOptions
    ModelFlags = ModelOptions
    SteadyFlags = SteadyOptions
    OutputFlags = OutputOptions
else:
    SourceFlags, ModelFlags, SteadyFlags, OutputFlags = map(
        flags, (SourceOptions, ModelOptions, SteadyOptions, OutputOptions)
    )


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """How much of the machine a run uses."""

    threads: int | None = None
    """Cores that engine, kernels and codecs share; by default all."""

    in_flight: int | None = None
    """Frames translated at the same time (models without state only); by default one for each core, at most 8. A result
    leaves up to so many frames + 1 later; 1 has the least delay."""


SourceArguments = Annotated[SourceFlags, Parameter(name="*", group=Group.create_ordered("Source"))]
ModelArguments = Annotated[ModelFlags, Parameter(name="*", group=Group.create_ordered("Model"))]
SteadyArguments = Annotated[SteadyFlags, Parameter(name="*", group=Group.create_ordered("Steadiness"))]
OutputArguments = Annotated[OutputFlags, Parameter(name="*", group=Group.create_ordered("Output"))]
RunArguments = Annotated[RunFlags, Parameter(name="*", group=Group.create_ordered("Machine"))]

SOURCE, MODEL, STEADY, OUTPUT, RUN = SourceFlags(), ModelFlags(), SteadyFlags(), OutputFlags(), RunFlags()
"""Defaults of the arguments above."""


def as_keywords(*values: Any) -> dict[str, Any]:
    """The fields of several values as keywords of a function."""
    return {field.name: getattr(value, field.name) for value in values for field in fields(value)}
