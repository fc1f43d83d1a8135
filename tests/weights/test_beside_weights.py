"""Tensors are found whatever stands beside them, however the file is named and pickled; nothing in it runs."""

import argparse
import collections
import datetime
import pathlib
import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import rotoscope
from rotoscope.assembly.models import is_checkpoint
from rotoscope.base.errors import ModelRefused
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.networks.resnet import ResnetGenerator
from rotoscope.weights.check import check_weights


class Options(dict):
    """A dictionary whose items are attributes, as many training scripts define one."""

    def __getattr__(self, name):
        return self[name]


class Record:
    """An object of a training script, with a method in one of its attributes."""

    def __init__(self):
        self.rate, self.history, self.method = 2e-4, [0.5, 0.25], self.repeat

    def repeat(self):
        return self.history


def generator():
    torch.manual_seed(0)
    return ResnetGenerator(width=2, num_blocks=6)


def scheduler():
    optimiser = torch.optim.Adam(generator().parameters())
    return torch.optim.lr_scheduler.StepLR(optimiser, 10)


def loop():
    items = {"name": "a"}
    items["self"] = [items]
    return items


BESIDE = {
    "a date": lambda: datetime.datetime(2026, 11, 26),
    "a duration": lambda: datetime.timedelta(seconds=3),
    "a path": lambda: argparse.Namespace(out=pathlib.Path("runs")),
    "an array": lambda: np.zeros(5),
    "numbers of NumPy": lambda: {"best": np.float64(3), "seed": np.int64(2)},
    "a random state": lambda: (random.Random(1).getstate(), np.random.default_rng(1)),
    "a list of a dictionary": lambda: collections.defaultdict(list, {"loss": [1.0, 2.0]}),
    "a counter": lambda: collections.Counter("abba"),
    "keys of any kind": lambda: {(1, 2): 3.0, None: 1, True: 2, 0.5: 4, 7: 5},
    "options": lambda: Options(lr=2e-4, name="g"),
    "sets": lambda: {"names": {"a", "b"}, "frozen": frozenset({1})},
    "an object": Record,
    "a scheduler": scheduler,
    "an optimiser's state": {"state": {0: {"exp_avg": torch.zeros(3)}}}.copy,
    "bytes": lambda: b"\x00\xff" * 300,
    "a large integer": lambda: 1 << 120,
    "a class": lambda: Record,
    "a data type": lambda: (torch.float16, torch.device("cpu"), torch.Size([1, 2])),
    "a loop": loop,
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("what", BESIDE)
def test_anything_may_stand_beside_the_weights(what, protocol, tmp_path):
    content = {"state_dict": generator().state_dict(), "beside": BESIDE[what](), "epoch": 3}
    for number, is_zip in enumerate((True, False)):
        path = tmp_path / f"{number}.ckpt"
        torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
        network, description = open_checkpoint(path)
        assert description.system == "CycleGAN ResNet-6"
        assert all(torch.equal(value, network.state_dict()[key]) for key, value in content["state_dict"].items())


def hooked():
    network = generator()
    network.register_forward_hook(print)
    return network


MODULES = {
    "module": generator,
    "in parallel": lambda: nn.DataParallel(generator()),
    "beside an epoch": lambda: {"model": generator(), "epoch": 3},
    "with hooks": hooked,
    "in an object": lambda: argparse.Namespace(netG=generator(), lr=1e-4),
    "in a list": lambda: [generator(), {"model.0.weight": torch.zeros(4, 3, 4, 4)}],
    "state dicts in a tuple": lambda: (3, generator().state_dict()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("what", MODULES)
def test_the_parameters_of_pickled_modules_are_taken(what, is_zip, tmp_path):
    torch.save(MODULES[what](), tmp_path / "net.pkl", _use_new_zipfile_serialization=is_zip)
    network, description = open_checkpoint(tmp_path / "net.pkl")
    assert description.system == "CycleGAN ResNet-6"
    expected = generator().state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())


def test_buffers_that_a_module_does_not_save_are_left_out(tmp_path):
    network = generator()
    network.register_buffer("grid", torch.zeros(5, 5), persistent=False)
    torch.save(network, tmp_path / "net.pth")
    assert open_checkpoint(tmp_path / "net.pth").description.system == "CycleGAN ResNet-6"


ENDINGS = ["model", "pkl", "th", "t7", "weights", "onnx.bin", "PTH", "safetensors", "npz", "mp4", ""]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors", "npz"])
def test_the_content_decides_not_the_ending(kind, ending, tmp_path):
    path = tmp_path / (f"net.{ending}" if ending else "net")
    weights = generator().state_dict()
    if kind == "safetensors":
        save_file(weights, path)
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez(file, **{key: value.numpy() for key, value in weights.items()})
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind == "zip")
    assert is_checkpoint(path)
    check_weights(path)
    assert open_checkpoint(path).description.system == "CycleGAN ResNet-6"
    assert rotoscope.info(path).manifest.system == "CycleGAN ResNet-6"


def test_other_files_are_no_checkpoints(tmp_path):
    for name, head in {
        "a.mp4": b"\0\0\0\x18ftypmp42",
        "a.png": b"\x89PNG\r\n",
        "a.zip": b"PK\x03\x04" + bytes(60),
    }.items():
        (tmp_path / name).write_bytes(head)
        assert not is_checkpoint(tmp_path / name)
    assert not is_checkpoint(tmp_path)
    assert not is_checkpoint(tmp_path / "none.mp4")
    assert is_checkpoint(tmp_path / "none.pth")


def test_what_runs_programs_is_refused_by_name(tmp_path):
    class Payload:
        def __reduce__(self):
            return eval, ("1 + 1",)

    torch.save({"state_dict": generator().state_dict(), "extra": Payload()}, tmp_path / "net.pth")
    with pytest.raises(ModelRefused, match="eval, so reading it would run code"):
        open_checkpoint(tmp_path / "net.pth")
