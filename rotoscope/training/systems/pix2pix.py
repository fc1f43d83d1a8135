"""pix2pix (Isola, Zhu, Zhou, Efros 2017): translation learnt from registered pairs.

A U-Net G with dropout, and a PatchGAN that sees input and output side by side. With cross entropy,

    L(G) = -log D(a, G(a)) + l1 |b - G(a)|        L(D) = half of (-log D(a, b) - log(1 - D(a, G(a))))

D is updated before G. The published batch is one picture, whose batch norm is a norm by its own statistics; that is
what it stays here for larger batches, so that a network is trained as it will run.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from rotoscope.networks.unet import UnetGenerator
from rotoscope.training.data.datasets import Domain
from rotoscope.training.loop.optimisation import adam, constant_then_linear, init_normal
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.adversarial import discriminator_loss, generator_loss
from rotoscope.training.losses.discriminators import PatchDiscriminator
from rotoscope.training.options import Pix2PixOptions


class Pix2Pix(TrainingSystem):
    """One generator from a to b and its discriminator."""

    def __init__(self, options: Pix2PixOptions) -> None:
        super().__init__()
        self.options = options
        self.generator = UnetGenerator(width=options.width, num_downs=options.downs, dropout=options.dropout)
        self.discriminator = PatchDiscriminator(
            6, options.discriminator_width, options.discriminator_layers, norm="batch_running"
        )
        for network in (self.generator, self.discriminator):
            init_normal(network)
        self.optimisers = {
            "generator": adam(options.learning_rate, self.generator),
            "discriminator": adam(options.learning_rate, self.discriminator),
        }

    def domains(self) -> list[Domain]:
        """Pairs, cropped and mirrored alike."""
        geometry = geometry_of(self.options, self.generator.size_multiple)
        return [Domain({"a": self.options.a, "b": self.options.b}, geometry)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """The discriminator, then the generator."""
        a, b = batch["a"], batch["b"]
        fake = self.generator(a)
        real_pair, fake_pair = torch.cat([a, b], dim=1), torch.cat([a, fake], dim=1)
        judged = 0.5 * discriminator_loss(
            self.discriminator(real_pair), self.discriminator(fake_pair.detach()), "vanilla"
        )
        yield Update("discriminator", {"discriminator": judged})
        fooled = generator_loss(self.discriminator(fake_pair), "vanilla")
        yield Update("generator", {"adversarial": fooled, "l1": self.options.l1 * l1_loss(fake, b)})

    def num_steps(self, epoch_steps: int) -> int:
        """Constant epochs and decaying ones."""
        return (self.options.epochs + self.options.epochs_decay) * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Constant, then falling in equal steps."""
        return constant_then_linear(epoch, self.options.epochs, self.options.epochs_decay)

    def results(self) -> dict[str, Result]:
        """The generator."""
        return {"AtoB": Result(self.generator)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Input, translation, truth."""
        return {"a": batch["a"], "a to b": self.generator(batch["a"]), "b": batch["b"]}
