"""What is no regular file, in every place that takes one: a FIFO, a device, a socket, a folder, a link, a sparse file."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from promises.corpus.entry import CLIP, IDENTITY, INPUT, MODEL, USAGE, Entry, translated

Make = Callable[[Path], object]
ROLES: dict[str, tuple[str, tuple[str, ...], frozenset[int]]] = {
    # role: (name, words, codes)
    "video": ("bad.mp4", translated("bad.mp4"), INPUT),
    "video-info": ("bad.mkv", ("info", "bad.mkv"), INPUT),
    "picture": ("bad.png", translated("bad.png"), INPUT),
    "frames": ("bad.mp4", ("frames", "bad.mp4", "folder"), INPUT),
    "model-pth": ("bad.pth", translated(CLIP, model="bad.pth"), MODEL),
    "model-onnx": ("bad.onnx", translated(CLIP, model="bad.onnx"), MODEL),
    "model-safetensors": ("bad.safetensors", translated(CLIP, model="bad.safetensors"), MODEL),
    "model-npz": ("bad.npz", translated(CLIP, model="bad.npz"), MODEL),
    "info-pth": ("bad.pth", ("info", "bad.pth"), MODEL),
    "info-onnx": ("bad.onnx", ("info", "bad.onnx"), MODEL),
    "export": ("bad.pth", ("export", "bad.pth", "out.onnx"), MODEL),
    "parity": ("bad.onnx", ("parity", "bad.onnx", IDENTITY), MODEL),
    "flow": ("bad.onnx", ("translate", CLIP, "out.mkv", "-m", IDENTITY, "--flow", "onnx:bad.onnx"), MODEL),
    "flow-pth": ("bad.pth", ("translate", CLIP, "out.mkv", "-m", IDENTITY, "--flow", "onnx:bad.pth"), MODEL),
    "style": ("bad.npy", translated(CLIP, "--style", "bad.npy"), USAGE | INPUT | MODEL),
    "mask": ("bad.png", translated(CLIP, "--mask", "bad.png"), USAGE | INPUT | MODEL),
    "like": ("bad.png", translated(CLIP, "--like", "bad.png"), USAGE | INPUT | MODEL),
    "animated-webp": ("bad.webp", translated("bad.webp"), INPUT),
    "jobs": ("bad.jsonl", ("batch", "bad.jsonl", "-o", "out", "-m", IDENTITY, "--dry-run"), USAGE),
    "against": ("bad.json", ("bench", "--against", "bad.json", "--seconds", "1"), INPUT),
    "op-library": ("bad.so", translated(CLIP, "--op-library", "./bad.so"), USAGE | MODEL),
}


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has at most 107 bytes
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"PK\x03\x04" if path.suffix == ".pth" else b"\x08\x08")
        file.truncate(64 << 30)


KINDS: dict[str, Make] = {
    "fifo": _fifo,
    "endless-device": lambda path: path.symlink_to("/dev/zero"),
    "empty-device": lambda path: path.symlink_to("/dev/null"),
    "socket": _socket,
    "folder": lambda path: path.mkdir(),
    "sparse": _sparse,
    "link-to-nothing": lambda path: path.symlink_to("nowhere"),
    "link-to-itself": lambda path: path.symlink_to(path.name),
    "process": lambda path: path.symlink_to("/proc/self/mem"),
}


def entries() -> Iterator[Entry]:
    """Yield about 150 entries."""
    for role, (name, words, codes) in ROLES.items():
        for kind, make in KINDS.items():
            yield Entry(f"special/{role}/{kind}", words, codes, lambda folder, m=make, n=name: m(folder / n))
