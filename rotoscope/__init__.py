"""Rotoscope: turn any image-to-image network into steady, real-time video.

    import rotoscope

    starry = rotoscope.load("starry")                       # a bundled look, an .onnx file or a checkpoint
    picture = starry(image)                                 # (H,W,3) uint8 -> (H,W,3) uint8
    run = rotoscope.translate("in.mp4", "out.mp4", model=starry)

Names are imported when they are first used, so that `import rotoscope` stays quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotoscope.api import compare, distill, evaluate, load, read, rgb, train, translate, write
    from rotoscope.assembly.model import Model
    from rotoscope.assembly.translator import Translator
    from rotoscope.base.errors import InputRefused, ModelRefused, OutputFailed, RotoscopeError, UsageError
    from rotoscope.base.frame import Frame, Picture
    from rotoscope.runtime.pipeline.job import Run

__version__ = "0.1.0"

_MODULES = {
    "Frame": "base.frame",
    "InputRefused": "base.errors",
    "Model": "assembly.model",
    "ModelRefused": "base.errors",
    "OutputFailed": "base.errors",
    "Picture": "base.frame",
    "RotoscopeError": "base.errors",
    "Run": "runtime.pipeline.job",
    "Translator": "assembly.translator",
    "UsageError": "base.errors",
    "compare": "api",
    "distill": "api",
    "evaluate": "api",
    "load": "api",
    "read": "api",
    "rgb": "api",
    "train": "api",
    "translate": "api",
    "write": "api",
}

__all__ = [
    "Frame",
    "InputRefused",
    "Model",
    "ModelRefused",
    "OutputFailed",
    "Picture",
    "RotoscopeError",
    "Run",
    "Translator",
    "UsageError",
    "compare",
    "distill",
    "evaluate",
    "load",
    "read",
    "rgb",
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
