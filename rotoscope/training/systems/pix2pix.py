"""pix2pix (Isola, Zhu, Zhou, Efros 2017): translation learned from registered pairs.

A U-Net G with dropout, and a PatchGAN D that takes input and output, concatenated. With cross entropy,

    L(G) = -log D(a, G(a)) + l1 |b - G(a)|        L(D) = (-log D(a, b) - log(1 - D(a, G(a)))) / 2

D is updated before G. The published batch is one picture, so its batch norm uses the statistics of that picture. Here the
generator's norms use the statistics of each picture for any batch: the network is trained as it will run.
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
        """Return pairs, with the same crop and mirroring for a and b."""
        geometry = geometry_of(self.options, self.generator.size_multiple)
        return [Domain({"a": self.options.a, "b": self.options.b}, geometry)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """Update the discriminator, then the generator."""
        a, b = batch["a"], batch["b"]
        fake = self.generator(a)
        real_pair, fake_pair = torch.cat([a, b], dim=1), torch.cat([a, fake], dim=1)
        discriminator_term = 0.5 * discriminator_loss(
            self.discriminator(real_pair), self.discriminator(fake_pair.detach()), "vanilla"
        )
        yield Update("discriminator", {"discriminator": discriminator_term})
        adversarial = generator_loss(self.discriminator(fake_pair), "vanilla")
        yield Update("generator", {"adversarial": adversarial, "l1": self.options.l1 * l1_loss(fake, b)})

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of the constant and of the decaying epochs."""
        return (self.options.epochs + self.options.epochs_decay) * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1, then a linear decay."""
        return constant_then_linear(epoch, self.options.epochs, self.options.epochs_decay)

    def results(self) -> dict[str, Result]:
        """Return the generator."""
        return {"AtoB": Result(self.generator)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return input, translation, target."""
        return {"a": batch["a"], "a to b": self.generator(batch["a"]), "b": batch["b"]}
