"""Checkpoints of a run: what was written comes back exactly, and every other file is refused in one line."""

import json
import pickle
import struct

import pytest
import torch

from rotoscope.base.errors import InputRefused
from rotoscope.base.text import MAX_LINE_BYTES
from rotoscope.training.data.image_pool import ImagePool
from rotoscope.training.loop.checkpoints import load_checkpoint
from rotoscope.training.loop.run_log import Means
from rotoscope.training.loop.state_file import read_state, write_state
from rotoscope.training.loop.trainer import check_optimiser_state


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_state_comes_back_exactly(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    state = {
        "tensors": [torch.tensor(3, dtype=torch.int64), torch.zeros(0), shared.T, shared[1:], shared],
        "dtypes": {str(kind): torch.ones(2, dtype=kind) for kind in (torch.bfloat16, torch.float16, torch.uint8, torch.bool)},
        "random": torch.get_rng_state(),
        7: {0: (1, 2**70, -0.1, None, True, "text \ud83d \x1b"), "best": float("inf")},
        "empty": ({}, [], ()),
    }  # fmt: skip
    write_state(tmp_path / "a", state)
    assert same(read_state(tmp_path / "a"), state)


def test_only_plain_values_are_written(tmp_path):
    with pytest.raises(TypeError, match="set in the state"):
        write_state(tmp_path / "a", {"a": {1, 2}})


def file_of(structure, tensors=b""):
    header = {"__metadata__": {"state": structure if isinstance(structure, str) else json.dumps(structure)}}
    if tensors:
        header["0"] = {"dtype": "U8", "shape": [len(tensors)], "data_offsets": [0, len(tensors)]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


BAD = {
    "empty": b"",
    "a pickle": pickle.dumps({"step": 1}),
    "a header that claims much": struct.pack("<Q", 1 << 60) + b"{}",
    "no structure": struct.pack("<Q", 2) + b"{}",
    "not JSON": file_of("{"),
    "deep": file_of('{"list": [' * 5000 + "1" + "]}" * 5000),
    "a bare list": file_of([1]),
    "no dictionary": file_of(3),
    "an unknown kind": file_of({"set": [1]}),
    "two kinds": file_of({"list": [], "tuple": []}),
    "a missing tensor": file_of({"dict": [["a", {"tensor": "5"}]]}),
    "a tensor by number": file_of({"dict": [["a", {"tensor": 0}]]}, b"1234"),
    "a key that is a list": file_of({"dict": [[[1], 2]]}),
    "a pair of three": file_of({"dict": [[1, 2, 3]]}),
    "a number in place of pairs": file_of({"dict": 5}),
    "a long number": file_of('{"dict": [["a", ' + "9" * 5000 + "]]}"),
    "cut": file_of({"dict": [["a", {"tensor": "0"}]]}, b"1234")[:-1],
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_checkpoint_is_refused_in_one_line(name, tmp_path):
    path = tmp_path / "step-00000001.safetensors"
    path.write_bytes(BAD[name])
    with pytest.raises(InputRefused) as error:
        load_checkpoint(tmp_path, rank=0)
    line = str(error.value)
    assert line.startswith(str(path)) and "\n" not in line and len(line) < MAX_LINE_BYTES


def test_a_pickle_of_an_earlier_format_is_not_read(tmp_path):
    (tmp_path / "step-00000001.pt").write_bytes(pickle.dumps({}))
    with pytest.raises(InputRefused, match="no checkpoint to resume from"):
        load_checkpoint(tmp_path, rank=0)


def test_the_state_of_another_process_is_checked_too(tmp_path):
    write_state(tmp_path / "step-00000001.safetensors", {"system": {}, "random": {}})
    (tmp_path / "step-00000001.rank1.safetensors").write_bytes(file_of({"dict": []}))
    with pytest.raises(InputRefused, match=r"rank1\.safetensors: a damaged checkpoint"):
        load_checkpoint(tmp_path, rank=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["param_groups"][0].update(lr="fast"),
        lambda state: state["param_groups"][0].update(betas=3),
        lambda state: state["param_groups"].append({}),
        lambda state: state["state"][0].update(exp_avg=torch.zeros(5, 5)),
        lambda state: state["state"].update({9: {"step": torch.zeros(7)}}),
    ],
)
def test_the_state_of_an_optimiser_has_its_kinds_and_shapes(change):
    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.Adam([weight])
    weight.sum().backward()
    optimiser.step()
    state = optimiser.state_dict()
    check_optimiser_state(optimiser, state)
    change(state)
    with pytest.raises((ValueError, IndexError, KeyError)):
        check_optimiser_state(optimiser, state)


def test_means_and_pools_take_only_numbers_and_pictures():
    for state in ({"sums": {"a": "x"}, "counts": {"a": 1}}, {"sums": {"a": 1.0}, "counts": {"a": 0}}):
        with pytest.raises(ValueError, match=r"could not convert|no values"):
            Means().restore(state)
    pool = ImagePool(2)
    with pytest.raises(TypeError):
        pool.set_extra_state({**pool.get_extra_state(), "kept": ["x"]})
