"""The simulated device as a fixture."""

import shutil

import pytest
from simulated_gpu import installed, whole_machine


@pytest.fixture(autouse=True)
def needs_a_compiler():
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler (g++) to run the CUDA sources on the CPU")


@pytest.fixture
def gpu():
    """The simulated device in place of CuPy."""
    with installed() as device:
        yield device


@pytest.fixture
def machine():
    """The simulated device with decoder, ONNX Runtime and TensorRT."""
    with whole_machine() as device:
        yield device
