"""List the tensors of a file of torch.save, in its two formats, and the place of their numbers in the file.

Both formats are pickles beside raw numbers. Every size that a pickle claims is compared with the bytes in the file, so that
reading the numbers needs no more memory than the file has.
"""

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import describe_file, why_unusable
from rotoscope.base.text import shortened
from rotoscope.weights.archive import MAX_BYTES, check_size_of_directory
from rotoscope.weights.pickled import BYTES_OF, MAX_TENSORS, PickleReader, StandIn, View

MAX_PICKLE_BYTES = 16 << 20
MAX_DEPTH = 24  # of dictionaries in dictionaries; modules in modules are such too
MAX_PARTS = 64  # of a list that are read: networks in a list
MAX_ITEMS = 10 * MAX_TENSORS  # in all of them
MAX_SHARING = 2  # values of all tensors for each byte of the file; parts of a network may share weights
LEGACY_HEADER = 0x1950A86A20F9469CFC6C  # the first pickle of torch's format before 1.6

Tree = dict[str, Any]
"""Dictionaries in dictionaries; the leaves are `View`s"""


@dataclass(frozen=True)
class Block:
    """Bytes of a storage in the file. crc is their CRC-32; None where the format has none."""

    offset: int
    num_bytes: int
    crc: int | None


@dataclass(frozen=True)
class TorchFile:
    """The content of a checkpoint, without its numbers: `blocks` says where they are, by the key of a storage."""

    path: Path
    content: Tree
    blocks: dict[str, Block]

    def read(self, key: str, file: io.BufferedReader) -> bytearray:
        """Return the bytes of a storage; raise ModelRefused if they are damaged."""
        block = self.blocks[key]
        data = bytearray(block.num_bytes)
        file.seek(block.offset)
        if file.readinto(data) != block.num_bytes or (block.crc is not None and zlib.crc32(data) != block.crc):
            raise ModelRefused(
                f"{self.path}: storage {key} is damaged (its checksum is wrong): download the file again"
            )
        return data


def read_torch_file(path: Path) -> TorchFile:
    """Read what a checkpoint of torch.save contains; raise ModelRefused for every other file. No numbers are read."""
    if reason := why_unusable(path, MAX_BYTES):
        raise ModelRefused(f"{path}: {reason}")
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"  # the sign that torch goes by
        content, blocks, claims = (_zip if is_zip else _legacy)(path, file)
    for key, claimed in claims.items():
        there = blocks[key].num_bytes if key in blocks else 0
        if claimed > there:
            raise ModelRefused(
                f"{path}: storage {shortened(key)} claims {claimed:,} bytes and has {there:,}; download it again"
            )
    return TorchFile(path, _tree(path, content), blocks)


Layout = tuple[Any, dict[str, Block], dict[str, int]]
"""Value of the pickle, the storages in the file, and the bytes that the pickle claims for each"""


def _zip(path: Path, file: io.BufferedReader) -> Layout:
    """Read the format of torch.save: an archive of one pickle and one uncompressed entry for each storage."""
    not_ours = f"{path}: a zip archive, but not one that torch.save made, or damaged: download it again"
    check_size_of_directory(path)
    try:
        with zipfile.ZipFile(file) as archive:
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
            reader = PickleReader(archive.read(name), str(path))
            if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder")[:8] != b"little":
                raise ModelRefused(f"{path}: its numbers begin with their high byte: save it on a usual machine")
            value = reader.read()
            start = f"{folder}data/"
            blocks = {
                key.removeprefix(start): _block(file, entry) for key, entry in entries.items() if key.startswith(start)
            }
    except ModelRefused:
        raise
    except Exception as error:  # zipfile raises some ten kinds for damaged archives
        raise ModelRefused(not_ours) from error
    return value, blocks, reader.num_bytes


