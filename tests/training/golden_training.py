"""Golden vectors of training: inputs, outputs and the weights of every network in them."""

import json

import pytest
from golden import read_vector
from shared_data import SHARED

GOLDEN = SHARED / "reference" / "golden"


def golden(name):
    _skip_without()
    return read_vector(GOLDEN, name)


def golden_facts(name):
    _skip_without()
    return json.loads((GOLDEN / f"{name}.json").read_text())


def _skip_without():
    if not GOLDEN.is_dir():
        pytest.skip("no folder `shared` with golden vectors beside the checkout")
