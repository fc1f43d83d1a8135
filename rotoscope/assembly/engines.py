"""The table of engines, and from an engine's name to an engine. A new engine is one file with `open_engine` and one row.

Heavy imports happen inside the functions.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rotoscope.base.device import FIRST_GPU, Device
from rotoscope.base.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from rotoscope.base.engine import Engine
    from rotoscope.base.options import ModelOptions
    from rotoscope.export.graph import Graph
    from rotoscope.runtime.models.model_file import ModelFile


class Row(NamedTuple):
    """Facts about an engine, available without importing it. The engine has the name of the package that it needs.

    module      with `open_engine(file, setup, graph) -> Engine`
    extra       that installs it: pip install ".[EXTRA]"
    runs        "onnx" files, or "checkpoints" as they are
    devices     that it can run on: "cpu", "cuda"
    precisions  that it can compute in; none if it computes in the precision of the file
    """

    module: str
    extra: str
    runs: Literal["onnx", "checkpoints"]
    devices: tuple[str, ...]
    precisions: tuple[str, ...] = ()


ENGINES = {
    "onnxruntime": Row("rotoscope.runtime.engines.onnxruntime", "cpu", "onnx", ("cpu", "cuda")),
    "openvino": Row("rotoscope.runtime.engines.openvino", "openvino", "onnx", ("cpu",), ("fp32", "bf16")),
    "tensorrt": Row("rotoscope.runtime.engines.tensorrt", "tensorrt", "onnx", ("cuda",)),
    "torch": Row(
        "rotoscope.export.torch_engine",
        "export",
        "checkpoints",
        ("cpu", "cuda"),
        ("fp64", "fp32", "tf32", "fp16", "bf16"),
    ),
}
INSTALL_AN_ENGINE = 'no engine that runs .onnx files is installed; this installs one: pip install ".[cpu]"'


def installed_engines() -> list[str]:
    """Return the names of the engines that can be used here."""
    return [name for name in ENGINES if importlib.util.find_spec(name) is not None]


def proving_engines() -> list[str]:
    """Return the names of the installed engines that run ONNX files on the CPU."""
    return [name for name in installed_engines() if ENGINES[name].runs == "onnx" and "cpu" in ENGINES[name].devices]


def check_installed(engine: str) -> None:
    """Raise UsageError, with the command that installs the engine, if it is not installed or has no row."""
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine}; accepted: {', '.join(ENGINES)}")
    installed = installed_engines()
    if not installed:
        raise UsageError(INSTALL_AN_ENGINE)
    if engine not in installed:
        raise UsageError(
            f'{engine} is not installed (there is {", ".join(installed)}): pip install ".[{ENGINES[engine].extra}]"'
        )


def engine_version(engine: str) -> str:
    """Return the version of the installed package of an engine, such as "1.31.1".

    The package may come from a distribution of another name (onnxruntime-gpu, tensorrt-cu13). If several distributions of
    different versions hold it, all are named: "1.31.1 (onnxruntime), 1.30.0 (onnxruntime-gpu)".
    """
    holders = sorted(set(importlib.metadata.packages_distributions().get(engine, ())))
    versions = {holder: importlib.metadata.version(holder) for holder in holders}
    if not versions:  # not installed by pip
        return str(getattr(importlib.import_module(engine), "__version__", "unknown"))
    if len(set(versions.values())) == 1:
        return next(iter(versions.values()))
    return ", ".join(f"{version} ({holder})" for holder, version in versions.items())


def make_engine(
    file: ModelFile,
    *,
    engine: str = "onnxruntime",
    graph: Graph | None = None,
    device: str = "cpu",
    precision: str | None = None,
    compiled: bool = False,
    op_library: str | None = None,
    threads: int = 1,
    calls: int = 1,
) -> Engine:
    """Make the engine of this name for a model; raise UsageError for what it cannot do.

    graph  of a checkpoint, for an engine that runs checkpoints as they are
    The other keywords are those of `EngineSetup`.
    """
    from rotoscope.base.engine import EngineSetup

    check_installed(engine)
    setup = EngineSetup(
        device=device, precision=precision, compiled=compiled, op_library=op_library, threads=threads, calls=calls
    )
    made: Engine = importlib.import_module(ENGINES[engine].module).open_engine(file, setup, graph)
    return made


def engine_of(options: ModelOptions) -> dict[str, Any]:
    """Return the options that say which engine runs a model and how, as keywords of `make_engine`."""
    return {name: getattr(options, name) for name in ("engine", "device", "precision", "compiled", "op_library")}


def device_of(options: ModelOptions) -> Device:
    """Return where the engine of these options runs; TensorRT, engine or provider, runs on the first GPU by default."""
    if options.device == "tensorrt" or (options.engine == "tensorrt" and options.device == "cpu"):
        return FIRST_GPU
    return Device.parse(options.device)


def proving_engine(path: Path) -> Engine:
    """Make the first installed engine that runs an ONNX file on the CPU: for the proof of an export."""
    from rotoscope.runtime.models.model_file import open_model

    names = proving_engines()
    if not names:
        raise UsageError(f"an export is proved on an engine; {INSTALL_AN_ENGINE}")
    return make_engine(open_model(path), engine=names[0])
