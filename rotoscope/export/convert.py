"""Export a checkpoint to a model file, and prove that the file gives the results of the checkpoint before it is written."""

import copy
import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch.utils.flop_counter import FlopCounterMode

from rotoscope.base.engine import Engine
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.files import file_digest, part_file
from rotoscope.base.frame import Picture
from rotoscope.base.manifest import Manifest, name_from
from rotoscope.base.times import StageTimes
from rotoscope.export.checkpoint import DESCRIPTION_KEY, open_checkpoint
from rotoscope.export.encoders import encoder_of
from rotoscope.export.graph import Graph, as_graph
from rotoscope.export.onnx import write_onnx
from rotoscope.export.options import ExportOptions, parse_hints
from rotoscope.export.parity import Form, Pair, common_size, measure_rounding, run_random
from rotoscope.export.precision import to_int8
from rotoscope.export.rounding import rounding_pair
from rotoscope.export.torch_engine import TorchEngine
from rotoscope.networks import Loaded
from rotoscope.networks.any_look import AnyLook
from rotoscope.runtime.models.golden import golden_inputs
from rotoscope.runtime.models.model_file import ModelFile, open_model
from rotoscope.runtime.network.network import CallInput, Network

MACS_SIZE = (256, 256)  # height, width at which multiply-adds are counted, as usual in papers
# (height, width) of the proof, rounded up to what the network takes; two sizes show whether the file takes any size
PARITY_SIZES = ((96, 128), (72, 136))
ENDINGS = (".onnx", ".safetensors")

MakeEngine = Callable[[Path], Engine]
"""Makes an engine for an ONNX file."""


@dataclass(frozen=True)
class OpenedNetwork:
    """A checkpoint as a network that can be run and exported."""

    loaded: Loaded
    graph: Graph
    options: ExportOptions

    def __str__(self) -> str:
        """Architecture, direction if known, number of parameters and multiply-adds."""
        description = self.loaded.description
        direction = f", {self.graph.manifest.direction}" if self.graph.manifest.direction else ""
        work = f"{count_macs(self.graph) / 1e9:.3g} GMAC at {MACS_SIZE[1]}x{MACS_SIZE[0]}"
        return f"{description.system}{direction}, {millions(description.parameters)} parameters, {work}"


@dataclass(frozen=True)
class ExportReport:
    """What was exported, and how well the file agrees with its checkpoint.

    path     the file that was written
    network  the checkpoint as it was recognised
    parity   the comparison of file and checkpoint that allowed the file to be written
    """

    path: Path
    network: OpenedNetwork
    parity: Pair

    @property
    def manifest(self) -> Manifest:
        """The manifest of the written file."""
        return self.parity.a.manifest

    @property
    def has_encoder_beside(self) -> bool:
        """Tell whether this exports any-look's student as ONNX; its style encoder then needs a second file."""
        is_student = isinstance(self.network.loaded.network, AnyLook)
        return is_student and self.path.suffix.lower() == ".onnx"

    def __str__(self) -> str:
        """The network, notes on what was chosen or assumed, and the engines of the proof with its differences; a line each."""
        pair = self.parity
        engines = f"{pair.b.engine.description} and {pair.a.engine.description}"
        notes = "".join(f"note: {note}\n" for note in self.network.loaded.description.notes)
        return f"{self.network}\n{notes}{engines}: {pair.found} (allowed: {pair.allowed})"


def open_network(paths: Sequence[Path], options: ExportOptions) -> OpenedNetwork:
    """Open the network of one or more checkpoint files, or the encoder that `options.part` names, as a graph.

    paths  one file, or the scales of a vid2vid model, coarsest first
    """
    hints = parse_hints(options.hints)
    loaded = open_checkpoint(*paths, **hints)
    if options.part is not None:
        loaded = encoder_of(loaded, options.part)
    first_frame = [Path(options.first_frame)] if options.first_frame else []
    named = replace(options, name=options.name or name_from(paths[0]))
    module, manifest = as_graph(loaded, named, first_frame=open_checkpoint(*first_frame) if first_frame else None)
    origin = {
        "direction": str((loaded.description.hints | hints).get("direction", "")) or direction_of(paths[0]),
        "checkpoint_sha256": file_digest(*paths, *first_frame),
    }
    return OpenedNetwork(loaded, Graph(module, manifest.model_copy(update=origin)), options)


