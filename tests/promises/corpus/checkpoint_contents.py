"""Checkpoints that are data, but not those of a network here: archives that lie, wrong keys, shapes and types, other files."""

import functools
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from promises.corpus.checkpoint_attacks import P2, view, weights, zipped
from promises.corpus.cut_videos import NO_VIDEOS, flipped
from promises.corpus.entry import FINE, MODEL, Entry, file

TORCH_FILES = ("pth", "pt", "ckpt", "bin")


def entries() -> Iterator[Entry]:
    """Yield about 110 entries."""
    for what, make in _archives().items():
        yield Entry(f"checkpoint/archive/{what}", ("info", "bad.pth"), MODEL, _written("bad.pth", make))
    for what, change in CONTENTS.items():
        codes = FINE if what.startswith("fine-") else MODEL
        yield Entry(
            f"checkpoint/content/{what}", ("info", "bad.pth"), codes, _written("bad.pth", lambda c=change: saved(c))
        )
    for what, data in NO_VIDEOS.items():
        yield Entry(f"checkpoint/no-checkpoint/{what}", ("info", "bad.pth"), MODEL, file("bad.pth", data))
    for ending in TORCH_FILES:
        yield Entry(
            f"checkpoint/no-checkpoint/empty-{ending}", ("info", f"bad.{ending}"), MODEL, file(f"bad.{ending}", b"")
        )
    for share in (0.01, 0.3, 0.6, 0.99):
        make = _written("bad.pth", lambda s=share: _cut(saved(lambda found: found), s))
        yield Entry(f"checkpoint/cut/{share:g}", ("info", "bad.pth"), MODEL, make)
    for count in (1, 8, 64):
        for seed in range(5):
            # A flip in an archive's list of entries may leave everything that is read as it was.
            codes = MODEL | FINE if count == 1 else MODEL
            make = _written("bad.pth", lambda n=count, s=seed: flipped(saved(lambda found: found), n, seed=s))
            yield Entry(f"checkpoint/flip/{count}-{seed}", ("info", "bad.pth"), codes, make)
    for what in ("nan", "wrong-shape", "missing-key", "discriminator"):
        make = _written("bad.pth", lambda w=what: saved(CONTENTS[w]))
        yield Entry(f"checkpoint/export/{what}", ("export", "bad.pth", "out.onnx"), MODEL, make)


@functools.cache
def _weights() -> dict:
    import torch

    from rotoscope.networks import resnet

    torch.manual_seed(0)
    return dict(resnet.ResnetGenerator(width=4, num_blocks=6).state_dict())


def saved(change: Callable[[dict], object]) -> bytes:
    """The bytes of torch.save of what `change` makes of the weights of a small generator."""
    import torch

    buffer = io.BytesIO()
    torch.save(change(dict(_weights())), buffer)
    return buffer.getvalue()


def _with(found: dict, change: Callable) -> dict:
    return {key: change(value) for key, value in found.items()}


def _first(found: dict, change: Callable) -> dict:
    key = next(iter(found))
    return {**found, key: change(found[key])}


def _tensor(*shape: int):
    import torch

    return torch.zeros(shape)


def _deep(depth: int) -> dict:
    content: dict = {}
    for _ in range(depth):
        content = {"state_dict": content}
    return content


