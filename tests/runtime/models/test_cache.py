"""The cache folder: what is deleted when it is full, and what other processes do to it meanwhile."""

import os
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from rotoscope.base import cache as base_cache
from rotoscope.base.errors import OutputFailed
from rotoscope.base.parts import remove_leftovers
from rotoscope.runtime.models import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(base_cache, "user_cache_path", lambda *_: tmp_path / "cache")
    monkeypatch.setitem(base_cache.LIMIT_BYTES, "models", 100)
    return base_cache.cache_folder("models")


def put(folder, name, *, size=40, age_s=0.0):
    """A file in the folder that was last used `age_s` seconds ago."""
    file = folder / name
    file.write_bytes(bytes(size))
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def make(size=40):
    return lambda part: part.write_bytes(bytes(size))


def names(folder):
    return sorted(file.name for file in folder.iterdir() if file.name != base_cache.USERS)


def test_a_file_is_made_once_and_leaves_no_lock(folder):
    made = []
    for _ in range(2):
        file = cache.cached("models", "a.onnx", lambda part: made.append(part) or part.write_bytes(b"x"))
    assert len(made) == 1 and file.read_bytes() == b"x" and names(folder) == ["a.onnx"]


def test_a_file_that_is_put_in_place_of_the_part_is_no_leftover_for_others(folder):
    def replace(part):
        other = part.with_name("other")
        other.write_bytes(b"content")
        other.replace(part)
        remove_leftovers(folder)  # as another process does that makes another file

    assert cache.cached("models", "a.onnx", replace).read_bytes() == b"content" and names(folder) == ["a.onnx"]


def test_what_cannot_be_made_leaves_nothing(folder):
    def fail(part):
        raise OutputFailed("no")

    with pytest.raises(OutputFailed):
        cache.cached("models", "a.onnx", fail)
    assert names(folder) == []


def test_what_was_not_used_for_the_longest_time_is_deleted(folder):
    put(folder, "old.onnx", age_s=30), put(folder, "older.onnx", age_s=60), put(folder, "newer.onnx", age_s=10)
    cache.cached("models", "older.onnx", make())  # used again
    cache.cached("models", "new.onnx", make(50))
    assert names(folder) == ["new.onnx", "older.onnx"]


def test_a_file_that_is_larger_than_the_limit_stays_while_it_is_used(folder):
    put(folder, "old.onnx", age_s=30)
    assert cache.cached("models", "large.onnx", make(1000)).exists() and names(folder) == ["large.onnx"]


def test_a_file_that_another_process_deletes_meanwhile_is_skipped(folder, monkeypatch):
    put(folder, "gone.onnx", age_s=30), put(folder, "old.onnx", age_s=60), put(folder, "older.onnx", age_s=90)
    stat = Path.stat

    def gone_when_looked_at(path, **how):
        if path.name == "gone.onnx":
            path.unlink(missing_ok=True)
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", gone_when_looked_at)
    cache.cached("models", "new.onnx", make())
    assert names(folder) == ["new.onnx", "old.onnx"]


def test_a_file_that_another_process_deletes_before_it_is_used_is_made_again(folder, monkeypatch):
    file = put(folder, "a.onnx")
    utime = os.utime

    def gone(path, *how):
        file.unlink(missing_ok=True)
        utime(path, *how)

    monkeypatch.setattr(os, "utime", gone)
    assert cache.cached("models", "a.onnx", make(7)).stat().st_size == 7


def test_locks_that_killed_processes_left_are_deleted(folder):
    put(folder, "b.onnx.lock", size=0)
    cache.cached("models", "new.onnx", make())
    assert names(folder) == ["new.onnx"]


def test_a_lock_that_another_process_holds_stays(folder):
    with FileLock(folder / "b.onnx.lock"):
        cache.cached("models", "new.onnx", make())
        assert names(folder) == ["b.onnx.lock", "new.onnx"]


def test_who_waits_for_a_lock_that_is_deleted_finds_the_file(folder):
    waiting, made = threading.Event(), []

    def slow(part):
        other.start()
        assert waiting.wait(60)
        made.append(part)
        part.write_bytes(b"x")

    def ask():
        waiting.set()
        cache.cached("models", "a.onnx", slow)

    other = threading.Thread(target=ask)
    cache.cached("models", "a.onnx", slow)
    other.join(60)
    assert not other.is_alive() and len(made) == 1 and names(folder) == ["a.onnx"]