def export_checkpoint(
    paths: Sequence[Path],
    target: Path,
    options: ExportOptions,
    make_engine: MakeEngine,
    *,
    pictures: Sequence[Picture] = (),
    overwrite: bool = False,
) -> ExportReport:
    """Export checkpoint files to `target` (.onnx or .safetensors), after proving that the file gives the checkpoint's results.

    make_engine  makes the engine of the proof
    pictures     int8 only: the file is calibrated on and compared with these, because noise has other ranges than pictures
    `target` is written only if the proof succeeds. Raises ModelRefused for files that cannot be read, exported or proved,
    UsageError for options that do not fit.
    """
    if target.suffix.lower() not in ENDINGS:
        raise UsageError(f"{target}: a model file ends in {' or '.join(ENDINGS)}")
    opened = open_network(paths, options)
    if options.part is not None and target.suffix.lower() == ".safetensors":
        raise UsageError(f"{target}: --part goes into an .onnx file; .safetensors holds the weights of a whole network")
    if options.precision == "int8" and opened.graph.manifest.kind == "encode":
        raise UsageError("--precision int8 is judged by pictures, and an encoder makes none; accepted: fp32, fp16")
    with part_file(target, overwrite=overwrite) as part:
        if target.suffix.lower() == ".safetensors":
            write_safetensors(opened, part)
            again = open_network([part], replace(options, hints=())).graph
            written = Form(target.name, again.manifest, TorchEngine(again), "fp32")
        else:
            manifest = write_model(opened, part, pictures)
            written = Form(target.name, manifest, make_engine(part), options.precision)
        pair = prove(opened, written, part, pictures)
        if not pair.is_within:
            worst = max(pair.differences.values(), key=lambda difference: difference.largest)
            raise ModelRefused(
                f"{paths[0]}: as {target.suffix} it gives other results ({worst.name}: max {worst.largest:.1e}, "
                f"{worst.psnr_db:.0f} dB; allowed: {pair.allowed}); nothing was written"
            )
    return ExportReport(target, opened, pair)


def write_model(opened: OpenedNetwork, path: Path, pictures: Sequence[Picture]) -> Manifest:
    """Write a network as ONNX in the precision of its options; return the manifest of the file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that these networks do not need
    precision = opened.options.precision
    manifest = write_onnx(opened.graph, path, precision="fp16" if precision == "fp16" else "fp32")
    if precision == "int8":
        manifest, _ = to_int8(open_model(path), pictures, path)
    return manifest


def prove(opened: OpenedNetwork, written: Form, path: Path, pictures: Sequence[Picture]) -> Pair:
    """Run a written file beside its checkpoint: on random inputs, or for int8 on the pictures. Return the pair that ran.

    If it is beyond its bound, its ratio to the rounding of the network itself is measured on the same inputs.
    """
    graph = opened.graph
    pair = Pair(written, Form(graph.manifest.name, graph.manifest, TorchEngine(graph), "fp32"))
    sizes = [common_size(written.manifest, graph.manifest, *size) for size in PARITY_SIZES]

    def drive(pair: Pair) -> None:
        if opened.options.precision == "int8":
            run_pictures(pair, ModelFile(path, pair.a.manifest, "", 0, "int8"), pictures)
        else:
            run_sizes(pair, sizes)

    drive(pair)
    if not pair.is_within:
        rounding = rounding_pair(graph)
        drive(rounding)
        measure_rounding(pair, rounding)
    return pair


def run_pictures(pair: Pair, model: ModelFile, pictures: Sequence[Picture]) -> None:
    """Run a pair on pictures that are prepared as in a translation."""
    run = Network(model, pair, times=StageTimes())
    for number, picture in enumerate(pictures):
        run(CallInput((picture,)), f"picture {number}")


def run_sizes(pair: Pair, sizes: Iterable[tuple[int, int]]) -> None:
    """Run a pair on random inputs, two calls at each (height, width)."""
    for height, width in sizes:
        run_random(pair, height=height, width=width, calls=2)


def write_safetensors(opened: OpenedNetwork, path: Path) -> None:
    """Write the weights under the names of `rotoscope.networks`, with the hints that open them again."""
    description = {
        "system": opened.loaded.description.system,
        "direction": opened.graph.manifest.direction,
        "parameters": opened.loaded.description.parameters,
        "hints": dict(opened.loaded.description.hints),
        "licence": opened.options.licence,
        "source": opened.options.source,
        "checkpoint_sha256": opened.graph.manifest.checkpoint_sha256,
    }
    weights = {key: value.contiguous() for key, value in opened.loaded.network.state_dict().items()}
    path.write_bytes(save(weights, metadata={"format": "pt", DESCRIPTION_KEY: json.dumps(description)}))


def count_macs(graph: Graph) -> int:
    """Count the multiply-adds of convolutions and matrix products in one call at 256x256, or at the only size it takes."""
    manifest = graph.manifest
    frame = manifest.frame
    height, width = (-(-side // frame.multiple) * frame.multiple for side in MACS_SIZE)
    if frame.fixed_size is not None:
        width, height = frame.fixed_size
    inputs, state = golden_inputs(manifest, seed=0, height=height, width=width)
    tensors = [torch.tensor(array, device="meta") for array in (*inputs.values(), *state.values())]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(graph.module).to("meta")(*tensors)
    return int(counter.get_total_flops()) // 2


def direction_of(path: Path) -> str:
    """Return "AtoB" or "BtoA" for a CycleGAN generator, by the file name that its training code uses; "" for other files."""
    named = re.search(r"net_G_([AB])$", path.stem)
    return {"A": "AtoB", "B": "BtoA"}[named[1]] if named else ""


def millions(count: int) -> str:
    """Format a count: 11_378_179 as "11.4 M", counts below a million as "378 k"."""
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"
