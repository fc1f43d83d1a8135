"""Launches: a kernel is looked up and bound once, tables are uploaded once for each device and stream."""

import sys
import types

import fake_cupy
import numpy as np
import pytest

from rotoscope.kernels import launch
from rotoscope.kernels.launch import on_device, run_kernel, structure


@pytest.fixture
def cupy(monkeypatch):
    """A stand-in that counts compilations and uploads, and keeps the launches."""
    fake = types.ModuleType("cupy")
    fake.bound, fake.launched, fake.uploaded, fake.stream = [], [], [], 0

    def module(code, options, name_expressions):
        fake.bound += name_expressions
        return types.SimpleNamespace(get_function=lambda name: lambda *given: fake.launched.append((name, *given)))

    def upload(array):
        fake.uploaded.append(array)
        return fake_cupy.wrap(array)

    fake.RawModule, fake.asarray = module, upload
    fake.cuda = types.SimpleNamespace(
        Device=lambda: types.SimpleNamespace(id=-2), get_current_stream=lambda: types.SimpleNamespace(ptr=fake.stream)
    )
    monkeypatch.setitem(sys.modules, "cupy", fake)
    launch.forget_device()
    yield fake
    launch.forget_device()


def test_a_kernel_is_bound_once(cupy):
    for _ in range(3):
        run_kernel("warp", "warp<float4, float2, bilinear>", ((1, 1, 1), (32, 8, 1)), np.int32(5), None)
    run_kernel("warp", "warp<float4, Half2, bilinear>", ((1, 1, 1), (32, 8, 1)))
    assert cupy.bound == ["warp<float4, float2, bilinear>", "warp<float4, Half2, bilinear>"]
    name, blocks, threads, (number, null) = cupy.launched[0]
    assert (name, blocks, threads) == (cupy.bound[0], (1, 1, 1), (32, 8, 1))
    assert number == 5 and null.dtype == np.uint64 and null == 0


def test_tables_are_uploaded_once_for_each_stream(cupy):
    def make(size):
        return np.arange(size), np.ones(size)

    first, _ = on_device(make, 4)
    assert on_device(make, 4)[0] is first
    assert len(cupy.uploaded) == 2
    on_device(make, 5)
    assert len(cupy.uploaded) == 4
    cupy.stream = 77
    assert on_device(make, 4)[0] is not first
    assert len(cupy.uploaded) == 6


def test_a_structure_is_packed_members_of_one_type():
    packed = structure(np.float32, 1, 2.5, -3)
    assert packed.tobytes() == np.array([1, 2.5, -3], np.float32).tobytes()
