"""Reduce the precision of an exported graph to fp16 or int8, with ONNX Runtime's converters."""

import importlib.util
import io
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import onnx

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.frame import Array, Picture
from rotoscope.base.manifest import GoldenCheck, Manifest
from rotoscope.base.sizes import place
from rotoscope.base.telemetry import without_telemetry
from rotoscope.runtime.models.golden import golden_inputs, sample_output
from rotoscope.runtime.models.model_file import ModelFile, write_described
from rotoscope.runtime.network.feed import Feed

# Operators that lose visible precision in fp16: statistics subtract large sums, tanh and softmax set the last bits of a
# picture, and a position above 1024 has no fraction.
KEPT_IN_FP32 = (
    "InstanceNormalization", "GroupNormalization", "LayerNormalization", "BatchNormalization", "ReduceMean", "ReduceSum",
    "ReduceMax", "Sqrt", "Pow", "Reciprocal", "Tanh", "Softmax", "GridSample", "Resize", "ArgMin", "ScatterElements",
)  # fmt: skip
PERCENTILE = 99.999  # of an activation's values that its 8 bits cover; covering the rarest would coarsen all others
LEAST_PSNR_DB = 34.0  # of int8 against fp32 on 8-bit frames
ONLY_ERRORS, WARNINGS = 3, 2  # severities of ONNX Runtime's messages; WARNINGS is its default
HEADROOM = 4.0  # factor for engines that round differently from the measured one


def check_halving(manifest: Manifest) -> None:
    """Raise UsageError for models whose numbers fp16 cannot hold (flow, interpolation, statistics), and without onnxruntime."""
    if manifest.kind in ("flow", "interpolate"):
        raise UsageError(f"--precision fp16: {manifest.name} computes positions in pixels, which need fp32")
    if manifest.shares_statistics:
        raise UsageError(f"--precision fp16: {manifest.name} measures variances of its layers, which needs fp32")
    if importlib.util.find_spec("onnxruntime") is None:
        raise UsageError('--precision fp16 needs onnxruntime: pip install ".[cpu]"')


