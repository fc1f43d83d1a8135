"""Text from files in messages, JSON, HTML and SVG: printable and without markup, and the rest as it was."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from rotoscope.base.errors import ModelRefused, RotoscopeError, UsageError
from rotoscope.base.settings_file import MAX_BYTES, read_toml
from rotoscope.base.text import json_text, markup, visible
from rotoscope.plots.chart import Series, chart

ESCAPES = "a\x1b]0;x\x07\r\n\x00\x7f\x85\x9b\u2028\u202e\ud83d<b onclick='x'>&\"é 😀"


def test_what_is_printable_stays():
    assert visible("é 😀 'x' <b>") == "é 😀 'x' <b>"
    assert visible("a\nb\x1b[0m\ud83d\u202e") == "a?b?[0m??"


@pytest.mark.parametrize("kind", [RotoscopeError, UsageError, ModelRefused])
def test_a_message_is_one_printable_line(kind):
    line = str(kind(f"{ESCAPES}: refused"))
    assert line.isprintable() and line.endswith("é 😀: refused")


def test_markup_is_text_in_xml():
    text = markup(ESCAPES)
    element = ElementTree.fromstring(f'<a b="{text}">{text}</a>')
    assert element.text == element.attrib["b"] == visible(ESCAPES)


def test_json_is_printable_ascii_and_has_no_nan():
    text = json_text(
        {"name": ESCAPES, "values": (1.5, float("nan"), -float("inf"), {"deep": [float("inf")]})}, indent=None
    )
    assert text.isascii() and text.isprintable()
    assert json.loads(text) == {"name": ESCAPES, "values": [1.5, None, None, {"deep": [None]}]}


def test_names_in_a_chart_are_text():
    series = [Series(ESCAPES, [0, 1], [0, 1], labels=[ESCAPES, "b"])]
    svg = chart(series, title=ESCAPES, x_label=ESCAPES, y_label=ESCAPES)
    texts = [each.text for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("text")]
    assert texts.count(visible(ESCAPES)) == 5
    assert svg.isprintable()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "not TOML"), (b"a", "not TOML"), (b"a = " + b"9" * 5000, "not TOML"),
        (b"a = [{b = 1234567890123456789012}]", "bits"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"), (b"#" * (MAX_BYTES + 1), "bytes"),
    ],
)  # fmt: skip
def test_bad_toml_is_refused_in_one_line(content, words, tmp_path):
    path = tmp_path / "options.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_toml(path)
