"""Rotoscope: turn any image-to-image network into steady, real-time video.

import rotoscope
starry = rotoscope.load("starry")                       # a bundled look or an .onnx file
picture = starry(image)                                 # (H,W,3) uint8 -> (H,W,3) uint8
run = rotoscope.translate("in.mp4", "out.mp4", model=starry)
"""

from rotoscope.api import Model, Translator, load, read, rgb, translate, write
from rotoscope.base.errors import InputRefused, ModelRefused, OutputFailed, RotoscopeError, UsageError

__version__ = "0.1.0"

__all__ = [
    "InputRefused",
    "Model",
    "ModelRefused",
    "OutputFailed",
    "RotoscopeError",
    "Translator",
    "UsageError",
    "load",
    "read",
    "rgb",
    "translate",
    "write",
]
