"""Checkpoints that would run code, fill the memory, or never end. All are refused, and no code in them runs.

What a payload would do is harmless: it would make a file `pwned`, by which a run shows.
"""

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator

from promises.corpus.entry import CLIP, MODEL, Entry, file, translated

P2 = b"\x80\x02"
HEAD = b"".join(
    pickle.dumps(part, 2)
    for part in (
        0x1950A86A20F9469CFC6C,
        1001,
        {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}},
    )
)
COMMAND = b"touch pwned"


def text(value: bytes) -> bytes:
    """The opcodes of a string."""
    return b"X" + struct.pack("<I", len(value)) + value


def call(module: bytes, name: bytes, *arguments: bytes) -> bytes:
    """The opcodes of a call; arguments are opcodes."""
    return b"c" + module + b"\n" + name + b"\n(" + b"".join(arguments) + b"tR"


CODE = text(b"open('pwned','w').close()")
# name: opcodes that leave one object on the stack
PAYLOADS = {
    "os.system": call(b"os", b"system", text(COMMAND)),
    "posix.system": call(b"posix", b"system", text(COMMAND)),
    "nt.system": call(b"nt", b"system", text(COMMAND)),
    "os.popen": call(b"os", b"popen", text(COMMAND)),
    "subprocess.call": call(b"subprocess", b"call", b"(" + text(b"touch") + text(b"pwned") + b"t"),
    "subprocess.Popen": call(b"subprocess", b"Popen", b"(" + text(b"touch") + text(b"pwned") + b"t"),
    "eval": call(b"builtins", b"eval", text(b"open('pwned','w')")),
    "exec": call(b"builtins", b"exec", CODE),
    "exec-python2": call(b"__builtin__", b"exec", CODE),
    "open": call(b"builtins", b"open", text(b"pwned"), text(b"w")),
    "import": call(b"builtins", b"__import__", text(b"antigravity")),
    "getattr": call(b"builtins", b"getattr", b"cos\nsystem\n", text(b"__call__")),
    "importlib": call(b"importlib", b"import_module", text(b"os")),
    "runpy": call(b"runpy", b"run_path", text(b"pwn.py")),
    "compile": call(b"builtins", b"compile", CODE, text(b"x"), text(b"exec")),
    "pickle.loads": call(b"pickle", b"loads", b"C\x01."),
    "torch.load": call(b"torch", b"load", text(b"other.pth")),
    "torch.serialization.load": call(b"torch.serialization", b"load", text(b"other.pth")),
    "torch.hub": call(b"torch.hub", b"load", text(b"a/b"), text(b"c")),
    "torch.jit": call(b"torch.jit", b"load", text(b"x")),
    "numpy.load": call(b"numpy", b"load", text(b"x.npy")),
    "numpy.runstring": call(b"numpy.testing._private.utils", b"runstring", CODE, b"}"),
    "shutil.rmtree": call(b"shutil", b"rmtree", text(b"nothing-here")),
    "socket": call(b"socket", b"create_connection", b"(" + text(b"127.0.0.1") + b"K\x09t"),
    "urllib": call(b"urllib.request", b"urlopen", text(b"http://127.0.0.1:9/")),
    "webbrowser": call(b"webbrowser", b"open", text(b"http://127.0.0.1:9/")),
    "ctypes": call(b"ctypes", b"CDLL", text(b"libc.so.6")),
    "functools.partial": call(b"functools", b"partial", b"cos\nsystem\n", text(COMMAND)),
    "operator.methodcaller": call(b"operator", b"methodcaller", text(b"system"), text(COMMAND)),
    "types.CodeType": b"ctypes\nCodeType\n",
    "asyncio": call(b"asyncio.unix_events", b"_UnixSubprocessTransport._start", text(COMMAND)),
    "pty.spawn": call(b"pty", b"spawn", text(b"touch")),
    "bdb": call(b"bdb", b"Bdb.run", b"N", CODE),
    "timeit": call(b"timeit", b"timeit", CODE),
    "cProfile": call(b"cProfile", b"run", CODE),
    "logging.config": call(b"logging.config", b"fileConfig", text(b"x")),
    "rotoscope": call(b"rotoscope.cli", b"main", b"]"),
    "dotted-name": call(b"torch", b"storage.os.system", text(COMMAND)),
    "dotted-through-harmless": call(b"collections", b"OrderedDict.fromkeys.__self__", b"]"),
    "instance": b"(" + text(COMMAND) + b"ios\nsystem\n",
    "object": b"(cos\nsystem\n" + text(COMMAND) + b"o",
    "new-object": b"cos\nsystem\n(" + text(COMMAND) + b"t\x81",
    "stack-global": text(b"os") + text(b"system") + b"\x93(" + text(COMMAND) + b"tR",
    "extension": b"\x82\x01",
    "build": b"cargparse\nNamespace\n)R" + call(b"os", b"system", text(COMMAND)) + b"b",
    "in-persistent-id": b"(" + call(b"os", b"system", text(COMMAND)) + b"tQ",
    "as-key": b"}" + call(b"os", b"system", text(COMMAND)) + b"Ns",
    "then-broken": call(b"os", b"system", text(COMMAND)) + b"\xff\xff\xff",
}
BIG = b"\x8a\xff" + b"\xff" * 254 + b"\x7f"  # an integer of 255 bytes


