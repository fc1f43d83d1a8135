"""The digest of the exporter's sources, which is part of the key of a cached export."""

import shutil

import pytest

from rotoscope.export.source_digest import EXPORTING, PACKAGE, exporter_digest


@pytest.fixture
def package(tmp_path):
    """A copy of the sources that are digested."""
    for name in EXPORTING:
        source, copy = PACKAGE / name, tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    exporter_digest.cache_clear()
    return tmp_path


def test_a_copy_of_the_package_elsewhere_has_the_same_digest(package):
    assert exporter_digest(package) == exporter_digest()


@pytest.mark.parametrize(
    "name", ["export/onnx.py", "networks/resnet.py", "base/manifest.py", "runtime/models/golden.py"]
)
def test_a_changed_source_changes_the_digest(name, package):
    before = exporter_digest(package)
    with (package / name).open("a") as file:
        file.write("# changed\n")
    exporter_digest.cache_clear()
    assert exporter_digest(package) != before


def test_a_renamed_source_changes_the_digest(package):
    before = exporter_digest(package)
    (package / "networks/resnet.py").rename(package / "networks/renamed.py")
    exporter_digest.cache_clear()
    assert exporter_digest(package) != before


def test_bytecode_does_not_change_the_digest(package):
    before = exporter_digest(package)
    (package / "export/__pycache__").mkdir(exist_ok=True)
    (package / "export/__pycache__/new.pyc").write_bytes(b"x")
    exporter_digest.cache_clear()
    assert exporter_digest(package) == before
