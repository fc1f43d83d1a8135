"""From a checkpoint to a file that runs, proved to be the same network before it gets its name."""

import copy
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch.utils.flop_counter import FlopCounterMode

from rotoscope.base.engine import Engine
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.files import file_digest, part_file
from rotoscope.base.frame import Picture
from rotoscope.base.times import StageTimes
from rotoscope.export.adapters import Labels
from rotoscope.export.checkpoint import DESCRIPTION_KEY, open_checkpoint
from rotoscope.export.graph import Graph, as_graph
from rotoscope.export.onnx import write_onnx
from rotoscope.export.options import ExportOptions, parse_hints, parse_palette
from rotoscope.export.parity import Form, Pair, run_random
from rotoscope.export.parts import part_of
from rotoscope.export.precision import to_int8
from rotoscope.export.torch_engine import TorchEngine
from rotoscope.networks import Loaded
from rotoscope.runtime.models.golden import golden_inputs
from rotoscope.runtime.models.model_file import ModelFile, open_model
from rotoscope.runtime.network.network import CallInput, Network

MACS_SIZE = (256, 256)  # height, width at which work is counted; the field's tables do
MAGNIFICATION = 4.0  # between two engines' roundings of one network; they sum in different orders
PARITY_SIZES = (
    (96, 128),
    (72, 136),
)  # height, width, rounded up to what a network takes; two of them, so that size is open

MakeEngine = Callable[[Path], Engine]
"""ONNX file -> an engine that runs it"""


@dataclass(frozen=True)
class Opened:
    """A checkpoint as a network that can be run and exported."""

    loaded: Loaded
    graph: Graph
    options: ExportOptions

    def __str__(self) -> str:
        """System, direction if known, size and work."""
        description = self.loaded.description
        direction = f", {self.graph.manifest.direction}" if self.graph.manifest.direction else ""
        work = f"{count_macs(self.graph) / 1e9:.3g} GMAC at {MACS_SIZE[1]}x{MACS_SIZE[0]}"
        return f"{description.system}{direction}, {millions(description.parameters)} parameters, {work}"


def open_network(paths: Sequence[Path], options: ExportOptions) -> Opened:
    """The network of one or more checkpoint files, or the part of it that is asked for, with inputs that a runtime can feed."""
    hints = parse_hints(options.hints)
    loaded = open_checkpoint(*paths, **hints)
    if options.part is not None:
        loaded = part_of(loaded, options.part)
    if options.labels is None and (options.edges or options.palette):
        raise UsageError("--edges and --palette need --labels, the number of classes")
    labels = None
    if options.labels is not None:
        labels = Labels(options.labels, edges=options.edges, palette=parse_palette(options.palette))
    first_frame = Path(options.first_frame) if options.first_frame else None
    graph = as_graph(
        loaded,
        name=options.name or paths[0].stem,
        labels=labels,
        shared_statistics=options.shared_statistics,
        warp=options.warp,
        first_frame=open_checkpoint(first_frame) if first_frame else None,
        eight_bit=options.eight_bit,
        provenance={
            "direction": str(hints.get("direction", "")) or direction_of(paths[0]),
            "licence": options.licence,
            "source": options.source,
            "checkpoint_sha256": file_digest(*paths, *([first_frame] if first_frame else [])),
        },
    )
    return Opened(loaded, graph, options)


