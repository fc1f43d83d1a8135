"""rotoscope cache: what is kept, and its deletion."""

import pytest

from rotoscope.base import cache


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    for kind, size in (("models", 2_500_000), ("frames", 1000)):
        (cache.cache_folder(kind) / "entry").write_bytes(bytes(size))
    return cache.folder_of("models").parent


def test_it_shows_kinds_sizes_limits_and_folders(root, rotoscope_main):
    code, out, err = rotoscope_main("cache")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert list(rows) == ["kind", *cache.KINDS]
    assert rows["models"] == ["1", "2.5", "17180", str(root / "models")]
    assert rows["engines"] == ["0", "0.0", "17180", str(root / "engines")]


def test_clear_deletes_one_kind_or_all(root, rotoscope_main):
    assert rotoscope_main("cache", "clear", "models") == (0, "", "models: 2.5 MB deleted\n")
    assert not (root / "models" / "entry").exists() and (root / "frames" / "entry").exists()
    code, _, err = rotoscope_main("cache", "clear")
    assert code == 0 and "frames: 0.0 MB deleted" in err and not (root / "frames" / "entry").exists()


def test_clear_says_what_stays_because_it_is_in_use(root, rotoscope_main):
    assert cache.use(root / "models" / "entry")
    assert rotoscope_main("cache", "clear", "models")[2] == "models: 0.0 MB deleted; 1 in use\n"


def test_clear_follows_no_link(root, tmp_path, rotoscope_main):
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "thesis").write_text("precious")
    (root / "engines").symlink_to(tmp_path / "documents")
    code, _, err = rotoscope_main("cache", "clear", "engines")
    assert code == 2 and "must be a folder of yours, not a link" in err
    assert (tmp_path / "documents" / "thesis").exists()


def test_an_unknown_kind_is_one_line(rotoscope_main):
    assert rotoscope_main("cache", "clear", "video") == (
        2, "", "rotoscope: KIND video; accepted: models, engines, frames, kernels, clips\n",
    )  # fmt: skip
