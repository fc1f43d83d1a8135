"""DLPack capsules: give device memory to another library, and take it."""

import ctypes
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulated_gpu.pool import UnownedMemory, check_address

CPU, CUDA = 1, 2
_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, _Destructor)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.restype, _rename.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, (ctypes.c_void_p, ctypes.c_char_p)
_pointer_in_destructor = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_NAME, _USED = b"dltensor", b"used_dltensor"

_given: dict[int, tuple[Any, ...]] = {}  # what a capsule needs until its deleter runs
_numbers = itertools.count(1)


@_Deleter
def _delete(managed: Any) -> None:
    _given.pop(managed.contents.context, None)


@_Destructor
def _destroy(capsule: int) -> None:
    if _is_valid(capsule, _NAME):  # it was not taken
        address = _pointer_in_destructor(capsule, _NAME)
        _given.pop(ctypes.cast(address, ctypes.POINTER(_Managed)).contents.context, None)


def capsule(address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype, owner: object) -> Any:
    """Return a capsule over device memory; `strides` in bytes. `owner` lives until the taker gives the capsule back."""
    if dtype.kind not in _CODES or any(step % dtype.itemsize for step in strides):
        raise BufferError(f"{dtype} with strides {strides}: DLPack cannot say it")
    axes = ctypes.c_int64 * max(len(shape), 1)
    lengths, steps = axes(*shape), axes(*(step // dtype.itemsize for step in strides))
    tensor = _Tensor(address, CUDA, 0, len(shape), _CODES[dtype.kind], dtype.itemsize * 8, 1, lengths, steps, 0)
    number = next(_numbers)
    managed = _Managed(tensor, number, _delete)
    _given[number] = (managed, lengths, steps, owner)
    return _new(ctypes.addressof(managed), _NAME, _destroy)


@dataclass
class Taken:
    """What a capsule holds; strides in elements, None for C order."""

    memory: UnownedMemory
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: np.dtype


def take(given: Any) -> Taken:
    """Take the memory of a capsule; its deleter runs when nothing refers to that memory any more."""
    address = _pointer(given, _NAME)
    managed = ctypes.cast(address, ctypes.POINTER(_Managed))
    _rename(given, _USED)
    tensor = managed.contents.tensor
    kind = {code: kind for kind, code in _CODES.items()}[tensor.code]
    dtype = np.dtype(bool) if kind == "b" else np.dtype(f"{kind}{tensor.bits // 8}")
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    strides = tuple(tensor.strides[axis] for axis in range(tensor.ndim)) if tensor.strides else None
    first = tensor.data + tensor.byte_offset
    check_address(first)
    return Taken(UnownedMemory(first, 0, _Owner(managed)), shape, strides, dtype)


class _Owner:
    """Gives the capsule back at its end."""

    def __init__(self, managed: Any) -> None:
        self._managed = managed

    def __del__(self) -> None:
        self._managed.contents.deleter(self._managed)
