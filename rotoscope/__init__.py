"""Rotoscope: turn any image-to-image network into steady, real-time video.

    import rotoscope

    starry = rotoscope.load("starry")                       # a bundled look, an .onnx file or a checkpoint
    picture = starry(image)                                 # (H,W,3) uint8 -> (H,W,3) uint8
    run = rotoscope.translate("in.mp4", "out.mp4", model=starry)

Names are imported when they are first used, so that `import rotoscope` stays quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from rotoscope.base.version import VERSION

if TYPE_CHECKING:
    from rotoscope.api.batch import batch
    from rotoscope.api.bench import Bench, bench
    from rotoscope.api.blind_test import compare_blind, count_choices
    from rotoscope.api.evaluation import evaluate, evaluate_pictures, evaluate_table
    from rotoscope.api.live import live
    from rotoscope.api.measurement import compare, parity, run_parity
    from rotoscope.api.model_files import build, encode, export_model, export_triton, info
    from rotoscope.api.serve import serve
    from rotoscope.api.training import distill, train
    from rotoscope.api.translation import load, read, rgb, translate, write
    from rotoscope.assembly.model import Model
    from rotoscope.assembly.translator import Translator
    from rotoscope.base.errors import InputRefused, ModelRefused, OutputFailed, RotoscopeError, UsageError
    from rotoscope.base.frame import Frame, Picture
    from rotoscope.jobs.results.progress import BatchReport
    from rotoscope.runtime.pipeline.job import Run
    from rotoscope.runtime.pipeline.live_job import LiveReport
    from rotoscope.runtime.pipeline.live_run import LiveRun

__version__ = VERSION

_MODULES = {
    "BatchReport": "jobs.results.progress",
    "Bench": "api.bench",
    "Frame": "base.frame",
    "InputRefused": "base.errors",
    "LiveReport": "runtime.pipeline.live_job",
    "LiveRun": "runtime.pipeline.live_run",
    "Model": "assembly.model",
    "ModelRefused": "base.errors",
    "OutputFailed": "base.errors",
    "Picture": "base.frame",
    "RotoscopeError": "base.errors",
    "Run": "runtime.pipeline.job",
    "Translator": "assembly.translator",
    "UsageError": "base.errors",
    "batch": "api.batch",
    "bench": "api.bench",
    "build": "api.model_files",
    "compare": "api.measurement",
    "compare_blind": "api.blind_test",
    "count_choices": "api.blind_test",
    "distill": "api.training",
    "encode": "api.model_files",
    "evaluate": "api.evaluation",
    "evaluate_pictures": "api.evaluation",
    "evaluate_table": "api.evaluation",
    "export_model": "api.model_files",
    "export_triton": "api.model_files",
    "info": "api.model_files",
    "live": "api.live",
    "load": "api.translation",
    "parity": "api.measurement",
    "read": "api.translation",
    "rgb": "api.translation",
    "run_parity": "api.measurement",
    "serve": "api.serve",
    "train": "api.training",
    "translate": "api.translation",
    "write": "api.translation",
}

__all__ = [
    "BatchReport",
    "Bench",
    "Frame",
    "InputRefused",
    "LiveReport",
    "LiveRun",
    "Model",
    "ModelRefused",
    "OutputFailed",
    "Picture",
    "RotoscopeError",
    "Run",
    "Translator",
    "UsageError",
    "batch",
    "bench",
    "build",
    "compare",
    "compare_blind",
    "count_choices",
    "distill",
    "encode",
    "evaluate",
    "evaluate_pictures",
    "evaluate_table",
    "export_model",
    "export_triton",
    "info",
    "live",
    "load",
    "parity",
    "read",
    "rgb",
    "run_parity",
    "serve",
    "train",
    "translate",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
