"""Options from files: which ones a file of the current folder may set, which file wins, and what a run says about them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import independent
import pytest
import tiny_clips

from rotoscope import cli
from rotoscope.cli.settings import HARMLESS

# Options that decide what is written, read, replaced or run.
REFUSED = {
    "compare": ["overwrite", "model", "output", "engine", "hint"],
    "demo": ["overwrite", "output"],
    "distill": ["out", "budget"],
    "encode": ["overwrite", "model", "output", "engine"],
    "evaluate": ["overwrite", "json", "plot", "reference", "model", "lpips", "inception", "i3d", "flow"],
    "export": ["overwrite", "output", "finer", "calibrate"],
    "frames": ["output"],
    "info": ["write"],
    "parity": ["save", "overwrite", "clip", "mask"],
    "translate": [
        "overwrite", "output", "report", "model", "op_library", "engine", "device", "compiled", "flow", "interpolator",
        "mask", "instances", "style", "like", "set", "hint", "e", "start", "duration",
    ],
}  # fmt: skip
POSITIONAL = {"distill": ["starry"], "frames": ["a"], "translate": ["a.mp4", "-m", "starry"], "parity": ["a", "b"]}


@pytest.fixture(autouse=True)
def own_folder(tmp_path_factory, monkeypatch):
    """An empty folder in place of the user's."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


@pytest.fixture
def clip(here):
    return tiny_clips.write_clip(here / "clip.mp4")


@pytest.mark.parametrize(("command", "key"), [(command, key) for command, keys in REFUSED.items() for key in keys])
def test_a_file_of_the_folder_may_not_set_it(command, key, here, rotoscope_main):
    for spelling in {key, key.replace("_", "-")}:
        (here / "rotoscope.toml").write_text(f'[{command}]\n{spelling} = "1"\n')
        code, _, err = rotoscope_main(command, *POSITIONAL.get(command, ["a"]))
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith("rotoscope: rotoscope.toml: ") or "--op-library" in err
        assert key == "op_library" or (spelling in err and "may not be set" in err)
    assert [item.name for item in here.iterdir()] == ["rotoscope.toml"]


def test_every_command_has_its_list():
    assert set(cli.COMMANDS) == set(HARMLESS)


@pytest.mark.parametrize("command", [name for name in HARMLESS if HARMLESS[name]])
def test_every_harmless_option_exists(command):
    known = {
        name.lstrip("-").replace("-", "_")
        for argument in cli.register()[command].assemble_argument_collection()
        for name in argument.names
    }
    assert set(HARMLESS[command]) <= known


def test_the_page_lists_what_the_code_allows():
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
    rows = page.partition("| command | options of `rotoscope.toml` |\n")[2].partition("\n\n")[0].splitlines()[1:]
    listed = {}
    for row in rows:
        commands, options = (cell.strip() for cell in row.strip("|").split("|"))
        listed |= {command: tuple(options.split(", ")) for command in commands.replace("`", "").split(", ")}
    assert listed == {command: options for command, options in HARMLESS.items() if options}


def test_a_strangers_folder_replaces_nothing(clip, here, identity, rotoscope_main):
    (here / "notes.txt").write_text("precious")
    (here / "rotoscope.toml").write_text('[translate]\nreport = "notes.txt"\noverwrite = true\n')
    code, _, err = rotoscope_main("translate", clip, "o.mp4", "-m", identity)
    assert code == 2 and "rotoscope.toml: report may not be set" in err
    assert (here / "notes.txt").read_text() == "precious" and not (here / "o.mp4").exists()


def test_a_run_says_which_files_it_used(clip, here, identity, own_folder, rotoscope_main):
    (here / "rotoscope.toml").write_text('[translate]\noutput_size = "32x24"\n')
    (own_folder / "rotoscope").mkdir()
    (own_folder / "rotoscope" / "config.toml").write_text('[translate]\nreport = "run.json"\nsteady = "off"\n')
    code, _, err = rotoscope_main("translate", clip, "o.mp4", "-m", identity)
    said = f"rotoscope.toml: output_size; {own_folder}/rotoscope/config.toml: report, steady"
    assert code == 0 and err.splitlines()[0] == f"options from {said}"
    report = json.loads((here / "run.json").read_text())
    assert report["options_from"] == said.split("; ") and report["steady"] == "off"


def test_without_files_the_report_names_none(clip, here, identity, rotoscope_main):
    (here / "rotoscope.toml").write_text("[compare]\nframes = 3\n")
    code, _, err = rotoscope_main("translate", clip, "o.mp4", "-m", identity, "--report", "run.json")
    assert code == 0 and "options from" not in err
    assert json.loads((here / "run.json").read_text())["options_from"] == []


