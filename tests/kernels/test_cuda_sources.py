"""CUDA sources without a GPU: NVRTC compiles them without warnings, and the shim reports reads out of bounds.

NVRTC gets the options that CuPy gives it: C++17 and -ftz=true (denormal floats are 0).
"""

import io
import shutil

import fake_cupy
import numpy as np
import pytest

from rotoscope.kernels.launch import SOURCES

OLDEST, NEWEST = "sm_75", "sm_100"  # no source asks for the architecture: those between are in the full suite
ARCHITECTURES = [OLDEST, NEWEST, *(pytest.param(arch, marks=pytest.mark.full) for arch in ("sm_80", "sm_89", "sm_90"))]


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("operation", sorted(fake_cupy.INSTANCES))
def test_compiles_for(operation, arch):
    core = pytest.importorskip("cuda.core", reason="cuda-core and cuda-bindings are not installed")
    options = core.ProgramOptions(std="c++17", arch=arch, ftz=True, include_path=[str(SOURCES)])
    try:
        program = core.Program((SOURCES / f"{operation}.cu").read_text(), "c++", options)
    except Exception as error:  # the wheel with the compiler is optional
        if "nvrtc" in str(error).lower() and "find" in str(error).lower():
            pytest.skip(f"no NVRTC: {error}")
        raise
    log = io.StringIO()
    program.compile("cubin", name_expressions=fake_cupy.INSTANCES[operation], logs=log)
    assert not log.getvalue().strip(), "warnings are errors"


def test_every_source_has_instances():
    assert {path.stem for path in SOURCES.glob("*.cu")} == set(fake_cupy.INSTANCES)


@pytest.mark.parametrize(
    ("body", "report"),
    [
        ("out[here.index + 1] = 1.0f;", "heap-buffer-overflow"),
        ("out[here.index] = out[here.index - 1];", "heap-buffer-overflow"),
        ("out[here.index] = static_cast<int>(1e30f * (1 + here.x));", "outside the range of representable values"),
    ],
)
def test_shim_reports_what_a_gpu_would_not(tmp_path, monkeypatch, body, report):
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler (g++) to run the CUDA sources on the CPU")
    code = f"""#include "pixels.cuh"
template <class Value> __global__ void broken(int height, int width, Value* out) {{
    const Here here = locate(height, width);
    if (here.outside) return;
    {body}
}}"""
    program = fake_cupy.build("broken", code, ["broken<float>"], tmp_path)
    out = fake_cupy.wrap(np.zeros((3, 5), np.float32))
    with pytest.raises(AssertionError, match=report):
        fake_cupy.launch(program, 0, (1, 1, 1), (32, 8, 1), (np.int32(3), np.int32(5), out))