def halved(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Convert weights and arithmetic to fp16; inputs and outputs stay float32.

    Norms, tanh, softmax, resizing and everything that a sampling position is computed from stay in fp32.
    """
    with without_telemetry():
        from onnxruntime.transformers import float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for every weight below fp16's smallest number
        converted: onnx.ModelProto = float16.convert_float_to_float16(
            proto,
            keep_io_types=True,
            op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *KEPT_IN_FP32],
            node_block_list=[node.name for node in _positions(proto.graph)],
        )
    return _in_order(converted)


def measured(proto: onnx.ModelProto, golden: GoldenCheck, manifest: Manifest) -> GoldenCheck:
    """Return the golden check with a tolerance for the rounding of this graph, measured on ONNX Runtime."""
    with without_telemetry():
        import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs, state = golden_inputs(manifest, seed=golden.seed, height=golden.height, width=golden.width)
    (made,) = session.run([manifest.outputs[0]], inputs | state)
    difference = float(np.abs(np.array(sample_output(made)) - np.array(golden.values)).max())
    return golden.model_copy(update={"tolerance": max(golden.tolerance, HEADROOM * difference)})


def _in_order(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Sort the nodes; drop repeated casts, which the converter leaves at the end of the graph, one for each consumer."""
    import onnx_ir
    from onnx_ir.passes.common import TopologicalSortPass

    once = {node.output[0]: node for node in proto.graph.node}
    nodes = list(once.values())
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    del proto.graph.value_info[:]  # types from before
    sorted_model = TopologicalSortPass()(onnx_ir.serde.deserialize_model(proto)).model
    return onnx_ir.serde.serialize_model(sorted_model)


def _positions(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes that compute sampling positions, back to the nearest convolutions."""
    makers = {name: node for node in graph.node for name in node.output}
    waiting = [node.input[1] for node in graph.node if node.op_type == "GridSample"]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if node is None or name in seen or node.op_type == "Conv":
            continue
        seen.add(name)
        yield node
        waiting.extend(node.input)


def to_int8(model: ModelFile, pictures: Iterable[Picture], target: Path) -> tuple[Manifest, float]:
    """Write a model file with weights and activations of convolutions in 8 bits; returns its manifest and its PSNR, dB.

    pictures  about eight frames like those that will be translated; they decide the range of each activation that 8 bits cover
    Quantisation is static, QDQ, per channel for weights. At both ends of the network, which decide most of the picture at
    little cost, convolutions stay in fp32: as few as keep `LEAST_PSNR_DB` on these pictures, at most a third at each end.
    Raises UsageError for models with more inputs than one picture, for no pictures and without onnxruntime, ModelRefused if
    a third is not enough.
    """
    manifest = model.manifest
    if len(manifest.inputs) > 1 or manifest.state or manifest.frame.window or manifest.frame.labels:
        raise UsageError(
            f"int8: {manifest.name} has inputs beside one picture; only plain picture models are calibrated"
        )
    if importlib.util.find_spec("onnxruntime") is None:
        raise UsageError('int8 needs onnxruntime: pip install ".[cpu]"')
    frames = list(_fed(manifest, pictures))
    if not frames:
        raise UsageError("int8 needs pictures to calibrate on")
    proto = onnx.load(model.path)
    expected = _made(proto, frames, manifest)
    convolutions = [node.name for node in proto.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    if len(convolutions) < 3:
        raise UsageError(
            f"int8: {manifest.name} has {len(convolutions)} convolutions, and the first and last stay in fp32"
        )
    best = 0.0
    for kept in range(1, len(convolutions) // 3 + 1):
        quantised = _quantised(proto, frames, [*convolutions[:kept], *convolutions[-kept:]])
        errors = [np.square(a - b).mean() for a, b in zip(_made(quantised, frames, manifest), expected, strict=True)]
        psnr_db = float(10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-12)))
        best = max(best, psnr_db)
        if psnr_db >= LEAST_PSNR_DB:
            golden = manifest.golden and measured(quantised, manifest.golden, manifest)
            manifest = manifest.model_copy(update={"golden": golden})
            onnx.save(quantised, target)
            write_described(target, manifest, target)
            return manifest, psnr_db
    raise ModelRefused(
        f"{manifest.name} in int8 keeps {best:.0f} dB, less than the {LEAST_PSNR_DB:g} that 8 bits must: fp16 holds more"
    )


def _quantised(proto: onnx.ModelProto, frames: list[dict[str, Array]], in_fp32: list[str]) -> onnx.ModelProto:
    with without_telemetry():
        from onnxruntime import quantization

    with tempfile.TemporaryDirectory() as folder, _silent_calibration():
        written = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            onnx.ModelProto.FromString(proto.SerializeToString()),  # a copy: quantize_static changes its argument
            written,
            _Reader(iter(frames)),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "ConvTranspose"],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=in_fp32,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": PERCENTILE},
        )
        return onnx.load(written)


@contextmanager
def _silent_calibration() -> Iterator[None]:
    """Drop what ONNX Runtime's quantiser prints, what it logs on the root logger, and warnings of the sessions it opens."""
    with without_telemetry():
        import onnxruntime

    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)  # without a handler, `logging.warning` would install one for the rest of the process
    root.addFilter(_nothing)
    onnxruntime.set_default_logger_severity(ONLY_ERRORS)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)
        root.removeFilter(_nothing)
        root.removeHandler(handler)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _made(proto: onnx.ModelProto, frames: list[dict[str, Array]], manifest: Manifest) -> list[Array]:
    """Return the results of a graph for frames, rounded to 0..255, float32."""
    with without_telemetry():
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ONLY_ERRORS
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    low, high = manifest.output.range
    made = (session.run([manifest.output.tensor], frame)[0].astype(np.float32) for frame in frames)
    return [np.rint(((picture - low) * (255 / (high - low))).clip(0, 255)) for picture in made]


class _Reader:
    """Gives frames to ONNX Runtime's calibration, whose CalibrationDataReader this is."""

    def __init__(self, frames: Iterator[dict[str, Array]]) -> None:
        self._frames = frames

    def get_next(self) -> dict[str, Array] | None:
        return next(self._frames, None)


def _fed(manifest: Manifest, pictures: Iterable[Picture]) -> Iterator[dict[str, Array]]:
    """Yield the network's inputs for each picture."""
    for picture in pictures:
        feed = Feed(manifest, place((picture.width, picture.height), manifest.frame, working=None, fit="crop"))
        feed.pictures([picture])
        yield feed.arrays
