"""Functions that make and describe model files: export_model, encode, build, info."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from rotoscope.api.translation import read, rgb
from rotoscope.assembly.chain import Named, model_keywords, opened_models
from rotoscope.assembly.engines import check_installed, proving_engine
from rotoscope.assembly.models import check_torch, is_checkpoint, is_model_name, model_path, open_for_torch, open_onnx
from rotoscope.assembly.styles import NEED_A_PICTURE, encoder_beside, style_encoder_beside
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.files import check_target, part_file
from rotoscope.base.frame import Picture
from rotoscope.base.option_checks import check_known
from rotoscope.base.option_keywords import ModelKeywords
from rotoscope.base.options import EngineName, ModelOptions
from rotoscope.base.sizes import parse_size
from rotoscope.runtime.models.model_file import open_model, write_described
from rotoscope.weights.check import check_weights
from rotoscope.weights.run_folder import is_run_folder, weights_of_run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rotoscope.base.frame import VideoInfo
    from rotoscope.base.sizes import Size
    from rotoscope.export.convert import ExportReport
    from rotoscope.export.options import ExportKeywords
    from rotoscope.runtime.models.model_file import ModelFile


CALIBRATION_FRAMES = 8  # of an int8 export


def export_model(
    checkpoint: str | Path | Sequence[str | Path],
    target: str | Path,
    *,
    calibrate: str | Path | None = None,
    overwrite: bool = False,
    **options: Unpack[ExportKeywords],
) -> ExportReport:
    """Export a checkpoint to a model file, after proving that the file gives the same results; needs the extra `export`.

    checkpoint  a file of PyTorch, safetensors or NumPy (.npz), told by its content and read without running code in it; the
                folder of a training run; or several files: the scales of a vid2vid model, coarsest first
    target      .onnx, or .safetensors for the weights with their description
    calibrate   a video or a folder of pictures like those that will be translated; needed for int8, and only for int8
    overwrite   replace the target if it exists
    The other keywords are the fields of `rotoscope.export.options.ExportOptions`: `name`, `hints`, `precision` ...
    Of any-look two files are written: NAME.onnx and, beside it, NAME-style-encoder.onnx, which `--like PICTURE` finds.
    Raises ModelRefused if the checkpoint cannot be read, exported or proved, UsageError for options that do not fit.
    """
    from rotoscope.export.options import ExportOptions

    check_known(options, ExportOptions)
    chosen = ExportOptions(**options)
    paths = [Path(checkpoint)] if isinstance(checkpoint, (str, Path)) else [Path(item) for item in checkpoint]
    if not paths:
        raise UsageError("no checkpoint given; accepted: a file, or the scales of a vid2vid model")
    paths = [weights_of_run(path) if is_run_folder(path) else path for path in paths]
    check_torch(paths[0])
    inputs = [*paths, *(Path(item) for item in (chosen.first_frame, calibrate) if item is not None)]
    for item in inputs:
        check_target(Path(target), source=item, overwrite=overwrite)
    if (chosen.precision == "int8") != (calibrate is not None):
        raise UsageError("--precision int8 and --calibrate CLIP go together")
    for item in paths:
        check_weights(item)  # before torch is imported, which takes seconds
    from rotoscope.export.convert import export_checkpoint
    from rotoscope.metrics.matched import spread_frames

    pictures = [] if calibrate is None else spread_frames(str(calibrate), CALIBRATION_FRAMES)[0]
    report = export_checkpoint(
        paths, Path(target), chosen, proving_engine, pictures=[Picture((picture,)) for picture in pictures],
        overwrite=overwrite,
    )  # fmt: skip
    if report.has_encoder_beside:
        encoder = ExportOptions(name=f"{report.manifest.name} style encoder", hints=chosen.hints, part="style-encoder")
        export_checkpoint(paths, encoder_beside(Path(target)), encoder, proving_engine, overwrite=overwrite)
    return report


def export_triton(model: Named, folder: str | Path, *, size: str | None = None, hints: Sequence[str] = ()) -> Path:
    """Add a model to a model repository of NVIDIA's Triton Inference Server; return the model's folder in it.

    model   a bundled look, an .onnx file, a checkpoint or a loaded Model
    folder  the repository; made if it does not exist
    size    of the network's input, "640x360"; required for models with state that take any size, which become models with
            sequence batching and implicit state
    hints   of an ambiguous checkpoint
    The server only runs the network: a client prepares and finishes pictures as the parameter "rotoscope" of the model's
    configuration says, which is our description of it. Raises UsageError for a size that does not fit, ModelRefused for a model
    whose state the server cannot keep.
    """
    from rotoscope.runtime.models.triton_repository import write_repository

    (opened,) = opened_models([model], {"hints": tuple(hints)} if hints else {})
    return write_repository(opened.file, Path(folder), size=None if size is None else parse_size(size, (1, 1)))


def encode(
    model: Named,
    picture: str | Path,
    target: str | Path | None = None,
    *,
    engine: EngineName | None = None,
    working_size: str | None = None,
    overwrite: bool = False,
) -> NDArray[np.float32]:
    """Encode a picture file, or the first frame of a video, to a code such as the style that `translate(style=...)` takes.

    model         of kind "encode", such as `export_model(..., part="style-encoder")` writes it, or a network of any look
                  whose encoder is beside it
    target        write the code there too, as .npy
    working_size  size at which the network sees the picture, "640x360" or "256p"; by default the size of the picture
    Returns float32; a style is (1,S,1,1). For an image in memory, use `load(model).encode(image)`.
    """
    if target is not None:
        if Path(target).suffix.lower() != ".npy":
            raise UsageError(f"{target}: a code ends in .npy")
        check_target(Path(target), source=Path(picture), overwrite=overwrite)
    given: ModelKeywords = {} if working_size is None else {"working_size": working_size}
    (encoder,) = opened_models([model], model_keywords(given, engine))
    if encoder.file.manifest.system in NEED_A_PICTURE:
        encoder = style_encoder_beside(encoder).with_options({"fit": "crop"})  # as --like does
    with read(picture) as frames:
        frame = next(iter(frames), None)
        if frame is None:
            raise InputRefused(f"{picture}: no frame in it")
        code = encoder.encode(rgb(frame.source))
    if target is not None:
        import numpy as np

        with part_file(Path(target), overwrite=overwrite) as part:
            np.save(part, code, allow_pickle=False)
    return code


def build(
    model: str | Path,
    *,
    sizes: Sequence[str | Size] = (),
    on_progress: Callable[[str, float], None] | None = None,
) -> Path:
    """Build a TensorRT engine of an .onnx file for this machine's GPU, and return its file in the user's cache.

    sizes        of the pictures, "1280x720" or (width, height): one size, which is fastest, or the smallest, the usual and the
                 largest
    on_progress  called with the name of a phase and the share of it that is done, 0 to 1
    """
    if len(sizes) not in (0, 1, 3):
        words = " ".join(str(size) for size in sizes)
        raise UsageError(f"--size {words}; accepted: one size, or the smallest, the usual and the largest")
    check_installed("tensorrt")
    file = open_model(Path(model))
    from rotoscope.runtime.engines.tensorrt_build import build_engine

    pixels = [parse_size(size, (1, 1)) if isinstance(size, str) else size for size in sizes]
    if len(pixels) == 1:
        pixels *= 3
    chosen = (pixels[0], pixels[1], pixels[2]) if pixels else None
    return build_engine(file, sizes=chosen, on_progress=on_progress)


def info(
    file: str | Path, *, write: str | Path | None = None, **overrides: Unpack[ModelKeywords]
) -> ModelFile | MediaInfo:
    """Open a video, picture, .onnx file, bundled look or checkpoint, and return what it is.

    write      write a copy of an .onnx file with its manifest inside; the target must not exist
    overrides  replace what was inferred: `input_range`, `output_range`, `channel_order`, `multiple`; `hints` of a checkpoint
    Returns a ModelFile, with `manifest`, `sha256`, `num_parameters` and the reasons in `inferred`; or for a video or picture a
    MediaInfo with `info` and `notes`.
    """
    check_known(overrides, ModelOptions)
    options = ModelOptions(**overrides)
    name = str(file)
    is_weights, is_graph = is_checkpoint(Path(name)), is_model_name(name)
    if options.hints and not is_weights:
        raise UsageError(f"--hint {options.hints[0]}: hints are for checkpoints, and {name} is none")
    if write is not None and is_weights:
        raise UsageError(f"--write is for model files; rotoscope export {name} makes one")
    if write is not None and not is_graph:
        raise UsageError(f"--write is for models; {name} is not an .onnx file or a bundled look")
    if write is not None and Path(write).exists():
        raise UsageError(f"{write} exists")
    if not (is_weights or is_graph):
        with read(name) as source:
            return MediaInfo(source.info, tuple(source.notes))
    path = model_path(name)
    model = open_for_torch(path, options)[0] if is_weights else open_onnx(path, options)
    if write is not None:
        with part_file(Path(write), overwrite=False) as part:
            write_described(model.path, model.manifest, part)
    return model


@dataclass(frozen=True)
class MediaInfo:
    """Header of a video or picture, and notes on how it will be read (transparency, HDR, interlacing ...)."""

    info: VideoInfo
    notes: tuple[str, ...]