def view(
    key: bytes = b"0", count: bytes = b"K\x01", offset: bytes = b"K\x00", shape: bytes = b"K\x01\x85", **more: bytes
) -> bytes:
    """The opcodes of a tensor on a storage, each part as opcodes."""
    kind, stride = more.get("kind", b"FloatStorage"), more.get("stride", b"K\x01\x85")
    storage = b"(" + text(b"storage") + b"ctorch\n" + kind + b"\n" + text(key) + text(b"cpu") + count + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + stride + b"\x89}tR"


def weights(opcodes: bytes) -> bytes:
    """The opcodes of a dict with one weight."""
    return b"}" + text(b"model.1.weight") + opcodes + b"s"


LONG = b"\x8a\x08" + b"\xff" * 7 + b"\x7f"  # 2^63 - 1
FILLERS = {
    "deep-key": b"})" + b"\x85" * 1_000_000 + b"Ns",
    "doubling-key": b"}K\x01" + b"q\x00h\x00\x86" * 60 + b"Ns",
    "doubling-value": b"}" + text(b"a") + b"]" + b"q\x00h\x00h\x00\x86" * 60 + b"s",
    "shape-of-large-integers": weights(view(shape=b"(" + BIG * 20_000 + b"t")),
    "shape-very-long": weights(view(shape=b"(" + b"K\x01" * 1_000_000 + b"t")),
    "keys-with-equal-hashes": b"}("
    + b"".join(b"\x8a\x0a" + (i * ((1 << 61) - 1)).to_bytes(10, "little") + b"N" for i in range(40_000))
    + b"u",
    "million-sets": b"](" + b"\x8f" * 4_000_000 + b"e",
    "million-dicts": b"](" + b"}" * 4_000_000 + b"e",
    "million-lists": b"](" + b"]" * 4_000_000 + b"e",
    "deep-lists": b"]" * 500_000 + b"a" * 499_999,
    "deep-tuples": b")" + b"\x85" * 1_000_000,
    "million-classes": b"](" + b"".join(b"ctorch\nfloat%d\n" % i for i in range(200_000)) + b"e",
    "million-counters": b"](" + b"ccollections\nCounter\n)R" * 200_000 + b"e",
    "million-calls": b"](" + b"ccollections\nOrderedDict\n)R" * 200_000 + b"e",
    "long-class-name": b"c" + b"A" * 2_000_000 + b"\nB\n",
    "class-name-with-escapes": b"cos\x1b[31m\n\x1b]0;pwned\x07\n",
    "class-name-with-marks": b"cos<script>\nalert(1)\n",
    "long-key": b"}" + text(b"k" * 2_000_000) + b"Ks",
    "key-with-escapes": b"}" + text(b"\x1b[31mmodel\x1b]0;pwned\x07") + b"K\x01s",
    "memo-far": b"}r\xff\xff\xff\x7f",
    "memo-missing": b"}h\x09",
    "string-longer-than-file": b"X\xff\xff\xff\x7f",
    "bytes-longer-than-file": b"B\xff\xff\xff\x7fabc",
    "long-string-8": b"\x8d" + struct.pack("<Q", 1 << 60) + b"abc",
    "frame-huge": b"\x95" + struct.pack("<Q", 1 << 60) + b"}",
    "integer-huge": b"\x8b\xff\xff\xff\x7f" + bytes(100),
    "integer-decimal": b"L" + b"9" * 100_000 + b"L\n",
    "integer-text": b"I" + b"9" * 100_000 + b"\n",
    "float-text": b"F1e999999\n",
    "stack-empty": b"ss",
    "mark-missing": b"t",
    "many-marks": b"(" * 1_000_000 + b"t",
    "many-pops": b"K\x010" * 500_000 + b"}",
    "duplicates": b"]" + b"2" * 1_000_000 + b"(" + b"e",
    "itself-in-list": b"]q\x00h\x00a",
    "itself-in-dict": b"}q\x00" + text(b"a") + b"h\x00s",
    "shape-huge": weights(view(shape=LONG + b"\x85")),
    "shape-negative": weights(view(shape=b"J\xff\xff\xff\xff\x85")),
    "shape-of-text": weights(view(shape=text(b"x") + b"\x85")),
    "shape-of-fractions": weights(view(shape=b"G\x3f\xf0" + bytes(6) + b"\x85")),
    "shape-overflows": weights(view(shape=b"\x8a\x05\x00\x00\x00\x00\x01" * 2 + b"\x86")),
    "stride-zero": weights(view(shape=b"M\xff\xff\x85", stride=b"K\x00\x85")),
    "stride-negative": weights(view(stride=b"J\xff\xff\xff\xff\x85")),
    "stride-huge": weights(view(shape=b"K\x02\x85", count=b"K\x02", stride=LONG + b"\x85")),
    "offset-outside": weights(view(offset=b"J\xff\xff\xff\x7f")),
    "offset-negative": weights(view(offset=b"J\xff\xff\xff\xff")),
    "count-huge": weights(view(count=LONG)),
    "count-negative": weights(view(count=b"J\xff\xff\xff\xff")),
    "count-of-text": weights(view(count=text(b"9"))),
    "storage-unknown": weights(view(kind=b"NoSuchStorage")),
    "storage-missing": weights(view(key=b"99")),
    "storage-key-escapes": weights(view(key=b"../../../../etc/passwd")),
    "thirty-thousand-tensors": b"}(" + b"".join(text(b"%d" % i) + view() for i in range(30_000)) + b"u",
}


