"""Checkpoints of every kind open; what is damaged, hostile or something else is refused with one line, nothing run."""

import argparse
import collections
import json
import os
import pickle
import sys
import warnings
import zipfile

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.resnet import ResnetGenerator
from rotoscope.networks.vid2vid import Vid2Vid
from rotoscope.weights.check import check_weights


def resnet_weights(**sizes):
    torch.manual_seed(0)
    return ResnetGenerator(width=2, num_blocks=6, **sizes).state_dict()


def saved(path, content, **how):
    torch.save(content, path, **how)
    return path


def refusal(path):
    with pytest.raises(ModelRefused) as error:
        open_checkpoint(path)
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message
    assert len(message) - len(str(path)) < 300
    assert "weights_only" not in message and "two options" not in message
    return message


# What opens


WRAPPED = {
    "state dict": lambda weights: weights,
    "lightning": lambda weights: {"state_dict": weights, "epoch": 3, "global_step": np.float64(7)},
    "data parallel": lambda weights: {f"module.{key}": value for key, value in weights.items()},
    "options beside": lambda weights: {"net_G": weights, "opt": argparse.Namespace(lr=2e-4), "best": np.int64(3)},
    "parameters": lambda weights: collections.OrderedDict((k, torch.nn.Parameter(v)) for k, v in weights.items()),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_checkpoint_opens_however_it_was_wrapped_and_saved(wrapping, legacy, tmp_path):
    weights = resnet_weights()
    path = saved(tmp_path / "net_G.pth", WRAPPED[wrapping](weights), _use_new_zipfile_serialization=not legacy)
    network, description = open_checkpoint(path)
    assert description.system == "CycleGAN ResNet-6"
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in weights.items())


def test_safetensors_open_with_the_hints_they_carry_unless_others_are_given(tmp_path):
    weights = resnet_weights(norm="batch_running", bias=False)
    description = json.dumps({"hints": {"statistics": "running"}})
    save_file(weights, tmp_path / "g.safetensors", metadata={"rotoscope": description})
    assert open_checkpoint(tmp_path / "g.safetensors").description.norm == "batch_running"
    assert open_checkpoint(tmp_path / "g.safetensors", statistics="frame").description.norm == "batch_by_frame"


def test_a_wrong_hint_is_the_fault_of_who_gives_it(tmp_path):
    weights = {"model.1.weight": torch.zeros(1)}
    path = tmp_path / "g.safetensors"
    for hints in ({"statistics": [1]}, {"size": float("inf")}):
        save_file(weights, path, metadata={"rotoscope": json.dumps({"hints": hints})})
        with pytest.raises(ModelRefused, match=rf"g\.safetensors: hint {next(iter(hints))}="):
            open_checkpoint(path)
    save_file(weights, path)
    with pytest.raises(UsageError, match=r"hint size=0; accepted"):
        open_checkpoint(path, size=0)


def test_arrays_of_numpy_open(tmp_path):
    np.savez(tmp_path / "g.npz", **{key: value.numpy() for key, value in resnet_weights().items()})
    assert open_checkpoint(tmp_path / "g.npz").description.system == "CycleGAN ResNet-6"


def test_the_scales_of_vid2vid_come_in_files_of_their_own(tmp_path):
    sizes = {"label_channels": 12, "num_blocks": 2, "width": 4}
    whole = Vid2Vid([{**sizes, "num_levels": 2}, {**sizes, "num_levels": 1, "is_coarse": False, "scale": 1}])
    files = [saved(tmp_path / f"latest_net_G{i}.pth", whole.get_submodule(f"netG{i}").state_dict()) for i in (0, 1)]
    network, description = open_checkpoint(*files)
    assert (description.system, network.num_scales) == ("vid2vid", 2)


def test_every_public_checkpoint_passes_the_checks(shared):
    for path in (shared / "data" / "weights").rglob("*.pt*"):
        check_weights(path)


# What is refused


