"""Open a model by name: a bundled look, an .onnx file, or a checkpoint, which is exported once and kept in the cache."""

from __future__ import annotations

import importlib.util
import logging
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rotoscope.assembly.engines import (
    ENGINES,
    engine_of,
    installed_engines,
    make_engine,
    proving_engine,
    proving_engines,
)
from rotoscope.base.errors import ModelRefused, RotoscopeError, UsageError
from rotoscope.base.files import why_unusable
from rotoscope.base.shown_address import address_in
from rotoscope.base.version import VERSION
from rotoscope.weights.archive import MAX_BYTES
from rotoscope.weights.check import check_weights
from rotoscope.weights.kind import kind_of_weights
from rotoscope.weights.run_folder import is_run_folder, weights_of_run

if TYPE_CHECKING:
    from rotoscope.base.options import ModelOptions
    from rotoscope.export.graph import Graph
    from rotoscope.runtime.models.model_file import ModelFile

ANY_PAINTING = "any"  # the bundled network that paints in the style of any picture
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors", ".npz")


def open_named(name: str | Path, options: ModelOptions) -> tuple[ModelFile, Graph | None]:
    """The model file that a name stands for; a checkpoint becomes an ONNX file here, once.

    The graph is that of a checkpoint for the torch engine; None for the others.
    """
    from rotoscope.runtime.models.model_file import open_model

    path = model_path(name)
    if not is_checkpoint(path):
        return open_onnx(path, options), None
    if ENGINES[options.engine].runs == "checkpoints":
        return open_for_torch(path, options)
    # An engine that does not compute in the precision of the file converts fp32 weights itself.
    in_fp16 = options.precision == "fp16" and not ENGINES[options.engine].precisions
    precision: Literal["fp32", "fp16"] = "fp16" if in_fp16 else "fp32"
    file = exported(path, options.hints, precision=precision, shared_statistics=options.norm == "shared")
    return open_model(file, options.overrides()), None


def open_onnx(path: Path, options: ModelOptions) -> ModelFile:
    """Open an ONNX file; one without a description is also called on small pictures, if an engine is there for it.

    For ONNX Runtime on the CPU these calls, or one call of a file with a description, run in a process of their own, unless the
    file is a bundled look or the cache shows that they ended well before. Not with a library of operators: it is loaded once,
    by the run.
    """
    from rotoscope.assembly.trial_calls import tried_apart
    from rotoscope.runtime.models.model_file import open_model
    from rotoscope.runtime.models.trial import is_worth_a_trial, tried

    file = open_model(path, options.overrides(), has_op_library=options.op_library is not None)
    is_ours = path.is_relative_to(str(resources.files("rotoscope") / "looks"))
    if is_ours or options.op_library is not None:
        return file
    if (options.engine, options.device) == ("onnxruntime", "cpu") and "onnxruntime" in installed_engines():
        return tried_apart(file)
    if not is_worth_a_trial(file):
        return file
    try:
        if options.engine in installed_engines() and ENGINES[options.engine].runs == "onnx":
            return tried(file, make_engine(file, **engine_of(options)))
        return tried(file, make_engine(file, engine=proving_engines()[0])) if proving_engines() else file
    except RotoscopeError:  # of a graph or of options that the engine does not take: the run says so
        return file


def bundled_looks() -> list[str]:
    """Names of the looks that ship with the package, without the one that needs a painting."""
    folder = resources.files("rotoscope") / "looks"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".onnx"))


def bundled_path(name: str) -> Path | None:
    """The file of a look that ships with the package, that of any painting included; None if there is none of this name."""
    folder = resources.files("rotoscope") / "looks"
    if name == ANY_PAINTING:
        return Path(str(folder / "any_painting" / f"{name}.onnx"))
    return Path(str(folder / f"{name}.onnx")) if name in bundled_looks() else None


