"""What the pages tell to type: every block is marked, every command parses, and blocks that are marked so run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import tiny_clips
import tiny_models
from cyclopts import CycloptsError
from docs_blocks import blocks, commands, is_program

from rotoscope.base.errors import RotoscopeError
from rotoscope.cli import register

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
METRICS = ROOT / "docs/metrics.md"
BLOCKS = [block for page in PAGES for block in blocks(page.name, page.read_text())]
SHELL = re.compile(r"[|;<>&$]|\*")


def name_of(block):
    return f"{block.page}:{block.line}"


def run_mark(block):
    marks = [pytest.mark.full] if block.mark == "full" else []
    return pytest.param(block, id=name_of(block), marks=marks)


def test_every_block_says_how_it_is_checked():
    assert [name_of(block) for block in BLOCKS if block.mark is None] == []
    assert len(BLOCKS) > 40


@pytest.mark.parametrize("block", [block for block in BLOCKS if not is_program(block)], ids=name_of)
def test_every_command_is_one_that_the_command_line_takes(block):
    for line, expected in commands(block):
        if line.startswith("rotoscope ") and expected is None:
            words = shlex.split(line, comments=True)[1:]
            try:
                register().parse_args(words, exit_on_error=False, print_error=False)
            except (CycloptsError, RotoscopeError) as error:
                pytest.fail(f"{name_of(block)}: {line}: {error}")


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    """A current folder with the files that the pages name, small."""
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "in.mp4", "market.mp4"):
        # One frame for each second: --start 12 and --duration 5 are within it, and it is quick to translate.
        times = [25 * index for index in range(14)]
        tiny_clips.write_clip(tmp_path / name, frames=14, size=(64, 64), times=times, sound=True)
    tiny_clips.write_clip(tmp_path / "clip.mov", frames=5, size=(64, 64), codec="prores_ks", pixel_format="yuv422p10le")
    (tmp_path / "broken.mp4").write_bytes(bytes(1000))
    (tmp_path / "old.mp4").write_bytes(bytes(1000))
    (tmp_path / "page.mp4").write_text("<!doctype html><html>")
    (tmp_path / "pointer.onnx").write_text("version https://git-lfs.github.com/spec/v1")
    for name in ("in/a.mp4", "in/more/b.mp4", "clips/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        tiny_clips.write_clip(tmp_path / name, frames=2, size=(64, 64))
    (tmp_path / "jobs.jsonl").write_text('{"source": "in/a.mp4", "model": "net.onnx", "target": "job.mp4"}\n')
    (tmp_path / "shots").mkdir()
    (tmp_path / "out").mkdir()
    for index in range(2):
        for name in (f"shots/shot.{index:04d}.png", f"shot.{index:04d}.png"):
            cv2.imwrite(name, tiny_clips.pattern(index, 64, 64))
    for name in ("cat.jpg", "photo.jpg", "painting.jpg", "monet.jpg", "munch.jpg"):
        cv2.imwrite(name, tiny_clips.pattern(0, 64, 64))
    tiny_models.invert(tmp_path / "net.onnx")
    (tmp_path / "theirs").mkdir()
    tiny_clips.write_clip(tmp_path / "theirs/c.mp4", frames=2, size=(64, 64))
    (tmp_path / "table.toml").write_text(re.search(r"```toml\n(clips = .*?)```", METRICS.read_text(), re.DOTALL)[1])
    return tmp_path


@pytest.mark.parametrize("block", [run_mark(b) for b in BLOCKS if b.mark in ("run", "full") and not is_program(b)])
def test_commands_run(block, sandbox, rotoscope_main):
    if "latest_net_G_A.pth" in block.text:
        import torch

        from rotoscope.networks.compact import CompactGenerator

        torch.manual_seed(0)
        torch.save(CompactGenerator(8, 2).state_dict(), sandbox / "latest_net_G_A.pth")
    if "unknown.pth" in block.text:
        import torch

        torch.save({"a.weight": torch.zeros(3, 3)}, sandbox / "unknown.pth")
    for line, expected in commands(block):
        if line.startswith("rotoscope ") and not SHELL.search(re.sub("'[^']*'", "", line.partition(" #")[0])):
            code, _, err = rotoscope_main(*shlex.split(line, comments=True)[1:])
        else:
            code, err = run_in_shell(line, sandbox)
        last = err.strip().splitlines()[-1] if err.strip() else ""
        if expected is None:
            assert code == 0, (line, err)
        else:
            pattern = ".*".join(map(re.escape, expected.split("...")))
            assert code != 0 and re.fullmatch(pattern, last), (line, last)


def run_in_shell(line, folder):
    """(exit code, standard error) of a line in bash, where rotoscope is the program of this checkout."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    program = programs / "rotoscope"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m rotoscope "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-ec", line], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("block", [run_mark(b) for b in BLOCKS if b.mark in ("run", "full") and is_program(b)])
def test_programs_run(block, sandbox):
    images = [tiny_clips.pattern(index, 64, 64) for index in range(3)]
    names = {"image": images[0], "images": images, "camera": images}
    exec(compile("import rotoscope\n" + block.text, name_of(block), "exec"), names)
