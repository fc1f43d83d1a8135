"""Part files: those of killed runs are removed by the next, those of living runs never."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from rotoscope.base import parts
from rotoscope.base.files import part_file
from rotoscope.base.parts import Part, part_name, remove_leftovers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")


def names(folder):
    return sorted(item.name for item in folder.iterdir())


@contextmanager
def another_writer(target, *, is_folder=False):
    """Another process with a part of this target, and the part."""
    code = """
import sys
from pathlib import Path
from rotoscope.base.parts import Part
part = Part(Path(sys.argv[1]), is_folder=sys.argv[2] == "True")
part.create()
print(part.path, flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, target, str(is_folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        path = Path(process.stdout.readline().strip())
        assert path.exists()
        try:
            yield process, path
        finally:
            process.kill()


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("name", ["out.mp4", "shots", "y" * 200 + ".mkv", "out.tar.mp4", ".hidden"])
def test_a_living_part_stays_and_a_killed_one_goes(name, is_folder, tmp_path):
    with another_writer(tmp_path / name, is_folder=is_folder) as (process, part):
        with part_file(tmp_path / "mine.mp4", overwrite=False) as mine:
            assert names(tmp_path) == sorted([part.name, mine.name])
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert names(tmp_path) == sorted([part.name, "mine.mp4"])
        with part_file(tmp_path / "next.mp4", overwrite=False):
            pass
        assert names(tmp_path) == ["mine.mp4", "next.mp4"]


def test_a_folder_goes_with_what_is_in_it(tmp_path):
    part = part_name(tmp_path / "shots")
    (part / "inner").mkdir(parents=True)
    (part / "00000.png").write_bytes(b"x")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["clip.part-1234.mp4", ".clip.mp4", ".clip.part-1234.mp4", ".clip.part-xyz.mp4", ".part-"]
)
def test_other_hidden_files_stay(name, tmp_path):
    (tmp_path / name).write_bytes(b"mine")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [name]


def test_a_link_in_the_form_of_a_part_is_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    part = part_name(tmp_path / "shots")
    part.symlink_to(tmp_path / "mine")
    remove_leftovers(tmp_path)
    assert (tmp_path / "mine" / "file").read_text() == "precious"


def test_a_pipe_in_the_form_of_a_part_does_not_block(tmp_path):
    part = part_name(tmp_path / "out.mp4")
    os.mkfifo(part)
    remove_leftovers(tmp_path)
    assert part.exists()


def test_a_part_of_another_machine_goes_after_a_day(tmp_path, monkeypatch):
    new, old = part_name(tmp_path / "new.mp4"), part_name(tmp_path / "old.mp4")
    for part in (new, old):
        part.write_bytes(b"")
    os.utime(old, (time.time() - parts.FOREIGN_SECONDS - 60,) * 2)
    monkeypatch.setattr(parts, "_host", lambda: "00000000")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [new.name]


def test_a_part_that_another_run_took_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    """The other run came between creating and locking."""
    import fcntl

    lock, removed = fcntl.flock, []

    def late(descriptor, how):
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    part = Part(tmp_path / "out.mp4")
    part.create()
    assert removed and part.path.exists()
    part.remove()
    assert names(tmp_path) == []


def test_a_file_system_without_locks_takes_results_and_keeps_leftovers(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = part_name(tmp_path / "left.mp4")
    left.write_bytes(b"")
    with part_file(tmp_path / "out.mp4", overwrite=False) as part:
        part.write_bytes(b"whole")
    assert names(tmp_path) == sorted([left.name, "out.mp4"])


def test_nothing_stays_open(tmp_path):
    before = len(list(Path("/dev/fd").iterdir()))
    for count in range(3):
        with part_file(tmp_path / f"{count}", overwrite=False):
            pass
    part = Part(tmp_path / "shots", is_folder=True)
    part.create()
    part.remove()
    assert len(list(Path("/dev/fd").iterdir())) == before
