"""Devices of the kernel tests, and random pictures and flows."""

import contextlib

import fake_cupy
import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from simulated_gpu.install import installed, replaced_modules


class CpuDevice:
    """NumPy arrays, Numba versions."""

    name = "cpu"
    examples = 25

    def put(self, array):
        return array

    def get(self, array):
        assert type(array) is np.ndarray
        return array


class ShimDevice:
    """NumPy arrays of a class named like CuPy's: the launches of `<op>_cuda` run on the CPU under sanitizers."""

    name = "shim"
    examples = 8

    @classmethod
    @contextlib.contextmanager
    def installed(cls, build_folder):
        with replaced_modules({"cupy": fake_cupy.module(build_folder)}):
            yield cls()

    def put(self, array):
        return fake_cupy.wrap(array)

    def get(self, array):
        assert isinstance(array, fake_cupy.ndarray)
        return np.array(array)


class SimulatedDevice:
    """Arrays of the simulated device: the launches of `<op>_cuda` run when the host waits."""

    name = "simulated"
    examples = 4

    @classmethod
    @contextlib.contextmanager
    def installed(cls):
        with installed():
            yield cls()

    def put(self, array):
        import cupy

        return cupy.asarray(array)

    def get(self, array):
        import cupy

        assert isinstance(array, cupy.ndarray)
        return array.get()


class CudaDevice:
    """CuPy arrays on the current GPU."""

    name = "cuda"
    examples = 25

    def put(self, array):
        import cupy

        return cupy.asarray(array)

    def get(self, array):
        import cupy

        return cupy.asnumpy(array)


def cuda_is_here():
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # no CuPy, no driver or no device
        return False


def quick(device):
    """Return Hypothesis settings for a device: fewer examples where CUDA sources run on the CPU."""
    return settings(
        max_examples=device.examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # do not shrink: the examples are seeds
        suppress_health_check=[HealthCheck.too_slow],
    )


LAYOUTS = ("float32x4", "uint8x3", "planar")
sizes = st.one_of(
    st.sampled_from([(1, 1), (1, 9), (7, 1), (2, 2), (2, 5), (3, 4)]), st.tuples(st.integers(1, 70), st.integers(1, 90))
)
seeds = st.integers(0, 2**16)


def picture(rng, layout, size):
    """Return a random picture."""
    height, width = size
    if layout == "uint8x3":
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    shape = (height, width, 4) if layout == "float32x4" else (2, height, width)
    return rng.random(shape, np.float32)


def flow(rng, size, dtype=np.float32, wild=True):
    """Return a flow (H,W,2) of a few pixels; some vectors are whole, some leave the frame, some are NaN or infinite."""
    field = rng.normal(0, 4, (*size, 2))
    whole = rng.random(size) < 0.2
    field[whole] = np.round(field[whole])
    if wild:
        far = rng.random(size) < 0.1
        field[far] = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e4, -65000.0], (*size, 2))[far]
    with np.errstate(over="ignore"):
        return field.astype(dtype)


def assert_close(result, expected):
    """Compare with a tolerance of 1e-5 for floats and one step of 255 for uint8, because ties may round up or down."""
    assert result.dtype == expected.dtype or expected.dtype == np.float64
    assert result.shape == expected.shape
    if result.dtype == np.uint8:
        np.testing.assert_allclose(result.astype(int), expected.astype(int), rtol=0, atol=1)
    else:
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
