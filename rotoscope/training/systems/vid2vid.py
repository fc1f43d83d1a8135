"""vid2vid (Wang et al. 2018): video from label maps, frame by frame.

The generator makes each frame from three label maps and its own last two frames; a sequence starts with two real frames, or
with none if `first_frames` is off. Gradients do not pass from frame to frame. For every frame, generator G minimises

    adversarial, least squares, of the picture and of the raw picture (without the warped last frame), each with its label map,
        and of windows of three frames and the flow between them, at several distances in time (1, 3, ...)
    feature matching: |features of D(real) - features of D(fake)|, times 4 / (layers + 1) / scales
    perceptual: VGG19 features of picture and raw picture against the real frame
    flow |F - F_ref|, warp |W(real last frame, F) - real frame|, and the picture against its own warped last frame, all masked
        to pixels where the reference flow explains the real frames
    weight |w|, only if `first_frames` is off

and the discriminators minimise (real + fake) / 2. Sequences double in length every few epochs. A finer scale can be trained
on frozen coarser scales first (`start_from` names their weights). The reference flow is dense inverse search (published:
FlowNet2).

In place of label maps there may be pictures of lines (one channel of grey) or coloured drawings (3 channels, or 6 of two
drawings), in [-1,1]. With `coarse_epochs` the coarsest generator learns alone first, at its own size; each finer one joins
after as many epochs, so that one run goes from coarse to fine.

With `encoder_features` an encoder describes every instance of the real frame, without instance maps every label, by that many
numbers, constant over it, as further inputs of the generator: they choose what the labels leave open (the multimodal variant),
and are the style of the exported model. Of drawings they describe the whole frame, and multiply the drawing.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.label_maps import encode_labels
from rotoscope.networks.pix2pixhd import FeatureEncoder
from rotoscope.networks.vid2vid import ScalePicture, Vid2Vid, pyramid
from rotoscope.networks.warps import warp_border
from rotoscope.training.data.datasets import Domain
from rotoscope.training.loop.optimisation import adam, constant_then_to_zero, init_normal
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.adversarial import Objective, discriminator_loss, generator_loss
from rotoscope.training.losses.discriminators import MultiscaleDiscriminator
from rotoscope.training.losses.perceptual import frozen_vgg
from rotoscope.training.losses.reference_flow import reference_flow
from rotoscope.training.options import Vid2VidOptions

WINDOW = 3  # label maps for one frame, and frames in the input of a temporal discriminator
SPACING = 3  # factor of the frame distance from one temporal scale to the next
FLOW_UNIT = 20.0  # pixels; flow is divided by it for temporal discriminators
CONFIDENT = 0.02  # squared colour error, summed over channels, below which the reference flow is trusted
PERCEPTUAL_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
PERCEPTUAL_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)
MAX_WIDTH_FOR_VGG = 1024  # pixels; wider pictures are halved
NUM_LAYERS = 3  # of the discriminators
OBJECTIVE: Objective = "lsgan"

CHANNELS = {"lines": 1, "drawing": 3, "drawings": 6}  # of one frame
GREY = (0.299, 0.587, 0.114)  # weights of R, G, B, BT.601, as in the exported model

Scores = list[list[Tensor]]


class GeneratedFrame(NamedTuple):
    """One frame: label map, real frame, previous real frame, generator outputs, previous generated frame, reference flow."""

    labels: Tensor
    real: Tensor
    real_before: Tensor
    made: ScalePicture
    made_before: Tensor
    flow: Tensor


def confidence(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """Return (N,1,H,W): 1 where the second picture, warped by the flow, matches the first, else 0; pictures in [-1,1]."""
    error = (first - warp_border(second, flow)).square().sum(dim=1, keepdim=True)
    return (error < CONFIDENT).to(first.dtype)


def masked_l1(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute difference over all elements; elements outside the mask count as 0."""
    return l1_loss(one * mask, other * mask)


