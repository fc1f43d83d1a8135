"""What holds for all kernels: light imports, warm starts, threads, arrays from elsewhere."""

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rotoscope.base.cache import LIMIT_BYTES
from rotoscope.base.errors import UsageError
from rotoscope.kernels import arrays, compile, rows
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.warm import warm
from rotoscope.kernels.warp import warp, warp_reference

MODULES = sorted(path.stem for path in Path(rows.__file__).parent.glob("*.py") if path.stem != "__init__")


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return json.loads(done.stdout)


def test_importing_every_module_loads_neither_numba_nor_cupy_nor_torch():
    imports = "; ".join(f"import rotoscope.kernels.{name}" for name in MODULES)
    heavy = ("numba", "cupy", "torch", "llvmlite", "cv2", "onnx", "av")
    loaded = python(f"import json, sys; {imports}; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))")
    assert loaded == []


def test_second_process_finds_the_compiled_kernel(tmp_path):
    code = """
import json, numpy as np
from rotoscope.kernels.interleave import _interleave, interleave
interleave(np.zeros((3, 8, 9), np.float32), np.zeros((8, 9, 4), np.float32))
stats = _interleave.compiled().stats
print(json.dumps([sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""
    place = {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    assert python(code, **place) == [0, 1]
    assert python(code, **place) == [1, 0]
    assert list(tmp_path.rglob("rotoscope/kernels/*/*/*.nbi"))


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """The cache of kernels, empty."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path / "rotoscope" / "kernels"


def test_kernels_of_other_sources_go_when_their_limit_is_reached(kernels, monkeypatch):
    for age_s, name in enumerate(("newer", "older")):
        (kernels / name).mkdir(parents=True)
        (kernels / name / "code.nbc").write_bytes(bytes(60))
        os.utime(kernels / name, (1000 - age_s,) * 2)
    monkeypatch.setitem(LIMIT_BYTES, "kernels", 100)
    mine = compile.cache_folder.__wrapped__()
    assert {folder.name for folder in kernels.iterdir() if not folder.name.startswith(".")} == {"newer", mine.name}


@pytest.mark.skipif(os.name != "posix", reason="owners and modes")
@pytest.mark.parametrize("level", ["rotoscope", "kernels", "folder"])
@pytest.mark.parametrize("how", ["writable", "link", "owner"])
def test_a_folder_of_kernels_that_others_may_write_to_is_refused(level, how, kernels, tmp_path):
    if how == "owner" and os.geteuid() != 0:
        pytest.skip("needs root to give a folder away")
    folder = compile.cache_folder.__wrapped__()
    place = {"rotoscope": kernels.parent, "kernels": kernels, "folder": folder}[level]
    if how == "writable":
        place.chmod(0o777)
    elif how == "owner":
        os.chown(place, 65534, 65534)
    else:
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=f"{place}: must be a folder of yours, not a link"):
        compile.cache_folder.__wrapped__()


def test_threads_may_call_kernels_at_once_and_split_rows_change_nothing():
    rng = np.random.default_rng(1)
    image, field = rng.random((200, 60, 4), np.float32), rng.normal(0, 3, (200, 60, 2)).astype(np.float32)
    with rows.SERIAL.active():
        expected = warp(image, field)
    results = [None] * 4

    def work(k):
        results[k] = warp(image, field)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


LOCK = """
import json, threading
import numpy as np
from rotoscope.kernels.aggregate import aggregate
from rotoscope.kernels.rows import SERIAL

picture, flow = np.zeros((1080, 1920, 4), np.float32), np.zeros((1080, 1920, 2), np.float32)
out = np.empty_like(picture)
half_written, done = threading.Event(), threading.Event()

def call():
    aggregate(picture, [picture] * 14, [flow] * 14, pool="median", out=out)

def work():
    with SERIAL.active():  # one thread, rows from the top down
        for _ in range(50):
            out.fill(np.nan)
            call()
            if half_written.is_set():
                break
    done.set()

call()
threading.Thread(target=work).start()
while not done.wait(0.001):
    if not np.isnan(out[0, 0, 0]) and np.isnan(out[-1, -1, 0]):
        half_written.set()
print(json.dumps(half_written.is_set()))
"""


def test_kernel_frees_the_interpreter_lock_while_it_runs():
    """While the kernel runs, another Python thread sees its output half written."""
    assert python(LOCK)


def test_refuses_pictures_whose_elements_32_bits_cannot_count():
    with pytest.raises(ValueError, match=r"fewer than 2\^31 elements"):
        arrays.layout_of(np.empty((27000, 27000, 3), np.uint8))  # never touched, so never in memory


