"""Fixtures and rules for all tests: shared data, tiny models, the command line, state that a test may not change."""

import ctypes
import functools
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest
import tiny_models
from said import said
from shared_data import IS_REQUIRED, SHARED, need_shared

from rotoscope.base.cache import folder_of

# No examples are too slow, and no deadline: the suite must be green on a machine that is ten times as busy.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


def pytest_configure(config):
    if IS_REQUIRED and not SHARED.is_dir():
        raise pytest.UsageError(
            f"ROTOSCOPE_REQUIRE_SHARED=1, but {SHARED} does not exist; unset it to skip these tests"
        )
    if not _is_worker(config):
        _use_a_cache_of_our_own(config)


def _use_a_cache_of_our_own(config):
    """Use a cache folder of this test run for exports and training frames; compiled kernels stay in the user's cache."""
    if sys.platform != "linux":
        return  # only there does XDG_CACHE_HOME decide
    cache = tempfile.mkdtemp(prefix="rotoscope-test-cache-")
    ours = {"NUMBA_CACHE_DIR": str(folder_of("kernels").parent.parent), "XDG_CACHE_HOME": cache}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)  # inherited by workers and by processes that tests start

    def restore():
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        shutil.rmtree(cache, ignore_errors=True)

    config.add_cleanup(restore)


@pytest.hookimpl(tryfirst=True)  # before xdist starts its workers
def pytest_sessionstart(session):
    """Compile all kernels before a run with workers: on a busy machine this takes minutes, and no test is timed yet."""
    config = session.config
    if config.getoption("numprocesses", None) and not config.option.collectonly and not _is_worker(config):
        from rotoscope.kernels.warm import warm

        for _ in warm():
            pass


def _is_worker(config):
    return hasattr(config, "workerinput")


@pytest.fixture(autouse=True)
def nothing_is_left_changed():
    """Fail a test that leaves the process changed: workers, scheduling policy, current folder, signal handlers."""
    before = _process_state()
    yield
    assert _process_state() == before


def _process_state():
    from rotoscope.kernels.rows import current_workers

    return {
        "workers": (current_workers(), current_workers().threads),
        "scheduling policy": os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None,
        "current folder": Path.cwd(),
        "SIGINT": signal.getsignal(signal.SIGINT),
        "SIGTERM": signal.getsignal(signal.SIGTERM),
    }


@pytest.fixture(scope="session")
def shared():
    """The folder `shared` beside the checkout: real clips, pictures, weights, golden vectors."""
    need_shared()
    return SHARED


@pytest.fixture(scope="session")
def videos(shared):
    return shared / "data" / "videos"


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    """An ONNX file that returns the picture it is given."""
    return tiny_models.identity(tmp_path_factory.mktemp("models") / "identity.onnx")


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """(case of the catalogue, options of `export_onnx`) -> (path of the ONNX file, its manifest, the loaded network)."""
    from exported_networks import ExportedNetworks

    return ExportedNetworks(tmp_path_factory)


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
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)  # what a test draws must not depend on the tests before it
        _list_operators_once()
    if item.get_closest_marker("gpu") and not _gpu_is_here() and os.environ.get("ROTOSCOPE_REQUIRE_GPU") != "1":
        pytest.skip("no CUDA device")


def _list_operators_once():
    """Let torch's exporter keep the list of its operators, which it makes at every call, for 2 s."""
    registration = sys.modules.get("torch.onnx._internal.exporter._registration")
    if registration is not None:
        registry = registration.ONNXRegistry
        if not isinstance(vars(registry)["from_torchlib"], staticmethod):
            registry.from_torchlib = staticmethod(functools.cache(registry.from_torchlib))


def _gpu_is_here():
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
