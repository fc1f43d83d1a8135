"""Options of vid2vid."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import Epochs, at_least


@dataclass(frozen=True, kw_only=True)
class Vid2VidOptions(Epochs):
    """vid2vid (Wang et al. 2018): videos from label maps, frame by frame.

    Attributes
    ----------
    labels
        Label maps of clips: a folder for each clip, or the frames of one.
    frames
        The real frames, in folders of the same names.
    instances
        Instance maps, likewise; their edges become a further channel.
    num_labels
        Labels are 0 to this minus 1.
    width
        Channels of the coarsest generator's first layer; each finer one has half.
    levels
        Times that the coarsest generator halves the sides.
    blocks
        Residual blocks of the coarsest generator.
    scales
        Generators, each at twice the size of the one before.
    local_blocks
        Residual blocks of the finer generators.
    start_from
        Weights of the coarser generators, from an earlier run.
    freeze_coarse_epochs
        Epochs in which those stay as they are.
    foreground
        Labels drawn by a stream of their own.
    first_frames
        Begin from two real frames instead of from nothing.
    sequence
        Frames of a training sequence, to begin with.
    sequence_doubles_every
        Epochs after which sequences double in length; 0 is never.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_scales
        Sizes at which each discriminator judges.
    temporal_scales
        Frame distances at which discriminators judge motion: 1, 3, 9, ...
    feature_matching
        Weight of the distance between the discriminators' features of real and made.
    perceptual
        Weight of the distance of VGG19 features; 0 leaves it out.
    flow
        Weight of the flow and of pictures warped by it.
    vgg19
        Weights of VGG19 as torchvision has them; needed unless --perceptual is 0.
    encoder_features
        Numbers that describe each instance; 0 leaves the encoder out.

    """

    system: ClassVar[str] = "vid2vid"

    labels: Path
    frames: Path
    instances: Path | None = None
    num_labels: int = 35
    resize: int = 256
    crop: int = 0
    flip: bool = False
    epochs: int = 10
    epochs_decay: int = 10
    width: int = 128
    levels: int = 3
    blocks: int = 9
    scales: int = 1
    local_blocks: int = 3
    start_from: Path | None = None
    freeze_coarse_epochs: int = 0
    foreground: tuple[int, ...] = ()
    first_frames: bool = True
    sequence: int = 30
    sequence_doubles_every: int = 5
    discriminator_width: int = 64
    discriminator_scales: int = 2
    temporal_scales: int = 2
    feature_matching: float = 10.0
    perceptual: float = 10.0
    flow: float = 10.0
    vgg19: Path | None = None
    encoder_features: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "sequence", 3)
