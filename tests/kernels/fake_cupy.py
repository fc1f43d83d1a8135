"""The part of CuPy that `rotoscope.kernels.launch` uses, on the CPU: arrays are a subclass of NumPy's, kernels run in a shim.

A source is compiled with g++ under the address and undefined-behaviour sanitizers, once per session for all the template
arguments in INSTANCES, and each launch is one process: a bad read ends it with the sanitizer's report.
"""

import ctypes
import os
import struct
import subprocess
import types
import weakref
from pathlib import Path

import numpy as np
from kernel_instances import INSTANCES

SHIM = Path(__file__).parent / "shim"
SANITIZERS = "address,undefined,float-cast-overflow,float-divide-by-zero"
FLAGS = ("-std=c++17", "-O1", "-g1", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", f"-fsanitize={SANITIZERS}",
         "-fno-sanitize-recover=all", "-ffp-contract=off")  # fmt: skip

_arrays = weakref.WeakValueDictionary()  # by address, for arguments that are addresses


class ndarray(np.ndarray):
    """A NumPy array whose type says that it is CuPy's."""

    __module__ = "cupy"

    @property
    def data(self):
        address = self.__array_interface__["data"][0]
        _arrays[address] = self
        return types.SimpleNamespace(ptr=address)


def wrap(array):
    """A copy in disguise; rows that are farther apart than they are long stay so."""
    if array.flags.c_contiguous or array.ndim < 2:
        return np.array(array, order="C").view(ndarray)
    copied = np.array(memory(array)).view(array.dtype)
    return np.lib.stride_tricks.as_strided(copied, array.shape, array.strides).view(ndarray)


def memory(array):
    """The bytes of an array from its first element to its last, with what lies between its rows: a view."""
    count = sum((size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)) + array.itemsize
    address = array.__array_interface__["data"][0]
    return np.frombuffer((ctypes.c_char * count).from_address(address), np.uint8)


def module(build_folder):
    """What `import cupy` shall give."""
    device = types.SimpleNamespace(id=-1)
    fake = types.ModuleType("cupy")
    fake.ndarray = ndarray
    stream = types.SimpleNamespace(ptr=0)
    fake.cuda = types.SimpleNamespace(Device=lambda: device, get_current_stream=lambda: stream)
    fake.asarray = wrap
    fake.RawModule = lambda code, options, name_expressions: Module(code, name_expressions, build_folder)
    return fake


class Module:
    """A source under its sanitizers; built at the first kernel taken from any of its instances."""

    def __init__(self, code, names, build_folder):
        operation = next(op for op, known in INSTANCES.items() if names[0] in known)
        self.names = INSTANCES[operation]
        self.program = build(operation, code, self.names, build_folder)

    def get_function(self, name):
        return lambda grid, block, arguments: launch(self.program, self.names.index(name), grid, block, arguments)


def build(operation, code, names, folder):
    """The path of the program that serves launches of these kernels."""
    from rotoscope.kernels.launch import SOURCES

    program = Path(folder) / f"shim_{operation}"
    errors = program.with_suffix(".err")
    if not errors.exists():
        table = ",\n".join(f"    [](dim3 grid, dim3 block) {{ shim::launch({name}, grid, block); }}" for name in names)
        source = program.with_suffix(".cpp")
        source.write_text(
            f'#include "shim.h"\n{code}\nusing Launch = void (*)(dim3, dim3);\n'
            f"const Launch table[] = {{\n{table}}};\nint main() {{ return shim::serve(table); }}\n"
        )
        command = ["g++", *FLAGS, f"-I{SHIM}", f"-I{SOURCES}", str(source), "-o", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        errors.write_text(done.stderr)
    assert program.exists(), f"{operation}.cu does not compile as C++:\n{errors.read_text()[:4000]}"
    return program


def launch(program, kernel, grid, block, arguments):
    """One launch: a process that gets copies of all arrays and gives them back."""
    buffers, packed = {}, b""
    for argument in arguments:
        if isinstance(argument, ndarray):
            buffers[argument.data.ptr] = argument
            packed += struct.pack("Q", argument.data.ptr)
        elif argument is None:
            packed += bytes(8)
        else:
            if argument.dtype.names == ("at",):  # a struct of addresses
                buffers.update({int(address): _arrays[int(address)] for address in argument["at"] if address})
            packed += argument.tobytes()
    request = struct.pack("i3I3Ii", kernel, *grid, *block, len(buffers))
    for address, array in buffers.items():
        octets = memory(array)
        request += struct.pack("QQ", address, octets.size) + octets.tobytes()
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    done = subprocess.run([program], input=request + packed, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, f"{program.name}: {done.stderr.decode()[:4000]}"
    at = 0
    for array in buffers.values():
        octets = memory(array)
        octets[:] = np.frombuffer(done.stdout, np.uint8, octets.size, at)
        at += octets.size
    assert at == len(done.stdout)
