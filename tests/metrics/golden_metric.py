"""Read golden vectors of metrics: arrays only, no networks."""

import numpy as np
from shared_data import SHARED, need_shared


def golden_metric(name):
    """{name: array} of the inputs and of the outputs."""
    path = need_shared(SHARED / "reference" / "golden" / f"{name}.npz")
    with np.load(path) as file:
        inputs = {key[3:]: file[key] for key in file.files if key.startswith("in/")}
        outputs = {key[4:]: file[key] for key in file.files if key.startswith("out/")}
    return inputs, outputs
