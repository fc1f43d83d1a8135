"""The options of training: `RunOptions`, and one dataclass for each system, whose defaults are the published values.

This room does not import torch: the command line is built from these classes.
"""

from rotoscope.training.options.any_look import AnyLookOptions
from rotoscope.training.options.blind_consistency import BlindConsistencyOptions
from rotoscope.training.options.cyclegan import CycleGanOptions
from rotoscope.training.options.distill import DistillOptions
from rotoscope.training.options.dualgan import DualGanOptions
from rotoscope.training.options.fast_style_transfer import FastStyleOptions
from rotoscope.training.options.inpainting import InpaintingOptions
from rotoscope.training.options.look import LookOptions
from rotoscope.training.options.munit import MunitOptions, SingleFrameOptions
from rotoscope.training.options.pix2pix import Pix2PixOptions
from rotoscope.training.options.recycle_gan import RecycleGanOptions
from rotoscope.training.options.run import RunOptions
from rotoscope.training.options.super_slomo import SuperSlomoOptions
from rotoscope.training.options.system import SystemOptions
from rotoscope.training.options.vid2vid import Vid2VidOptions

# The systems of `rotoscope train`; distillation has a command of its own.
SYSTEMS: tuple[type[SystemOptions], ...] = (
    CycleGanOptions,
    Pix2PixOptions,
    DualGanOptions,
    MunitOptions,
    SingleFrameOptions,
    RecycleGanOptions,
    Vid2VidOptions,
    FastStyleOptions,
    LookOptions,
    AnyLookOptions,
    BlindConsistencyOptions,
    SuperSlomoOptions,
    InpaintingOptions,
)

__all__ = [
    "SYSTEMS",
    "AnyLookOptions",
    "BlindConsistencyOptions",
    "CycleGanOptions",
    "DistillOptions",
    "DualGanOptions",
    "FastStyleOptions",
    "InpaintingOptions",
    "LookOptions",
    "MunitOptions",
    "Pix2PixOptions",
    "RecycleGanOptions",
    "RunOptions",
    "SingleFrameOptions",
    "SuperSlomoOptions",
    "SystemOptions",
    "Vid2VidOptions",
]