def test_flag_then_environment_then_folder_then_the_users_own(
    clip, here, identity, own_folder, rotoscope_main, monkeypatch
):
    def size_of_result(*flags):
        words = ["translate", clip, "-o", "out.mp4", "-m", identity, "--overwrite", *flags]
        assert rotoscope_main(*words)[0] == 0
        return independent.sizes("out.mp4")[:2]

    (own_folder / "rotoscope").mkdir()
    (own_folder / "rotoscope" / "config.toml").write_text('[translate]\noutput-size = "24x16"\n')
    assert size_of_result() == (24, 16)
    (here / "rotoscope.toml").write_text('[translate]\noutput_size = "32x24"\n')
    assert size_of_result() == (32, 24)
    monkeypatch.setenv("ROTOSCOPE_TRANSLATE_OUTPUT_SIZE", "40x30")
    assert size_of_result() == (40, 30)
    assert size_of_result("--output-size", "48x36") == (48, 36)


@pytest.mark.parametrize(("text", "said"), [
    ("[translate]\nstrenght = 1\n", "rotoscope.toml: strenght: no such option; did you mean strength?"),
    ("[translte]\nstrength = 1\n", "rotoscope.toml: [translte] is no command; did you mean translate?"),
    ("strength = 1\n", "rotoscope.toml: [strength] is no command; accepted: batch, bench, "),
    ("translate = 1\n", "rotoscope.toml: translate is a value; accepted: a table [translate] of options"),
    ("[translate]\nmix = 'much'\n", "rotoscope.toml: --mix much; accepted: a number"),
    ("[translate]\nsteady = 'very'\n", "rotoscope.toml: --steady very; accepted: off, blend, ramp, hypercon"),
    ("[translate\n", "rotoscope.toml: not TOML ("),
    (b"\xff\xfe", "rotoscope.toml: not TOML ("),
    ("[translate]\nwindow = " + "9" * 5000 + "\n", "rotoscope.toml: not TOML ("),
    ("[translate]\nmix" + ".a" * 2000 + " = 1\n", "rotoscope.toml: "),
    ("[translate]\nmix = " + "[" * 3000 + "]" * 3000 + "\n", "rotoscope.toml: nested too deeply; accepted: "),
    ("[translate]\nmix = [[1]]\n", "rotoscope.toml: mix is a list of lists or tables; accepted: text, a number, "),
    ("[translate]\nmix = []\n", "rotoscope.toml: mix is an empty list; accepted: text, a number, "),
    ("[translate]\nmix = {a = 1}\n", "rotoscope.toml: mix is a table; accepted: text, a number, "),
    ("[translate]\nmix = nan\n", "mix=nan; accepted: 0 "),
    ("[translate]\nwindow = inf\n", "--window inf; accepted: a whole number"),
    ("[translate]\ninsert = 1000000000\n", "insert=1000000000; accepted: 0 to 63"),
    ("[translate]\nthreads = -1\n", "threads=-1; accepted: 1 to 1024"),
    ("[translate]\ncompare = 3\n", "rotoscope.toml: compare is 3; accepted: true or false"),
    ("[translate]\n" + "k" * 100_000 + " = 3\n", "rotoscope.toml: kkk"),
    ("[translate]\nsteady = '" + "k" * 100_000 + "'\n", "rotoscope.toml: --steady kkk"),
    ("[translate]\n\"\\u001b]0;title\\u0007\" = 3\n", "rotoscope.toml: ?]0;title?: no such option"),
    (b"#" * (1 << 20) + b"#", "rotoscope.toml: has 1,048,577 bytes; at most"),
])  # fmt: skip
def test_a_wrong_file_is_one_line(text, said, clip, here, identity, rotoscope_main):
    (here / "rotoscope.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    code, _, err = rotoscope_main("translate", clip, "out.mp4", "-m", identity)
    line = err.splitlines()[-1]
    assert code == 2 and line.startswith(f"rotoscope: {said}") and len(line.encode()) < 600 and line.isprintable()
    assert all(other.startswith("options from rotoscope.toml: ") for other in err.splitlines()[:-1])
    assert not (here / "out.mp4").exists()


@pytest.mark.parametrize("value", ["[]", "[[]]", "{}", "{a = 1}", "3", "''", "[3]", "true", "1e300", "1979-05-27"])
def test_any_kind_of_value_for_the_model_in_the_users_own_file_is_one_line(
    value, clip, here, own_folder, rotoscope_main
):
    (own_folder / "rotoscope").mkdir()
    (own_folder / "rotoscope" / "config.toml").write_text(f"[translate]\nmodel = {value}\n")
    code, _, err = rotoscope_main("translate", clip, "out.mp4")
    line = err.splitlines()[-1]
    assert code in (2, 4) and line.startswith("rotoscope: ") and "a bug" not in line and len(line.encode()) < 600


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_in_place_of_the_file_does_not_hang(here, rotoscope_main):
    os.mkfifo("rotoscope.toml")
    code, _, err = rotoscope_main("looks")
    assert code == 2 and "not a regular file" in err


def test_the_hostile_case_of_the_shared_folder(shared, clip, identity, tmp_path):
    binary = tmp_path / "bin"
    binary.mkdir()
    (binary / "rotoscope").write_text(f'#!/bin/sh\nexec {sys.executable} -m rotoscope "$@"\n')
    (binary / "rotoscope").chmod(0o755)
    command = [sys.executable, shared / "cases" / "hostile" / "toml_overwrites.py", clip, identity]
    environment = {**os.environ, "PATH": f"{binary}:{os.environ['PATH']}"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "still there\n"
