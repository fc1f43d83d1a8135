"""Fold spectral norm and weight norm into the weights that they normalise, as both do at inference.

| by | stored for `x.weight` |
|---|---|
| torch.nn.utils.spectral_norm | `x.weight_orig`, `x.weight_u`, `x.weight_v` |
| the module SpectralNorm of many repositories | `x.weight_bar`, `x.weight_u`, `x.weight_v` |
| torch.nn.utils.parametrizations.spectral_norm | `x.parametrizations.weight.original`, `...0._u`, `...0._v` |
| torch.nn.utils.weight_norm | `x.weight_g`, `x.weight_v` |
| torch.nn.utils.parametrizations.weight_norm | `x.parametrizations.weight.original0`, `...original1` |
"""

from typing import NamedTuple

import torch
from torch import Tensor

Weights = dict[str, Tensor]


class Parametrisation(NamedTuple):
    """Endings of the stored tensors: of the weight (or its direction), and of what normalises it."""

    weight: str
    others: tuple[str, ...]
    is_spectral: bool


PARAMETRISED = "parametrizations.weight"
FORMS = (
    Parametrisation("weight_orig", ("weight_u", "weight_v"), True),
    Parametrisation("weight_bar", ("weight_u", "weight_v"), True),
    Parametrisation(f"{PARAMETRISED}.original", (f"{PARAMETRISED}.0._u", f"{PARAMETRISED}.0._v"), True),
    Parametrisation("weight_v", ("weight_g",), False),
    Parametrisation(f"{PARAMETRISED}.original1", (f"{PARAMETRISED}.original0",), False),
)


def folded(weights: Weights) -> Weights:
    """Return the weights with every normalised weight under its plain name, `x.weight`; other tensors stay as they are."""
    found = dict(weights)
    for form in FORMS:
        for key in [key for key in found if key == form.weight or key.endswith(f".{form.weight}")]:
            layer = key.removesuffix(form.weight)
            others = [found.get(layer + other) for other in form.others]
            tensors = [value for value in (found[key], *others) if value is not None and value.is_floating_point()]
            if len(tensors) != 1 + len(others) or any(value.numel() == 0 for value in tensors):
                continue
            fold = divide_by_largest_singular_value if form.is_spectral else scale_directions
            made = fold(*tensors)
            if made is not None:
                for name in (key, *(layer + other for other in form.others)):
                    del found[name]
                found[f"{layer}weight"] = made
    return found


def divide_by_largest_singular_value(weight: Tensor, u: Tensor, v: Tensor) -> Tensor | None:
    """Return weight / (u . W v), where W is the weight as a matrix whose rows are its outputs; None if no shape fits.

    Rows are dimension 0, and dimension 1 for transposed convolutions. Where both shapes fit, the row vector u is nearer to the
    direction of W v for the right one.
    """
    best: Tensor | None = None
    cosine = -2.0
    for dim in range(min(weight.ndim, 2)):
        rows = weight.movedim(dim, 0).flatten(1) if weight.ndim > 1 else weight[:, None]
        if u.shape != rows.shape[:1] or v.shape != rows.shape[1:]:
            continue
        product = rows @ v
        found = float(u @ product / (u.norm() * product.norm()).clamp(min=1e-30))
        if found > cosine:
            best, cosine = weight / (u @ product), found
    return best


def scale_directions(direction: Tensor, length: Tensor) -> Tensor | None:
    """Return direction * length / |direction|, the norm over all dimensions along which `length` has one value."""
    if length.ndim not in (0, direction.ndim):
        return None
    if length.ndim == 0:
        norm: Tensor = direction.norm()
        return direction * (length / norm)
    axes = [axis for axis, side in enumerate(length.shape) if side == 1]
    if any(side not in (1, whole) for side, whole in zip(length.shape, direction.shape, strict=True)):
        return None
    lengths: Tensor = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
    return direction * (length / lengths) if axes else None
