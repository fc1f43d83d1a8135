"""From an engine's name to an engine. Heavy imports happen inside the functions."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from rotoscope.base.errors import UsageError

if TYPE_CHECKING:
    from rotoscope.base.engine import Engine
    from rotoscope.base.options import ModelOptions
    from rotoscope.export.graph import Graph
    from rotoscope.runtime.models.model_file import ModelFile

INSTALL_AN_ENGINE = 'no engine is installed; this installs one: pip install ".[cpu]"'
# Engine -> the extra that installs it; those that run ONNX files first.
ENGINES = {"onnxruntime": "cpu", "openvino": "openvino", "tensorrt": "tensorrt", "torch": "export"}


def installed_engines() -> list[str]:
    """Names of the engines that can be used here."""
    return [name for name in ENGINES if importlib.util.find_spec(name) is not None]


def check_installed(engine: str) -> None:
    """Raise UsageError with the command that installs an engine."""
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine}; accepted: {', '.join(ENGINES)}")
    installed = installed_engines()
    if not installed:
        raise UsageError(INSTALL_AN_ENGINE)
    if engine not in installed:
        raise UsageError(
            f'{engine} is not installed (there is {", ".join(installed)}): pip install ".[{ENGINES[engine]}]"'
        )


def make_engine(
    file: ModelFile, options: ModelOptions, *, threads: int, calls: int = 1, graph: Graph | None = None
) -> Engine:
    """The engine that the options name, on a model: `calls` at once, of `threads` threads each.

    graph  of a checkpoint that the torch engine runs as it is
    """
    check_installed(options.engine)
    if options.op_library is not None and options.engine != "onnxruntime":
        raise UsageError(f"--op-library with {options.engine}; only onnxruntime loads operators from a library")
    if options.engine == "torch":
        if graph is None:
            raise UsageError(
                f"--engine torch runs checkpoints, and {file.path.name} is ONNX: onnxruntime or openvino run it"
            )
        from rotoscope.export.torch_engine import TorchEngine

        return TorchEngine(
            graph,
            threads=threads,
            device=options.device,
            precision=options.precision or "fp32",
            compiled=options.compiled,
        )
    if options.engine == "tensorrt" and file.manifest.shares_statistics:
        raise UsageError(
            f"{file.path.name} measures statistics on several frames at once, and engines of tensorrt are built for one; "
            "accepted: onnxruntime, openvino, torch"
        )
    if options.compiled:
        raise UsageError(f"--compiled is for the torch engine; {options.engine} compiles what it runs anyway")
    if options.engine == "openvino":
        from rotoscope.runtime.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(
            file.path, threads=threads, streams=calls, device=options.device, precision=options.precision or "fp32"
        )
    if options.engine == "tensorrt":
        from rotoscope.runtime.engines.tensorrt import TensorRtEngine

        return TensorRtEngine.built(file, precision=options.precision or file.precision)
    if options.precision not in (None, file.precision):
        raise UsageError(
            f"--precision {options.precision}: {file.path.name} is {file.precision}, and onnxruntime runs a file as it is"
        )
    from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
    from rotoscope.runtime.models.gate import check_it_ends

    engine = OnnxRuntimeEngine(
        file.path,
        threads=threads,
        device=options.device,
        precision=file.precision,
        op_library=options.op_library,
    )
    check_it_ends(file.path, file.manifest, engine.ends_within)
    return engine


def proving_engine(path: Path) -> Engine:
    """Whichever engine there is that runs an ONNX file as it is written: for the proof of an export."""
    from rotoscope.base.options import ModelOptions as Options
    from rotoscope.runtime.models.model_file import open_model

    name = next((name for name in ("onnxruntime", "openvino") if name in installed_engines()), None)
    if name is None:
        raise UsageError(f"an export is proved on an engine; {INSTALL_AN_ENGINE}")
    return make_engine(open_model(path), Options(engine=name), threads=1)
