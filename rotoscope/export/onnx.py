"""Write a network as a self-describing ONNX file that takes any size and batch, with a golden check of its results."""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx.compose
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.manifest import METADATA_KEY, GoldenCheck, Manifest
from rotoscope.export.adapters import FirstFrames
from rotoscope.export.graph import DEFAULTS, Graph, as_graph
from rotoscope.export.options import ExportOptions
from rotoscope.export.precision import HEADROOM, check_halving, halved, measured
from rotoscope.networks import Loaded
from rotoscope.runtime.models.golden import Arrays, golden_inputs, sample_output

OPSET = 18
GOLDEN_SIZE = (96, 128)  # least height, width of the golden check; rounded up to multiples that the network takes
TOLERANCE = 1e-3  # of the golden check, on outputs that span 2
NUDGE = 2.0**-20  # relative; engines differ by a few of float32's last bits after every layer
MAX_SIDE = 16384
MAX_BATCH = 64
MOST_DOUBLINGS = 8  # of the size multiple, in the search for the shortest side
MOST_BYTES = 2**31 - 1  # protobuf's limit for one file


def export_onnx(
    loaded: Loaded, path: Path, options: ExportOptions = DEFAULTS, *, first_frame: Loaded | None = None
) -> Manifest:
    """Export a loaded network in fp32 or fp16 and return the manifest that the file carries.

    options, first_frame  as in `graph.as_graph`; of an fp16 file, inputs and outputs stay float32
    Raises ModelRefused or UsageError for what cannot be exported.
    """
    if options.precision == "int8":
        raise UsageError("int8 needs calibration pictures; accepted here: fp32, fp16")
    return write_onnx(as_graph(loaded, options, first_frame=first_frame), path, precision=options.precision)


def write_onnx(graph: Graph, path: Path, *, precision: Literal["fp32", "fp16"] = "fp32") -> Manifest:
    """Trace a graph and write it; fill in the shortest side, the golden check and the exporter of its manifest, and return it.

    The file takes sides that are multiples of `manifest.frame.multiple`, from the shortest side up, and batches of 1 to 64.
    Raises ModelRefused for a module in training mode, because exporters fold running statistics of batch norms into the
    weights without saying so.
    """
    module, manifest = graph
    if module.training or any(part.training for part in module.modules()):
        raise ModelRefused(f"{manifest.name} is in training mode; call .eval() before exporting it")
    if precision == "fp16":
        check_halving(manifest)
    least = least_side(graph)
    frame = manifest.frame.model_copy(update={"minimum": least})
    versions = f"torch {torch.__version__}, onnx {onnx.__version__}, opset {OPSET}"
    manifest = manifest.model_copy(update={"frame": frame, "exported_by": versions})
    golden = golden_check(Graph(module, manifest))
    modules = (module.drawing, module.recurrent) if isinstance(module, FirstFrames) else (module,)
    parts = [traced(Graph(part, manifest)) for part in modules]
    if precision == "fp16":
        parts = [halved(part) for part in parts]
    proto = branched(parts[0], parts[1], manifest) if len(parts) > 1 else parts[0]
    _strip_traces(proto)
    if precision == "fp16":
        golden = measured(proto, golden, manifest)
    manifest = manifest.model_copy(update={"golden": golden})
    proto.metadata_props.add(key=METADATA_KEY, value=manifest.model_dump_json())
    if proto.ByteSize() > MOST_BYTES:
        raise ModelRefused(
            f"{manifest.name}: {proto.ByteSize() / 1e9:.1f} GB; one ONNX file holds 2 GB (fp16 halves it)"
        )
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
    return manifest