CONTENTS: dict[str, Callable[[dict], object]] = {
    "fine-as-saved": lambda found: found,
    "fine-half": lambda found: _with(found, lambda t: t.half()),
    "fine-double": lambda found: _with(found, lambda t: t.double()),
    "fine-in-wrapper": lambda found: {"state_dict": found, "epoch": 3},
    "fine-data-parallel": lambda found: {f"module.{key}": value for key, value in found.items()},
    "empty": lambda found: {},
    "list": lambda found: list(found.values()),
    "number": lambda found: 5,
    "text": lambda found: "weights",
    "none": lambda found: None,
    "one-tensor": lambda found: _tensor(3, 3),
    "numbers-as-keys": lambda found: dict(enumerate(found.values())),
    "tuples-as-keys": lambda found: {(key, 1): value for key, value in found.items()},
    "keys-with-escapes": lambda found: {f"\x1b[31m{key}\n": value for key, value in found.items()},
    "keys-very-long": lambda found: {key * 1000: value for key, value in found.items()},
    "values-are-numbers": lambda found: dict.fromkeys(found, 1.5),
    "values-are-text": lambda found: dict.fromkeys(found, "x"),
    "deep-100": lambda found: _deep(100),
    "deep-300": lambda found: _deep(300),
    "missing-key": lambda found: dict(list(found.items())[:-1]),
    "missing-half": lambda found: dict(list(found.items())[: len(found) // 2]),
    "extra-key": lambda found: {**found, "model.99.weight": _tensor(4)},
    "wrong-shape": lambda found: {**found, "model.4.weight": found["model.4.weight"][:, :1]},
    "transposed": lambda found: _first(found, lambda t: t.transpose(0, 1).contiguous()),
    "flat": lambda found: _with(found, lambda t: t.flatten()),
    "scalars": lambda found: _with(found, lambda t: t.flatten()[0]),
    "zero-sized": lambda found: _first(found, lambda t: t[:0]),
    "nan": lambda found: _with(found, lambda t: t * float("nan")),
    "one-nan": lambda found: _first(found, lambda t: t.index_fill(0, _tensor(1).long(), float("nan"))),
    "infinite": lambda found: _with(found, lambda t: t / 0),
    "int8": lambda found: _with(found, lambda t: t.to(__import__("torch").int8)),
    "int64": lambda found: _with(found, lambda t: t.long()),
    "bool": lambda found: _with(found, lambda t: t.bool()),
    "complex": lambda found: _with(found, lambda t: t.to(__import__("torch").complex64)),
    "sparse": lambda found: _with(found, lambda t: t.to_sparse()),
    "discriminator": lambda found: {
        f"model.{i}.{part}": _tensor(*shape)
        for i, sizes in ((0, (64, 3, 4, 4)), (2, (128, 64, 4, 4)), (11, (1, 512, 4, 4)))
        for part, shape in (("weight", sizes), ("bias", sizes[:1]))
    },
    "optimiser": lambda found: {"state": {0: {"step": 1, "exp_avg": _tensor(4)}}, "param_groups": [{"lr": 1e-3}]},
    "classifier": lambda found: {"fc.weight": _tensor(10, 512), "fc.bias": _tensor(10)},
    "language-model": lambda found: {"transformer.wte.weight": _tensor(100, 8), "lm_head.weight": _tensor(100, 8)},
    "huge-width-claimed": lambda found: {**found, "model.1.bias": _tensor(1).expand(1 << 30)},
}


def _archives() -> dict[str, Callable[[], bytes]]:
    """Archives that lie about what they hold."""
    sound = zipped(weights(view()))
    return {
        "deflated-bomb": lambda: _zip(
            {"archive/data.pkl": P2 + b"}.", "archive/data/0": bytes(64 << 20)}, zipfile.ZIP_DEFLATED
        ),
        "deflated": lambda: _zip(
            {"archive/data.pkl": P2 + weights(view()) + b".", "archive/data/0": bytes(4)}, zipfile.ZIP_DEFLATED
        ),
        "two-pickles": lambda: _zip({"a/data.pkl": P2 + b"}.", "b/data.pkl": P2 + b"}."}),
        "no-pickle": lambda: _zip({"archive/data/0": bytes(4)}),
        "program": lambda: _zip({"m/data.pkl": P2 + b"}.", "m/constants.pkl": P2 + b"}.", "m/code/x.py": b"import os"}),
        "names-outside": lambda: _zip({"../../data.pkl": P2 + b"}."}),
        "absolute-name": lambda: _zip({"/tmp/data.pkl": P2 + b"}."}),
        "name-with-escapes": lambda: _zip({"\x1b[31m/data.pkl": P2 + weights(view(key=b"7")) + b"."}),
        "twenty-thousand-entries": lambda: _zip(
            {"archive/data.pkl": P2 + b"}.", **{f"archive/data/{i}": b"" for i in range(20_000)}}
        ),
        "large-pickle": lambda: zipped(b"]" + b"K\x01a" * 6_000_000),
        "size-lie": lambda: sound.replace(b"\x04\x00\x00\x00\x04\x00\x00\x00", b"\xff\xff\xff\x7f\xff\xff\xff\x7f"),
        "checksum-lie": lambda: _changed_storage(sound),
        "encrypted": lambda: sound.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
        ),
        "method-unknown": lambda: sound.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63\x00"
        ),
        "no-directory": lambda: sound[: sound.index(b"PK\x01\x02")],
        "directory-twice": lambda: sound + sound[sound.index(b"PK\x01\x02") :],
        "hidden-behind-text": lambda: b"\x80\x02}." + sound,
        "two-archives": lambda: zipped(b"]") + sound,
        "same-name-twice": _same_name_twice,
        "a-zip-of-something": lambda: _zip({"readme.txt": b"hello"}),
        "empty-archive": lambda: b"PK\x05\x06" + bytes(18),
        "word-file": lambda: _zip({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}),
        "keras-file": lambda: _zip({"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": bytes(9)}),
    }


def _zip(contents: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def _changed_storage(data: bytes) -> bytes:
    place = data.index(b"archive/data/0") + len(b"archive/data/0")
    return data[:place] + b"\x01\x02\x03\x04" + data[place + 4 :]


def _same_name_twice() -> bytes:
    import warnings

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in (b"}", b"]"):
            archive.writestr(zipfile.ZipInfo("archive/data.pkl"), P2 + content + b".")
    return buffer.getvalue()


def _cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def _written(name: str, make: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(make())
