"""What every command takes, and the commands that only print: help, version, looks, completion."""

import json
import os
import subprocess
import sys

import pytest
import tiny_clips

import rotoscope
from rotoscope.assembly.models import ANY_PAINTING
from rotoscope.cli.common_options import CommonOptions, split_words

LOOKS = ["comic", "crayon", "ink", "oil", "pencil", "scream", "starry", "wash", "watercolour", "woodblock"]


@pytest.fixture
def clip(here):
    return tiny_clips.write_clip(here / "clip.mp4")


@pytest.mark.parametrize(("words", "options", "rest"), [
    ("looks", CommonOptions(), "looks"),
    ("--quiet looks", CommonOptions("warning", quiet=True), "looks"),
    ("looks --quiet", CommonOptions("warning", quiet=True), "looks"),
    ("looks --debug --json", CommonOptions("debug", debug=True), "looks --json"),
    ("--log-level error looks", CommonOptions("error"), "looks"),
    ("looks --log-level=debug --quiet", CommonOptions("debug", quiet=True), "looks"),
    ("info -- --quiet", CommonOptions(), "info -- --quiet"),
])  # fmt: skip
def test_the_options_of_every_command_stand_before_or_after_it(words, options, rest):
    assert split_words(words.split()) == (options, rest.split())


@pytest.mark.parametrize("before", [True, False])
def test_quiet_prints_nothing_that_is_no_warning(before, clip, identity, rotoscope_main):
    words = ["translate", clip, "out.mp4", "-m", identity, "--progress", "json"]
    assert rotoscope_main(*(["--quiet", *words] if before else [*words, "--quiet"])) == (0, "", "")


def test_quiet_still_prints_errors_losses_and_what_was_asked_for(videos, here, identity, rotoscope_main):
    code, out, err = rotoscope_main("--quiet", "translate", "missing.mp4", "-m", identity)
    assert (code, out, err) == (3, "", "rotoscope: missing.mp4: no such file\n")
    assert rotoscope_main("--quiet", "version")[1].strip() == rotoscope.__version__
    source = videos / "nasty" / "decord_corrupted.mp4"
    code, _, err = rotoscope_main("translate", source, "out.mp4", "-m", identity, "--output-size", "64x36", "--quiet")
    assert code == 5 and "lost: 1 damaged frames" in err and "50 frames" not in err


def test_quiet_leaves_standard_error_as_it_was(rotoscope_main):
    before = sys.stderr
    rotoscope_main("--quiet", "looks")
    assert sys.stderr is before


def test_the_log_level_hides_and_shows_messages(clip, here, identity, rotoscope_main):
    (here / "rotoscope.toml").write_text("[translate]\nmix = 0.5\n")
    words = ["translate", clip, "-o", "out.mp4", "-m", identity, "--overwrite"]
    assert "options from rotoscope.toml: mix" in rotoscope_main(*words)[2]
    assert "options from" not in rotoscope_main(*words, "--log-level", "warning")[2]


def test_version_and_its_json(rotoscope_main):
    assert rotoscope_main("version") == rotoscope_main("--version")
    found = json.loads(rotoscope_main("version", "--json")[1])
    assert found["rotoscope"] == rotoscope.__version__ and {"python", "numpy", "av", "ffmpeg"} < set(found)


@pytest.mark.parametrize(("words", "same"), [
    (["help"], ["--help"]), (["help", "translate"], ["translate", "--help"]), (["help", "train"], ["train", "--help"]),
    (["help", "train", "cyclegan"], ["train", "cyclegan", "--help"]),
])  # fmt: skip
def test_help_is_a_command_too(words, same, rotoscope_main):
    code, out, err = rotoscope_main(*words)
    assert (code, err) == (0, "") and out == rotoscope_main(*same)[1]


def test_looks_are_listed_with_size_and_description(rotoscope_main):
    code, out, err = rotoscope_main("looks")
    assert (code, err) == (0, "")
    rows = out.splitlines()
    names = [*LOOKS, ANY_PAINTING]
    assert [row.split()[0] for row in rows] == names
    for row in rows:
        assert " MB  " in row and len(row) > 40 and not set("*_|`") & set(row)
    found = json.loads(rotoscope_main("looks", "--json")[1])
    assert [row["name"] for row in found] == names and found[0]["bytes"] > 10_000


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_where_it_is_told(shell, here, monkeypatch):
    environment = {**os.environ, "HOME": str(here)}
    command = [sys.executable, "-m", "rotoscope", "--install-completion", "--shell", shell, "-o", "script"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    script = (here / "script").read_text()
    assert "translate" in script and "working-size" in script
