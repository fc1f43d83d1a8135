"""A run opens no socket and writes nothing outside its cache and its outputs, whichever engine runs."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.base.telemetry import SENDER, SWITCH, without_telemetry
from rotoscope.kernels.compile import cache_folder

ROOT = Path(rotoscope.__file__).parent
COLLECTORS = {"onnxruntime", "openvino", "ray", "wandb", "comet_ml"}  # each must be imported in the one place

# Audit hooks see what Python does; what native code does shows in the files that it leaves and in the log of strace.
AUDITED = """
import os, sys
from pathlib import Path

def hook(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname", "urllib.Request"):
        print("NETWORK", event, given, file=sys.stderr)
    if event == "open" and isinstance(given[0], (str, bytes)):
        mode, flags = given[1] or "", given[2] or 0
        if set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            print("WROTE", os.path.realpath(os.fsdecode(given[0])), file=sys.stderr)

sys.addaudithook(hook)
from rotoscope.cli import main
code = main(sys.argv[1:])
sys.exit(code)
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    import torch

    from rotoscope.networks.resnet import ResnetGenerator

    path = tmp_path_factory.mktemp("checkpoint") / "net.pth"
    torch.manual_seed(0)
    torch.save(ResnetGenerator(width=2, num_blocks=2).state_dict(), path)
    return path


def environment(tmp_path):
    """An empty home and folder for temporary files, and no word that switches telemetry off."""
    for name in ("home", "tmp", "work"):
        (tmp_path / name).mkdir()
    compiled = cache_folder()  # kernels, which take a minute to compile
    shutil.copytree(compiled, tmp_path / "home/.cache/rotoscope/kernels" / compiled.name)
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if key in os.environ}
    return kept | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def is_allowed(path, tmp_path):
    cache, outputs, scratch = tmp_path / "home/.cache/rotoscope", tmp_path / "work", tmp_path / "tmp"
    return path == Path(os.devnull) or any(folder in path.parents for folder in (cache, outputs, scratch))


def audited(words, tmp_path, *, forbidden=("AF_INET", "sendmmsg", "nscd")):
    """Run a command in a fresh home: it must succeed, open no socket, and write only in its cache and below `work`."""
    given = environment(tmp_path)
    command = [sys.executable, "-c", AUDITED, *words]
    log = tmp_path / "strace.log"
    if shutil.which("strace"):
        calls = "trace=connect,sendto,sendmsg,sendmmsg"
        command = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", calls, "-o", log, *command]
    done = subprocess.run(
        list(map(str, command)), env=given, cwd=tmp_path / "work", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("NETWORK")] == []
    wrote = {Path(line.removeprefix("WROTE ")) for line in lines if line.startswith("WROTE ")}
    assert wrote and [path for path in wrote if not is_allowed(path, tmp_path)] == []
    left = {
        path.relative_to(tmp_path)
        for name in ("home", "tmp")
        for path in (tmp_path / name).rglob("*")
        if path.is_file()
    }
    assert [path for path in left if not path.is_relative_to("home/.cache/rotoscope")] == []
    if log.exists():
        calls = re.findall(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*", log.read_text())
        assert [call for call in calls if any(word in call for word in forbidden)] == []


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_a_run_opens_no_socket_and_writes_nothing_else(engine, tmp_path, identity, checkpoint):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    model = checkpoint if engine == "torch" else identity
    audited(["translate", clip, "out.mp4", "--engine", engine, "-m", model, "--report", "report.json"], tmp_path)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["out.mp4", "report.json"]


def test_an_export_in_fp16_leaves_nothing_in_the_home_folder(tmp_path, checkpoint):
    given = environment(tmp_path)
    words = ["export", checkpoint, "net.onnx", "--precision", "fp16"]
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, *map(str, words)],
        env=given, cwd=tmp_path / "work", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr
    left = [path for name in ("home", "tmp") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert [path for path in left if "rotoscope" not in path.parts] == []


def test_training_opens_no_socket_and_writes_nothing_else(tmp_path):
    """It imports torch, Lightning and TensorBoard."""
    for domain in "ab":
        (tmp_path / domain).mkdir()
        for index in range(2):
            cv2.imwrite(str(tmp_path / domain / f"{index}.png"), tiny_clips.pattern(index))
    words = [
        "train",
        "cyclegan",
        "--a",
        tmp_path / "a",
        "--b",
        tmp_path / "b",
        "--resize",
        36,
        "--crop",
        32,
        "--width",
        2,
    ]
    words += ["--blocks", 1, "--discriminator-width", 2, "--discriminator-layers", 2, "--device", "cpu", "--steps", 1]
    # torch asks for the name of the user, through nscd's local socket.
    audited([*words, "--out", "run"], tmp_path, forbidden=("AF_INET", "sendmmsg"))
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["run"]
    assert list((tmp_path / "work" / "run" / "tensorboard").iterdir())


def test_a_look_at_the_whole_machine_opens_no_socket_and_writes_nothing_else(tmp_path):
    """`doctor` imports every engine that is installed and proves each on the looks."""
    audited(["doctor"], tmp_path)


def imports(tree):
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        if {name.split(".")[0] for name in names} & COLLECTORS:
            yield node


def quiet(tree):
    """Every node in a block `with without_telemetry():`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and ast.unparse(node.items[0]) == "without_telemetry()":
            yield from ast.walk(node)


def test_engines_that_collect_are_imported_without_telemetry_everywhere():
    found = 0
    for file in ROOT.rglob("*.py"):
        tree = ast.parse(file.read_text())
        inside = {id(node) for node in quiet(tree)}
        for node in imports(tree):
            found += 1
            assert id(node) in inside, f"{file.relative_to(ROOT)}:{node.lineno}"
    assert found >= 2


@pytest.mark.parametrize("before", [None, "0"])
def test_the_process_is_as_before_after_an_import(before, monkeypatch):
    monkeypatch.delitem(sys.modules, SENDER, raising=False)
    monkeypatch.delenv(SWITCH, raising=False)
    if before is not None:
        monkeypatch.setenv(SWITCH, before)
    with without_telemetry():
        assert os.environ[SWITCH] == "1"
        with pytest.raises(ModuleNotFoundError):
            import openvino_telemetry  # noqa: F401
    assert os.environ.get(SWITCH) == before and SENDER not in sys.modules


def test_a_sender_that_is_loaded_already_stays_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, SENDER, np)
    with without_telemetry():
        assert sys.modules[SENDER] is np
    assert sys.modules[SENDER] is np
