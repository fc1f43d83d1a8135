"""Hostile files of weights: each is refused with one short line, before anything of the size that it claims is built."""

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rotoscope.assembly.models import model_path
from rotoscope.base.errors import ModelRefused, RotoscopeError
from rotoscope.base.text import MAX_LINE_BYTES, one_line
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.features import AlexNetFeatures, load_features
from rotoscope.networks.resnet import ResnetGenerator
from rotoscope.networks.torch_tensors import load_tensors
from rotoscope.weights.check import check_weights
from rotoscope.weights.torch_file import LEGACY_HEADER, MAX_DEPTH

P2 = b"\x80\x02"
HEAD = b"".join(pickle.dumps(part, 2) for part in (LEGACY_HEADER, 1001, {"little_endian": True}))
TENSOR = (
    b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00%s(t\x89}tRs."
)
LONG = b"\x8a\xff" + b"\xff" * 254 + b"\x7f"  # an integer of 255 bytes


def doubled(times):
    """A dictionary that holds another one twice, and so on."""
    tree = {}
    for _ in range(times):
        tree = {"a": tree, "b": tree}
    return pickle.dumps(tree, 2)


ATTACKS = {  # a pickle -> words of the answer
    "a key of nested tuples": (P2 + b"})" + b"\x85" * 100_000 + b"Ns.", "no tensors"),
    "a key that doubles": (P2 + b"}K\x01" + b"q\x00h\x00\x86" * 60 + b"Ns.", "no tensors"),
    "a shape of long integers": (P2 + TENSOR % (b"(" + LONG * 1000 + b"t"), "an integer of"),
    "a shape of many integers": (P2 + TENSOR % (b"(" + b"K\x01" * 9 + b"t"), "damaged"),
    "keys of equal hashes": (
        P2
        + b"}("
        + b"".join(b"\x8a\x0a" + (i * ((1 << 61) - 1)).to_bytes(10, "little") + b"N" for i in range(5000))
        + b"u.",
        "no tensors",
    ),
    "empty sets": (b"\x80\x02](" + b"\x8f" * 1_200_000 + b"e.", "instructions"),
    "empty dictionaries": (b"\x80\x02](" + b"}" * 1_200_000 + b"e.", "instructions"),
    "class look-ups": (b"\x80\x02(" + b"ctorch\nfloat32\n" * 1_050_000, "instructions"),
    "a long name": (P2 + b"c" + b"A" * 5_000_000 + b"\nB\n.", "AAA"),
    "a long key": (P2 + b"}X" + struct.pack("<I", 100_000) + b"k" * 100_000 + b"Ns.", "a key of 100,000 characters"),
    "a dictionary in itself": (P2 + b"}q\x00X\x01\x00\x00\x00ah\x00s.", "no tensors"),
    "dictionaries that double": (doubled(60), "deeper or larger"),
    "deep dictionaries": (P2 + b"}X\x01\x00\x00\x00a" * 500 + b"N" + b"s" * 500 + b".", "deeper or larger"),
    "a far memo": (P2 + b"Nr\xff\xff\xff\x7f.", "does not write"),
    "a call of a tensor": (P2 + b"}(X\x01\x00\x00\x00aNNRu.", "damaged"),
    "an instruction of protocol 5": (P2 + b"\x96" + struct.pack("<Q", 4) + b"abcd.", "does not write"),
    "no value": (P2 + b".", "damaged"),
}


def refused(path):
    with pytest.raises(RotoscopeError) as error:
        open_checkpoint(path)
    line = str(error.value)
    assert line.startswith(str(path)) and len(line.encode()) - len(str(path)) < 400 and line.isprintable()
    assert 2 <= error.value.exit_code <= 4
    return line


def legacy(path, body, after=b""):
    path.write_bytes(HEAD + body + pickle.dumps([], 2) + after)
    return path


def zipped(path, body):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", body)
    return path


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("write", [legacy, zipped])
def test_a_pickle_is_bounded_before_anything_is_built(attack, write, tmp_path):
    body, words = ATTACKS[attack]
    assert words in refused(write(tmp_path / "net.pth", body))