def feature_matching(real: Scores, fake: Scores) -> Tensor:
    """Return |real - fake| summed over scales and layers without the scores, times 4 / (layers + 1) / scales."""
    pairs = [
        pair for scales in zip(real, fake, strict=True) for pair in zip(scales[0][:-1], scales[1][:-1], strict=True)
    ]
    total = torch.stack([l1_loss(theirs, ours.detach()) for ours, theirs in pairs]).sum()
    return total * 4 / (NUM_LAYERS + 1) / len(real)


def scores_of(features: Scores) -> list[Tensor]:
    """Return the last map of every scale."""
    return [maps[-1] for maps in features]


def generator_scales(options: Vid2VidOptions, label_channels: int) -> list[dict[str, Any]]:
    """Return the sizes of the coarse generator and of the finer ones, each half as wide as the one before."""
    scales = []
    for scale in range(options.scales):
        width = options.width // 2**scale
        scales.append(
            {
                "label_channels": label_channels,
                "width": width,
                "num_levels": 1 if scale else options.levels,
                "num_blocks": options.local_blocks if scale else options.blocks,
                "foreground_width": foreground_width(options, width) if options.foreground else 0,
                "is_coarse": scale == 0,
                "scale": scale,
            }
        )
    return scales


def input_of(options: Vid2VidOptions) -> str:
    """Return what the generator sees, as the hint `input` names it."""
    if options.labels is not None:
        return "labels"
    if options.lines is not None:
        return "lines"
    return "drawing" if options.more_drawings is None else "drawings"


def grey(pictures: Tensor) -> Tensor:
    """Return (N,T,1,H,W) of colours (N,T,3,H,W)."""
    weights = torch.tensor(GREY, dtype=pictures.dtype, device=pictures.device).view(3, 1, 1)
    return (pictures * weights).sum(dim=2, keepdim=True)


def foreground_width(options: Vid2VidOptions, width: int) -> int:
    """Return the channels of the foreground stream: half the width in networks with more than two levels."""
    return width // 2 if options.levels > 2 else width


