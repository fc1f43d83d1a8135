"""The style code of a network: drawn with a seed, or read from a file such as `rotoscope encode` writes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest, StyleInput

STYLE_SEED = 0  # the default


def style_codes(models: Sequence[Manifest], chosen: Sequence[int | str | None]) -> list[Array | None]:
    """The style input of each model of a chain; None for a model without one.

    chosen  for each model: the seed that its style is drawn with, a .npy file, or None for the seed 0
    Raises UsageError for a file that does not fit, and for a choice if no model of the chain takes a style.
    """
    choices = [choice for choice in chosen if choice is not None]
    if choices and not any(model.style for model in models):
        names = " and ".join(model.name for model in models)
        raise UsageError(
            f"--style {choices[0]}: {names} takes no style; accepted: models with a style input, such as MUNIT's"
        )
    wanted = [STYLE_SEED if choice is None else choice for choice in chosen]
    pairs = zip(models, wanted, strict=True)
    return [None if model.style is None else style_code(model.style, choice) for model, choice in pairs]


def style_code(style: StyleInput, chosen: int | str) -> Array:
    """An array of the input's shape and dtype: drawn with a seed, or float32 of that shape from a file."""
    if isinstance(chosen, int):
        drawn = np.random.default_rng(chosen).standard_normal(style.shape)
        return (drawn * style.deviation).astype(style.dtype)
    code = read_array(Path(chosen))
    if code.shape != style.shape or code.dtype != np.float32:
        raise UsageError(f"{chosen}: holds {code.dtype} {code.shape}; accepted: float32 {style.shape}")
    if not np.isfinite(code).all():
        raise UsageError(f"{chosen}: not all of its values are finite")
    return np.array(code, style.dtype, order="C")


def read_array(path: Path) -> Array:
    """The array of a .npy file; nothing in the file is run."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        # Mapped, a file that claims more than it holds is refused before memory is taken for it.
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's own, undocumented kinds
        raise UsageError(f"{path}: not a .npy file of plain numbers") from error
    if not isinstance(values, np.ndarray):
        raise UsageError(f"{path}: several arrays; accepted: a .npy file of one")
    return values
