"""Devices for kernel tests: the CPU versions, the CUDA sources compiled for the CPU, the CUDA sources on a GPU.

A test that takes `device` runs on all of them. The sources run on the CPU twice: in the shim under sanitizers, and on the
simulated device, which has queues and memory of its own.
"""

import os
import shutil

import numpy as np
import pytest
from kernel_devices import CpuDevice, CudaDevice, ShimDevice, SimulatedDevice, cuda_is_here
from shared_data import SHARED, need_shared

GOLDEN = SHARED / "reference" / "golden"


@pytest.fixture(scope="module", params=["cpu", "shim", "simulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request, tmp_path_factory):
    """Moves arrays to the device of the operation under test, and back."""
    if request.param == "cpu":
        yield CpuDevice()
    elif request.param in ("shim", "simulated"):
        if shutil.which("g++") is None:
            pytest.skip("no C++ compiler (g++) to run the CUDA sources on the CPU")
        shim = request.param == "shim"
        with ShimDevice.installed(tmp_path_factory.getbasetemp()) if shim else SimulatedDevice.installed() as device:
            yield device
    else:
        if not cuda_is_here():
            if os.environ.get("ROTOSCOPE_REQUIRE_GPU") == "1":
                pytest.fail("ROTOSCOPE_REQUIRE_GPU=1, but CuPy finds no CUDA device")
            pytest.skip("no CUDA device")
        yield CudaDevice()


@pytest.fixture
def golden():
    """Load a file of golden vectors by name."""

    def load(name):
        with np.load(need_shared(GOLDEN / f"{name}.npz"), allow_pickle=False) as arrays:
            return dict(arrays)

    return load
