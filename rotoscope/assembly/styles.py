"""A style picture for the models of a chain: as their example, or as the code that an encoder makes of it."""

from __future__ import annotations

import logging
import math
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

# Architectures whose codes are those of pictures: one that is drawn by chance paints nothing of use.
NEED_A_PICTURE = ("any look",)
MOST_BESIDE, LARGEST_BESIDE = 20, 512 << 20  # files beside a transformer that are looked at, and bytes of one


def styled(models: Sequence[Model]) -> list[Model]:
    """The models of a chain without style encoders, with the style pictures of their options turned into arrays.

    A style encoder is a model of kind "encode" in the chain; without one, a file beside the model whose output is the model's
    style input. Raises UsageError for a picture that no model of the chain can take.
    """
    encoders = [model for model in models if model.file.manifest.kind == "encode"]
    others = [model for model in models if model not in encoders]
    pictures = [style_pictures(model.options) for model in others]
    for model, picture in zip(others, pictures, strict=True):
        is_drawn = picture is None and (model.options.style is None or isinstance(model.options.style, int))
        if is_drawn and model.file.manifest.system in NEED_A_PICTURE and not encoders:
            raise UsageError(f"{model.name} paints in the style of a picture: --like PICTURE names it")
    if not others or (not encoders and all(picture is None for picture in pictures)):
        return list(models)
    if encoders and all(picture is None for picture in pictures) and not any(model.encoder for model in others):
        raise UsageError(f"{encoders[0].name} encodes the style of a picture: --like PICTURE names it")
    if not any(model.file.manifest.style or model.file.manifest.example for model in others):
        names = " and ".join(model.name for model in others)
        raise UsageError(f"--like: {names} takes no style; accepted: models with a style input or a style picture")
    return [_with_picture(model, given, encoders) for model, given in zip(others, pictures, strict=True)]


Weighted = list[tuple[Any, float]]  # style pictures, (H,W,3) uint8 RGB, with weights whose sum is 1


def style_pictures(options: ModelOptions) -> Weighted | None:
    """The style pictures that the options name or hold; None if their style is something else."""
    style = options.style
    if options.like is not None:
        return [(_read(path), weight) for path, weight in named_pictures(options.like)]
    if isinstance(style, np.ndarray):
        return [(image_array(style), 1.0)] if style.ndim == 3 and style.dtype == np.uint8 else None
    if isinstance(style, int) or style is None or _is_number_or_code(str(style)):
        return None
    return [(_read(Path(style)), 1.0)]


def named_pictures(text: str) -> list[tuple[Path, float]]:
    """Parse a.jpg, or a blend such as a.jpg:0.7,b.jpg:0.3: files with weights, which are divided by their sum."""
    if Path(text).is_file() or not re.search(r",|:[\d.]+$", text):
        return [(Path(text), 1.0)]
    found: list[tuple[Path, float]] = []
    for part in text.split(","):
        name, colon, number = part.rpartition(":")
        try:
            found.append((Path(name), float(number)) if colon else (Path(part), 1.0))
        except ValueError:  # a colon of the name
            found.append((Path(part), 1.0))
    total = sum(weight for _, weight in found)
    if not all(0 <= weight < math.inf for _, weight in found) or not 0 < total < math.inf:
        raise UsageError(
            f"--like {text}; accepted: a picture, or a blend such as a.jpg:0.7,b.jpg:0.3, weights from 0 on"
        )
    return [(path, weight / total) for path, weight in found]


def _is_number_or_code(text: str) -> bool:
    return text.lower().endswith(".npy") or re.fullmatch(r"[\d\s.,:eE+-]+", text) is not None


def _with_picture(model: Model, pictures: Weighted | None, encoders: Sequence[Model]) -> Model:
    manifest = model.file.manifest
    if pictures is None:
        return model
    if manifest.example is not None:
        if len(pictures) > 1:
            raise UsageError(
                f"--like with {len(pictures)} pictures: {model.name} looks at one style picture in every call; a blend is for "
                "networks with a style encoder, whose codes can be mixed"
            )
        return model.styled_with(pictures[0][0], model.encoder)
    if manifest.style is None:
        return model.styled_with(None, model.encoder)
    if manifest.style.what != "code":
        raise UsageError(
            f"{model.name} has {_own_styles(model.file)}; --style chooses one, and --like is for any picture"
        )
    encoder = next(iter(encoders), None) or model.encoder or style_encoder_beside(model)
    engine = encoder.engine(threads=model.threads or usable_cores(), calls=1)
    codes = [(encode(encoder.file, engine, Picture((each,)), fit="crop"), weight) for each, weight in pictures]
    code = codes[0][0]
    if len(codes) > 1:
        code = np.sum([np.float32(weight) * each for each, weight in codes], axis=0, dtype=np.float32)
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


def encoder_beside(path: Path) -> Path:
    """The name that an export gives the style encoder of the model file `path`."""
    return path.with_name(f"{path.stem}-style-encoder.onnx")


def style_encoder_beside(model: Model) -> Model:
    """The style encoder in the folder of a model.

    It is the one that was exported with it, or else the file whose output has the name of its style input, or else a file that
    is called an encoder.
    """
    from rotoscope.runtime.models.model_file import open_model

    style, path = model.file.manifest.style, model.file.path
    assert style is not None
    if encoder_beside(path).is_file():
        return model.opened_beside(encoder_beside(path))
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
        raise UsageError(f"{path}: {'a folder; accepted: a picture' if path.is_dir() else 'no such file'}")
    source: Any = open_source(str(path), threads=0)
    try:
        frame = next(iter(source), None)
        if frame is None:
            raise InputRefused(f"{path}: no picture in it")
        pixels: NDArray[np.uint8] = rgb_picture(frame.source)
        for note in source.notes:
            logging.getLogger("rotoscope").info("note: %s: %s", path, note)
        return pixels
    finally:
        source.close()