def legacy(opcodes: bytes, *, protocol: bytes = P2) -> bytes:
    """A file of torch.save before 1.6 whose object is these opcodes."""
    return HEAD + protocol + opcodes + b"." + pickle.dumps([], 2)


def zipped(opcodes: bytes, *, protocol: bytes = P2, **entries: bytes) -> bytes:
    """A file of torch.save whose pickle is these opcodes, with one storage of 4 bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), protocol + opcodes + b".")
        archive.writestr(zipfile.ZipInfo("archive/data/0"), bytes(4))
        archive.writestr(zipfile.ZipInfo("archive/version"), b"3\n")
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name.replace('_dot_', '.')}"), data)
    return buffer.getvalue()


def in_tar(opcodes: bytes) -> bytes:
    """The oldest form of torch.save: a tar of pickles."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = P2 + opcodes + b"."
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def entries() -> Iterator[Entry]:
    """Yield about 200 entries."""
    for what, opcodes in PAYLOADS.items():
        yield _info(f"code/{what}-zip", zipped(opcodes))
        yield _info(f"code/{what}-legacy", legacy(opcodes))
    for what in ("os.system", "eval", "instance", "stack-global"):
        opcodes = PAYLOADS[what]
        yield _info(f"code/{what}-bare", P2 + opcodes + b".")
        yield _info(f"code/{what}-tar", in_tar(opcodes))
        yield _info(f"code/{what}-protocol-4", legacy(opcodes, protocol=b"\x80\x04"))
        yield _info(f"code/{what}-protocol-5", legacy(opcodes, protocol=b"\x80\x05"))
        yield _info(f"code/{what}-first-pickle", P2 + opcodes + b"." + HEAD)
        yield _info(f"code/{what}-among-weights", zipped(weights(view()) + text(b"b") + opcodes + b"s"))
        yield _info(f"code/{what}-second-pickle", zipped(weights(view()) + b"." + P2 + opcodes))
        for ending in ("safetensors", "npz", "onnx", "bin", "ckpt"):
            yield _info(f"code/{what}-as-{ending}", zipped(opcodes), ending)
        yield Entry(
            f"checkpoint/code/{what}-translate",
            translated(CLIP, model="bad.pth"),
            MODEL,
            file("bad.pth", legacy(opcodes)),
        )
    for what, opcodes in FILLERS.items():
        protocol = b"\x80\x04" if b"\x8f" in opcodes[:9] else P2
        yield _info(f"filler/{what}", legacy(opcodes, protocol=protocol))
        if len(opcodes) < 100_000:
            yield _info(f"filler/{what}-zip", zipped(opcodes, protocol=protocol))


def _info(name: str, data: bytes, ending: str = "pth") -> Entry:
    return Entry(f"checkpoint/{name}", ("info", f"bad.{ending}"), MODEL, file(f"bad.{ending}", data))
