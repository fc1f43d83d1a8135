"""Recycle-GAN (Bansal, Ma, Ramanan, Sheikh 2018): unpaired translation of videos, supervised by prediction in time.

In addition to CycleGAN's generators and discriminators each domain has a predictor P of the next frame from two. For three
consecutive frames (x0, x1, x2) of each domain the generators and predictors minimise, in both directions,

    recurrent |P_x(x0, x1) - x2|
    recycle   |G_yx(P_y(G_xy(x0), G_xy(x1))) - x2|
    adversarial (least squares) on G_xy(x0), G_xy(x1) and the prediction from them
    optionally cycle |G_yx(G_xy(x_i)) - x_i|, i = 0, 1 (the variant for labels and pictures, "ReCycle"),
    identity, and adversarial on P_x(x0, x1)

The discriminators then minimise (real + fake) / 2, summed over four fakes: both translations, the prediction from them and the
prediction from real frames.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from rotoscope.networks.resnet import ResnetGenerator
from rotoscope.networks.unet import UnetGenerator
from rotoscope.training.data.datasets import Domain
from rotoscope.training.data.image_pool import ImagePool
from rotoscope.training.loop.optimisation import adam, constant_then_linear, init_normal
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.adversarial import Objective, discriminator_loss, generator_loss
from rotoscope.training.losses.discriminators import PatchDiscriminator
from rotoscope.training.options import RecycleGanOptions

NUM_FRAMES = 3
OBJECTIVE: Objective = "lsgan"


class Direction(NamedTuple):
    """One direction: generators there and back, predictors and discriminators of the source and of the target domain."""

    name: str
    translate: nn.Module
    translate_back: nn.Module
    predict_source: nn.Module
    predict_target: nn.Module
    discriminate_source: nn.Module
    discriminate_target: nn.Module


class Translated(NamedTuple):
    """Outputs of one direction: translations of two frames, the prediction from them, the prediction from real frames."""

    fake_0: Tensor
    fake_1: Tensor
    predicted_fake: Tensor
    predicted_real: Tensor


def predict(predictor: nn.Module, older: Tensor, newer: Tensor) -> Tensor:
    """Return the predicted frame after two frames (N,3,H,W)."""
    frame: Tensor = predictor(torch.cat([older, newer], dim=1))
    return frame


class RecycleGan(TrainingSystem):
    """Generators, predictors and discriminators of both domains."""

    def __init__(self, options: RecycleGanOptions) -> None:
        super().__init__()
        self.options = options
        self.g_ab, self.g_ba = (ResnetGenerator(width=options.width, num_blocks=options.blocks) for _ in "ab")
        self.p_a, self.p_b = (
            UnetGenerator(6, 3, options.predictor_width, options.predictor_downs, norm="instance", bias=True)
            for _ in "ab"
        )
        self.d_a, self.d_b = (
            PatchDiscriminator(width=options.discriminator_width, num_layers=options.discriminator_layers) for _ in "ab"
        )
        generators = (self.g_ab, self.g_ba, self.p_a, self.p_b)
        for network in (*generators, self.d_a, self.d_b):
            init_normal(network)
        self.pools = nn.ModuleDict({"a": ImagePool(options.pool), "b": ImagePool(options.pool)})
        self.optimisers = {
            "generators": adam(options.learning_rate, *generators),
            "discriminators": adam(options.learning_rate, self.d_a, self.d_b),
        }

    @property
    def directions(self) -> tuple[Direction, Direction]:
        """Return a to b, and b to a."""
        return (
            Direction("a", self.g_ab, self.g_ba, self.p_a, self.p_b, self.d_a, self.d_b),
            Direction("b", self.g_ba, self.g_ab, self.p_b, self.p_a, self.d_b, self.d_a),
        )

    def domains(self) -> list[Domain]:
        """Return three consecutive frames of a and of b, drawn independently."""
        multiple = max(self.g_ab.size_multiple, self.p_a.size_multiple)
        geometry = geometry_of(self.options, multiple)
        paths = {"a": self.options.a, "b": self.options.b}
        return [Domain({name: path}, geometry, length=NUM_FRAMES) for name, path in paths.items()]

    def step(self, batch: Batch) -> Iterator[Update]:
        """Update generators and predictors, then both discriminators; frames are (N,T=3,3,H,W)."""
        made: dict[str, Translated] = {}
        terms: dict[str, Tensor] = {}
        for direction in self.directions:
            made[direction.name] = self.translate_frames(direction, batch[direction.name])
            terms |= self.generator_terms(direction, batch[direction.name], made[direction.name])
        yield Update("generators", terms)
        discriminator_terms: dict[str, Tensor] = {}
        for direction, other in zip(self.directions, "ba", strict=True):
            # Predictions from real frames of the target domain come from the other direction.
            predicted_real = made[other].predicted_real
            discriminator_terms[f"discriminator_{other}"] = self.discriminator_term(
                direction, batch[other], made[direction.name], predicted_real
            )
        yield Update("discriminators", discriminator_terms)

    @staticmethod
    def translate_frames(direction: Direction, frames: Tensor) -> Translated:
        """Return all outputs of one direction for frames (N,3,3,H,W)."""
        first, second, _ = frames.unbind(dim=1)
        fake_0, fake_1 = direction.translate(first), direction.translate(second)
        return Translated(
            fake_0,
            fake_1,
            predict(direction.predict_target, fake_0, fake_1),
            predict(direction.predict_source, first, second),
        )

    def generator_terms(self, direction: Direction, frames: Tensor, made: Translated) -> dict[str, Tensor]:
        """Return all weighted terms of one direction."""
        options = self.options
        first, second, third = frames.unbind(dim=1)
        fakes = (made.fake_0, made.fake_1)
        terms = {
            "adversarial": torch.stack(
                [
                    generator_loss(direction.discriminate_target(fake), OBJECTIVE)
                    for fake in (*fakes, made.predicted_fake)
                ]
            ).sum(),
            "recurrent": options.recurrent * l1_loss(made.predicted_real, third),
            "recycle": options.recycle * l1_loss(direction.translate_back(made.predicted_fake), third),
        }
        pairs = list(zip((first, second), fakes, strict=True))
        if options.cycle:
            cycles = [l1_loss(direction.translate_back(fake), real) for real, fake in pairs]
            terms["cycle"] = options.cycle * torch.stack(cycles).sum()
        if options.identity:
            identities = [l1_loss(direction.translate_back(real), real) for real, _ in pairs]
            terms["identity"] = options.identity * options.recycle * torch.stack(identities).sum()
        if options.adversarial_predictions:
            terms["adversarial_predicted"] = generator_loss(
                direction.discriminate_source(made.predicted_real), OBJECTIVE
            )
        return {f"{name}_{direction.name}": term for name, term in terms.items()}

    def discriminator_term(
        self, direction: Direction, real: Tensor, made: Translated, predicted_real: Tensor
    ) -> Tensor:
        """Return (real + fake) / 2 summed over four fakes, for the discriminator of the target domain."""
        pool, discriminator = self.pools[direction.name], direction.discriminate_target
        pairs = zip((0, 1, 2, 2), (made.fake_0, made.fake_1, made.predicted_fake, predicted_real), strict=True)
        terms = [
            0.5 * discriminator_loss(discriminator(real[:, index]), discriminator(pool(fake)), OBJECTIVE)
            for index, fake in pairs
        ]
        return torch.stack(terms).sum()

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of the constant and of the decaying epochs."""
        return (self.options.epochs + self.options.epochs_decay) * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1, then a linear decay."""
        return constant_then_linear(epoch, self.options.epochs, self.options.epochs_decay)

    def results(self) -> dict[str, Result]:
        """Return the generators, which suffice to translate, and the predictors."""
        networks = {"AtoB": self.g_ab, "BtoA": self.g_ba, "predictor_a": self.p_a, "predictor_b": self.p_b}
        return {name: Result(network) for name, network in networks.items()}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return the second frame, its translation, the third frame, its prediction, and the recycled prediction."""
        columns = {}
        for direction in self.directions:
            made = self.translate_frames(direction, batch[direction.name])
            columns[direction.name] = batch[direction.name][:, 1]
            columns[f"{direction.name} translated"] = made.fake_1
            columns[f"{direction.name}, next frame"] = batch[direction.name][:, 2]
            columns[f"{direction.name}, predicted"] = made.predicted_real
            columns[f"{direction.name}, recycled"] = direction.translate_back(made.predicted_fake)
        return columns