def model_path(model: str | Path) -> Path:
    """The file of a bundled look or of a path; raises ModelRefused, which lists the looks if the name could be one."""
    bundled = bundled_path(str(model))
    if bundled is not None:
        return bundled
    path = Path(model)
    if address := address_in(model):
        raise ModelRefused(f"{address}: an address; accepted: a bundled look, or a file on this machine")
    if is_run_folder(path):
        path = weights_of_run(path)
    reason = why_unusable(path, MAX_BYTES)
    if reason == "no such file" and path.name == str(model) and not path.suffix:
        raise ModelRefused(
            f"{model}: neither a file nor a bundled look (those are: {', '.join(bundled_looks()) or 'none'})"
        )
    if reason is not None:
        raise ModelRefused(f"{path}: {reason}")
    if path.suffix.lower() in (".engine", ".plan", ".trt"):
        raise ModelRefused(
            f"{path}: a built engine is a program, and only those built here run: rotoscope build MODEL.onnx"
        )
    return path


def is_checkpoint(path: Path) -> bool:
    """Tell whether a path is a checkpoint (by its first bytes, then by its ending) or the folder of a training run."""
    return kind_of_weights(path) is not None or path.suffix.lower() in CHECKPOINTS or is_run_folder(path)


def is_model_name(name: str) -> bool:
    """Whether a name is a bundled look or ends in .onnx, in upper or lower case."""
    return bundled_path(name) is not None or Path(name).suffix.lower() == ".onnx"


def open_for_torch(path: Path, options: ModelOptions) -> tuple[ModelFile, Graph]:
    """Open a checkpoint for the torch engine, which runs it without an export."""
    check_torch(path)
    check_weights(path)  # before torch is imported, which takes seconds
    from rotoscope.export.convert import open_network
    from rotoscope.export.options import ExportOptions
    from rotoscope.runtime.models.inferred import Inferred
    from rotoscope.runtime.models.model_file import ModelFile, overridden

    opened = open_network([path], ExportOptions(hints=options.hints, shared_statistics=options.norm == "shared"))
    manifest = overridden(opened.graph.manifest, options.overrides())
    description = opened.loaded.description
    notes = tuple(
        Inferred("weights", note, "from names and shapes", "likely" if note.startswith("assumed") else "certain")
        for note in description.notes
    )
    file = ModelFile(path, manifest, manifest.checkpoint_sha256, description.parameters, "fp32", notes)
    return file, opened.graph


def exported(
    path: Path, hints: tuple[str, ...], *, precision: Literal["fp32", "fp16"], shared_statistics: bool
) -> Path:
    """Return the ONNX file of a checkpoint in the user's cache; export and prove it first if it is not there.

    The key of the file holds everything that decides its content: the checkpoint's bytes and name, the options, and the
    sources of the exporter.
    """
    from rotoscope.base.files import file_digest
    from rotoscope.export.source_digest import exporter_digest
    from rotoscope.runtime.models.cache import cached, key_of

    check_weights(path)  # in milliseconds; the digest reads the whole file

    def make(part: Path) -> None:
        check_torch(path)
        from rotoscope.base.manifest import name_from
        from rotoscope.export.convert import export_checkpoint
        from rotoscope.export.options import ExportOptions

        options = ExportOptions(
            name=name_from(path), hints=hints, precision=precision, shared_statistics=shared_statistics
        )
        report = export_checkpoint([path], part, options, proving_engine, overwrite=True)
        log = logging.getLogger("rotoscope")
        log.info("%s; exported once (parity %.0e)", report.network, report.parity.largest)
        for note in report.network.loaded.description.notes:
            log.info("note: %s", note)

    key = key_of(
        checkpoint=file_digest(path),
        name=path.stem,
        hints=sorted(hints),
        precision=precision,
        shared_statistics=shared_statistics,
        rotoscope=VERSION,
        exporter=exporter_digest(),
    )
    return cached("models", f"{key}.onnx", make)


def check_torch(path: Path) -> None:
    """Raise UsageError with the command that installs what reads checkpoints."""
    missing = [name for name in ("torch", "onnxscript", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f'{path}: a checkpoint, which needs {", ".join(missing)}: pip install ".[export]"')
