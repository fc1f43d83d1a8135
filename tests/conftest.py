"""Fixtures that every part shares: the data folder, tiny models with known answers, the command line."""

import ctypes
import os

import pytest
import tiny_models
from said import said
from shared_data import SHARED


@pytest.fixture(scope="session")
def shared():
    """The folder `shared` beside the checkout: real clips, pictures, weights; tests that need it skip without it."""
    if not (SHARED / "data").is_dir():
        pytest.skip("no folder `shared` beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def videos(shared):
    return shared / "data" / "videos"


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    """An ONNX file that returns the picture it is given."""
    return tiny_models.identity(tmp_path_factory.mktemp("models") / "identity.onnx")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rotoscope_main(capfd):
    """Run a command line in this process: (exit code, standard output, standard error)."""
    from rotoscope.cli import main

    def run(*words):
        code = main([str(word) for word in words])
        captured = capfd.readouterr()
        return code, captured.out, said(captured.err)

    return run


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not _gpu_is_here() and os.environ.get("ROTOSCOPE_REQUIRE_GPU") != "1":
        pytest.skip("no CUDA device")


def _gpu_is_here():
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
