"""Options of vid2vid."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rotoscope.training.options.system import Epochs, at_least


@dataclass(frozen=True, kw_only=True)
class Vid2VidOptions(Epochs):
    """vid2vid (Wang et al. 2018): video from label maps, frame by frame.

    Attributes
    ----------
    labels
        Label maps of clips: a folder for each clip, or the frames of one.
    frames
        The real frames, in folders of the same names.
    instances
        Instance maps, likewise; their edges become one more input channel.
    num_labels
        Number of labels: 0 to this minus 1.
    width
        Channels of the coarsest generator's first layer; each finer generator has half.
    levels
        Number of times that the coarsest generator halves the sides.
    blocks
        Residual blocks of the coarsest generator.
    scales
        Number of generators, each at twice the size of the one before.
    local_blocks
        Residual blocks of the finer generators.
    start_from
        Weights of the coarser generators: generator.safetensors of an earlier run.
    freeze_coarse_epochs
        Epochs in which the coarser generators are frozen.
    foreground
        Labels with a separate foreground stream in the generator.
    first_frames
        Start each sequence from two real frames; otherwise from none.
    sequence
        Frames of a training sequence in the first epochs.
    sequence_doubles_every
        Epochs after which sequences double in length, at most to the length of their scene; 0 is never.
    discriminator_width
        Channels of a discriminator's first layer.
    discriminator_scales
        Number of picture sizes that each discriminator sees.
    temporal_scales
        Number of temporal discriminators, at frame distances 1, 3, 9, ...
    feature_matching
        Weight of the distance between discriminator features of real and generated frames.
    perceptual
        Weight of the distance of VGG19 features; 0 leaves it out.
    flow
        Weight of the losses on flow and on pictures warped by it.
    vgg19
        Weights of VGG19, a file of torchvision (docs/training.md); needed unless --perceptual is 0.
    encoder_features
        Number of encoder features for each instance; 0 trains no encoder.

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
