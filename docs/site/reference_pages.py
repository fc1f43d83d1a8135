"""Pages that are generated from the code: all commands with their options, the public names of Python, the exit codes."""

import inspect
import re
from pathlib import Path

from cyclopts import App

import rotoscope
from rotoscope.base import errors
from rotoscope.base.options import LiveOptions, ModelOptions, OutputOptions, SourceOptions, SteadyOptions
from rotoscope.cli import register
from rotoscope.cli.options import field_docs
from rotoscope.cli.train import train
from rotoscope.service.options import ServeOptions

OPTIONS = (SourceOptions, ModelOptions, SteadyOptions, OutputOptions, LiveOptions, ServeOptions)
GENERATED = "<!-- Written by docs/site/reference_pages.py from the code. -->\n\n"


def write(folder: Path) -> None:
    """Write all pages; one that has not changed is left alone, so that it is not built again."""
    folder.mkdir(exist_ok=True)
    for name, text in (("commands.md", commands()), ("train.md", train_systems()), ("python-api.md", python_api())):
        file = folder / name
        if not file.exists() or file.read_text() != GENERATED + text:
            file.write_text(GENERATED + text)


def commands() -> str:
    """All commands with their arguments and options."""
    text = _of_app(register(), "All commands and options")
    text = text.replace("docs/command-line.md", "[command line](../command-line.md)")
    return re.sub(r"\(#rotoscope-(train-[\w-]+)\)", r"(train.md#rotoscope-\1)", text)


def train_systems() -> str:
    """The systems that can be trained, with their options."""
    text = re.sub("^(#* ?)train ", r"\1rotoscope train ", _of_app(train, "Options of train"), flags=re.MULTILINE)
    return text.replace("(#train-", "(#rotoscope-train-")


def _of_app(of: App, title: str) -> str:
    text = of.generate_docs(output_format="markdown", recursive=True)
    text = re.sub(r"^## Table of Contents\n.*?(?=^\*\*|^#|^[A-Z][a-z]+ )", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^# \w+\n", f"# {title}\n", text)
    return text.replace(" -m sphinx", "")  # the program that runs now, which cyclopts takes for ours


def python_api() -> str:
    """The public names with their signatures and docstrings, and the options as keywords."""
    parts = ["# Python API\n", "Every name below is one of `rotoscope`: `rotoscope.translate(...)`.\n"]
    values = {name: getattr(rotoscope, name) for name in rotoscope.__all__}
    kinds = {
        "Functions": [name for name, value in values.items() if inspect.isfunction(value)],
        "Classes": [name for name, value in values.items() if inspect.isclass(value) and not _is_error(value)],
        "Errors": [name for name, value in values.items() if inspect.isclass(value) and _is_error(value)],
    }
    for title, names in kinds.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += _described(name, values[name])
    parts.append("## Options as keywords\n")
    for kind in OPTIONS:
        parts += [f"### {kind.__name__}\n", _prose(inspect.getdoc(kind))]
        parts += [_definition(name, text) for name, text in field_docs(kind).items()]
    return "\n".join(parts)


def _is_error(value: type) -> bool:
    return issubclass(value, errors.RotoscopeError)


def _described(name: str, value: object) -> list[str]:
    parts = [f"### {name}\n"]
    if inspect.isfunction(value):
        parts.append(f"```python\n{_signature(name, value)}\n```\n")
    elif _is_error(value):
        parts.append(f"Exit code {value.exit_code}. ")
    parts.append(_prose(inspect.getdoc(value)))
    if inspect.isclass(value) and not _is_error(value):
        for member, item in vars(value).items():
            if member.startswith("_") or not inspect.getdoc(item):
                continue
            if inspect.isfunction(item):
                parts.append(f"#### {name}.{member}\n\n```python\n{_signature(member, item)}\n```\n")
                parts.append(_prose(inspect.getdoc(item)))
            elif isinstance(item, property):
                parts.append(_definition(f"{name}.{member}", inspect.getdoc(item)))
    return parts


def _signature(name: str, value: object) -> str:
    """The signature, one parameter on each line if it is long."""
    signature = inspect.signature(value)
    words = []
    is_keyword = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            words.append("*")
        if parameter.name != "self":
            words.append(_parameter(parameter))
    result = "" if signature.return_annotation is signature.empty else f" -> {signature.return_annotation}"
    short = f"{name}({', '.join(words)}){result}"
    return short if len(short) <= 90 else f"{name}(\n    " + ",\n    ".join(words) + f",\n){result}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {parameter.annotation}"
    if parameter.default is not parameter.empty:
        text += " = ..." if callable(parameter.default) else f" = {parameter.default!r}"
    return text


def _definition(name: str, text: str) -> str:
    return f"`{name}`\n: {' '.join(text.split())}\n"


def _prose(text: str) -> str:
    """A docstring as Markdown: paragraphs, indented code, and lists of names with their texts."""
    parts: list[list[str]] = []  # kind and text
    for block in re.split(r"\n\s*\n", text):
        lines = block.split("\n")
        if all(line.startswith("    ") for line in lines):
            parts.append(["code", "```python\n" + inspect.cleandoc("\n" + block) + "\n```"])
            continue
        begin = len(parts)
        for line in lines:
            last = parts[-1][0] if len(parts) > begin else ""
            item = re.match(r"(\S.{0,60}?)  +(\S.*)", line)
            if item:
                parts.append(["item", f"`{item[1]}`\n: {item[2]}"])
            elif last == "prose" or (last == "item" and line.startswith("  ")):
                parts[-1][1] += " " + line.strip()
            else:
                parts.append(["prose", line.strip()])
    return "\n\n".join(part for _, part in parts) + "\n"
