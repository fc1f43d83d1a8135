"""CUDA sources as shared libraries for the CPU, compiled once and kept in the cache by a digest of what went in."""

import ctypes
import functools
import hashlib
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from kernel_instances import INSTANCES

from rotoscope.base.cache import folder_of
from rotoscope.kernels.launch import SOURCES

HERE = Path(__file__).parent
SHIM = HERE.parent / "kernels" / "shim"
FOLDER = folder_of("kernels") / "simulated_gpu"  # also for tests that use another cache folder for a while
UNUSED_SECONDS = 30 * 24 * 3600.0  # after which a library is removed; the sources may have changed many times by then
# As for the sanitized shim: no fused multiply-add that the source does not ask for.
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-Wno-unknown-pragmas")


class _Signature(ctypes.Structure):
    _fields_ = (("count", ctypes.c_int), ("sizes", ctypes.c_int * 64), ("alignments", ctypes.c_int * 64))


@dataclass
class Library:
    """A compiled source: `run(index, grid and block as six numbers, addresses of the arguments)`."""

    names: tuple[str, ...]
    loaded: ctypes.CDLL

    def __post_init__(self) -> None:
        self.run = self.loaded.simulated_run

    def signature(self, name: str) -> list[tuple[int, int]]:
        """Return (bytes, alignment of what a pointer points to or 0) of each argument of a kernel."""
        found = _Signature()
        self.loaded.simulated_describe(self.names.index(name), ctypes.byref(found))
        return [(found.sizes[k], found.alignments[k]) for k in range(found.count)]


def library_for(code: str, name: str, options: tuple[str, ...] = ()) -> Library:
    """Return the library with kernel `name` of a source; for a source of Rotoscope it has all instances that tests use."""
    operation = _operations().get(code)
    known = INSTANCES.get(operation, []) if operation else []
    return build(code, tuple(known) if name in known else (name,), _kept(options))


@functools.cache
def build(code: str, names: tuple[str, ...], options: tuple[str, ...] = ()) -> Library:
    """Compile a source with these instances, unless the cache has it."""
    headers = b"".join(path.read_bytes() for folder in (SOURCES, SHIM, HERE) for path in sorted(folder.glob("*.*h")))
    text = _text(code, names)
    digest = hashlib.sha256(headers + text.encode() + repr((FLAGS, options)).encode()).hexdigest()[:20]
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{digest}.so"
    if not file.exists():
        with FileLock(FOLDER / f"{digest}.lock"):
            if not file.exists():
                _compile(text, file, options)
    return Library(names, ctypes.CDLL(str(file)))


def build_all() -> None:
    """Compile every source of Rotoscope, two at a time."""
    slowest_first = ("aggregate", "interpolate", "warp", "blend")
    operations = sorted(INSTANCES, key=lambda name: slowest_first.index(name) if name in slowest_first else 9)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: build((SOURCES / f"{name}.cu").read_text(), tuple(INSTANCES[name])), operations))


def _compile(text: str, file: Path, options: tuple[str, ...]) -> None:
    part = file.with_suffix(f".{os.getpid()}.part")
    source = file.with_suffix(".cpp")
    source.write_text(text)
    includes = (f"-I{HERE}", f"-I{SHIM}", f"-I{SOURCES}")
    command = ["g++", *FLAGS, *options, *includes, str(source), "-o", str(part)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the source does not compile as C++:\n{done.stderr[:4000]}")
    part.replace(file)
    source.unlink()
    for old in file.parent.iterdir():
        if old.stat().st_mtime < time.time() - UNUSED_SECONDS:
            old.unlink(missing_ok=True)


def _text(code: str, names: tuple[str, ...]) -> str:
    table = ",\n".join(
        f"    {{[](dim3 g, dim3 b, void** a) {{ library::run({name}, g, b, a); }}, "
        f"[](library::Signature* s) {{ library::describe({name}, s); }}}}"
        for name in names
    )
    return f"""#include "library.h"
namespace {{
{code}
const library::Instance instances[] = {{
{table}}};
}}
extern "C" void simulated_run(int index, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                              void** a) {{
    instances[index].run(dim3{{gx, gy, gz}}, dim3{{bx, by, bz}}, a);
}}
extern "C" void simulated_describe(int index, library::Signature* out) {{ instances[index].describe(out); }}
"""


def _kept(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return those options of NVRTC that mean something to g++ and are not ours already."""
    return tuple(word for word in options if word.startswith("-D") and not word.startswith("-DINCLUDED_"))


@functools.cache
def _operations() -> dict[str, str]:
    return {path.read_text(): path.stem for path in SOURCES.glob("*.cu")}
