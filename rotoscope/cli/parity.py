"""rotoscope parity: measure whether two forms of one network are the same network."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.options import ModelOptions
from rotoscope.cli.targets import refuse_inputs

if TYPE_CHECKING:
    from rotoscope.assembly.model import Model
    from rotoscope.base.engine import Engine
    from rotoscope.base.frame import Frame
    from rotoscope.export.parity import Form, Pair
    from rotoscope.metrics.paired_warping_error import PairedWarpingError

BEYOND = 1  # exit code
RECURRENT_CALLS = 8
SIZES = ("128x96", "136x72")  # two of them, so that a size which was fixed by mistake shows
PRECISIONS = ("fp32", "fp16", "bf16")


def parity(
    a: str,
    b: str,
    /,
    *,
    clip: str | None = None,
    frames: int = 16,
    mask: str | None = None,
    working_size: str | None = None,
    size: str | None = None,
    hint: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    save: Path | None = None,
    overwrite: bool = False,
    bisect: bool = False,
    threads: int | None = None,
) -> int:
    """Compare two forms of one network on random inputs and on real frames; exit code 1 beyond the bound.

    A form is a checkpoint, an .onnx file or a look, and how to run it: net.pth, net.onnx@openvino, net.onnx@openvino:bf16,
    net.pth@torch:fp16:cuda, net.pth@torch:compiled.

    Parameters
    ----------
    a
        The first form; a recurrent network goes on from its results.
    b
        The second form.
    clip
        A video whose frames both forms get, besides random inputs. Where one is of lower precision, its result must not
        flicker more either: E_warp along the motion of the clip is measured of both.
    frames
        How many of them.
    mask
        For networks that fill holes: the masks of the clip.
    working_size
        What the networks see of the clip, "640x360", or "360p" for the shorter side; by default its size.
    size
        Size of the random inputs, such as 256x256; by default 128x96 and 136x72, rounded up to what the network takes.
    hint
        KEY=VALUE that an ambiguous checkpoint needs (repeat it).
    save
        Write a picture of the worst frame: both forms, and their difference brightened until its largest value is white.
    overwrite
        Replace the picture if it exists.
    bisect
        Between two .onnx forms, name the first tensor that is beyond the bound.
    threads
        Cores to use; by default all.

    """
    from rotoscope.base.files import check_target
    from rotoscope.base.sizes import parse_size
    from rotoscope.export.parity import WORST_WARPING_RATIO, Pair, run_random
    from rotoscope.kernels.rows import usable_cores

    if save is not None:
        refuse_inputs(save, [a.partition("@")[0], b.partition("@")[0], clip, mask])
        check_target(save, source=None, overwrite=overwrite)
    if frames < 1:
        raise UsageError(f"--frames {frames}; at least 1")
    threads = threads or usable_cores()
    forms = [open_form(spec, hint, threads) for spec in (a, b)]
    if forms[1].form.manifest.frame.dtype == "uint8":
        forms.reverse()  # pictures in eight bits can be given to both; those in float would be rounded for one
    first, second = (opened.form for opened in forms)
    reference = fp64_form(forms, threads)
    pair = Pair(first, second, reference=reference)
    for words in (size,) if size else SIZES:
        width, height = parse_size(words, (1, 1))
        run_random(pair, height=height, width=width, calls=RECURRENT_CALLS if first.manifest.state else 2)
    show(pair, "random inputs")
    pairs, flicker = [pair], None
    if clip is not None:
        pairs.append(Pair(first, second, reference=reference))
        shots = Shots(clip, mask, working_size, frames)
        flicker = run_clip(pairs[-1], forms, shots)
        show(pairs[-1], f"frames of {clip}")
    if save is not None:
        write_worst(pairs[-1], save, overwrite=overwrite)
    is_steady = flicker is None or show_flicker(flicker, first, second)
    # A lower precision is made for pictures: where there are some, noise is shown but not judged.
    judged = pairs if pair.bound.psnr_db is None else pairs[-1:]
    is_within = is_steady and all(pair.is_within for pair in judged)
    steadiness = "" if flicker is None or not flicker.num_pairs else f", E_warp ratio at most {WORST_WARPING_RATIO:g}"
    print(f"bound: {pair.bound}{steadiness}: {'within' if is_within else 'BEYOND'}")
    if bisect:
        show_parting(forms, threads)
    return 0 if is_within else BEYOND


@dataclass(frozen=True)
class Opened:
    """A form as the command line names it, with the model and the options behind it."""

    model: "Model"
    form: "Form"
    options: ModelOptions


def open_form(spec: str, hints: tuple[str, ...], threads: int) -> Opened:
    """FILE, or FILE@WORD:WORD... with an engine, a precision, a device or `compiled` in any order."""
    from rotoscope.assembly.engines import ENGINES, engine_of, make_engine
    from rotoscope.assembly.model import Model
    from rotoscope.assembly.models import is_checkpoint
    from rotoscope.export.parity import COARSENESS, Form

    file, _, text = spec.rpartition("@") if "@" in spec else (spec, "", "")
    given: dict[str, Any] = {"engine": "torch" if is_checkpoint(Path(file)) else "onnxruntime"}
    for word in filter(None, text.split(":")):
        if word in ENGINES:
            given["engine"] = word
        elif word in PRECISIONS:
            given["precision"] = word
        elif word == "compiled":
            given["compiled"] = True
        else:
            given["device"] = word
    options = ModelOptions(hints=hints if is_checkpoint(Path(file)) else (), **given)
    model = Model.open(file, options)
    engine = make_engine(model.file, **engine_of(options), threads=threads, graph=model.graph)
    precision = max(options.precision or "fp32", model.file.precision, key=COARSENESS.index)
    form = Form(f"{Path(file).name} on {engine.description}", model.file.manifest, engine, precision)
    return Opened(model, form, options)


def fp64_form(forms: "list[Opened]", threads: int) -> "Form | None":
    """A checkpoint among the two in double precision, beside which drift is shown."""
    graph = forms[0].model.graph or forms[1].model.graph
    if graph is None or not graph.manifest.state:
        return None
    from rotoscope.export.parity import Form
    from rotoscope.export.torch_engine import TorchEngine

    return Form("fp64", graph.manifest, TorchEngine(graph, precision="fp64", threads=threads), "fp64")


@dataclass(frozen=True)
class Shots:
    """The frames that are taken from a clip."""

    clip: str
    mask: str | None
    working_size: str | None
    num_frames: int

    def through(self, model: "Model", engine: "Engine") -> "Generator[Frame, None, None]":
        """These frames, decoded anew and translated one by one, without anything that steadies them."""
        from rotoscope import Translator, read
        from rotoscope.runtime.pipeline.companions import with_masks

        translator = Translator(
            model,
            engine=engine,
            in_flight=1,
            steady="off",
            working_size=self.working_size or model.options.working_size,
        )
        with read(self.clip, unconverted=model.file.manifest.frame.is_ids) as reader:
            decoded = islice(reader, self.num_frames)
            if self.mask is None:
                yield from translator.stream(decoded)
            else:
                with read(self.mask) as masks:
                    yield from translator.stream(with_masks(decoded, masks))


def run_clip(pair: "Pair", forms: "list[Opened]", shots: Shots) -> "PairedWarpingError | None":
    """Translate frames with the first form, the second beside it; their flicker where that is bounded.

    For the flicker the second form also makes a stream of its own, on its own state.
    """
    from rotoscope.export.parity import is_coarser
    from rotoscope.metrics.paired_warping_error import PairedWarpingError, result_pixels, source_pixels
    from rotoscope.runtime.motion.dis import DisFlow

    first, second = forms
    with closing(shots.through(first.model, pair)) as stream:
        one_is_coarser = is_coarser(first.form, second.form) or is_coarser(second.form, first.form)
        if not one_is_coarser or first.form.manifest.frame.is_ids:  # numbers of classes do not move as pictures do
            for _ in stream:
                pass
            return None
        flicker = PairedWarpingError(DisFlow("medium", scale=1.0))
        with closing(shots.through(second.model, second.form.engine)) as beside:
            for ours, theirs in zip(stream, beside, strict=True):
                picture = result_pixels(ours)
                flicker.add(source_pixels(ours, picture), picture, result_pixels(theirs))
    return flicker


def show(pair: "Pair", what: str) -> None:
    """Print what was found on some inputs."""
    from rotoscope.export.differences import PERCENTILES

    print(f"{pair.a.label} and {pair.b.label}, {len(pair.first.frame_largest)} calls, {what}")
    columns = ("max", "mean", "PSNR dB", *(f"{percent:g}%" for percent in PERCENTILES))
    print(f"{'':<24}" + "".join(f"{column:>10}" for column in columns))
    for difference in pair.differences.values():
        shares = "".join(f"{difference.percentile(percent):>10.1e}" for percent in PERCENTILES)
        numbers = f"{difference.largest:>10.1e}{difference.mean:>10.1e}{difference.psnr_db:>10.1f}"
        print(f"{difference.name:<24}{numbers}{shares}")
    print(f"worst call: {pair.first.worst_frame}, {min(pair.first.frame_psnr_db):.1f} dB")
    if pair.drift:
        print("drift by step, each form on its own state: " + " ".join(f"{value:.0e}" for value in pair.drift))
    if pair.reference_drift:
        print(
            "the first form's own drift from fp64:      " + " ".join(f"{value:.0e}" for value in pair.reference_drift)
        )
    print()


def show_flicker(flicker: "PairedWarpingError", first: "Form", second: "Form") -> bool:
    """Print E_warp of both streams and their ratio; whether that is allowed."""
    from rotoscope.export.parity import WORST_WARPING_RATIO, is_coarser
    from rotoscope.metrics.paired_warping_error import error_ratio

    if flicker.num_pairs == 0:
        print("E_warp: not measured, no two neighbouring frames show the same\n")
        return True
    full, reduced = flicker.errors
    if is_coarser(first, second):
        first, second, full, reduced = second, first, reduced, full
    found = error_ratio(reduced, full)
    verdict = f"ratio {found:.4f}, at most {WORST_WARPING_RATIO:g}"
    print(
        f"E_warp over {flicker.num_pairs} pairs: {full:.4g} of {first.label}, {reduced:.4g} of {second.label}: {verdict}\n"
    )
    return found <= WORST_WARPING_RATIO


def write_worst(pair: "Pair", path: Path, *, overwrite: bool) -> None:
    """The frame that differs most, from both forms, and the difference."""
    import cv2
    import numpy as np

    from rotoscope.base.files import part_file

    if not pair.first.is_picture or pair.first.worst is None:
        raise UsageError(f"--save: {pair.a.label} makes no pictures")
    a, b = (values[0] for values in pair.first.worst)
    distance = np.abs(a - b) / (pair.first.largest or 1.0)
    sheet = np.concatenate([(np.clip(a, -1, 1) + 1) / 2, (np.clip(b, -1, 1) + 1) / 2, distance], axis=1)
    _, data = cv2.imencode(".png", np.rint(sheet[..., ::-1] * 255).astype(np.uint8))
    with part_file(path, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())
    print(f"worst frame, both forms and their difference (white is {pair.first.largest:.1e}): {path}")


def show_parting(forms: "list[Opened]", threads: int) -> None:
    """Print where two .onnx forms part."""
    from rotoscope.assembly.engines import engine_of, make_engine
    from rotoscope.export.bisect import first_difference
    from rotoscope.export.coding import recoded
    from rotoscope.export.parity import EXACT
    from rotoscope.runtime.models.golden import golden_inputs

    first, second = forms
    if first.model.graph is not None or second.model.graph is not None:
        raise UsageError("--bisect compares tensors of two .onnx files: export the checkpoint first")
    manifest, other = first.form.manifest, second.form.manifest
    if manifest.inputs != other.inputs or manifest.frame.dtype != other.frame.dtype:
        raise UsageError("--bisect needs files with the same inputs")

    def maker(opened: Opened) -> "Callable[[Path], Engine]":
        def make(path: Path) -> "Engine":
            return make_engine(replace(opened.model.file, path=path), **engine_of(opened.options), threads=threads)

        return make

    size = max(manifest.frame.minimum, 64)
    height = width = -(-size // manifest.frame.multiple) * manifest.frame.multiple
    inputs, state = golden_inputs(manifest, seed=0, height=height, width=width)
    assert EXACT.largest is not None
    found = first_difference(
        first.model.file.path,
        maker(first),
        second.model.file.path,
        maker(second),
        {**recoded(inputs, manifest, other), **state},
        bound=EXACT.largest,
    )
    print(f"first tensor beyond {EXACT.largest:g} of its largest value: {found or 'none'}")