def _check_entries(path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> None:
    """Check that names are unique, nothing is compressed, and sizes are at most that of the file."""
    if len(entries) != len(archive.infolist()):
        raise ModelRefused(f"{path}: an archive with two entries of one name, which readers may tell apart differently")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise ModelRefused(f"{path}: a compressed archive, and torch.save compresses nothing: give the file inside it")
    _check_claim(path, sum(entry.file_size for entry in entries.values()))


def _check_claim(path: Path, claimed: int) -> None:
    if claimed > min(path.stat().st_size, MAX_BYTES):
        raise ModelRefused(f"{path}: claims {claimed:,} bytes; more than it has, or than the {MAX_BYTES:,} accepted")


def _block(file: io.BufferedReader, entry: zipfile.ZipInfo) -> Block:
    """Return where the bytes of an uncompressed entry lie: after its own header, whose last two numbers are lengths."""
    file.seek(entry.header_offset)
    header = struct.unpack("<4s22x2H", file.read(30))
    if header[0] != b"PK\x03\x04":
        raise ValueError("no entry there")
    return Block(entry.header_offset + 30 + header[1] + header[2], entry.file_size, entry.CRC)


def _legacy(path: Path, file: io.BufferedReader) -> Layout:
    """Read the format before torch 1.6: five pickles, then the bytes of each storage after their number.

    The pickles are a header, the version, the system, the object, and the keys of the storages in the order of their bytes.
    """
    file.seek(0)
    data = file.read(MAX_PICKLE_BYTES)
    if not data.startswith(b"\x80"):
        raise ModelRefused(f"{path}: not a checkpoint but {describe_file(path)}")
    reader = PickleReader(data, str(path))
    if reader.read() != LEGACY_HEADER:
        raise ModelRefused(f"{path}: a bare pickle, which is a program: save model.state_dict() with torch.save")
    _version, _system, value, keys = (reader.read() for _ in range(4))
    _check_claim(path, sum(reader.num_bytes.values()))
    if type(keys) is not list or not all(type(key) in (str, int) for key in keys):
        raise ModelRefused(f"{path}: a damaged checkpoint: download it again")
    blocks: dict[str, Block] = {}
    place = reader.position
    for key in map(str, keys):
        num_bytes = reader.num_bytes.get(key, 0)
        file.seek(place)
        count = int.from_bytes(file.read(8), "little")
        if num_bytes not in {count * item for item in BYTES_OF.values()}:
            raise ModelRefused(
                f"{path}: storage {shortened(key)} has {count:,} values, not those described; download it again"
            )
        blocks[key] = Block(place + 8, num_bytes, None)
        place += 8 + num_bytes
    if place > path.stat().st_size:
        raise ModelRefused(f"{path}: ends {place - path.stat().st_size:,} bytes too early: download it again")
    return value, blocks, reader.num_bytes


def _tree(path: Path, value: Any) -> Tree:
    """Return the dictionaries and tensors of a checkpoint without its other values; refuse what is too deep or too large.

    Lists of dictionaries become dictionaries with numbers as keys, and objects become dictionaries of their attributes; of a
    module these are its parameters, buffers and modules. A pickle can put one value into many places, or into itself: an
    object or a list is read once, and a dictionary not again inside itself.
    """
    if type(value) is View or not _is_tree(value):
        word = "Tensor" if type(value) is View else type(value).__name__
        raise ModelRefused(f"{path}: holds a {word} instead of weights: save model.state_dict()")
    num_items = num_values = num_tensors = 0
    read: set[int] = set()  # ids of objects and lists
    inside: set[int] = set()  # ids of the dictionaries around

    def copied(items: Tree, depth: int) -> Tree:
        nonlocal num_items, num_values, num_tensors
        num_items += len(items)
        num_values += sum(item.num_values for item in items.values() if type(item) is View)
        if depth > MAX_DEPTH or num_items > MAX_ITEMS or num_values > MAX_SHARING * path.stat().st_size:
            raise ModelRefused(f"{path}: dictionaries in dictionaries, deeper or larger than those of any network")
        found: Tree = {}
        for key, item in items.items():
            if type(item) is View:
                found[key] = item
                num_tensors += 1
            elif type(item) is dict:
                if id(item) not in inside:
                    inside.add(id(item))
                    found[key] = copied(item, depth + 1)
                    inside.discard(id(item))
            elif depth < MAX_DEPTH and id(item) not in read and _is_tree(item):
                read.add(id(item))
                if inner := copied(_items(item), depth + 1):
                    found[key] = inner
        return found

    found = copied(_items(value), 1)
    if not num_tensors:
        raise ModelRefused(f"{path}: no tensors in this checkpoint; save model.state_dict()")
    return found


def _is_tree(value: Any) -> bool:
    """Whether a value may hold dictionaries of tensors."""
    if type(value) in (list, tuple):
        return any(type(item) in (dict, StandIn, list, tuple) for item in value[:MAX_PARTS])
    return type(value) is dict or (type(value) is StandIn and bool(value.items or value.attributes))


def _items(value: Any) -> Tree:
    """Return what a dictionary, a list of dictionaries or an object holds, by name."""
    if type(value) is dict:
        return value
    if type(value) in (list, tuple):
        return {str(place): item for place, item in enumerate(value[:MAX_PARTS]) if type(item) is not View}
    attributes: Tree = value.attributes or {}
    if type(attributes.get("_modules")) is dict:  # a torch.nn.Module
        parts = (attributes.get(name) for name in ("_parameters", "_buffers", "_modules"))
        passing = attributes.get("_non_persistent_buffers_set")
        left_out = {name for name in passing if type(name) is str} if type(passing) is list else set()
        found = {key: item for part in parts if type(part) is dict for key, item in part.items()}
        return {key: item for key, item in found.items() if key not in left_out}
    return attributes | (value.items or {})
