"""Files by their first bytes, digests, and results that appear under their name only when they are complete."""

import hashlib
import os

import pytest

import rotoscope
from rotoscope.base.files import check_target, describe_file, file_digest, part_file, what_it_is


def names(folder):
    return sorted(item.name for item in folder.iterdir())


@pytest.mark.parametrize(("head", "what"), [
    (b"", "an empty file"),
    (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
    (b"\n  <!DOCTYPE html>", "a web page"),
    (b"<HTML>", "a web page"),
    (b"#EXTM3U", "a playlist"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file of Keras"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x80\x02", "a pickle"),
    (b"\x08\x07", "perhaps an ONNX file"),
])  # fmt: skip
def test_a_file_is_known_by_its_first_bytes(head, what):
    assert what_it_is(head).startswith(what)


def test_a_file_of_no_sign_is_unknown(tmp_path):
    assert what_it_is(b"hello") is None
    (tmp_path / "a").write_bytes(b"hello")
    assert describe_file(tmp_path / "a") == "a file of no known kind, or damaged"


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    assert "cannot be read (Is a directory)" in describe_file(tmp_path)


def test_a_digest_is_of_all_bytes_in_order(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    assert file_digest(tmp_path / "a", tmp_path / "b") == hashlib.sha256(b"onetwo").hexdigest()


def test_the_result_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "out.mp4"
    with part_file(target, overwrite=False) as part:
        part.write_bytes(b"half")
        assert names(tmp_path) == [part.name]
        assert part.name.startswith(".")
    assert names(tmp_path) == ["out.mp4"]
    assert target.read_bytes() == b"half"


def test_a_result_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append((os.fstat(descriptor).st_ino, (tmp_path / "out").exists()))
    )
    with part_file(tmp_path / "out", overwrite=False) as part:
        part.write_bytes(b"whole")
    assert synced == [((tmp_path / "out").stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_the_longest_names_work(tmp_path):
    target = tmp_path / f"{'x' * 250}.mp4"
    with part_file(target, overwrite=False) as part:
        part.write_bytes(b"")
    assert target.exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing(error, tmp_path):
    with pytest.raises(error), part_file(tmp_path / "out.mp4", overwrite=False) as part:
        part.write_bytes(b"half")
        raise error
    assert names(tmp_path) == []


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "out.mp4"
    with pytest.raises(rotoscope.OutputFailed, match="appeared while"), part_file(target, overwrite=False):
        target.write_bytes(b"someone else's")
    assert names(tmp_path) == ["out.mp4"]
    assert target.read_bytes() == b"someone else's"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_usage_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(rotoscope.UsageError, match="not writable"):
        check_target(tmp_path / "out.mp4", source=None, overwrite=False)
