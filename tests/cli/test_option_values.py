"""Times and other values of the command line, and the flags made of the values of base.options."""

from types import SimpleNamespace

import pytest

from rotoscope import cli
from rotoscope.base.errors import UsageError
from rotoscope.base.options import TRANSLATE_VALUES
from rotoscope.cli.options import field_docs, parse_range, parse_seconds, parse_style


def parsed(parse, text):
    return parse(None, [SimpleNamespace(value=text, keyword="--start")])


@pytest.mark.parametrize(("text", "seconds"), [
    ("90", 90), ("90.5", 90.5), ("1:30", 90), ("1:30.5", 90.5), ("0:01:30.5", 90.5), ("01:00:00", 3600),
    ("00:00:01", 1), ("100:00", 6000), ("25:00:00", 90_000), ("0", 0), ("1e1", 10), ("00:00:00.04", 0.04),
])  # fmt: skip
def test_times_are_seconds_or_have_colons(text, seconds):
    assert parsed(parse_seconds, text) == seconds


@pytest.mark.parametrize("text", [
    "", "soon", "1:60", "1:2:3:4", "1:-2", "-1:30", ":30", "1:", "1::2", "0:60:00", "1:30s", "1m30", "nan", "inf", "1:nan",
    "inf:1", "-inf", "1,5",
])  # fmt: skip
def test_other_times_are_refused_with_what_is_accepted(text):
    with pytest.raises(
        UsageError, match=r"accepted: seconds such as 90\.5, or hours, minutes and seconds such as 0:01:30\.5"
    ):
        parsed(parse_seconds, text)


@pytest.mark.parametrize("command", ["translate", "evaluate"])
@pytest.mark.parametrize("flag", ["--start", "--duration"])
def test_every_time_of_every_command_takes_both_forms(command, flag):
    argument = next(each for each in cli.register()[command].assemble_argument_collection() if flag in each.names)
    assert argument.parameter.converter is parse_seconds


def test_other_values():
    assert parsed(parse_range, "-1,1") == (-1, 1)
    assert (parsed(parse_style, "7"), parsed(parse_style, "a.npy"), parsed(parse_style, "1.5")) == (7, "a.npy", "1.5")
    for text in ("1", "1,2,3", "a,b"):
        with pytest.raises(UsageError, match="accepted: two numbers"):
            parsed(parse_range, text)


@pytest.mark.parametrize("kind", TRANSLATE_VALUES)
def test_every_flag_of_translate_shows_the_help_of_its_field(kind):
    shown = {
        argument.field_info.name: argument for argument in cli.register()["translate"].assemble_argument_collection()
    }
    docs = field_docs(kind)
    for name, text in docs.items():
        assert shown[name].parameter.help == text and shown[name].show


@pytest.mark.parametrize("command", [name for name in cli.COMMANDS if name != "train"])
def test_every_option_of_every_command_has_help(command):
    for argument in cli.register()[command].assemble_argument_collection(parse_docstring=True):
        if argument.show and argument.parse:
            assert argument.parameter.help, argument.names
