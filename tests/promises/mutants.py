"""Mutants of model files with fixed seeds: a valid file with some bytes changed, cut, repeated or replaced by hostile parts.

The seed is the number of the mutant, so `mutant(folder, number)` makes one of them again.
"""

import io
import pickle
import random
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import tiny_models
import torch
from safetensors.torch import save

from rotoscope.networks.resnet import ResnetGenerator

MARK = "mutant-was-here"  # a folder that hostile parts would make
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1)
PARTS = (
    b"cposix\nmkdir\n(X" + struct.pack("<I", len(MARK)) + MARK.encode() + b"tR.",
    f"cposix\nsystem\n(S'mkdir {MARK}'\ntR.".encode(),
    b'c__builtin__\neval\n(S\'__import__("os").mkdir("' + MARK.encode() + b"\")'\ntR.",
    b"csocket\ncreate_connection\n((S'127.0.0.1'\nK\x09ttR.",
    b"q\x00h\x00\x86" * 40,
    b"\x85" * 2000,
    b"(" * 2000,
    b"\x8a\xff" + b"\xff" * 255,
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"../../../../etc/passwd\0",
    b"\x1b]0;x\x07\n",
    b"[" * 3000,
    b"1e999",
)
ENDINGS = ("pth", "legacy.pth", "onnx", "safetensors", "npz")


@cache
def valid(ending: str) -> bytes:
    """A small valid file."""
    weights = ResnetGenerator(width=1, num_blocks=1).state_dict()
    file = io.BytesIO()
    if ending == "safetensors":
        return save(weights, metadata={"format": "pt", "rotoscope": '{"hints": {"statistics": "frame"}}'})
    if ending == "npz":
        np.savez(file, **{key: value.numpy() for key, value in weights.items()})
    elif ending == "onnx":
        raise AssertionError("made by `onnx_file`, which needs a folder")
    else:
        torch.save({"state_dict": weights, "epoch": 3}, file, _use_new_zipfile_serialization=ending == "pth")
    return file.getvalue()


def onnx_file(folder: Path) -> bytes:
    """A small valid model with a description."""
    path = folder / "valid.onnx"
    if not path.exists():
        description = (
            '{"name": "n", "frame": {"tensor": "in", "multiple": 4}, "output": {"tensor": "out"}, "licence": "x"}'
        )
        tiny_models.affine(path, -1.0, 1.0, metadata={"rotoscope": description})
    return path.read_bytes()


def mutant(folder: Path, number: int) -> Path:
    """Write the mutant of this number and return its path."""
    draw = random.Random(number)
    ending = ENDINGS[number % len(ENDINGS)]
    data = bytearray(onnx_file(folder) if ending == "onnx" else valid(ending))
    if ending == "pth" and draw.random() < 0.8:
        data = _within_pickle(bytes(data), draw)
    else:
        # The numbers of weights are most of a file, and changing them shows little.
        data = _changed(data, draw, most=min(len(data), 4096) if ending != "npz" else len(data))
    path = folder / f"{number}.{ending}"
    path.write_bytes(data)
    return path


def _within_pickle(data: bytes, draw: random.Random) -> bytearray:
    """Change the pickle of an archive and write the archive again, with right checksums."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(made, "w") as target:
        for entry in archive.infolist():
            content = bytearray(archive.read(entry))
            if entry.filename.endswith("data.pkl"):
                content = _changed(content, draw, most=len(content))
            target.writestr(entry.filename, bytes(content))
    return bytearray(made.getvalue())


def _changed(data: bytearray, draw: random.Random, most: int) -> bytearray:
    """Make 1 to 8 changes in the first `most` bytes."""
    for _ in range(draw.choice((1, 1, 1, 2, 4, 8))):
        place = draw.randrange(max(1, min(most, len(data))))
        what = draw.randrange(7)
        if what == 0:
            data[place : place + 1] = bytes([draw.randrange(256)])
        elif what == 1:
            number = draw.choice(NUMBERS)
            width = draw.choice((1, 2, 4, 8))
            data[place : place + width] = struct.pack("<Q", number)[:width]
        elif what == 2:
            data[place:place] = draw.choice(PARTS)
        elif what == 3:
            part = draw.choice(PARTS)
            data[place : place + len(part)] = part
        elif what == 4:
            del data[place : place + draw.choice((1, 2, 8, 64, 512))]
        elif what == 5:
            end = place + draw.choice((1, 8, 64, 512))
            data[place:place] = data[place:end] * draw.choice((1, 2, 50))
        else:
            del data[place:]
        if not data:
            data = bytearray(zlib.compress(pickle.dumps(0)))
    return data
