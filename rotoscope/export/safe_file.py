"""Check that a checkpoint is safe for `torch.load`, before torch reads it.

A checkpoint is a pickle, which is a program, beside raw numbers. `torch.load(weights_only=True)` does not run
unknown names, but it trusts the sizes in a file: deflated archives, storages larger than their bytes, views that
repeat one number a million times, damaged numbers. So the pickle is first run with stand-ins: every name in it
becomes an empty class, and the storages and views that it asks for are compared with the bytes in the file.
"""

import collections
import io
import pickle
import pickletools
import re
import zipfile
from pathlib import Path
from typing import Any

from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import describe_file

MAX_BYTES = 8 << 30
MAX_PICKLE_BYTES = 16 << 20
MAX_TENSORS = 20_000
LEGACY_HEADER = 0x1950A86A20F9469CFC6C  # the first pickle of torch's format before 1.6
NEWEST_PROTOCOL = 4  # protocol 5 allocates buffers before it reads them

# Names in the pickles of weights, and of the values that published files store beside weights.
HARMLESS = re.compile(
    r"collections\.(OrderedDict|defaultdict|Counter)"
    r"|torch(\.cuda|\.storage)?\.\w+Storage"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter|parameter_with_state)"
    r"|torch\.(nn\.parameter\.Parameter|Tensor|Size|device|bool|[a-z]+\d+)"
    r"|argparse\.Namespace"
    r"|numpy\.(dtype|_?core\.multiarray\.scalar|dtypes\.\w+)|_codecs\.encode"
    r"|(builtins|__builtin__)\.set"
)
BYTES_OF = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "Untyped": 1, "ComplexFloat": 8, "ComplexDouble": 16,
}  # fmt: skip


def check_checkpoint(path: Path) -> None:
    """Raise ModelRefused unless `torch.load` can read the file in bounded memory without running code."""
    with path.open("rb") as file:
        is_zip = (
            file.read(4) == b"PK\x03\x04"
        )  # the sign that torch goes by; an archive may also hide behind other bytes
    if is_zip:
        _check_zip(path)
    else:
        _check_legacy(path)


