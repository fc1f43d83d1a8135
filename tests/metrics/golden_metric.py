"""Read a golden vector that holds only arrays."""

import numpy as np
from shared_data import SHARED, need_shared


def golden_metric(name):
    """({name: array} of the inputs, {name: array} of the outputs)."""
    with np.load(need_shared(SHARED / "reference" / "golden" / f"{name}.npz")) as file:
        inputs = {key[3:]: file[key] for key in file.files if key.startswith("in/")}
        outputs = {key[4:]: file[key] for key in file.files if key.startswith("out/")}
    return inputs, outputs
