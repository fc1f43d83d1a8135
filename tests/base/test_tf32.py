"""One process computes its fp32 networks either in fp32 or in TF32."""

import os

import pytest

from rotoscope.base import tf32
from rotoscope.base.errors import UsageError


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    monkeypatch.setattr(tf32, "_chosen", [])
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")


def test_fp32_forbids_tf32_to_the_libraries():
    tf32.choose_tf32(False)
    tf32.choose_tf32(False)
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"


def test_tf32_leaves_the_choice_to_the_libraries():
    tf32.choose_tf32(True)
    assert "NVIDIA_TF32_OVERRIDE" not in os.environ


@pytest.mark.parametrize(
    ("first", "said"),
    [(False, "--precision tf32: this process computes in fp32"), (True, "--precision fp32: .* in tf32")],
)
def test_the_other_choice_is_refused(first, said):
    tf32.choose_tf32(first)
    with pytest.raises(UsageError, match=said):
        tf32.choose_tf32(not first)
