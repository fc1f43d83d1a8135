"""Names of files that a stranger chose reach the terminal, reports, drawings and pages only as printable text."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
import tiny_clips
import tiny_models

NAME = "a\x1b]0;x\x07\n<b>&\"'\udcff"


def plain(text):
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture
def files(here):
    """Clip, its translation and a model with such a name, in the current folder."""
    tiny_clips.write_clip(here / f"{NAME}.mkv", frames=4)
    tiny_models.identity(here / f"{NAME}.onnx")
    return here


COMMANDS = {
    "info": [f"{NAME}.mkv"],
    "info of a model": [f"{NAME}.onnx", "--write", f"{NAME}2.onnx"],
    "info as JSON": [f"{NAME}.mkv", "--json"],
    "translate": [f"{NAME}.mkv", f"{NAME}.out.mkv", "-m", f"{NAME}.onnx", "--report", f"{NAME}.json"],
    "translate of nothing": ["missing" + NAME, "-m", f"{NAME}.onnx"],
    "frames": [f"{NAME}.mkv", f"{NAME}.frames"],
    "compare": [f"{NAME}.mkv", f"{NAME}.png", "-m", f"{NAME}.onnx", "--frames", "1"],
    "evaluate": [f"{NAME}.mkv", f"{NAME}.mkv"],
    "evaluate a sweep": [f"{NAME}.mkv", "-m", f"{NAME}.onnx", "--sweep", "strength=0.5,1", "--steady", "blend"],
    "parity": [f"{NAME}.onnx", f"{NAME}.onnx", "--frames", "1", "--size", "64x48"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_names_are_printable(command, files, rotoscope_main):
    _code, out, err = rotoscope_main(command.split()[0], *COMMANDS[command])
    assert plain(out) and plain(err), (out, err)
    assert "Traceback" not in err and "a bug in" not in err, err
    assert out or err
    for path in files.iterdir():
        if path.suffix == ".json":
            text = path.read_bytes().decode()
            json.loads(text)
            assert text.isascii() and plain(text)
        if path.suffix == ".svg":
            text = path.read_bytes().decode()
            ElementTree.fromstring(text)
            assert plain(text)
