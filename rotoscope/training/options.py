"""Everything that training can be told: how to run, and one dataclass for each system with the published values.

Kept apart from the systems, and free of torch, because the command line is made from these classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from cyclopts import Parameter

from rotoscope.errors import UsageError

NormKind = Literal["instance", "batch_by_frame", "none"]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is carried out, whatever is trained.

    Attributes
    ----------
    out
        Folder of the run: checkpoints, log, samples, run.html and, at the end, the weights.
    steps
        Stop after this many steps; by default at the published length.
    seed
        Of initial weights, data order and everything drawn.
    accumulate
        Gradients of this many batches make one step: exactly one step of a batch as many times as large.
    workers
        Processes that read pictures.
    device
        cpu, cuda or mps; by default the best there is.
    devices
        How many of them; torchrun decides if it started this.
    precision
        fp32; bf16 or fp16 where a network's arithmetic allows it, with fp32 weights.
    channels_last
        Keep pictures interleaved in memory: faster convolutions on most devices.
    compile
        Compile networks with torch.compile.
    ema
        Weight of the past in a running average of the generators, such as 0.999, which then is the result; 0 is none.
    log_every
        Steps between rows of the log.
    sample_every
        Steps between sample grids.
    save_every
        Steps between checkpoints.
    keep
        How many checkpoints stay.
    best_by
        A loss term: the weights with its lowest mean between two checkpoints are kept in `best`.

    """

    out: Path
    steps: int | None = None
    seed: int = 0
    accumulate: int = 1
    workers: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    ema: float = 0.0
    log_every: int = 20
    sample_every: int = 500
    save_every: int = 1000
    keep: int = 3
    best_by: str = ""

    def __post_init__(self) -> None:
        for name in ("accumulate", "devices", "log_every", "sample_every", "save_every", "keep"):
            _at_least(self, name, 1)
        _at_least(self, "workers", 0)
        if self.steps is not None:
            _at_least(self, "steps", 1)
        if not 0 <= self.ema < 1:
            raise UsageError(f"--ema {self.ema}; accepted: 0 (none) or a weight below 1, such as 0.999")


@dataclass(frozen=True, kw_only=True)
class SystemOptions:
    """What every system is told about pictures and speed.

    Attributes
    ----------
    batch
        Samples in a batch, on each device.
    resize
        Shorter side that pictures are resized to, pixels; 0 leaves them as they are.
    crop
        Side of the random square cut out of them, pixels; 0 takes the whole picture.
    flip
        Mirror half of the samples.
    learning_rate
        Of the optimisers, to begin with.

    """

    system: ClassVar[str]

    batch: int = 1
    resize: int = 286
    crop: int = 256
    flip: bool = True
    learning_rate: float = 2e-4

    def __post_init__(self) -> None:
        _at_least(self, "batch", 1)
        for name in ("resize", "crop"):
            _at_least(self, name, 0)
        if self.crop > self.resize > 0:
            raise UsageError(f"--crop {self.crop} does not fit into --resize {self.resize}")
        if self.learning_rate <= 0:
            raise UsageError(f"--learning-rate {self.learning_rate}; accepted: above 0")


@dataclass(frozen=True, kw_only=True)
class Epochs(SystemOptions):
    """Systems whose learning rate is constant for some epochs and then falls to zero over others.

    Attributes
    ----------
    epochs
        At the full learning rate.
    epochs_decay
        In which it falls.

    """

    epochs: int = 100
    epochs_decay: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "epochs_decay"):
            _at_least(self, name, 0)


@dataclass(frozen=True, kw_only=True)
class CycleGanOptions(Epochs):
    """CycleGAN (Zhu et al. 2017): unpaired pictures, a generator each way.

    Attributes
    ----------
    a
        Pictures of one domain: a folder, a video, or a folder of them.
    b
        Pictures of one domain: a folder, a video, or a folder of them.
    width
        Channels of the generator's first layer.
    blocks
        Residual blocks of a generator.
    discriminator_width
        Channels of the discriminator's first layer.
    discriminator_layers
        Its layers: 3 see 70x70 pixels.
    objective
        Of the adversarial part.
    cycle_a
        Weight of the cycle from this domain.
    cycle_b
        Weight of the cycle from this domain.
    identity
        Weight of the identity loss, as a part of the cycles'.
    temporal
        Weight of the temporal loss on synthesised flow.
    pool
        Pictures in the history of each discriminator.

    """

    system: ClassVar[str] = "cyclegan"

    a: Path
    b: Path
    width: int = 64
    blocks: int = 9
    discriminator_width: int = 64
    discriminator_layers: int = 3
    objective: Literal["lsgan", "vanilla", "hinge"] = "lsgan"
    cycle_a: float = 10.0
    cycle_b: float = 10.0
    identity: float = 0.5
    temporal: float = 0.0
    pool: int = 50


