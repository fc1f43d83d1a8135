"""A style picture for the models of a chain: as their example, or as the code that an encoder makes of it."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rotoscope.assembly.images import image_array
from rotoscope.base.cache import cache_folder
from rotoscope.base.errors import InputRefused, ModelRefused, UsageError
from rotoscope.base.frame import Picture
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.network.code import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rotoscope.assembly.model import Model
    from rotoscope.base.options import ModelOptions
    from rotoscope.runtime.models.model_file import ModelFile

MOST_BESIDE, LARGEST_BESIDE = 20, 512 << 20  # files beside a transformer that are looked at, and bytes of one


def styled(models: Sequence[Model]) -> list[Model]:
    """The models of a chain without style encoders, with the style pictures of their options turned into arrays.

    A style encoder is a model of kind "encode" in the chain; without one, a file beside the model whose output is the model's
    style input. Raises UsageError for a picture that no model of the chain can take.
    """
    encoders = [model for model in models if model.file.manifest.kind == "encode"]
    others = [model for model in models if model not in encoders]
    pictures = [style_picture(model.options) for model in others]
    if not others or (not encoders and all(picture is None for picture in pictures)):
        return list(models)
    if encoders and all(picture is None for picture in pictures) and not any(model.encoder for model in others):
        raise UsageError(f"{encoders[0].name} encodes the style of a picture: --like PICTURE names it")
    if not any(model.file.manifest.style or model.file.manifest.example for model in others):
        names = " and ".join(model.name for model in others)
        raise UsageError(f"--like: {names} takes no style; accepted: models with a style input or a style picture")
    return [_with_picture(model, picture, encoders) for model, picture in zip(others, pictures, strict=True)]


def style_picture(options: ModelOptions) -> NDArray[np.uint8] | None:
    """The style picture that the options name or hold, (H,W,3) uint8 RGB; None if their style is something else."""
    style = options.style
    if options.like is not None:
        return _read(Path(options.like))
    if isinstance(style, np.ndarray):
        return image_array(style) if style.ndim == 3 and style.dtype == np.uint8 else None
    if isinstance(style, int) or style is None or _is_number_or_code(str(style)):
        return None
    return _read(Path(style))


def _is_number_or_code(text: str) -> bool:
    return text.lower().endswith(".npy") or re.fullmatch(r"[\d\s.,:eE+-]+", text) is not None


def _with_picture(model: Model, picture: NDArray[np.uint8] | None, encoders: Sequence[Model]) -> Model:
    manifest = model.file.manifest
    if picture is None:
        return model
    if manifest.example is not None:
        return model.styled_with(picture, model.encoder)
    if manifest.style is None:
        return model.styled_with(None, model.encoder)
    if manifest.style.what != "code":
        raise UsageError(
            f"{model.name} has {_own_styles(model.file)}; --style chooses one, and --like is for any picture"
        )
    encoder = next(iter(encoders), None) or model.encoder or _encoder_beside(model)
    engine = encoder.engine(threads=model.threads or usable_cores(), calls=1)
    code = encode(encoder.file, engine, Picture((picture,)), fit="crop")
    if code.size != manifest.style.num_styles:
        raise UsageError(
            f"{encoder.name} makes a code of {list(code.shape)}, and {model.name} takes {list(manifest.style.shape)}; "
            "accepted: an encoder and a transformer that were trained together"
        )
    return model.styled_with(code.reshape(manifest.style.shape), encoder)


def _own_styles(file: ModelFile) -> str:
    style = file.manifest.style
    assert style is not None
    return f"{style.num_styles} styles of its own" if style.what == "weights" else "numbered styles of its own"


def _encoder_beside(model: Model) -> Model:
    """The style encoder in the folder of a model: the file whose output has the name, or else the shape, of its style input."""
    from rotoscope.runtime.models.model_file import open_model

    style, path = model.file.manifest.style, model.file.path
    assert style is not None
    found: list[tuple[bool, Path]] = []
    is_cached = path.parent == cache_folder("models")  # the export of a checkpoint, among others
    files = [] if is_cached else sorted(path.parent.glob("*.onnx"))[:MOST_BESIDE]
    for file in files:
        if file.name == path.name or not file.is_file() or file.stat().st_size > LARGEST_BESIDE:
            continue
        try:
            manifest = open_model(file).manifest
        except ModelRefused:
            continue
        if manifest.kind == "encode" and manifest.output.tensor == style.tensor:
            found.append((True, file))
        elif manifest.kind == "encode" and {"encoder", "predict", "style"} & set(
            re.split(r"[^a-z]+", file.stem.lower())
        ):
            found.append((False, file))
    best = [file for is_named, file in found if is_named] or [file for _, file in found]
    if len(best) != 1:
        raise UsageError(
            f"{model.name} takes a style code {list(style.shape)}; give the network that makes it of a picture too: "
            f"-m ENCODER.onnx -m {path.name}"
        )
    logging.getLogger("rotoscope").info("style encoder: %s, beside %s", best[0].name, path.name)
    return model.opened_beside(best[0])


def _read(path: Path) -> NDArray[np.uint8]:
    """A picture file, or the first frame of a video, as (H,W,3) uint8 RGB."""
    from rotoscope.runtime.media.open_source import open_source

    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    source: Any = open_source(str(path), threads=0)
    try:
        frame = next(iter(source), None)
        if frame is None:
            raise InputRefused(f"{path}: no picture in it")
        pixels: NDArray[np.uint8] = rgb_picture(frame.source)
        return pixels
    finally:
        source.close()