@pytest.mark.parametrize(
    "words", [["info"], ["export", "-o", "x.onnx"], ["translate", "synthetic:64x64@25", "x.mp4", "-m"]]
)
def test_what_is_refused_is_refused_before_torch_is_imported(words, tmp_path):
    """The import takes seconds; a file that is made to cost time may take some more, and 10 s are promised for both."""
    path = legacy(tmp_path / "bad.pth", P2 + b"](" + b"\x8f" * 100 + b"e.")
    code = "import sys; from rotoscope.__main__ import main; code = main(); sys.exit(99 if 'torch' in sys.modules else code)"
    command = [sys.executable, "-c", code, *words, str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith(f"rotoscope: {path}: ") and done.stderr.count("\n") == 1


def test_the_keys_of_the_storages_are_read_as_carefully(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(HEAD + pickle.dumps({}, 2) + ATTACKS["a key that doubles"][0])
    assert "damaged" in refused(path)


def test_dictionaries_may_be_as_deep_as_networks_need(tmp_path):
    tree = {"w": torch.ones(3)}
    for _ in range(MAX_DEPTH - 1):
        tree = {"inner": tree}
    torch.save(tree, tmp_path / "net.pth")
    found = load_tensors(tmp_path / "net.pth")
    for _ in range(MAX_DEPTH - 1):
        found = found["inner"]
    assert torch.equal(found["w"], torch.ones(3))


def test_one_tensor_in_many_places_is_refused(tmp_path):
    one = torch.zeros(1000, dtype=torch.float16)
    torch.save({str(number): one for number in range(10_000)}, tmp_path / "net.pth")
    assert "larger" in refused(tmp_path / "net.pth")


@pytest.mark.parametrize("legacy_format", [False, True])
def test_tensors_are_those_of_torch_load(legacy_format, tmp_path):
    base = torch.arange(24, dtype=torch.float32)
    content = {
        "whole": base.view(2, 3, 4), "turned": base.view(4, 6).t(), "part": base[5:9], "empty": torch.zeros(0, 3),
        "half": base.half(), "brain": base.bfloat16(), "long": torch.tensor(7), "bool": torch.tensor([True, False]),
        "complex": torch.complex(base, -base), "grows": torch.nn.Parameter(torch.ones(2)), "inner": {5: base[:1]},
        "text": "v1", "list": [1, 2],
    }  # fmt: skip
    path = tmp_path / "net.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy_format)
    found, expected = load_tensors(path), torch.load(path, weights_only=True)
    assert set(expected) - set(found) == {"text", "list"}
    assert torch.equal(found["inner"]["5"], expected["inner"][5])
    for key in set(found) - {"inner"}:
        assert torch.equal(found[key], expected[key]) and found[key].stride() == expected[key].stride()
        assert found[key].dtype == expected[key].dtype and type(found[key]) is torch.Tensor
    assert found["whole"].untyped_storage().data_ptr() == found["part"].untyped_storage().data_ptr()


def special(kind, path):
    """Make a path that is no regular file of usual size."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.write(b"PK\x03\x04")
            file.truncate(64 << 30)


@pytest.mark.parametrize("kind", ["pipe", "endless device", "folder", "sparse file"])
@pytest.mark.parametrize("ending", ["pth", "safetensors", "npz", "onnx"])
def test_a_special_file_is_refused_before_it_is_read(kind, ending, tmp_path):
    path = tmp_path / f"net.{ending}"
    special(kind, path)
    words = {"folder": "a folder", "sparse file": "68,719,476,736 bytes"}.get(kind, "not a regular file")
    checks = [model_path, open_checkpoint]
    if ending != "onnx":
        checks.append(check_weights)
    for check in checks:
        with pytest.raises(ModelRefused, match=words):
            check(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no such file here")
@pytest.mark.parametrize("ending", ["pth", "safetensors", "npz", "onnx"])
def test_a_file_that_opens_and_cannot_be_read_is_refused(ending, tmp_path):
    path = tmp_path / f"net.{ending}"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(ModelRefused, match="Input/output error"):
        model_path(path)


def test_the_weights_of_metrics_go_through_the_same_reader(tmp_path):
    with pytest.raises(ModelRefused, match="an integer of"):
        load_features(AlexNetFeatures(), legacy(tmp_path / "alex.pth", ATTACKS["a shape of long integers"][0]))
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(ModelRefused, match="not a regular file"):
        load_features(AlexNetFeatures(), tmp_path / "pipe.pth")


HINTS = {
    "a list": "[1]",
    "a number": "5",
    "unknown": '{"nope": 1}',
    "deep": '{"a": ' * 3000 + "1" + "}" * 3000,
    "a list as a word": '{"statistics": ["frame"]}',
    "a dictionary as a word": '{"statistics": {}}',
}


@pytest.mark.parametrize("kind", HINTS)
def test_hints_of_a_wrong_kind_are_refused(kind, tmp_path):
    weights = ResnetGenerator(width=2, num_blocks=6).state_dict()
    save_file(weights, tmp_path / "net.safetensors", metadata={"rotoscope": f'{{"hints": {HINTS[kind]}}}'})
    refused(tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    "header",
    ["[]", "5", '{"a": 5}', '{"a": {}}', '{"__metadata__": 5}', '{"__metadata__": {"a": 5}}', "[" * 100_000, ""],
)
def test_a_header_of_safetensors_of_a_wrong_kind_is_refused(header, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    refused(path)


def test_a_header_that_claims_more_than_the_file_is_refused(tmp_path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}}).encode()
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "does not fit its size" in refused(tmp_path / "net.safetensors")


@pytest.mark.parametrize("kind", ["int8", "bool"])
def test_weights_that_are_no_floating_point_numbers_are_refused(kind, tmp_path):
    weights = {
        key: value.to(getattr(torch, kind))
        for key, value in ResnetGenerator(width=2, num_blocks=6).state_dict().items()
    }
    torch.save(weights, tmp_path / "net.pth")
    assert f"is {kind}; weights are" in refused(tmp_path / "net.pth")


@pytest.mark.filterwarnings("error")
def test_weights_without_values_are_refused_without_a_warning(tmp_path):
    weights = ResnetGenerator(width=2, num_blocks=6).state_dict()
    weights["model.1.weight"] = torch.zeros(0, 3, 7, 7)
    torch.save(weights, tmp_path / "net.pth")
    assert "model.1.weight has no values" in refused(tmp_path / "net.pth")


def test_text_in_place_of_numbers_is_refused(tmp_path):
    np.savez(tmp_path / "net.npz", **{"model.1.weight": np.array(["a", "b"])})
    assert "weights are numbers" in refused(tmp_path / "net.npz")


def test_a_layer_of_a_huge_number_is_refused(tmp_path):
    weights = ResnetGenerator(width=2, num_blocks=6).state_dict()
    many = {key.replace("model.10.", "model.1000000000."): value for key, value in weights.items()}
    torch.save(many, tmp_path / "net.pth")
    assert "a layer of number 1000000000" in refused(tmp_path / "net.pth")


def test_an_archive_that_unpacks_to_much_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "net.npz", w=np.zeros(30_000_000, np.uint8))
    assert "unpacks to" in refused(tmp_path / "net.npz")


def test_an_archive_of_very_many_entries_is_refused_before_they_are_read(tmp_path):
    path = zipped(tmp_path / "net.pth", pickle.dumps({}, 2))
    data = bytearray(path.read_bytes())
    data[-12:-10] = struct.pack("<H", 0xFFFF)
    data[-10:-6] = struct.pack("<I", 1 << 30)
    path.write_bytes(data)
    assert "entries" in refused(path)


@pytest.mark.parametrize("text", ["a\nb\x1b]0;x\x07", "é" * 3000, "a" * 10_000])
def test_a_line_for_the_terminal_is_printable_and_short(text):
    line = one_line(text)
    assert line.isprintable() and len(line.encode()) <= MAX_LINE_BYTES
