"""The style that a network is fed: drawn with a seed, or a code from a file, such as `rotoscope encode` writes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest, StyleInput

STYLE_SEED = 0  # where nobody chooses


def style_codes(models: Sequence[Manifest], chosen: int | str | None) -> list[Array | None]:
    """What each model of a chain is fed as its style, None for those that take none.

    chosen  the seed that it is drawn with, or a .npy file; None: the seed 0
    Raises UsageError for a file that does not fit, and for a choice that no model takes.
    """
    styles = [model.style for model in models]
    if chosen is not None and not any(styles):
        names = " and ".join(model.name for model in models)
        raise UsageError(
            f"--style {chosen}: {names} takes no style; accepted: models with a style input, such as MUNIT's"
        )
    wanted = STYLE_SEED if chosen is None else chosen
    return [None if style is None else style_code(style, wanted) for style in styles]


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
