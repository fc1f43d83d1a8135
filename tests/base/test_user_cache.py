"""The user's cache: who may write to it, what goes when it is full, and what other processes use meanwhile."""

import errno
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from rotoscope.base import cache
from rotoscope.base.errors import OutputFailed, UsageError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners, modes and locks of POSIX")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return cache.folder_of("models").parent


def put(kind, name, *, size=40, used_at=0.0, is_folder=False):
    entry = cache.cache_folder(kind) / name
    if is_folder:
        entry.mkdir()
        (entry / "0.png").write_bytes(bytes(size))
    else:
        entry.write_bytes(bytes(size))
    os.utime(entry, (used_at, used_at))
    return entry


def names(kind):
    return sorted(item.name for item in cache.folder_of(kind).iterdir() if item.name != cache.USERS)


@contextmanager
def used_by_another(entry):
    """Another process that uses an entry until the block ends."""
    code = """
import sys
from pathlib import Path
from rotoscope.base.cache import use
print(use(Path(sys.argv[1])), flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, entry], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("kind", cache.KINDS)
@pytest.mark.parametrize("is_folder", [False, True])
def test_what_was_not_used_for_the_longest_time_goes_first(kind, is_folder, monkeypatch):
    for age, name in enumerate(("newest", "newer", "old", "oldest")):
        put(kind, name, used_at=1000 - age, is_folder=is_folder)
    monkeypatch.setitem(cache.LIMIT_BYTES, kind, 100)
    cache.trim(kind)
    assert names(kind) == ["newer", "newest"]


def test_what_another_process_uses_stays(monkeypatch):
    entry = put("frames", "used", is_folder=True)
    put("frames", "unused", used_at=1000, is_folder=True)
    monkeypatch.setitem(cache.LIMIT_BYTES, "frames", 10)
    with used_by_another(entry):
        os.utime(entry, (0, 0))
        cache.trim("frames")
        assert names("frames") == ["used"]
        assert cache.clear("frames") == 1 and names("frames") == ["used"]
    assert cache.clear("frames") == 0 and names("frames") == []


def test_what_this_process_uses_stays():
    assert cache.use(put("models", "used"))
    put("models", "unused")
    assert cache.clear("models") == 1 and names("models") == ["used"]


def test_what_is_not_there_yet_can_be_in_use():
    entry = cache.cache_folder("models") / "later"
    assert not cache.use(entry)
    put("models", "later")
    assert cache.clear("models") == 1


def test_locks_and_part_files_of_killed_processes_go(monkeypatch):
    put("models", "a.onnx.lock", size=0)
    put("models", cache.part_name(cache.folder_of("models") / "a.onnx").name)
    cache.trim("models")
    assert names("models") == []


def test_the_usage_counts_entries_and_bytes():
    put("frames", "one", size=30, is_folder=True)
    put("frames", "two", size=12)
    usage = cache.usage("frames")
    assert (usage.kind, usage.entries, usage.size) == ("frames", 2, 42)
    assert cache.usage("engines").entries == 0


@pytest.mark.parametrize("kind", cache.KINDS)
@pytest.mark.parametrize("level", ["root", "kind", "below"])
@pytest.mark.parametrize("how", ["others may write", "its group may write", "a link", "another user's"])
def test_a_folder_that_is_not_private_is_refused(kind, level, how, root, tmp_path):
    if how == "another user's" and os.geteuid() != 0:
        pytest.skip("needs root to give a folder away")
    cache.cache_folder(kind, "below")
    place = {"root": root, "kind": root / kind, "below": root / kind / "below"}[level]
    if how == "a link":
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    elif how == "another user's":
        os.chown(place, 65534, 65534)
    else:
        place.chmod(0o702 if how == "others may write" else 0o720)
    with pytest.raises(UsageError, match=f"{place}: must be a folder of yours"):
        cache.cache_folder(kind, "below")


def test_new_folders_are_private_whatever_the_umask(root):
    before = os.umask(0)
    try:
        folder = cache.cache_folder("kernels", "below")
    finally:
        os.umask(before)
    assert [place.stat().st_mode & 0o777 for place in (root, folder.parent, folder)] == [0o700] * 3


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"cache folder .*file.*: not a folder; XDG_CACHE_HOME names another place"):
        cache.cache_folder("models")


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, OutputFailed), (errno.EROFS, UsageError)])
def test_a_full_disk_and_a_read_only_one_are_named(number, error, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(error, match=f"cache folder .*: {os.strerror(number)}; .*XDG_CACHE_HOME"):
        cache.cache_folder("kernels")
