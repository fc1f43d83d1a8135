"""All training systems: from options to the networks and losses that they describe."""

from collections.abc import Callable
from typing import Any

from rotoscope.base.errors import UsageError
from rotoscope.training.loop.training_system import TrainingSystem
from rotoscope.training.options import (
    AnyLookOptions,
    BlindConsistencyOptions,
    CycleGanOptions,
    DistillOptions,
    DualGanOptions,
    FastStyleOptions,
    InpaintingOptions,
    LookOptions,
    MunitOptions,
    Pix2PixOptions,
    RecycleGanOptions,
    SingleFrameOptions,
    SuperSlomoOptions,
    SystemOptions,
    Vid2VidOptions,
)
from rotoscope.training.systems.any_look import AnyLookTraining
from rotoscope.training.systems.blind_consistency import BlindConsistency
from rotoscope.training.systems.cyclegan import CycleGan
from rotoscope.training.systems.distill import Distillation, OpenedTeacher, as_teacher
from rotoscope.training.systems.dualgan import DualGan
from rotoscope.training.systems.fast_style_transfer import FastStyleTransfer
from rotoscope.training.systems.inpainting import Inpainting
from rotoscope.training.systems.label_prediction import LabelPrediction
from rotoscope.training.systems.look import Look
from rotoscope.training.systems.munit import Munit
from rotoscope.training.systems.pix2pix import Pix2Pix
from rotoscope.training.systems.recycle_gan import RecycleGan
from rotoscope.training.systems.super_slomo import SuperSlomoSystem
from rotoscope.training.systems.vid2vid import Vid2VidSystem

# Any: each class takes its own options.
CLASSES: dict[type[SystemOptions], Callable[[Any], TrainingSystem]] = {
    CycleGanOptions: CycleGan,
    Pix2PixOptions: Pix2Pix,
    DualGanOptions: DualGan,
    MunitOptions: Munit,
    SingleFrameOptions: Munit,
    RecycleGanOptions: RecycleGan,
    Vid2VidOptions: lambda options: (LabelPrediction if options.task == "predict" else Vid2VidSystem)(options),
    FastStyleOptions: FastStyleTransfer,
    LookOptions: Look,
    AnyLookOptions: AnyLookTraining,
    BlindConsistencyOptions: BlindConsistency,
    SuperSlomoOptions: SuperSlomoSystem,
    InpaintingOptions: Inpainting,
}

OpenTeacher = Callable[[DistillOptions, str], OpenedTeacher]
"""(options, device) -> the model that the options name; it may run on the device, "cpu" or "cuda:N", of the training"""


def make_system(options: SystemOptions, open_teacher: OpenTeacher | None = None, device: str = "cpu") -> TrainingSystem:
    """Build the system of these options with new weights.

    open_teacher  needed for distillation only
    device        the device that open_teacher gets
    """
    if isinstance(options, DistillOptions):
        if open_teacher is None:
            raise UsageError(f"distillation of {options.teacher} needs open_teacher")
        teacher = open_teacher(options, device)
        return Distillation(options, as_teacher(teacher.paint), teacher.body)
    return CLASSES[type(options)](options)
