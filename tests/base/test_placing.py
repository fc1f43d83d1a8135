"""Many files get their names: all or none, or the message says which; a killed move is finished by the next run."""

import os
import signal

import pytest

from rotoscope.base import placing
from rotoscope.base.errors import OutputFailed
from rotoscope.base.parts import part_name, remove_leftovers
from rotoscope.base.placing import move_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shots").mkdir()
    return tmp_path / "shots"


def hidden_with(place, count=5):
    hidden = part_name(place)
    hidden.mkdir()
    for index in range(count):
        (hidden / f"{index}.png").write_text(f"new {index}")
    return hidden


def content(folder):
    return {item.name: item.read_text() for item in folder.iterdir() if item.is_file()}


NEW = {f"{index}.png": f"new {index}" for index in range(5)}


def broken_at(monkeypatch, count, error):
    """Let the rename of one file fail, or send a signal there."""
    rename, done = placing.rename_to_new, []

    def counted(part, place):
        done.append(place)
        if len(done) == count:
            if isinstance(error, int):
                signal.raise_signal(error)
            else:
                raise error
        rename(part, place)

    monkeypatch.setattr(placing, "rename_to_new", counted)


@pytest.mark.parametrize("count", range(1, 6))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_all_files_have_their_names(count, number, folder, monkeypatch):
    before = signal.signal(number, signal.default_int_handler)
    try:
        broken_at(monkeypatch, count, number)
        with pytest.raises(KeyboardInterrupt):
            move_files(hidden_with(folder), folder, overwrite=False)
    finally:
        signal.signal(number, before)
    assert content(folder) == NEW


@pytest.mark.parametrize("count", range(1, 6))
def test_an_error_moves_everything_back(count, folder, monkeypatch):
    old = {"0.png": "old 0", "3.png": "old 3", "other.txt": "mine"}
    for name, text in old.items():
        (folder / name).write_text(text)
    broken_at(monkeypatch, count, OSError(5, "Input/output error"))
    with pytest.raises(OSError, match="Input/output"):
        move_files(hidden_with(folder), folder, overwrite=True)
    assert content(folder) == old


def test_what_cannot_be_moved_back_is_named(folder, monkeypatch, tmp_path):
    (folder / "0.png").write_text("old 0")
    broken_at(monkeypatch, 3, OSError(5, "Input/output error"))
    unlink = placing.Path.unlink

    def refuse(path, **how):
        if path.parent == folder:
            raise OSError(5, "Input/output error")
        unlink(path, **how)

    monkeypatch.setattr(placing.Path, "unlink", refuse)
    with pytest.raises(OutputFailed) as error:
        move_files(hidden_with(folder), folder, overwrite=True)
    assert "Input/output error; 2 of 5 new files stand there (0.png, 1.png)" in str(error.value)
    (kept,) = tmp_path.glob("shots.replaced-*")
    assert str(error.value).endswith(f"; the files that they replaced are in {kept}")
    assert content(kept) == {"0.png": "old 0"}


class Killed(BaseException):
    """Stands for kill -9: nothing is cleaned up."""


@pytest.mark.parametrize("count", range(1, 6))
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("is_beside", [True, False])
def test_the_next_run_finishes_a_killed_move(count, overwrite, is_beside, folder, monkeypatch):
    if overwrite:
        (folder / "0.png").write_text("old 0")
        (folder / "4.png").write_text("old 4")
    hidden = hidden_with(folder if is_beside else folder / "%05d.png")
    broken_at(monkeypatch, count, Killed())
    with pytest.raises(Killed):
        move_files(hidden, folder, overwrite=overwrite)
    assert hidden.exists()
    monkeypatch.undo()
    remove_leftovers(hidden.parent)
    assert not hidden.exists() and content(folder) == NEW


def test_a_killed_move_never_replaces_what_appeared_meanwhile(folder, monkeypatch):
    hidden = hidden_with(folder)
    broken_at(monkeypatch, 3, Killed())
    with pytest.raises(Killed):
        move_files(hidden, folder, overwrite=False)
    monkeypatch.undo()
    (folder / "4.png").write_text("mine")
    remove_leftovers(hidden.parent)
    assert content(folder) == {**NEW, "4.png": "mine"}


@pytest.mark.parametrize("where", ["../victim", "/etc", "", "a/b"])
def test_a_journal_names_a_folder_beside_it_only(where, folder, tmp_path):
    (tmp_path.parent / "victim").mkdir(exist_ok=True)
    hidden = hidden_with(folder)
    (hidden / placing.JOURNAL).write_text(f'{{"folder": "{where}", "overwrite": true}}')
    assert placing.finish_move(hidden) is None
    assert not list((tmp_path.parent / "victim").iterdir())


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.write_text("[" * 60_000)]
)
def test_a_journal_that_no_run_has_written_is_not_read(make, tmp_path):
    hidden = tmp_path / ".hidden"
    hidden.mkdir()
    make(hidden / placing.JOURNAL)
    assert placing.finish_move(hidden) is None