def _check_zip(path: Path) -> None:
    """Check the format of torch.save: an archive of one pickle and one uncompressed entry for each storage."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            (name,) = (name for name in entries if re.fullmatch(r"([^/]+/)?data\.pkl", name))
            folder = name.removesuffix("data.pkl")
            if f"{folder}constants.pkl" in entries:
                raise ModelRefused(f"{path}: a TorchScript program; give the state_dict() it was made from, or ONNX")
            _check_entries(path, archive, entries)
            if entries[name].file_size > MAX_PICKLE_BYTES:
                raise ModelRefused(
                    f"{path}: a description of {entries[name].file_size:,} bytes; no network needs as much"
                )
            survey = Survey.of(archive.read(name), path)
    except ModelRefused:
        raise
    except Exception as error:  # zipfile raises some ten kinds for damaged archives
        raise ModelRefused(f"{path}: a zip archive, but not one that torch.save made, or damaged") from error
    for key, claimed in survey.storages.items():
        there = entries[f"{folder}data/{key}"].file_size if f"{folder}data/{key}" in entries else 0
        if claimed > there:
            raise ModelRefused(f"{path}: storage {key} claims {claimed:,} bytes and has {there:,}; download it again")


def _check_entries(path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> None:
    """Check that names are unique, nothing is compressed, sizes are at most that of the file, and checksums are right."""
    if len(entries) != len(archive.infolist()):
        raise ModelRefused(f"{path}: an archive with two entries of one name, which readers may tell apart differently")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise ModelRefused(f"{path}: a compressed archive, and torch.save compresses nothing: give the file inside it")
    claimed = sum(entry.file_size for entry in entries.values())
    if claimed > min(path.stat().st_size, MAX_BYTES):
        raise ModelRefused(f"{path}: claims {claimed:,} bytes; more than it has, or than the {MAX_BYTES:,} accepted")
    damaged = archive.testzip()
    if damaged is not None:
        raise ModelRefused(f"{path}: {damaged} is damaged (its checksum is wrong): download the file again")


def _check_legacy(path: Path) -> None:
    """Check the format before torch 1.6: pickles of header, protocol, system and object, then the bytes of all storages."""
    with path.open("rb") as file:
        data = file.read(MAX_PICKLE_BYTES)
    if not data.startswith(b"\x80"):
        raise ModelRefused(f"{path}: not a checkpoint but {describe_file(path)}")
    survey = Survey.of(data, path)
    if survey.content != LEGACY_HEADER:
        raise ModelRefused(f"{path}: a bare pickle, which is a program: save model.state_dict() with torch.save")
    for _ in ("protocol", "system", "object"):
        data = data[survey.length :]
        survey = Survey.of(data, path)
    claimed = sum(survey.storages.values())
    if claimed > min(path.stat().st_size, MAX_BYTES):
        raise ModelRefused(f"{path}: claims {claimed:,} bytes; more than it has, or than the {MAX_BYTES:,} accepted")


class StandIn:
    """Replaces every class and function of a checkpoint: accepts all arguments and does nothing."""

    name = ""

    def __init__(self, *_args: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)


class Survey(pickle.Unpickler):
    """Runs the first pickle in some bytes with stand-ins.

    content   the object that the pickle describes
    length    bytes that the pickle takes
    storages  key -> bytes that the pickle claims for this storage
    """

    def __init__(self, data: bytes, where: Path) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.where = where
        self.storages: dict[str, int] = {}
        self.num_tensors = 0
        self.length = 0
        self.content: Any = None

    @classmethod
    def of(cls, data: bytes, where: Path) -> "Survey":
        """Run the pickle and return the survey; raises ModelRefused for anything that a file of weights does not contain."""
        survey = cls(data, where)
        try:
            for opcode, argument, position in pickletools.genops(data):
                # Memo numbers are places in a table that grows to fit them.
                if opcode.proto > NEWEST_PROTOCOL or ("PUT" in opcode.name and int(argument or 0) > len(data)):
                    raise ModelRefused(f"{where}: a pickle that torch.save does not write; damaged, or made to harm")
                survey.length = (position or 0) + 1
            survey.content = survey.load()
        except ModelRefused:
            raise
        except Exception as error:  # a damaged pickle raises whatever its opcodes stumble over
            raise ModelRefused(f"{where}: a damaged checkpoint: download it again") from error
        return survey

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for a harmless name; raise ModelRefused for any other."""
        full = f"{module}.{name}"
        if not HARMLESS.fullmatch(full):
            raise ModelRefused(
                f"{self.where}: needs {full}, so reading it would run code; refused. Where you trust it, open it with the code "
                "it came from and save model.state_dict() alone"
            )
        if full == "collections.OrderedDict":
            return collections.OrderedDict
        if full in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"):
            return self.tensor
        return type(name, (StandIn,), {"name": name})

    def persistent_load(self, saved: Any) -> int:
        """Record the bytes that a storage claims; return its number of values."""
        kind, storage_type, key, _location, count = saved[:5]
        item = BYTES_OF[storage_type.name.removesuffix("Storage")]
        if kind != "storage" or count < 0:
            raise ValueError(saved)
        self.storages[str(key)] = max(count * item, self.storages.get(str(key), 0))
        return int(count)

    def tensor(self, count: int, _offset: int, shape: tuple[int, ...], *_rest: Any) -> StandIn:
        """Check a view of this shape on a storage of `count` values."""
        values = 1
        for side in shape:
            values *= side
        if values > count:
            raise ModelRefused(
                f"{self.where}: a tensor {tuple(shape)} on {count:,} values; damaged, or made to fill the memory"
            )
        self.num_tensors += 1
        if self.num_tensors > MAX_TENSORS:
            raise ModelRefused(f"{self.where}: more than {MAX_TENSORS:,} tensors, and no network here has as many")
        return StandIn()
