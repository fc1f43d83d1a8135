"""CycleGAN (Zhu, Park, Isola, Efros 2017): translation between unpaired sets of pictures.

Generators G: A -> B and F: B -> A, and a discriminator for each domain. With a least-squares adversarial loss adv,

    L(G, F) = adv(G) + adv(F) + cycle_a |F(G(a)) - a| + cycle_b |G(F(b)) - b|
              + identity (cycle_b |G(b) - b| + cycle_a |F(a) - a|)

Each discriminator minimises (real + fake) / 2, with fakes from an image pool. `temporal` adds the temporal loss on synthetic
motion (Wang and Feng) to both generators and both cycles: it trains a steady video translator from photographs only.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from rotoscope.networks.resnet import ResnetGenerator
from rotoscope.training.data.datasets import Domain
from rotoscope.training.data.image_pool import ImagePool
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import adam, constant_then_linear, init_normal
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.adversarial import discriminator_loss, generator_loss
from rotoscope.training.losses.discriminators import PatchDiscriminator
from rotoscope.training.options import CycleGanOptions


class CycleGan(TrainingSystem):
    """G and F of the paper are `g_ab` and `g_ba`; `d_b` and `d_a` discriminate their outputs."""

    def __init__(self, options: CycleGanOptions) -> None:
        super().__init__()
        self.options = options
        self.g_ab, self.g_ba = (ResnetGenerator(width=options.width, num_blocks=options.blocks) for _ in "ab")
        self.d_a, self.d_b = (
            PatchDiscriminator(width=options.discriminator_width, num_layers=options.discriminator_layers) for _ in "ab"
        )
        for network in (self.g_ab, self.g_ba, self.d_a, self.d_b):
            init_normal(network)
        self.pool_a, self.pool_b = ImagePool(options.pool), ImagePool(options.pool)
        self.optimisers = {
            "generators": adam(options.learning_rate, self.g_ab, self.g_ba),
            "discriminators": adam(options.learning_rate, self.d_a, self.d_b),
        }

    def domains(self) -> list[Domain]:
        """Return pictures of a and of b, drawn independently."""
        geometry = geometry_of(self.options, self.g_ab.size_multiple)
        return [Domain({"a": self.options.a}, geometry), Domain({"b": self.options.b}, geometry)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """Both generators, then both discriminators."""
        a, b = batch["a"], batch["b"]
        (fake_b, same_b), (fake_a, same_a) = self.fake_and_same(self.g_ab, a, b), self.fake_and_same(self.g_ba, b, a)
        yield Update("generators", self.generator_terms(a, b, fake_a, fake_b, same_a, same_b))
        yield Update("discriminators", self.discriminator_terms(a, b, self.pool_a(fake_a), self.pool_b(fake_b)))

    def fake_and_same(self, generator: nn.Module, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return generator(source), and generator(target) if the identity loss is on; one pass over both is faster than two."""
        if not self.options.identity:
            return generator(source), None
        if source.shape != target.shape:  # whole pictures
            return generator(source), generator(target)
        fake, same = generator(torch.cat([source, target])).chunk(2)
        return fake, same

    def generator_terms(
        self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor, same_a: Tensor | None, same_b: Tensor | None
    ) -> dict[str, Tensor]:
        """Return all weighted terms of L(G, F) for pictures (N,3,H,W) in [-1,1]; same_b is g_ab(b), same_a is g_ba(a)."""
        options = self.options
        again_a, again_b = self.g_ba(fake_b), self.g_ab(fake_a)
        terms = {
            "adversarial_a": generator_loss(self.d_a(fake_a), options.objective),
            "adversarial_b": generator_loss(self.d_b(fake_b), options.objective),
            "cycle_a": options.cycle_a * l1_loss(again_a, a),
            "cycle_b": options.cycle_b * l1_loss(again_b, b),
        }
        if same_a is not None and same_b is not None:
            terms["identity_a"] = options.identity * options.cycle_a * l1_loss(same_a, a)
            terms["identity_b"] = options.identity * options.cycle_b * l1_loss(same_b, b)
        if options.temporal:
            terms["temporal_a"] = options.temporal * self.temporal(self.g_ab, self.g_ba, a, fake_b, again_a)
            terms["temporal_b"] = options.temporal * self.temporal(self.g_ba, self.g_ab, b, fake_a, again_b)
        return terms

    @staticmethod
    def temporal(
        translate: nn.Module, translate_back: nn.Module, picture: Tensor, fake: Tensor, again: Tensor
    ) -> Tensor:
        """Return the temporal loss of a translation and of its cycle, on one synthetic next frame."""
        flow = draw_flow(picture)
        next_fake = translate(next_frame(picture, flow))
        return temporal_loss(next_fake, fake, flow) + temporal_loss(translate_back(next_fake), again, flow)

    def discriminator_terms(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """Return (real + fake) / 2 for each discriminator."""
        objective = self.options.objective
        return {
            "discriminator_a": 0.5 * discriminator_loss(self.d_a(a), self.d_a(fake_a), objective),
            "discriminator_b": 0.5 * discriminator_loss(self.d_b(b), self.d_b(fake_b), objective),
        }

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of the constant and of the decaying epochs."""
        return (self.options.epochs + self.options.epochs_decay) * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1, then a linear decay."""
        return constant_then_linear(epoch, self.options.epochs, self.options.epochs_decay)

    def results(self) -> dict[str, Result]:
        """Return both generators."""
        return {"AtoB": Result(self.g_ab), "BtoA": Result(self.g_ba)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return both translations and their cycles."""
        fake_b, fake_a = self.g_ab(batch["a"]), self.g_ba(batch["b"])
        return {
            "a": batch["a"],
            "a to b": fake_b,
            "and back": self.g_ba(fake_b),
            "b": batch["b"],
            "b to a": fake_a,
            "and back again": self.g_ab(fake_a),
        }
