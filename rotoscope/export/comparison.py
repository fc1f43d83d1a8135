"""Compare two opened forms of a network: on random inputs, on the frames of a clip, and tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.files import part_file
from rotoscope.export.parity import (
    EXACT,
    WORST_WARPING_RATIO,
    Form,
    Pair,
    common_size,
    is_coarser,
    measure_rounding,
    run_random,
)
from rotoscope.export.recode import recoded
from rotoscope.metrics.paired_warping_error import PairedWarpingError, error_ratio, result_pixels, source_pixels
from rotoscope.runtime.models.golden import golden_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rotoscope.base.engine import Engine
    from rotoscope.base.frame import Frame
    from rotoscope.base.sizes import Size
    from rotoscope.export.bisect import Parting
    from rotoscope.export.graph import Graph
    from rotoscope.metrics.evaluation import Flow
    from rotoscope.runtime.models.model_file import ModelFile

RECURRENT_CALLS = 8  # on random inputs, for networks with state
CALLS = 2
SIZES = ((128, 96), (136, 72))  # (width, height) of random inputs; a file that takes one size only fails at the other


@dataclass(frozen=True)
class OpenedForm:
    """A form with what a comparison needs beside it.

    file         the model file, or the checkpoint, and its manifest
    graph        network of a checkpoint, for the torch engine; None for an .onnx file
    make_engine  makes the engine of this form for another .onnx file
    translate    translates frames with an engine, frame by frame and without anything that steadies them
    """

    form: Form
    file: ModelFile
    graph: Graph | None
    make_engine: Callable[[Path], Engine]
    translate: Callable[[Iterable[Frame], Engine], Generator[Frame, None, None]]


@dataclass(frozen=True)
class Flicker:
    """E_warp of the translated clips of two forms, of which one has a lower precision.

    num_pairs       pairs of neighbouring frames that were measured; with 0, both errors are NaN and the ratio is 1
    full, reduced   E_warp of the form of higher and of lower precision
    """

    full_label: str
    reduced_label: str
    num_pairs: int
    full: float
    reduced: float

    @property
    def ratio(self) -> float:
        """E_warp of the lower precision divided by that of the higher one."""
        return error_ratio(self.reduced, self.full) if self.num_pairs else 1.0

    @property
    def is_within(self) -> bool:
        """The ratio is at most 1.02."""
        return self.ratio <= WORST_WARPING_RATIO


@dataclass(frozen=True)
class ParityReport:
    """Result of comparing two forms.

    random           both forms on random inputs
    clip             both forms on the frames of the clip; None without a clip
    flicker          their E_warp on the clip; None unless one form has a lower precision
    is_bisected      the files were compared tensor by tensor
    first_different  the first tensor beyond the bound; None if there is none, or without `bisect`
    """

    random: Pair
    clip: Pair | None = None
    flicker: Flicker | None = None
    is_bisected: bool = False
    first_different: Parting | None = None

    @property
    def last(self) -> Pair:
        """The comparison on the clip, or on random inputs without a clip."""
        return self.clip or self.random

    @property
    def is_within(self) -> bool:
        """Every bound holds. Of a lower precision, which is meant for pictures, only the clip counts if there is one."""
        return (self.flicker is None or self.flicker.is_within) and all(pair.is_within for pair in self.judged)

    @property
    def judged(self) -> list[Pair]:
        """The comparisons whose bounds count."""
        if self.clip is None:
            return [self.random]
        return [self.clip] if self.random.bound.psnr_db is not None else [self.random, self.clip]


def compare_forms(
    a: OpenedForm,
    b: OpenedForm,
    *,
    sizes: Sequence[Size] = SIZES,
    frames: Callable[[], Iterable[Frame]] | None = None,
    flow: Flow | None = None,
    bisect: bool = False,
    threads: int = 1,
) -> ParityReport:
    """Run two forms on the same inputs and the same state, call by call, and return how far they differ.

    sizes    (width, height) of the random inputs, rounded up to what both forms take
    frames   decodes the frames of a clip, each time it is called, for both forms
    flow     motion of the clip for E_warp; needed with `frames`
    bisect   also name the first tensor beyond the bound; two .onnx files only
    threads  of the network in fp32 and fp64, which a checkpoint with state, or beyond the bound, is compared with
    Raises ModelRefused for forms of different networks, UsageError for forms that cannot be bisected.
    """
    # Pictures in uint8 can be given to both forms; float pictures would have to be rounded for one of them.
    first, second = (b, a) if b.form.manifest.frame.dtype == "uint8" else (a, b)
    reference = fp64_form(first.graph or second.graph, threads)
    random = Pair(first.form, second.form, reference=reference)
    calls = RECURRENT_CALLS if first.form.manifest.state else CALLS
    ours, theirs = first.form.manifest, second.form.manifest
    drawn = [common_size(ours, theirs, height, width) for width, height in sizes]

    def on_random(pair: Pair) -> None:
        for height, width in drawn:
            run_random(pair, height=height, width=width, calls=calls)

    on_random(random)
    allow_rounding(random, first if first.graph else second, on_random, threads)
    clip, flicker = None, None
    if frames is not None:
        assert flow is not None
        clip = Pair(first.form, second.form, reference=reference)
        flicker = run_clip(clip, first, second, frames, flow)
        network = first if first.graph else second

        def on_clip(pair: Pair) -> None:
            with closing(network.translate(frames(), pair)) as stream:
                for _ in stream:
                    pass

        allow_rounding(clip, network, on_clip, threads)
    found = first_different_tensor(first, second) if bisect else None
    return ParityReport(random, clip, flicker, is_bisected=bisect, first_different=found)


def fp64_form(graph: Graph | None, threads: int) -> Form | None:
    """Return a checkpoint with state in double precision, to compare its drift with; None for others."""
    if graph is None or not graph.manifest.state:
        return None
    from rotoscope.export.torch_engine import TorchEngine

    return Form("fp64", graph.manifest, TorchEngine(graph, precision="fp64", threads=threads), "fp64")


def allow_rounding(pair: Pair, network: OpenedForm, drive: Callable[[Pair], None], threads: int) -> None:
    """Measure the rounding of a checkpoint on the inputs of a pair that is beyond its bound; without a checkpoint do nothing.

    drive  runs a pair on the inputs
    """
    if pair.is_within or network.graph is None:
        return
    from rotoscope.export.rounding import rounding_pair

    rounding = rounding_pair(network.graph, threads=threads)
    drive(rounding)
    measure_rounding(pair, rounding)


def run_clip(
    pair: Pair, first: OpenedForm, second: OpenedForm, frames: Callable[[], Iterable[Frame]], flow: Flow
) -> Flicker | None:
    """Translate a clip with a pair; return the flicker of both forms if one has a lower precision.

    For the flicker, the second form also translates the clip alone, with its own state.
    """
    with closing(first.translate(frames(), pair)) as stream:
        is_reduced = is_coarser(first.form, second.form) or is_coarser(second.form, first.form)
        if not is_reduced or first.form.manifest.frame.is_ids:  # class numbers have no motion that DIS could estimate
            for _ in stream:
                pass
            return None
        measured = PairedWarpingError(flow)
        with closing(second.translate(frames(), second.form.engine)) as alone:
            for ours, theirs in zip(stream, alone, strict=True):
                result = result_pixels(ours)
                measured.add(source_pixels(ours, result), result, result_pixels(theirs))
    errors = measured.errors if measured.num_pairs else (float("nan"), float("nan"))
    full, reduced = first.form.label, second.form.label
    if is_coarser(first.form, second.form):
        full, reduced, errors = reduced, full, errors[::-1]
    return Flicker(full, reduced, measured.num_pairs, *errors)


def first_different_tensor(first: OpenedForm, second: OpenedForm) -> Parting | None:
    """Return the first tensor of two .onnx files beyond 0.001 of its largest value; None if there is none."""
    if first.graph is not None or second.graph is not None:
        raise UsageError("--bisect compares tensors of two .onnx files: export the checkpoint first")
    ours, theirs = first.form.manifest, second.form.manifest
    if ours.inputs != theirs.inputs or ours.frame.dtype != theirs.frame.dtype:
        raise UsageError("--bisect needs files with the same inputs")
    from rotoscope.export.bisect import first_difference

    height, width = common_size(ours, theirs, 64, 64)
    inputs, state = golden_inputs(ours, seed=0, height=height, width=width)
    assert EXACT.largest is not None
    return first_difference(
        first.file.path, first.make_engine, second.file.path, second.make_engine,
        {**recoded(inputs, ours, theirs), **state}, bound=EXACT.largest,
    )  # fmt: skip


def worst_picture(pair: Pair) -> NDArray[np.uint8]:
    """Draw the frame that differs most, (H,3W,3) uint8 RGB: both forms, and their difference with its largest value in white.

    Raises UsageError if the forms make no pictures.
    """
    if not pair.first.is_picture or pair.first.worst is None:
        raise UsageError(f"--save: {pair.a.label} makes no pictures")
    a, b = (values[0] for values in pair.first.worst)
    distance = np.abs(a - b) / (pair.first.largest or 1.0)
    sheet = np.concatenate([(np.clip(a, -1, 1) + 1) / 2, (np.clip(b, -1, 1) + 1) / 2, distance], axis=1)
    drawn: NDArray[np.uint8] = np.rint(sheet * 255).astype(np.uint8)
    return drawn


def write_worst_picture(pair: Pair, path: Path, *, overwrite: bool) -> None:
    """Write `worst_picture` as .png."""
    import cv2

    _, data = cv2.imencode(".png", worst_picture(pair)[..., ::-1])
    with part_file(path, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())
