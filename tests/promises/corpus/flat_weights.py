"""Bad .safetensors and .npz files: headers that lie, descriptions of the wrong form, arrays of objects, bombs."""

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from promises.corpus.cut_videos import NO_VIDEOS
from promises.corpus.entry import MODEL, Entry, file

ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
KEY = "model.1.weight"


def safetensors(header: Any, data: bytes = bytes(4), *, length: int | None = None) -> bytes:
    """A file with this header, a JSON value or bytes; `length` is what it claims as the header's length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _described(description: str) -> bytes:
    return safetensors({"__metadata__": {"rotoscope": description}, KEY: ONE})


HEADERS = {
    "empty": b"",
    "eight-zeros": bytes(8),
    "no-tensors": safetensors({}, b""),
    "one-unknown-tensor": safetensors({KEY: ONE}),
    "length-huge": safetensors({KEY: ONE}, length=1 << 62),
    "length-negative": safetensors({KEY: ONE}, length=(1 << 64) - 1),
    "length-one-gigabyte": safetensors({KEY: ONE}, length=1 << 30),
    "length-short": safetensors({KEY: ONE}, length=5),
    "not-json": safetensors(b"not json at all"),
    "not-utf8": safetensors(b'{"\xff\xfe": 1}'),
    "json-list": safetensors([1, 2]),
    "json-number": safetensors(5),
    "json-deep": safetensors(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "json-deep-list": safetensors(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "number-huge": safetensors(b'{"a":{"dtype":"F32","shape":[' + b"9" * 10_000 + b'],"data_offsets":[0,4]}}'),
    "key-twice": safetensors(b'{"a":%s,"a":%s}' % ((json.dumps(ONE).encode(),) * 2)),
    "offsets-outside": safetensors({KEY: {**ONE, "data_offsets": [0, 400]}}),
    "offsets-backwards": safetensors({KEY: {**ONE, "data_offsets": [4, 0]}}),
    "offsets-negative": safetensors({KEY: {**ONE, "data_offsets": [-4, 0]}}),
    "offsets-overlap": safetensors({KEY: ONE, "model.4.weight": ONE}),
    "offsets-with-hole": safetensors({KEY: {**ONE, "data_offsets": [4, 8]}}, bytes(8)),
    "offsets-three": safetensors({KEY: {**ONE, "data_offsets": [0, 4, 4]}}),
    "shape-lies": safetensors({KEY: {**ONE, "shape": [1000]}}),
    "shape-overflows": safetensors({KEY: {**ONE, "shape": [1 << 40, 1 << 40]}}),
    "shape-negative": safetensors({KEY: {**ONE, "shape": [-1]}}),
    "shape-very-long": safetensors({KEY: {**ONE, "shape": [1] * 100_000}}),
    "dtype-unknown": safetensors({KEY: {**ONE, "dtype": "F99"}}),
    "dtype-f8": safetensors({KEY: {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}),
    "dtype-bool": safetensors({KEY: {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}}, b"\xff" * 4),
    "hundred-thousand-keys": safetensors(
        {f"k{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}, b""
    ),
    "key-long": safetensors({"k" * 1_000_000: ONE}),
    "key-escapes": safetensors({"\x1b[31mmodel.1.weight\n\x07": ONE}),
    "metadata-list": safetensors({"__metadata__": [1], KEY: ONE}),
    "metadata-number": safetensors({"__metadata__": {"rotoscope": 5}, KEY: ONE}),
    "garbage-after": safetensors({KEY: ONE}, bytes(4) + b"garbage" * 100),
    "data-missing": safetensors({KEY: ONE}, b""),
    "description-empty": _described(""),
    "description-not-json": _described("hints"),
    "description-list": _described("[1]"),
    "description-number": _described("5"),
    "description-null": _described("null"),
    "hints-list": _described('{"hints": [1]}'),
    "hints-number": _described('{"hints": 5}'),
    "hints-text": _described('{"hints": "direction"}'),
    "hints-null": _described('{"hints": null}'),
    "hints-unknown": _described('{"hints": {"nope": 1}}'),
    "hints-value-list": _described('{"hints": {"statistics": [1]}}'),
    "hints-value-unknown": _described('{"hints": {"statistics": "\\u001b[31m"}}'),
    "hints-deep": _described('{"hints": ' + '{"a": ' * 3000 + "1" + "}" * 3000 + "}"),
    "hints-infinite": _described('{"hints": {"size": Infinity}}'),
    "hints-huge-number": _described('{"hints": {"iterations": ' + "9" * 5000 + "}}"),
    "hints-very-long": _described('{"hints": {"direction": "' + "x" * 500_000 + '"}}'),
}


def _npz(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def _npy(header: str, data: bytes = bytes(4), *, length: int | None = None) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) if length is None else length) + text + data


def _header(descr: str = "'<f4'", shape: str = "(1,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n"


def _objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


NPZ = {
    "empty": b"",
    "no-arrays": _npz(),
    "unknown-arrays": _npz(("a.npy", _npy(_header()))),
    "objects": _npz(("a.npy", _objects())),
    "pickle-instead": _npz(("a.npy", b"\x80\x02cos\nsystem\n(X\x0b\x00\x00\x00touch pwnedtR.")),
    "shape-huge": _npz(("a.npy", _npy(_header(shape="(1099511627776,)")))),
    "shape-overflows": _npz(("a.npy", _npy(_header(shape="(4294967296, 4294967296, 16)")))),
    "shape-negative": _npz(("a.npy", _npy(_header(shape="(-1,)")))),
    "shape-of-text": _npz(("a.npy", _npy(_header(shape="('a',)")))),
    "header-is-code": _npz(("a.npy", _npy("__import__('os').system('touch pwned')\n"))),
    "header-deep": _npz(("a.npy", _npy("(" * 9000 + "\n"))),
    "header-long": _npz(("a.npy", _npy(" " * 60_000))),
    "header-length-lies": _npz(("a.npy", _npy(_header(), length=65535))),
    "type-unknown": _npz(("a.npy", _npy(_header(descr="'<f99'")))),
    "type-record": _npz(("a.npy", _npy(_header(descr="[('a', '<f4')]")))),
    "type-text": _npz(("a.npy", _npy(_header(descr="'<U1'")))),
    "version-unknown": _npz(("a.npy", b"\x93NUMPY\x09\x00" + bytes(20))),
    "no-array-file": _npz(("readme.txt", b"hello")),
    "names-outside": _npz(("../../pwned.npy", _npy(_header()))),
    "names-with-escapes": _npz(("\x1b[31m\x07.npy", _npy(_header()))),
    "bomb": _npz(*((f"{i}.npy", bytes(32 << 20)) for i in range(2)), method=zipfile.ZIP_DEFLATED),
    "bomb-of-one-array": _npz(
        ("a.npy", _npy(_header(shape="(16777216,)"), bytes(64 << 20))), method=zipfile.ZIP_DEFLATED
    ),
    "cut": _npz(("a.npy", _npy(_header())))[:-30],
    "not-finite": _npz(("a.npy", _npy(_header(), b"\xff\xff\xff\x7f"))),
}


def entries() -> Iterator[Entry]:
    """Yield about 95 entries."""
    for what, data in HEADERS.items():
        yield Entry(f"safetensors/{what}", ("info", "bad.safetensors"), MODEL, file("bad.safetensors", data))
    for what, data in NPZ.items():
        yield Entry(f"npz/{what}", ("info", "bad.npz"), MODEL, file("bad.npz", data))
    for what in ("html", "lfs-pointer", "noise", "zeros", "elf"):
        for ending in ("safetensors", "npz", "onnx"):
            yield Entry(f"{ending}/{what}", ("info", f"bad.{ending}"), MODEL, file(f"bad.{ending}", NO_VIDEOS[what]))
