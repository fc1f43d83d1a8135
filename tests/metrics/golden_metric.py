"""Read a golden vector that holds only arrays."""

import numpy as np
import pytest
from shared_data import SHARED


def golden_metric(name):
    """({name: array} of the inputs, {name: array} of the outputs)."""
    path = SHARED / "reference" / "golden" / f"{name}.npz"
    if not path.exists():
        pytest.skip("no folder `shared` with golden vectors beside the checkout")
    with np.load(path) as file:
        inputs = {key[3:]: file[key] for key in file.files if key.startswith("in/")}
        outputs = {key[4:]: file[key] for key in file.files if key.startswith("out/")}
    return inputs, outputs
