"""The style of a network: a code, drawn with a seed or read from a file; weights of its styles; or a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest, StyleInput
from rotoscope.runtime.models.golden import first_style
from rotoscope.runtime.network.settings import weights_from

STYLE_SEED = 0  # the default


def accepted_styles(model: Manifest) -> str:
    """Accepted values of a model's style, as a sentence; empty for a model without one."""
    if model.example is not None:
        return "a picture"
    if model.style is None:
        return ""
    if model.style.what == "code":
        return "a whole number, a picture, or a .npy file"
    if model.style.what == "index":
        return "a whole number from 0 on"
    return f"0 to {model.style.num_styles - 1}, or a blend such as 0:0.5,1:0.5"


def style_codes(models: Sequence[Manifest], chosen: Sequence[Any]) -> list[Array | None]:
    """The style of each model of a chain; None for a model without one.

    chosen  for each model: a seed, or the number of a style; a blend such as "3:0.5,12:0.5"; a .npy file; an array: a code, or
            a picture (H,W,3) uint8; None for the first style or the seed 0
    Raises UsageError for what does not fit, and for a choice if no model of the chain takes a style.
    """
    choices = [choice for choice in chosen if choice is not None]
    if choices and not any(model.style or model.example for model in models):
        names = " and ".join(model.name for model in models)
        shown = choices[0] if isinstance(choices[0], int | str) else "PICTURE"
        raise UsageError(
            f"--style {shown}: {names} takes no style; accepted: models with a style input, such as MUNIT's"
        )
    return [_style_of(model, choice) for model, choice in zip(models, chosen, strict=True)]


def _style_of(model: Manifest, chosen: Any) -> Array | None:
    if model.example is not None:
        if not isinstance(chosen, np.ndarray) or chosen.dtype != np.uint8 or chosen.ndim != 3 or chosen.shape[2] != 3:
            raise UsageError(
                f"{model.name} takes the style of a picture: --like PICTURE, in Python style=, (H,W,3) uint8 RGB"
            )
        return chosen
    if model.style is None:
        return None
    if model.style.what == "code" or isinstance(chosen, np.ndarray):
        return style_code(model.style, STYLE_SEED if chosen is None else chosen)
    return _weights(model.style, chosen, model.name)


def style_code(style: StyleInput, chosen: Any) -> Array:
    """An array of the input's shape and dtype: drawn with a seed, or float32 of that shape from a file or the caller."""
    if isinstance(chosen, int) and style.what == "code":
        drawn = np.random.default_rng(chosen).standard_normal(style.shape)
        return (drawn * style.deviation).astype(style.dtype)
    if isinstance(chosen, int):
        return first_style(style)
    code, name = (chosen, "style") if isinstance(chosen, np.ndarray) else (read_array(Path(chosen)), chosen)
    is_vector = code.ndim == 1 and style.what == "weights" and code.size == style.num_styles
    is_float = code.dtype == np.float32 or (isinstance(chosen, np.ndarray) and code.dtype.kind == "f")
    if (code.shape != style.shape and not is_vector) or not is_float:
        raise UsageError(f"{name}: holds {code.dtype} {code.shape}; accepted: float32 {style.shape}")
    if not np.isfinite(code).all():
        raise UsageError(f"{name}: not all of its values are finite")
    return np.array(code.reshape(style.shape), style.dtype, order="C")


def _weights(style: StyleInput, chosen: Any, name: str) -> Array:
    """The input of a network with numbered styles: the first one for None."""
    if chosen is None:
        return first_style(style)
    if str(chosen).lower().endswith(".npy"):
        return style_code(style, chosen)
    if style.what == "index":
        if not isinstance(chosen, int):
            raise UsageError(f"--style {chosen}: {name} takes the number of one style, such as 1")
        return np.full(style.shape, chosen, style.dtype)
    weights = weights_from(str(chosen), style.num_styles, f"--style {chosen}")
    return weights.astype(style.dtype).reshape(style.shape)


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