def convert(
    paths: Sequence[Path],
    target: Path,
    options: ExportOptions,
    make_engine: MakeEngine,
    *,
    pictures: Sequence[Picture] = (),
    overwrite: bool = False,
) -> tuple[Opened, Pair]:
    """Write `target` (.onnx, or .safetensors) and return what the checkpoint is, and the parity that was found.

    pictures  what an int8 file is calibrated on and judged by: noise has other ranges than pictures
    Nothing appears under the target's name unless it gives what the checkpoint gives. Raises ModelRefused for what cannot be
    read, exported or proved.
    """
    opened = open_network(paths, options)
    if options.part is not None and target.suffix.lower() == ".safetensors":
        raise UsageError(f"{target}: --part goes into an .onnx file; .safetensors holds the weights of a whole network")
    if options.precision == "int8" and opened.graph.manifest.kind == "encode":
        raise UsageError("--precision int8 is judged by pictures, and an encoder makes none; accepted: fp32, fp16")
    with part_file(target, overwrite=overwrite) as part:
        if target.suffix.lower() == ".safetensors":
            write_safetensors(opened, part)
            again = open_network([part], options).graph
            written = Form(target.name, again.manifest, TorchEngine(again), "fp32")
        else:
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses packages that no network here needs
            manifest = write_onnx(opened.graph, part, precision="fp16" if options.precision == "fp16" else "fp32")
            if options.precision == "int8":
                manifest, _ = to_int8(open_model(part), pictures, part)
            written = Form(target.name, manifest, make_engine(part), options.precision)
        original = Form(paths[0].name, opened.graph.manifest, TorchEngine(opened.graph), "fp32")
        pair = Pair(written, original)
        if options.precision == "int8":
            prove_on(pictures, pair, ModelFile(part, written.manifest, "", 0, "int8"))
        else:
            prove(pair)
        if not pair.is_within and not is_rounding(pair, opened.graph):
            worst = max(pair.differences.values(), key=lambda difference: difference.largest)
            raise ModelRefused(
                f"{paths[0]}: as {target.suffix} it gives other results ({worst.name}: max {worst.largest:.1e}, "
                f"{worst.psnr_db:.0f} dB; bound {pair.bound}); nothing was written"
            )
    return opened, pair


def is_rounding(pair: Pair, graph: Graph) -> bool:
    """Whether the network itself, in fp32 against fp64, differs from call to call about as much as the pair does.

    Networks with gates and warps magnify the last bit of a number; nobody can ask two forms of such a network to agree better
    than it agrees with itself.
    """
    a, b = (
        Form(f"torch {word}", graph.manifest, TorchEngine(graph, precision=word), word) for word in ("fp32", "fp64")
    )
    own = Pair(a, b)
    prove(own)
    return all(
        difference.mean <= MAGNIFICATION * own.differences[name].mean
        for (name, difference) in zip(own.differences, pair.differences.values(), strict=True)
        if not pair.bound.allows(difference)
    )


def prove_on(pictures: Sequence[Picture], pair: Pair, model: ModelFile) -> None:
    """The same on real pictures, prepared as a translation prepares them."""
    run = Network(model, pair, times=StageTimes())
    for number, picture in enumerate(pictures):
        run(CallInput((picture,)), f"picture {number}")


def prove(pair: Pair) -> None:
    """The calls that a parity is judged by here."""
    for height, width in PARITY_SIZES:
        run_random(pair, height=height, width=width, calls=2)


def write_safetensors(opened: Opened, path: Path) -> None:
    """The weights under this project's names, with what is needed to open them again."""
    description = {
        "system": opened.loaded.description.system,
        "direction": opened.graph.manifest.direction,
        "parameters": opened.loaded.description.parameters,
        "hints": parse_hints(opened.options.hints),
        "licence": opened.options.licence,
        "source": opened.options.source,
        "checkpoint_sha256": opened.graph.manifest.checkpoint_sha256,
    }
    weights = {key: value.contiguous() for key, value in opened.loaded.network.state_dict().items()}
    path.write_bytes(save(weights, metadata={"format": "pt", DESCRIPTION_KEY: json.dumps(description)}))


def count_macs(graph: Graph) -> int:
    """Multiply-accumulate operations of convolutions and matrix products for one call at 256x256, or the size it takes."""
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
    """Which way a CycleGAN generator goes, by the name that its training code gives it; empty for other files."""
    named = re.search(r"net_G_([AB])$", path.stem)
    return {"A": "AtoB", "B": "BtoA"}[named[1]] if named else ""


def millions(count: int) -> str:
    """11_378_179 -> "11.4 M"; small networks in thousands."""
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"