def test_torch_tensors_are_wrapped_without_copying():
    torch = pytest.importorskip("torch")
    tensor = torch.rand(3, 7, 9)
    array = arrays.from_dlpack(tensor)
    array[0, 0, 0] = 5
    assert tensor[0, 0, 0] == 5
    field = np.random.default_rng(2).normal(0, 2, (7, 9, 2)).astype(np.float32)
    np.testing.assert_allclose(warp(array, field), warp_reference(array, field)[0], atol=1e-5)


def test_decoded_planes_are_wrapped_without_copying():
    av = pytest.importorskip("av")
    frame = av.VideoFrame(64, 32, "nv12")
    luma = arrays.from_dlpack(frame.planes[0])
    assert luma.dtype == np.uint8
    assert luma.shape[:2] == (32, 64)


def test_device_planes_are_asked_without_a_stream(monkeypatch):
    """PyAV's `__dlpack__` raises NotImplementedError when a stream is passed; CuPy always passes one."""

    class Plane:
        def __dlpack_device__(self):
            return (2, 0)

        def __dlpack__(self, stream=None):
            if stream is not None:
                raise NotImplementedError
            return "capsule"

    class Cupy:
        @staticmethod
        def from_dlpack(source):
            assert source.__dlpack_device__() == (2, 0)
            return source.__dlpack__(stream=1, max_version=(1, 0))

    monkeypatch.setitem(sys.modules, "cupy", Cupy)
    assert arrays.from_dlpack(Plane()) == "capsule"


def test_warm_runs_every_operation_that_is_compiled_for_the_cpu():
    texts = {name: Path(rows.__file__).with_name(f"{name}.py").read_text() for name in MODULES}
    operations = {name for name, text in texts.items() if f"def {name}_cpu(" in text}
    compiled = {name for name in operations if "@cpu_kernel" in texts[name]}
    assert compiled <= set(warm()) <= operations  # the others are NumPy, or run kernels of others


def compiled_signatures():
    """How often each kernel that is in use was compiled, by module and name."""
    return {
        (module, name): len(value.compiled().signatures)
        for module in MODULES
        for name, value in vars(importlib.import_module(f"rotoscope.kernels.{module}")).items()
        if isinstance(value, compile.CpuKernel)
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shapes", [
    [(12, 16), (6, 8), (6, 8)], [(12, 16), (12, 8), (12, 8)], [(12, 16), (12, 16), (12, 16)],
    [(12, 16), (6, 8, 2)], [(12, 16), (12, 16, 2)], [(12, 16)], [(12, 16, 3)],
], ids=["420", "422", "444", "nv12", "nv24", "grey", "rgb"])  # fmt: skip
def test_after_warm_no_decoded_picture_waits_for_the_compiler(shapes, dtype):
    list(warm())
    before = compiled_signatures()
    planes = [np.zeros(shape, dtype) for shape in shapes]
    depth = 8 if dtype == np.uint8 else 10
    for siting, full_range, bgr in (((0.0, 0.5), False, False), ((0.5, 0.5), True, True)):
        picture = np.zeros((12, 16, 4), np.float32)
        for out in (picture, np.zeros((3, 12, 16), np.float32), np.zeros((3, 16, 24), np.float16)):
            color_in(planes, out, depth=depth, siting=siting, full_range=full_range, bgr=bgr)
        color_out(picture, planes, depth=depth, siting=(0.0, 0.5) if len(shapes) > 1 else (0.0, 0.0))
    assert compiled_signatures() == before


def test_after_warm_no_resized_picture_waits_for_the_compiler():
    list(warm())
    before = compiled_signatures()
    color_in([np.zeros((12, 16, 4), np.float32)], np.zeros((3, 12, 16), np.float32))
    assert compiled_signatures() == before


def test_an_error_in_one_part_waits_for_the_others():
    """Parts write into arrays of the caller, who may reuse them as soon as the call has returned."""
    ended = []

    def kernel(begin, _end):
        if begin == 0:
            raise ValueError("broken")
        ended.append(begin)

    workers = rows.Workers(4)
    with pytest.raises(ValueError, match="broken"):
        workers.run(kernel, 400)
    assert sorted(ended) == [100, 200, 300]
    workers.close()


def test_kernels_read_read_only_arrays_without_being_compiled_again():
    rng = np.random.default_rng(1)
    image, field = rng.random((40, 60, 4), np.float32), rng.normal(0, 3, (40, 60, 2)).astype(np.float32)
    expected = warp(image, field)
    kernel = sys.modules["rotoscope.kernels.warp"]._warp.compiled()
    before = len(kernel.signatures)
    image.flags.writeable = field.flags.writeable = False
    np.testing.assert_array_equal(warp(image, field), expected)
    assert len(kernel.signatures) == before