class Vid2VidSystem(TrainingSystem):
    """Generator, picture discriminator, one discriminator for each temporal scale, and optionally the encoder."""

    def __init__(self, options: Vid2VidOptions) -> None:
        super().__init__()
        self.options = options
        self.input = input_of(options)
        of_input = CHANNELS.get(self.input, options.num_labels + (options.instances is not None))
        channels = of_input + options.encoder_features
        self.generator = Vid2Vid(
            generator_scales(options, WINDOW * channels), options.foreground, self.input, options.encoder_features
        )
        self.encoder = FeatureEncoder(3, options.encoder_features) if options.encoder_features else None
        sizes = (options.discriminator_width, NUM_LAYERS, options.discriminator_scales)
        self.discriminator = MultiscaleDiscriminator(channels + 3, *sizes)
        self.temporal_discriminators = nn.ModuleList(
            MultiscaleDiscriminator(WINDOW * 3 + (WINDOW - 1) * 2, *sizes) for _ in range(options.temporal_scales)
        )
        generators = [self.generator, *([self.encoder] if self.encoder is not None else [])]
        for network in (*generators, self.discriminator, self.temporal_discriminators):
            init_normal(network)
        if options.start_from is not None:
            load_coarser(self.generator, options.start_from)
        self.features = [
            frozen_vgg(19, options.vgg19, *PERCEPTUAL_TAPS, weight=options.perceptual)
        ]  # in a list, so that it is no submodule and not trained
        self.optimisers = {
            "generator": adam(options.learning_rate, *generators),
            "discriminators": adam(options.learning_rate, self.discriminator, self.temporal_discriminators),
        }

    def domains(self) -> list[Domain]:
        """Return label maps or drawings, frames and, if given, instance maps of the same clips."""
        options = self.options
        names = ("labels", "lines", "drawings", "more_drawings", "frames", "instances")
        given = {name: getattr(options, name) for name in names}
        views: dict[str, Path] = {name: path for name, path in given.items() if path is not None}
        multiple = self.generator.size_multiple
        if self.encoder is not None:
            multiple = math.lcm(multiple, self.encoder.size_multiple)
        geometry = geometry_of(options, multiple)
        numbers = ("labels", "instances")
        return [
            Domain(
                views, geometry, length=options.sequence, doubles_every=options.sequence_doubles_every, labels=numbers
            )
        ]

    def modules_to_compile(self) -> list[nn.Module]:
        """Return the generator's scales, the encoder, and each discriminator."""
        encoder = [] if self.encoder is None else [self.encoder]
        return [*self.generator.children(), *encoder, self.discriminator, *self.temporal_discriminators]

    def begin_epoch(self, epoch: int) -> None:
        """Choose the scales that learn: one more after each `coarse_epochs`. The coarser ones are frozen when the finest joins.

        They stay frozen for `freeze_coarse_epochs` epochs.
        """
        options = self.options
        joined = epoch // options.coarse_epochs + 1 if options.coarse_epochs else options.scales
        self.generator.num_scales = min(options.scales, joined)
        since = epoch - options.coarse_epochs * (options.scales - 1)  # the finest joined
        for scale in range(options.scales - 1):
            trains = not 0 <= since < options.freeze_coarse_epochs
            self.generator.get_submodule(f"netG{scale}").requires_grad_(trains)

    def encoded(self, batch: Batch) -> Tensor:
        """Return the generator's input (N,T,C,H,W) at full size: labels and instance edges, or drawings; then features."""
        frames = batch["frames"]
        number, length, _, height, width = frames.shape
        instances = batch.get("instances")
        if self.input == "labels":
            maps = encode_labels(batch["labels"], self.options.num_labels, instances)
            maps = maps.reshape(number, length, -1, height, width)
        elif self.input == "lines":
            maps = grey(batch["lines"])
        else:
            maps = torch.cat([batch[name] for name in ("drawings", "more_drawings") if name in batch], dim=2)
        if self.encoder is None:
            return maps
        regions = instances if instances is not None else batch.get("labels")
        ids = frames.new_zeros((number * length, 1, height, width))
        if regions is not None:
            ids = regions.flatten(0, 1)[:, None]
        features = self.encoder(frames.flatten(0, 1), ids).reshape(number, length, -1, height, width)
        if self.input != "labels":  # what is constant over a frame would be lost in the first norm
            features = features * maps.mean(dim=2, keepdim=True)
        return torch.cat([maps, features], dim=2)

    def sized(self, pictures: Tensor) -> Tensor:
        """Reduce (N,T,C,H,W) to the size of the finest scale that learns."""
        levels = pyramid(pictures.flatten(0, 1), self.options.scales - self.generator.num_scales + 1)
        reduced: Tensor = levels[-1].unflatten(0, pictures.shape[:2])
        return reduced

    def step(self, batch: Batch) -> Iterator[Update]:
        """Update the generator, then all discriminators, for every frame from the third on."""
        frames = self.sized(batch["frames"])
        state = self.first_state(frames)
        made = [frames[:, 0], frames[:, 1]]  # newest last, detached
        for index in range(WINDOW - 1, frames.shape[1]):
            window = {name: view[:, index - WINDOW + 1 : index + 1] for name, view in batch.items()}
            maps = self.sized(self.encoded(window))
            composites = self.generator.composites(maps.flatten(1, 2), state[:-1])
            begun = state[-1]
            finest = composites[0]._replace(picture=begun * composites[0].picture + (1 - begun) * composites[0].raw)
            frame = GeneratedFrame(
                labels=maps[:, -1],
                real=frames[:, index],
                real_before=frames[:, index - 1],
                made=finest,
                made_before=made[-1],
                flow=reference_flow(frames[:, index], frames[:, index - 1]),
            )
            windows = list(self.windows(frames[:, : index + 1], [*made, finest.picture]))
            yield Update("generator", self.generator_terms(frame, windows))
            yield Update("discriminators", self.discriminator_terms(frame, windows))
            state = self.next_state(state, composites)
            made.append(finest.picture.detach())

    def first_state(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Return the first two real frames as state, or a state of zeros."""
        state = self.generator.initial_state(frames[:, :2].flatten(1, 2))
        return state if self.options.first_frames else tuple(torch.zeros_like(part) for part in state)

    @staticmethod
    def next_state(state: Sequence[Tensor], composites: Sequence[ScalePicture]) -> tuple[Tensor, ...]:
        """Return the state after a frame, detached: every scale keeps its own two newest pictures."""
        *histories, begun = state
        pictures = [begun * scale.picture + (1 - begun) * scale.raw for scale in composites]
        newest = [
            torch.cat([history[:, 3:], picture.detach()], dim=1)
            for history, picture in zip(histories, pictures, strict=True)
        ]
        return *newest, torch.ones_like(begun)

    def windows(self, real: Tensor, made: Sequence[Tensor]) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield (scale, real, made) for every temporal scale whose window fits in the clip; both have 13 channels."""
        last = len(made) - 1
        for scale in range(self.options.temporal_scales):
            indices = [last - SPACING**scale * back for back in reversed(range(WINDOW))]
            if indices[0] < 0:
                return
            frames = [real[:, index] for index in indices]
            flows = [reference_flow(newer, older) / FLOW_UNIT for older, newer in pairwise(frames)]
            yield (
                scale,
                torch.cat([*frames, *flows], dim=1),
                torch.cat([*(made[index] for index in indices), *flows], dim=1),
            )

    def generator_terms(
        self, frame: GeneratedFrame, windows: Sequence[tuple[int, Tensor, Tensor]]
    ) -> dict[str, Tensor]:
        """Return all weighted terms of one frame."""
        options, made = self.options, frame.made
        with torch.no_grad():
            real_features = self.discriminator(torch.cat([frame.labels, frame.real], dim=1))
        adversarial, matches = [], []
        for picture in (made.picture, made.raw):
            features = self.discriminator(torch.cat([frame.labels, picture], dim=1))
            adversarial.append(generator_loss(scores_of(features), OBJECTIVE))
            matches.append(feature_matching(real_features, features))
        for scale, real, fake in windows:
            discriminator = self.temporal_discriminators[scale]
            with torch.no_grad():
                real_features = discriminator(real)
            features = discriminator(fake)
            adversarial.append(generator_loss(scores_of(features), OBJECTIVE))
            matches.append(feature_matching(real_features, features))
        terms = {
            "adversarial": torch.stack(adversarial).sum(),
            "features": options.feature_matching * torch.stack(matches).sum(),
            **self.flow_terms(frame),
        }
        if options.perceptual:
            distances = [self.perceptual(picture, frame.real) for picture in (made.picture, made.raw)]
            terms["perceptual"] = options.perceptual * torch.stack(distances).sum()
        return terms

    def flow_terms(self, frame: GeneratedFrame) -> dict[str, Tensor]:
        """Return the terms on flow, warped real frame and warped own frame, where the reference flow is trusted."""
        weight, made = self.options.flow, frame.made
        trusted = confidence(frame.real, frame.real_before, frame.flow)
        warped = warp_border(frame.real_before, made.flow)
        steady = warp_border(frame.made_before, frame.flow).detach()
        terms = {
            "flow": weight / 2 ** (self.generator.num_scales - 1) * masked_l1(made.flow, frame.flow, trusted),
            "warp": weight * masked_l1(warped, frame.real, trusted),
            "steady": weight * masked_l1(made.picture, steady, trusted),
        }
        if not self.options.first_frames:
            terms["weight"] = masked_l1(made.weight, torch.zeros_like(made.weight), trusted)
        return terms

    def perceptual(self, picture: Tensor, real: Tensor) -> Tensor:
        """Return the distance of VGG19 features of pictures in [-1,1], not normalised, as published."""
        (network,) = self.features
        assert network is not None
        while picture.shape[-1] > MAX_WIDTH_FOR_VGG:
            picture, real = avg_pool2d(picture, 2), avg_pool2d(real, 2)
        network = network.to(picture.device)
        with torch.no_grad():
            targets = network(real)
        terms = zip(PERCEPTUAL_WEIGHTS, network(picture), targets, strict=True)
        return torch.stack([weight * l1_loss(ours, theirs) for weight, ours, theirs in terms]).sum()

    def discriminator_terms(
        self, frame: GeneratedFrame, windows: Sequence[tuple[int, Tensor, Tensor]]
    ) -> dict[str, Tensor]:
        """Return (real + fake) / 2 for picture and raw picture together, and for every temporal scale."""
        labels = frame.labels.detach()
        real = scores_of(self.discriminator(torch.cat([labels, frame.real], dim=1)))
        losses = [
            0.5
            * discriminator_loss(
                real, scores_of(self.discriminator(torch.cat([labels, picture.detach()], dim=1))), OBJECTIVE
            )
            for picture in (frame.made.picture, frame.made.raw)
        ]
        terms = {"discriminator": torch.stack(losses).sum()}
        for scale, true, fake in windows:
            discriminator = self.temporal_discriminators[scale]
            score = discriminator_loss(
                scores_of(discriminator(true)), scores_of(discriminator(fake.detach())), OBJECTIVE
            )
            terms[f"discriminator_time_{scale}"] = 0.5 * score
        return terms

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of the constant and of the decaying epochs."""
        return (self.options.epochs + self.options.epochs_decay) * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1, then a linear decay to 0."""
        return constant_then_to_zero(epoch, self.options.epochs, self.options.epochs_decay)

    def results(self) -> dict[str, Result]:
        """Return the generator and, if there is one, the encoder."""
        options = self.options
        hints: dict[str, Any] = {"foreground": list(options.foreground)} if options.foreground else {}
        if self.input != "labels":
            hints["input"] = self.input
        if options.encoder_features:
            hints["features"] = options.encoder_features
        found = {"generator": Result(self.generator, hints)}
        return found if self.encoder is None else found | {"encoder": Result(self.encoder)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return for the last frame of each sequence: real, generated, raw, warped last frame, weight of the raw picture."""
        frames = self.sized(batch["frames"])
        state = self.first_state(frames)
        for index in range(WINDOW - 1, frames.shape[1]):
            window = {name: view[:, index - WINDOW + 1 : index + 1] for name, view in batch.items()}
            maps = self.sized(self.encoded(window))
            before = state[0][:, 3:]
            composites = self.generator.composites(maps.flatten(1, 2), state[:-1])
            state = self.next_state(state, composites)
        last = composites[0]
        return {
            "real": frames[:, -1],
            "made": state[0][:, 3:],
            "raw": last.raw,
            "warped": warp_border(before, last.flow),
            "weight of raw": (2 * last.weight - 1).expand(-1, 3, -1, -1),
        }


def load_coarser(generator: Vid2Vid, path: Path) -> None:
    """Load weights of an earlier run into the coarser scales; the finest keeps its initial weights. Raises ModelRefused."""
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelRefused(f"{path}: {error}") from error
    wanted = generator.state_dict()
    mismatched = [key for key, value in weights.items() if key not in wanted or wanted[key].shape != value.shape]
    if mismatched or not weights:
        raise ModelRefused(
            f"{path}: {(mismatched or ['nothing in it'])[0]} does not fit this generator's coarser scales"
        )
    generator.load_state_dict(weights, strict=False)
