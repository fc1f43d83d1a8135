"""The page of models names every architecture that is recognised, and every file that is refused by name."""

from pathlib import Path

from rotoscope.networks.architectures import ARCHITECTURES
from rotoscope.networks.recognise import HINTS, plain_name

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def test_every_architecture_has_its_row():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    for architecture in ARCHITECTURES:
        name = plain_name(architecture)
        words = name.removeprefix("pix2pixHD ").removesuffix(" (prediction)")
        assert any(words in row for row in rows), name


def test_every_hint_is_on_the_page():
    for hint in HINTS:
        assert f"{hint}=" in PAGE, hint