@dataclass(frozen=True, kw_only=True)
class Pix2PixOptions(Epochs):
    """pix2pix (Isola et al. 2017): registered pairs, one generator from a to b.

    Attributes
    ----------
    a
        One half of the pairs, matched by order; a becomes b.
    b
        One half of the pairs, matched by order; a becomes b.
    width
        Channels of the generator's first layer.
    downs
        Levels of the U-Net; sides are multiples of 2 to this power.
    dropout
        In the inner levels, while training.
    discriminator_width
        Channels of the discriminator's first layer.
    discriminator_layers
        Its layers: 3 see 70x70 pixels.
    l1
        Weight of the distance to the truth.

    """

    system: ClassVar[str] = "pix2pix"

    a: Path
    b: Path
    width: int = 64
    downs: int = 8
    dropout: bool = True
    discriminator_width: int = 64
    discriminator_layers: int = 3
    l1: float = 100.0


@dataclass(frozen=True, kw_only=True)
class DualGanOptions(SystemOptions):
    """DualGAN (Yi et al. 2017): unpaired pictures of 256x256, Wasserstein critics."""

    system: ClassVar[str] = "dualgan"

    a: Path
    b: Path
    resize: int = 256
    flip: bool = False
    learning_rate: float = 5e-5
    epochs: int = 50
    width: int = 64
    discriminator_width: int = 64
    critic_updates: int = 1
    reconstruction_a: float = 500.0
    reconstruction_b: float = 500.0
    penalty: float = 10.0


@dataclass(frozen=True, kw_only=True)
class MunitOptions(SystemOptions):
    """MUNIT (Huang et al. 2018): unpaired pictures, one content, many styles.

    Attributes
    ----------
    a
        Pictures of one domain: a folder, a video, or a folder of them.
    b
        Pictures of one domain: a folder, a video, or a folder of them.
    iterations
        Steps of a whole run.
    halve_every
        Steps after which the learning rate halves.
    width
        Channels of the generator's first layer.
    style_channels
        Numbers in a style code.
    adversarial
        Weight of the loss term.
    picture
        Weight of the loss term.
    style
        Weight of the loss term.
    content
        Weight of the loss term.
    cycle
        Weight of the loss term.
    temporal
        Weight of the loss term.

    """

    system: ClassVar[str] = "munit"

    a: Path
    b: Path
    resize: int = 256
    learning_rate: float = 1e-4
    iterations: int = 1_000_000
    halve_every: int = 100_000
    weight_decay: float = 1e-4
    width: int = 64
    blocks: int = 4
    style_channels: int = 8
    hidden: int = 256
    discriminator_width: int = 64
    discriminator_layers: int = 4
    adversarial: float = 1.0
    picture: float = 10.0
    style: float = 1.0
    content: float = 1.0
    cycle: float = 0.0
    temporal: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SingleFrameOptions(MunitOptions):
    """Single-frame video translation (Wang and Feng): MUNIT with all weights 1, cycles, and the temporal loss at 10."""

    system: ClassVar[str] = "single-frame"

    picture: float = 1.0
    cycle: float = 1.0
    temporal: float = 10.0


@dataclass(frozen=True, kw_only=True)
class RecycleGanOptions(Epochs):
    """Recycle-GAN (Bansal et al. 2018): unpaired videos, a generator and a predictor of the next frame each way.

    Attributes
    ----------
    a
        Videos of one domain: a file, or folders of consecutive frames.
    b
        Videos of one domain: a file, or folders of consecutive frames.
    width
        Channels of the generator's first layer.
    predictor_downs
        Levels of the predictors' U-Nets; sides are multiples of 2 to this power.
    recurrent
        Weight of the loss term; cycles on frames are a variant.
    recycle
        Weight of the loss term; cycles on frames are a variant.
    cycle
        Weight of the loss term; cycles on frames are a variant.
    identity
        Weight of the identity loss, as a part of the recycle loss.
    judge_predictions
        Also fool the discriminators with predictions from real frames.

    """

    system: ClassVar[str] = "recycle-gan"

    a: Path
    b: Path
    flip: bool = False
    width: int = 64
    blocks: int = 6
    predictor_width: int = 64
    predictor_downs: int = 8
    discriminator_width: int = 64
    discriminator_layers: int = 3
    recurrent: float = 10.0
    recycle: float = 10.0
    cycle: float = 0.0
    identity: float = 0.0
    judge_predictions: bool = False
    pool: int = 0


