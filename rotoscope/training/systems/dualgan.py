"""DualGAN (Yi, Zhang, Tan, Gong 2017): unpaired translation with Wasserstein critics of whole pictures.

The critics minimise D(fake) - D(real) + penalty (slope - 1)^2, `critic_updates` times for each update of both generators, which
minimise

    -D_b(G_ab(a)) - D_a(G_ba(b)) + reconstruction_a |G_ba(G_ab(a)) - a| + reconstruction_b |G_ab(G_ba(b)) - b|

with RMSProp. Networks take BGR, like the published files. The published code reads new pictures for every critic update; here
all updates of a step use the same pictures, with new random points for the penalty.
"""

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import l1_loss
from torch.optim import RMSprop

from rotoscope.base.errors import UsageError
from rotoscope.networks.dualgan import DualGenerator
from rotoscope.training.data.datasets import Domain
from rotoscope.training.loop.optimisation import init_truncated_normal, weights_of
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty
from rotoscope.training.losses.discriminators import WholeDiscriminator
from rotoscope.training.options import DualGanOptions

DECAY = 0.9  # of the mean square in RMSProp


class DualGan(TrainingSystem):
    """Generators both ways and the critics `d_a`, `d_b` of what they make."""

    def __init__(self, options: DualGanOptions) -> None:
        super().__init__()
        self.options = options
        multiple = DualGenerator.size_multiple
        if options.crop == 0 or options.crop % multiple:
            raise UsageError(
                f"--crop {options.crop}: DualGAN's critics need pictures of one size; accepted: a multiple of {multiple}"
            )
        self.g_ab, self.g_ba = (DualGenerator(width=options.width) for _ in "ab")
        self.d_a, self.d_b = (WholeDiscriminator(3, options.crop, options.discriminator_width) for _ in "ab")
        for network in (self.g_ab, self.g_ba, self.d_a, self.d_b):
            init_truncated_normal(network)
        rate = options.learning_rate
        self.optimisers = {
            "generators": RMSprop(weights_of(self.g_ab, self.g_ba), rate, alpha=DECAY),
            "critics": RMSprop(weights_of(self.d_a, self.d_b), rate, alpha=DECAY),
        }

    def domains(self) -> list[Domain]:
        """Return pictures of a and of b, drawn independently."""
        geometry = geometry_of(self.options, self.g_ab.size_multiple)
        return [Domain({"a": self.options.a}, geometry), Domain({"b": self.options.b}, geometry)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """Update the critics `critic_updates` times, then both generators."""
        a, b = batch["a"].flip(1), batch["b"].flip(1)
        fake_b, fake_a = self.g_ab(a), self.g_ba(b)
        for _ in range(self.options.critic_updates):
            yield Update("critics", self.critic_terms(a, b, fake_a.detach(), fake_b.detach()))
        yield Update("generators", self.generator_terms(a, b, fake_a, fake_b))

    def critic_terms(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """Return the Wasserstein loss and the gradient penalty of each critic."""
        terms = {}
        for name, critic, real, fake in (("a", self.d_a, a, fake_a), ("b", self.d_b, b, fake_b)):
            terms[f"discriminator_{name}"] = discriminator_loss(critic(real), critic(fake), "wgan")
            terms[f"penalty_{name}"] = self.options.penalty * gradient_penalty(critic, real, fake)
        return terms

    def generator_terms(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """Return the adversarial and the reconstruction terms."""
        return {
            "adversarial_a": generator_loss(self.d_a(fake_a), "wgan"),
            "adversarial_b": generator_loss(self.d_b(fake_b), "wgan"),
            "reconstruction_a": self.options.reconstruction_a * l1_loss(self.g_ba(fake_b), a),
            "reconstruction_b": self.options.reconstruction_b * l1_loss(self.g_ab(fake_a), b),
        }

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of all epochs."""
        return self.options.epochs * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1: the learning rate is constant."""
        return 1.0

    def results(self) -> dict[str, Result]:
        """Return both generators."""
        return {"AtoB": Result(self.g_ab), "BtoA": Result(self.g_ba)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return both translations and their reconstructions."""
        fake_b, fake_a = self.g_ab(batch["a"].flip(1)), self.g_ba(batch["b"].flip(1))
        made = {"a to b": fake_b, "and back": self.g_ba(fake_b), "b to a": fake_a, "and back again": self.g_ab(fake_a)}
        return {"a": batch["a"], "b": batch["b"], **{name: picture.flip(1) for name, picture in made.items()}}