def least_side(graph: Graph) -> int:
    """Return the shortest side, in pixels, with which the network gives finite values: its multiple times a power of 2."""
    frame = graph.manifest.frame
    if frame.fixed_size is not None:
        return min(frame.fixed_size)
    for doubled in range(MOST_DOUBLINGS + 1):
        side = frame.multiple * 2**doubled
        try:
            made = run(graph, *golden_inputs(graph.manifest, seed=0, height=side, width=side))
        except (
            RuntimeError,
            ValueError,
            IndexError,
        ):  # padding wider than the picture, or a level smaller than one pixel
            continue
        if all(bool(np.isfinite(value).all()) for value in made.values()):
            return int(side)
    raise ModelRefused(f"{graph.manifest.name}: gives no finite values up to sides of {side}")


def golden_size(manifest: Manifest) -> tuple[int, int]:
    """Return (height, width) of the golden check."""
    frame = manifest.frame
    if frame.fixed_size is not None:
        return frame.fixed_size[1], frame.fixed_size[0]
    height, width = (-(-max(side, frame.minimum) // frame.multiple) * frame.multiple for side in GOLDEN_SIZE)
    return height, width


def golden_check(graph: Graph) -> GoldenCheck:
    """Return sampled results of the torch network on the recipe inputs, with the tolerance for an engine.

    The tolerance is 0.001 for outputs that span 2. For an ill-conditioned network (untrained weights, flow that overshoots) it
    grows to 4 times the change of the output when all inputs are multiplied by 1 + 2^-20.
    """
    manifest = graph.manifest
    height, width = golden_size(manifest)
    inputs, state = golden_inputs(manifest, seed=0, height=height, width=width)

    def samples(factor: float) -> NDArray[np.float64]:
        given = [{name: _times(array, factor) for name, array in part.items()} for part in (inputs, state)]
        return np.array(sample_output(run(graph, *given)[manifest.outputs[0]]))

    values = samples(1.0)
    if not np.isfinite(values).all():
        raise ModelRefused(f"{manifest.name}: its output for noise holds NaN or infinite values; try an earlier epoch")
    if manifest.output.dtype == "uint8":
        tolerance = 1.0
    else:
        sensitivity = float(np.abs(samples(1 + NUDGE) - values).max())
        tolerance = max(TOLERANCE * max(1.0, float(np.ptp(values)) / 2), HEADROOM * sensitivity)
    return GoldenCheck(seed=0, height=height, width=width, values=tuple(values), tolerance=tolerance)


def _times(array: NDArray[Any], factor: float) -> NDArray[Any]:
    return np.asarray(array * factor, array.dtype)


def run(graph: Graph, inputs: Arrays, state: Arrays) -> Arrays:
    """Call the torch network once, with arrays by name."""
    with torch.inference_mode():
        made = graph.module(*(torch.from_numpy(array) for array in (*inputs.values(), *state.values())))
    names = (*graph.manifest.outputs, *graph.manifest.state_outputs)
    return dict(zip(names, (tensor.numpy() for tensor in made), strict=True))


def traced(graph: Graph) -> onnx.ModelProto:
    """Return the ONNX graph with dynamic batch and sides."""
    module, manifest = graph
    frame = manifest.frame
    multiple = frame.multiple
    # torch.export turns a size of 1 into a constant and equal sizes into one symbol: use at least 2 cells, and H != W.
    cells = [max(2, -(-side // multiple)) for side in (frame.minimum, frame.minimum)]
    height, width = frame.fixed_size[::-1] if frame.fixed_size else (cells[0] * multiple, (cells[1] + 1) * multiple)
    inputs, state = golden_inputs(manifest, seed=0, height=height, width=width)
    examples = {name: _pair(manifest, name, array) for name, array in (inputs | state).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            module,
            tuple(examples.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=[*manifest.outputs, *manifest.state_outputs],
            dynamic_shapes=(tuple(dynamic_dimensions(manifest, name, examples[name]) for name in examples),),
            verbose=False,
        )
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto


def branched(drawing: onnx.ModelProto, recurrent: onnx.ModelProto, manifest: Manifest) -> onnx.ModelProto:
    """Join two graphs with the same inputs and outputs by an If node, so that only one of them runs in a call.

    torch.cond cannot be used: torch 2.13 cannot write branches with convolutions of dynamic size as ONNX.
    """
    merged = onnx.ModelProto()
    merged.CopyFrom(recurrent)
    for field in ("node", "initializer", "value_info"):
        del getattr(merged.graph, field)[:]
    branches = []
    for name, proto in (("drawing", drawing), ("recurrent", recurrent)):
        part = onnx.compose.add_prefix_graph(proto.graph, f"{name}/", rename_inputs=False)
        merged.graph.initializer.extend(part.initializer)
        branches.append(helper.make_graph(part.node, name, [], part.output, value_info=part.value_info))
    begun = manifest.state[-1].input
    merged.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1, np.float32), "full"))
    outputs = [output.name for output in merged.graph.output]
    merged.graph.node.extend(
        [
            helper.make_node("ReduceMax", [begun], ["share"], name="share", keepdims=0),
            helper.make_node("Less", ["share", "full"], ["first"], name="first"),
            helper.make_node("If", ["first"], outputs, name="branch", then_branch=branches[0], else_branch=branches[1]),
        ]
    )
    return merged


def _pair(manifest: Manifest, name: str, array: np.ndarray[Any, Any]) -> Tensor:
    """Return a batch of two copies of an input; inputs without a batch dimension are returned as they are."""
    tensor = torch.from_numpy(array)
    return torch.cat([tensor, tensor]) if _has_batch(manifest, name) else tensor


def _has_batch(manifest: Manifest, name: str) -> bool:
    shapes: dict[str, tuple[int | str, ...]] = {tensor.input: tensor.shape for tensor in manifest.state}
    if manifest.number is not None:
        shapes[manifest.number.tensor] = manifest.number.shape
    return shapes.get(name, ("N",))[:1] in (("N",), (1,))


def dynamic_dimensions(manifest: Manifest, name: str, example: Tensor) -> dict[int, Any]:
    """Return the dynamic axes of an input for torch.export: the batch, and sides as multiples of cells.

    A cell is the number of pixels that `manifest.frame.multiple` says.
    """
    frame = manifest.frame
    batch = {0: torch.export.Dim("N", min=1, max=MAX_BATCH)} if _has_batch(manifest, name) else {}
    if frame.fixed_size is not None:
        return batch
    state = {tensor.input: tensor.shape for tensor in manifest.state}
    by_pixel = {
        item.tensor for item in (manifest.second, manifest.mask, manifest.instances, manifest.example) if item
    } | {frame.tensor}
    if name in by_pixel:
        first = 1 if frame.layout == "NHWC" else example.ndim - 2
        factors = {first: ("H", 1), first + 1: ("W", 1)}
    else:
        sides = [
            (axis, item) for axis, item in enumerate(state.get(name, ())) if isinstance(item, str) and item[0] in "HW"
        ]
        factors = {axis: (item[0], int(item[2:] or 1)) for axis, item in sides}
    most = MAX_SIDE // frame.multiple
    dims = {letter: torch.export.Dim(f"cells_{letter}", min=2, max=most) for letter in "HW"}
    return batch | {
        axis: (frame.multiple // part) * dims[letter] if frame.multiple // part > 1 else dims[letter]
        for axis, (letter, part) in factors.items()
    }


def _strip_traces(proto: onnx.ModelProto) -> None:
    """Remove the source lines that the exporter stores: they name paths of this machine and double the size of the file."""
    graphs = [proto.graph]
    while graphs:
        graph = graphs.pop()
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
            graphs.extend(attribute.g for attribute in node.attribute if attribute.HasField("g"))
        for value in (*graph.value_info, *graph.input, *graph.output):
            del value.metadata_props[:]
        for tensor in graph.initializer:
            del tensor.metadata_props[:]
        del graph.metadata_props[:]
    del proto.metadata_props[:]
