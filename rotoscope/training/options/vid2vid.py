"""Options of vid2vid."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from rotoscope.base.errors import UsageError
from rotoscope.base.limits import Within
from rotoscope.training.options.ranges import Blocks, Channels, Layers, NumEpochs, Side, Weight
from rotoscope.training.options.system import Epochs


@dataclass(frozen=True, kw_only=True)
class Vid2VidOptions(Epochs):
    """vid2vid (Wang et al. 2018): video from label maps, frame by frame.

    Attributes
    ----------
    task
        synthesise: frames from label maps, lines or drawings. predict: the next label maps from the last ones.
    labels
        Label maps of clips: a folder for each clip, or the frames of one.
    lines
        In place of label maps: pictures of lines, such as rotoscope frames --edges makes; one channel of grey.
    drawings
        In place of label maps: coloured drawings, such as poses; three channels.
    more_drawings
        Second drawings of the same frames, three channels more.
    frames
        The real frames, in folders of the same names; not for predict.
    instances
        Instance maps, likewise; their edges become one more input channel.
    num_labels
        Number of labels: 0 to this minus 1.
    past
        For predict: number of maps that the next one is predicted from.
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
    coarse_epochs
        Epochs with the coarsest generator alone, at its own size; each finer one joins after as many epochs. 0: all at once.
    freeze_coarse_epochs
        Epochs in which the coarser generators are frozen, counted from the epoch in which the finest one joins.
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
        Number of features by which an encoder describes each instance of the real frame, without instance maps each label, with
        lines or drawings the whole frame; they are the style of the exported model. 0 trains no encoder.

    """

    system: ClassVar[str] = "vid2vid"

    task: Literal["synthesise", "predict"] = "synthesise"
    labels: Path | None = None
    lines: Path | None = None
    drawings: Path | None = None
    more_drawings: Path | None = None
    frames: Path | None = None
    instances: Path | None = None
    num_labels: Annotated[int, Within(2, 4096)] = 35
    past: Annotated[int, Within(2, 32, "maps")] = 4
    resize: Side = 256
    crop: Side = 0
    flip: bool = False
    epochs: NumEpochs = 10
    epochs_decay: NumEpochs = 10
    width: Channels = 128
    levels: Layers = 3
    blocks: Blocks = 9
    scales: Layers = 1
    local_blocks: Blocks = 3
    start_from: Path | None = None
    coarse_epochs: NumEpochs = 0
    freeze_coarse_epochs: NumEpochs = 0
    foreground: Annotated[tuple[int, ...], Within(0, 4095)] = ()
    first_frames: bool = True
    sequence: Annotated[int, Within(3, 10_000, "frames")] = 30
    sequence_doubles_every: NumEpochs = 5
    discriminator_width: Channels = 64
    discriminator_scales: Layers = 2
    temporal_scales: Annotated[int, Within(0, 8)] = 2
    feature_matching: Weight = 10.0
    perceptual: Weight = 10.0
    flow: Weight = 10.0
    vgg19: Path | None = None
    encoder_features: Annotated[int, Within(0, 64)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_inputs()
        if self.width >> (self.scales - 1) == 0:
            raise UsageError(
                f"--scales {self.scales} --width {self.width}; accepted: a width of {2 ** (self.scales - 1)} or more"
            )

    def _check_inputs(self) -> None:
        """Raise UsageError for inputs that do not go together."""
        given = [name for name in ("labels", "lines", "drawings") if getattr(self, name) is not None]
        if len(given) != 1:
            flags = " and ".join(f"--{name}" for name in given) or "no input"
            raise UsageError(f"vid2vid with {flags}; accepted: one of --labels, --lines, --drawings")
        if self.more_drawings is not None and self.drawings is None:
            raise UsageError("--more-drawings without --drawings; accepted: both, or --drawings alone")
        if self.task == "predict":
            self._check_prediction()
            return
        if self.frames is None:
            raise UsageError("vid2vid needs --frames PATH, the real frames; only --task predict learns without them")
        if self.labels is None and (self.foreground or (self.instances is not None and not self.encoder_features)):
            raise UsageError(f"--{given[0]} with --instances or --foreground; accepted: these with --labels")

    def _check_prediction(self) -> None:
        """Raise UsageError for options that a predictor of label maps does not have."""
        if self.labels is None:
            raise UsageError("--task predict needs --labels PATH: label maps are what it predicts")
        for name in ("frames", "instances", "start_from", "foreground", "encoder_features"):
            if getattr(self, name):
                raise UsageError(f"--task predict --{name.replace('_', '-')}; accepted: --labels alone")
        if self.scales > 1:
            raise UsageError(f"--task predict --scales {self.scales}; accepted: 1")
        if self.sequence <= self.past:
            raise UsageError(
                f"--sequence {self.sequence} --past {self.past}; accepted: a sequence longer than the past"
            )