@dataclass(frozen=True, kw_only=True)
class Vid2VidOptions(Epochs):
    """vid2vid (Wang et al. 2018): videos from label maps, frame by frame.

    Attributes
    ----------
    labels
        Clips in folders: label maps, real frames and, if wanted, instance maps.
    frames
        Clips in folders: label maps, real frames and, if wanted, instance maps.
    instances
        Clips in folders: label maps, real frames and, if wanted, instance maps.
    num_labels
        Labels are 0 to this minus 1.
    scales
        Generators, each at twice the size of the one before.
    start_from
        Weights of the coarser generators, from an earlier run.
    freeze_coarse_epochs
        Epochs in which those stay as they are.
    foreground
        Labels drawn by a stream of their own.
    no_first_frames
        Begin from nothing instead of two real frames.
    sequence
        Frames of a training sequence, to begin with.
    sequence_doubles_every
        Epochs after which sequences double in length; 0 is never.
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
    no_first_frames: bool = False
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
        _at_least(self, "sequence", 3)


@dataclass(frozen=True, kw_only=True)
class FastStyleOptions(SystemOptions):
    """Fast style transfer (Johnson et al. 2016): photographs painted like one picture."""

    system: ClassVar[str] = "fast-style"

    photos: Path
    painting: Path
    vgg16: Path
    batch: int = 4
    resize: int = 256
    learning_rate: float = 1e-3
    epochs: int = 2
    width: int = 32
    content: float = 1e5
    style: float = 1e10


@dataclass(frozen=True, kw_only=True)
class BlindConsistencyOptions(SystemOptions):
    """Blind video consistency (Lai et al. 2018): steadies what an image model made of videos frame by frame."""

    system: ClassVar[str] = "blind-consistency"

    source: Path
    processed: Path
    vgg16: Path | None = None
    batch: int = 4
    resize: int = 0
    crop: int = 192
    learning_rate: float = 1e-4
    epochs: int = 100
    epoch_steps: int = 1000
    halve_every_epochs: int = 20
    clip: int = 11
    width: int = 32
    blocks: int = 5
    short_term: float = 100.0
    long_term: float = 100.0
    perceptual: float = 10.0
    scale: tuple[float, float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "clip", 2)


@dataclass(frozen=True, kw_only=True)
class SuperSlomoOptions(SystemOptions):
    """Super SloMo (Jiang et al. 2018): frames between two frames, at any time."""

    system: ClassVar[str] = "super-slomo"

    frames: Path
    vgg16: Path | None = None
    batch: int = 6
    resize: int = 360
    crop: int = 352
    learning_rate: float = 1e-4
    epochs: int = 200
    milestones: tuple[int, ...] = (100, 150)
    between: int = 7
    reconstruction: float = 204.0
    warping: float = 102.0
    perceptual: float = 0.005
    smoothness: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "between", 1)


@dataclass(frozen=True, kw_only=True)
class InpaintingOptions(SystemOptions):
    """Contextual attention (Yu et al. 2018): holes filled from what is around them."""

    system: ClassVar[str] = "inpainting"

    photos: Path
    batch: int = 16
    resize: int = 256
    learning_rate: float = 1e-4
    epochs: int = 50
    width: int = 32
    discriminator_width: int = 64
    hole: int = 128
    jitter: int = 32
    critic_updates: int = 5
    reconstruction: float = 1.2
    coarse: float = 1.2
    outside: float = 1.2
    discount: float = 0.9
    adversarial: float = 0.001
    penalty: float = 10.0


@dataclass(frozen=True, kw_only=True)
class DistillOptions(SystemOptions):
    """A compact student learns what a heavy generator paints.

    Attributes
    ----------
    teacher
        A bundled look, an .onnx file or a checkpoint.
    frames
        What both paint: a folder of pictures, a video, or a folder of videos.
    width
        Channels of the student, if no budget decides.
    iterations
        Steps of the run.
    pixels
        Weight of the loss term.
    gradients
        Weight of the loss term.
    look
        Weight of the loss term.
    temporal
        Weight of the loss term.
    lpips
        LPIPS v0.1 weights of SqueezeNet, for the look.

    """

    system: ClassVar[str] = "distill"

    teacher: Annotated[str, Parameter(parse=False)] = ""
    frames: Path
    width: int = 64
    batch: int = 4
    resize: int = 288
    learning_rate: float = 2e-3
    iterations: int = 4000
    pixels: float = 1.0
    gradients: float = 1.0
    look: float = 1.0
    temporal: float = 2.0
    lpips: Path | None = None


def _at_least(options: object, name: str, least: int) -> None:
    value = getattr(options, name)
    if value < least:
        raise UsageError(f"--{name.replace('_', '-')} {value}; accepted: {least} or more")
