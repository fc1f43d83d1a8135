"""The container of scripts/contained.sh: a command works in it, and sees one folder and no network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promises.corpus.clips import clip
from promises.corpus.onnx_graphs import model

ROOT = Path(__file__).parents[2]


@pytest.fixture
def contained(tmp_path):
    """Return a function that runs words in the container, with the folder that it sees as an attribute."""
    if shutil.which("bwrap") is None or shutil.which("prlimit") is None:
        pytest.skip("bubblewrap or prlimit is not installed")
    if subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, check=False
    ).returncode:
        pytest.skip("this system allows no user namespaces")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "clip.mkv").write_bytes(clip("mkv", frames=3))
    (folder / "identity.onnx").write_bytes(model().SerializeToString())
    (tmp_path / "secret.mkv").write_bytes(clip("mkv", frames=3))
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    def run(*words):
        command = [str(ROOT / "scripts" / "contained.sh"), str(folder), *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    run.folder = folder
    return run


def test_a_command_reads_and_writes_its_folder_and_sees_nothing_else(contained):
    done = contained("info", "clip.mkv")
    assert done.returncode == 0, done.stderr
    assert "64x48" in done.stdout
    outside = contained.folder.parent / "secret.mkv"
    for name in (outside, "../secret.mkv", "/etc/passwd"):
        done = contained("info", name)
        assert (done.returncode, "no such file" in done.stderr) == (3, True), done.stderr
    done = contained("info", "identity.onnx", "--write", "described.onnx")
    assert done.returncode == 0, done.stderr
    assert (contained.folder / "described.onnx").is_file()


def test_without_a_folder_it_says_how_it_is_called(contained):
    script = ROOT / "scripts" / "contained.sh"
    done = subprocess.run([str(script), "missing", "info"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "FOLDER" in done.stderr