class Payload:
    """Restoring it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


PICKLED = {
    "zip": torch.save,
    "legacy": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    "bare": lambda content, path: path.write_bytes(pickle.dumps(content)),
    "protocol 5": lambda content, path: path.write_bytes(pickle.dumps(content, protocol=5)),
    "broken after the payload": lambda content, path: path.write_bytes(
        pickle.dumps(content, protocol=2)[:-1] + b"\xff"
    ),
}


@pytest.mark.parametrize("how", PICKLED)
@pytest.mark.parametrize("ending", ["pth", "ckpt", "safetensors", "npz"])
def test_no_code_in_a_file_ever_runs(how, ending, tmp_path):
    path, mark = tmp_path / f"net.{ending}", tmp_path / "mark"
    PICKLED[how]({"state_dict": resnet_weights(), "extra": Payload(mark)}, path)
    events = []
    listening = True
    sys.addaudithook(lambda event, arguments: events.append((event, arguments)) if listening else None)
    try:
        message = refusal(path)
    finally:
        listening = False
    assert not mark.exists()
    forbidden = {"os.mkdir", "os.system", "subprocess.Popen", "socket.connect", "exec"}
    assert not [event for event, _ in events if event in forbidden]
    if how in ("zip", "legacy") and ending in ("pth", "ckpt"):
        assert "posix.mkdir" in message and "state_dict()" in message


def rewritten(path, change, **how):
    """The archive with every entry's bytes passed through `change(name, data)`."""
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, data in entries:
            archive.writestr(name, change(name, data))
    return path


def test_a_compressed_archive_is_refused(tmp_path):
    path = rewritten(
        saved(tmp_path / "g.pth", torch.zeros(1 << 20)), lambda _, data: data, compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 1 << 16
    assert "compressed" in refusal(path)


def test_a_storage_that_claims_more_than_its_bytes_is_refused(tmp_path):
    path = saved(tmp_path / "g.pth", {"w": torch.zeros(64)})
    rewritten(path, lambda name, data: data[:100] if "/data/" in name else data)
    assert "storage 0 claims 256 bytes and has 100" in refusal(path)


def test_a_legacy_storage_that_claims_a_terabyte_is_refused(tmp_path):
    path = saved(tmp_path / "g.pth", {"w": torch.zeros(1000)}, _use_new_zipfile_serialization=False)
    claim, lie = pickle.dumps(1000, 2)[2:-1], pickle.dumps(1 << 38, 2)[2:-1]  # as the pickle spells the numbers
    path.write_bytes(path.read_bytes().replace(claim, lie))
    assert f"claims {4 << 38:,} bytes" in refusal(path)


def test_a_view_that_repeats_a_number_is_refused(tmp_path):
    path = saved(tmp_path / "g.pth", {"w": torch.zeros(1).expand(1 << 20, 3, 7, 7)})
    assert "(1048576, 3, 7, 7) on 1 values" in refusal(path)


def test_a_file_of_too_many_tensors_is_refused(tmp_path):
    one = torch.zeros(1)
    path = saved(tmp_path / "g.pth", {str(index): one[:1] for index in range(20_001)})
    assert "more than 20,000 tensors" in refusal(path)


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_flipped_bit_is_found(place, tmp_path):
    path = saved(tmp_path / "g.pth", resnet_weights())
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    assert "download" in refusal(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_truncated_file_is_found(legacy, tmp_path):
    path = saved(tmp_path / "g.pth", resnet_weights(), _use_new_zipfile_serialization=not legacy)
    path.write_bytes(path.read_bytes()[:-20_000])
    refusal(path)


def test_a_memo_number_cannot_make_a_table_of_gigabytes(tmp_path):
    path = tmp_path / "g.pth"
    path.write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    assert "does not write" in refusal(path)


def test_a_program_of_torchscript_is_named(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Conv2d(3, 3, 1)), tmp_path / "g.pt")
    assert "TorchScript" in refusal(tmp_path / "g.pt")


OTHERS = {
    "empty": (b"", "an empty file"),
    "web page": (b"<!DOCTYPE html><html>", "a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    "text": (b"hello", "of no known kind"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("ending", ["pth", "safetensors", "npz"])
def test_what_is_no_checkpoint_is_named(kind, ending, tmp_path):
    content, words = OTHERS[kind]
    path = tmp_path / f"g.{ending}"
    path.write_bytes(content)
    assert words in refusal(path)


def test_an_onnx_file_by_another_name_is_named(tmp_path, identity):
    path = tmp_path / "g.pth"
    onnx.save(onnx.load(identity), path)
    assert "perhaps an ONNX file" in refusal(path)


def test_a_tensor_where_weights_should_be_is_refused(tmp_path):
    assert "holds a Tensor" in refusal(saved(tmp_path / "g.pth", torch.zeros(3)))


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    weights = resnet_weights()
    weights["model.1.weight"][0, 0, 0, 0] = float("nan")
    assert "model.1.weight" in refusal(saved(tmp_path / "g.pth", weights))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.pth")
    (tmp_path / "folder.pth").mkdir()
    assert "a folder" in refusal(tmp_path / "folder.pth")
