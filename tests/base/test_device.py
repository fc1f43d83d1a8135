"""Device: names, equality, and arrays of the CPU. The CUDA half runs with a stand-in for CuPy that only counts calls."""

import sys
import types
from contextlib import nullcontext

import numpy as np
import pytest

from rotoscope.base.device import CPU, Device
from rotoscope.base.errors import UsageError


@pytest.mark.parametrize(("text", "shown"), [
    ("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1"), ("cuda:12", "cuda:12"),
])  # fmt: skip
def test_a_device_has_one_name(text, shown):
    assert str(Device.parse(text)) == shown
    assert Device.parse(shown) == Device.parse(text)


@pytest.mark.parametrize(
    "text", ["", "gpu", "CUDA", "cpu:0", "cuda:", "cuda:-1", "cuda:1 ", "cuda:x", "cuda:\u0661", "cuda1"]
)
def test_other_names_are_refused_in_one_line(text):
    assert Device.named(text) is None
    with pytest.raises(UsageError, match=r"^--device .*; accepted: cpu, cuda \(the same as cuda:0\), cuda:1 \.\.\.$"):
        Device.parse(text)


def test_devices_are_equal_if_they_are_the_same_place():
    assert Device.parse("cuda") == Device("cuda", 0) != Device("cuda", 1)
    assert Device("cuda") != CPU and len({CPU, Device(), Device("cuda"), Device.parse("cuda:0")}) == 2


def test_arrays_of_the_cpu_are_numpys_and_not_copied():
    array = CPU.empty((2, 3), "float16")
    assert (array.shape, array.dtype) == ((2, 3), np.float16)
    assert CPU.asarray(array) is array and CPU.to_host(array) is array
    assert CPU.holds(array) and not Device("cuda").holds(array)


def test_without_cupy_a_gpu_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(UsageError, match=r'--device cuda:1 needs CuPy: pip install "\.\[cuda\]"'):
        Device("cuda", 1).empty((1,), "float32")


class OnDevice:
    """Stands for a cupy.ndarray: NumPy cannot read it."""

    def __init__(self, array):
        self.array = array

    def get(self):
        return self.array

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")


def test_arrays_of_a_gpu_are_cupys_and_made_on_that_gpu(monkeypatch):
    chosen = []
    cupy = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(Device=lambda index: chosen.append(index) or nullcontext())
    cupy.empty = lambda shape, dtype: OnDevice(np.empty(shape, dtype))
    cupy.asarray = lambda array: OnDevice(array.copy())
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    device, host = Device.parse("cuda:1"), np.arange(3)
    array = device.asarray(host)
    assert device.holds(array) and device.holds(device.empty((2,), "float32")) and not device.holds(host)
    assert device.to_host(array) is not host and device.to_host(array).tolist() == [0, 1, 2]
    assert device.to_host(host) is host
    assert chosen == [1, 1]
