"""Functions that compare: compare, parity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from rotoscope.api.translation import read
from rotoscope.assembly.chain import Named, model_keywords, open_chain
from rotoscope.assembly.pair_networks import measuring_flow
from rotoscope.base.errors import UsageError
from rotoscope.base.files import check_target
from rotoscope.base.option_checks import check_known
from rotoscope.base.option_keywords import ModelKeywords, SteadyKeywords
from rotoscope.base.options import EngineName, ModelOptions, SteadyOptions, options_from
from rotoscope.base.sizes import parse_size
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.media.encoder import CONTAINERS
from rotoscope.runtime.pipeline.companions import with_masks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rotoscope.assembly.model import Model
    from rotoscope.base.frame import Frame
    from rotoscope.base.sizes import Size
    from rotoscope.export.comparison import ParityReport
    from rotoscope.scenarios.run_parity import RunParity


def compare(
    source: str | Path,
    models: Sequence[Named],
    *,
    styles: Sequence[int] | None = None,
    frames: int = 4,
    height: int = 240,
    engine: EngineName | None = None,
    **options: Unpack[ModelKeywords],
) -> NDArray[np.uint8]:
    """Draw a contact sheet, (H,W,3) uint8 RGB: a row for each frame, a column for the source and for each model.

    styles   a column for each of these styles of each model: numbers of styles, or seeds; None: one column for each model
    frames   number of frames, spread evenly over the source
    height   of each picture on the sheet, in pixels
    engine, options  as in `load`
    """
    from rotoscope.plots.contact_sheet import compare as drawn

    check_known(options, ModelOptions)
    given = model_keywords(options, engine)
    columns: Iterator[tuple[str, Model]] = (
        (opened.name if style is None else f"{opened.name} {style}", opened)
        for model in models
        for style in ((None,) if styles is None else styles)
        for opened in open_chain([model], given if style is None else {**given, "style": style})
    )
    return drawn(str(source), columns, frames=frames, height=height)


def parity(
    a: str | Path,
    b: str | Path,
    *,
    clip: str | Path | None = None,
    frames: int = 16,
    mask: str | Path | None = None,
    working_size: str | None = None,
    size: str | Size | None = None,
    hints: Sequence[str] = (),
    save: str | Path | None = None,
    overwrite: bool = False,
    bisect: bool = False,
    threads: int | None = None,
) -> ParityReport:
    """Compare two forms of one network on random inputs, and on frames of a clip.

    a, b          a form is a checkpoint, an .onnx file or a look, and how it runs: "net.pth", "net.onnx@openvino:bf16",
                  "net.pth@torch:fp16:cuda", "net.pth@torch:compiled"
    clip          a video, folder or pattern; if one form has a lower precision, E_warp of both translations is compared too
    frames        number of frames of the clip, at least 1
    mask          masks of the clip, for networks that fill holes
    working_size  size at which the networks see the clip, "640x360" or "360p"; by default the size of the clip
    size          size of the random inputs, "256x256" or (width, height); by default 128x96 and 136x72
    hints         KEY=VALUE that an ambiguous checkpoint needs
    save          write a .png of the frame that differs most; `overwrite` replaces it
    bisect        name the first tensor of two .onnx files that differs by more than the bound
    threads       by default all cores
    `report.is_within` says whether every bound holds. Raises ModelRefused for forms of different networks.
    """
    from rotoscope.assembly.forms import open_form
    from rotoscope.export.comparison import SIZES, compare_forms, write_worst_picture

    if save is not None:
        inputs = [Path(str(spec).partition("@")[0]) for spec in (a, b)]
        for item in (*inputs, *(Path(name) for name in (clip, mask) if name is not None)):
            check_target(Path(save), source=item, overwrite=overwrite)
    if frames < 1:
        raise UsageError(f"--frames {frames}; at least 1")
    sizes = SIZES if size is None else [parse_size(size, (1, 1)) if isinstance(size, str) else size]
    threads = threads or usable_cores()
    first, second = (open_form(str(spec), hints=hints, threads=threads, working_size=working_size) for spec in (a, b))
    is_ids = first.file.manifest.frame.is_ids
    report = compare_forms(
        first, second, sizes=sizes, bisect=bisect, threads=threads, flow=measuring_flow("dis"),
        frames=None if clip is None else lambda: _clip_frames(clip, mask, frames, is_ids),
    )  # fmt: skip
    if save is not None:
        write_worst_picture(report.last, Path(save), overwrite=overwrite)
    return report


def run_parity(
    a: str | Path,
    b: str | Path,
    *,
    clip: str | Path,
    frames: int = 16,
    working_size: str | None = None,
    hints: Sequence[str] = (),
    threads: int | None = None,
    **steady: Unpack[SteadyKeywords],
) -> RunParity:
    """Compare two whole runs on a clip: motion, network, steadying and the pictures for the encoder, frame by frame.

    a             a form, as for `parity`
    b             another form, or a video that `translate` wrote from the same clip without loss (`codec="ffv1"`), on another
                  machine or by another version; of a video only the finished pictures are compared
    clip          a video, folder or pattern
    frames        number of frames of the clip, at least 1
    working_size  size at which the networks see the clip
    hints         KEY=VALUE that an ambiguous checkpoint needs
    threads       by default all cores
    The other keywords steady both runs, as in `translate`.
    `result.is_within` says whether the finished pictures are within one code value; for reduced precisions, whether each frame
    reaches the PSNR of docs/parity.md. Raises InputRefused and ModelRefused.
    """
    from rotoscope.scenarios.run_forms import open_run_form
    from rotoscope.scenarios.run_parity import compare_runs, compare_with_video

    check_known(steady, SteadyOptions)
    if frames < 1:
        raise UsageError(f"--frames {frames}; at least 1")
    options = options_from(SteadyOptions, steady)
    threads = threads or usable_cores()
    first = open_run_form(str(a), hints=hints, threads=threads, working_size=working_size, steady=options)
    with ExitStack() as stack:
        source = stack.enter_context(read(clip))
        if Path(b).suffix.lower() in CONTAINERS and Path(b).is_file():
            video = stack.enter_context(read(b))
            return compare_with_video(first, Path(b).name, source.info, islice(source, frames), iter(video))
        second = open_run_form(str(b), hints=hints, threads=threads, working_size=working_size, steady=options)
        return compare_runs(first, second, source.info, islice(source, frames))


def _clip_frames(clip: str | Path, mask: str | Path | None, count: int, is_ids: bool) -> Iterator[Frame]:
    """Decode the first `count` frames of a clip, with masks; `is_ids`: as the stored numbers of a label map."""
    with read(clip, unconverted=is_ids) as source:
        decoded = islice(source, count)
        if mask is None:
            yield from decoded
        else:
            with read(mask) as masks:
                yield from with_masks(decoded, masks)
