"""Read golden vectors: arrays, weights (stored or generated), digest, tolerance."""

import json
import re
import zlib
from dataclasses import dataclass

import numpy as np
import torch


@dataclass
class Vector:
    """One pair of files; `inputs` and `outputs` hold tensors, `networks` a state dict for each network by name."""

    name: str
    facts: dict
    inputs: dict
    outputs: dict
    networks: dict

    @property
    def weights(self):
        (only,) = self.networks.values()
        return only


def recipe(entries, salt, gain):
    """Generate weights by the recipe `crc-normal-1`: a tensor depends only on its name, shape, the salt and the gain."""
    made = {}
    for key, shape, _ in entries:
        random = np.random.RandomState(zlib.crc32(key.encode()) ^ salt)
        if key.endswith("num_batches_tracked"):
            made[key] = torch.zeros(shape, dtype=torch.int64)
            continue
        if key.endswith("running_var"):
            values = random.uniform(0.5, 1.5, shape)
        elif key.endswith("running_mean"):
            values = 0.1 * random.standard_normal(shape)
        elif len(shape) >= 2:
            values = random.standard_normal(shape) * gain * np.sqrt(2 / np.prod(shape[1:]))
        elif key.endswith(("bias", "beta")):
            values = 0.1 * random.standard_normal(shape)
        else:
            values = 1 + 0.1 * random.standard_normal(shape)
        made[key] = torch.from_numpy(np.asarray(values, np.float32))
    return made


def read_vector(folder, name, scale=()):
    """Read NAME.json and NAME.npz. `scale` multiplies generated weights: (network, regular expression of keys, factor)."""
    facts = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
    networks = {}
    for network, about in facts.get("networks", {}).items():
        keys = [key for key, _, _ in about["keys"]]
        prefix = "sd/" if f"sd/{keys[0]}" in tensors else f"sd/{network}/"
        if prefix + keys[0] in tensors:
            weights = {key: tensors[prefix + key].reshape(shape) for key, shape, _ in about["keys"]}
        else:
            salt, gain = (
                facts["weights"][name][network] if isinstance(facts["weights"][name], dict) else facts["weights"][name]
                for name in ("salt", "gain")
            )
            weights = recipe(about["keys"], salt, gain)
            for target, pattern, factor in scale:
                for key in weights:
                    if target == network and re.fullmatch(pattern, key):
                        weights[key] *= factor
        check_digest(weights, about["digest"])
        networks[network] = weights
    inputs = {key[3:]: value for key, value in tensors.items() if key.startswith("in/")}
    outputs = {key[4:]: value for key, value in tensors.items() if key.startswith("out/")}
    return Vector(name, facts, inputs, outputs, networks)


def check_digest(weights, digest):
    floating = [value.double() for value in weights.values() if value.is_floating_point()]
    assert np.isclose(sum(float(value.sum()) for value in floating), digest["sum"], rtol=1e-9, atol=1e-6)
    assert np.isclose(sum(float(value.abs().sum()) for value in floating), digest["abs_sum"], rtol=1e-9)


def tolerance(text, output):
    """Return (absolute, relative) tolerance of an output from text such as `1e-3 absolute on frames, 5e-3 on flow`."""
    absolute = float(re.match(r"[\d.e-]+", text)[0])
    is_flow = re.search(r"flow|F_\w_\w", output)
    if is_flow and (found := re.search(r", ([\d.e-]+) on flow", text)):
        absolute = float(found[1])
    found = re.search(r"\+ ([\d.e-]+) relative", text)
    return absolute, float(found[1]) if found else 0.0
