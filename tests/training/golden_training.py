"""Golden vectors of training: inputs, outputs and the weights of every network in them."""

import json

from golden import read_vector
from shared_data import SHARED, need_shared

GOLDEN = SHARED / "reference" / "golden"


def golden(name):
    return read_vector(need_shared(GOLDEN), name)


def golden_facts(name):
    return json.loads(need_shared(GOLDEN / f"{name}.json").read_text())
