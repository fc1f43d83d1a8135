"""Contextual attention (Yu et al. 2018): learn to fill holes from their surroundings.

A random rectangle is removed from each picture; each of its sides is `hole` pixels less up to `jitter`. The generator
minimises

    reconstruction |x - fine| + coarse |x - coarse output| in the hole, times gamma^(distance to its border)
    outside: the same around the hole, per pixel of the surroundings
    adversarial: minus the scores of two Wasserstein critics, one of the hole's square and one of the whole picture

The critics are updated `critic_updates` times for each update of the generator, on real and completed pictures, with a gradient
penalty in the hole. Networks take BGR, like the published files. All updates of a step use the same pictures.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rotoscope.base.errors import UsageError
from rotoscope.networks.contextual_attention import ContextualInpainter
from rotoscope.training.data.datasets import Domain
from rotoscope.training.loop.optimisation import adam
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.adversarial import discriminator_loss, generator_loss, gradient_penalty
from rotoscope.training.losses.discriminators import WholeDiscriminator
from rotoscope.training.options import InpaintingOptions

WIDENING_LOCAL, WIDENING_GLOBAL = (1, 2, 4, 8), (1, 2, 4, 4)
KERNELS = (5, 5, 5, 5)


class Hole(NamedTuple):
    """A square of the picture and the missing rectangle in it, the same for all pictures of a batch; sides in pixels."""

    top: int
    left: int
    side: int
    mask: Tensor  # (1,1,H,W), 1 in the missing rectangle

    def square(self, pictures: Tensor) -> Tensor:
        """Return the square cut out of pictures (N,C,H,W)."""
        return pictures[..., self.top : self.top + self.side, self.left : self.left + self.side]


def draw_hole(like: Tensor, side: int, jitter: int) -> Hole:
    """Draw a random hole for pictures (N,C,H,W); each side of the rectangle is `side` pixels less up to `jitter`."""
    height, width = like.shape[-2:]

    def draw(below: int) -> int:
        return int(torch.randint(below, ()))

    top, left = draw(height - side + 1), draw(width - side + 1)
    less_y, less_x = draw(jitter // 2 + 1), draw(jitter // 2 + 1)
    mask = torch.zeros(1, 1, height, width, device=like.device)
    mask[:, :, top + less_y : top + side - less_y, left + less_x : left + side - less_x] = 1
    return Hole(top, left, side, mask)


def discounted(mask: Tensor, gamma: float) -> Tensor:
    """Return gamma^d inside the rectangle, 0 outside; d is the distance to its nearest side in pixels, 1 at the border."""
    rows, columns = mask[0, 0].amax(dim=1), mask[0, 0].amax(dim=0)
    to_border = []
    for line in (rows, columns):
        before = torch.cumsum(line, dim=0)
        after = torch.cumsum(line.flip(0), dim=0).flip(0)
        to_border.append(torch.minimum(before, after))
    distance = torch.minimum(to_border[0][:, None], to_border[1][None, :])
    return gamma**distance * mask


class Inpainting(TrainingSystem):
    """The generator, the critic of the hole and the critic of the whole picture."""

    def __init__(self, options: InpaintingOptions) -> None:
        super().__init__()
        self.options = options
        multiple = 2 ** len(KERNELS)
        if not options.jitter < options.hole <= options.crop or options.hole % multiple or options.crop % multiple:
            raise UsageError(
                f"--hole {options.hole} --crop {options.crop}; accepted: multiples of {multiple}, "
                f"the hole above --jitter {options.jitter} and not above the crop"
            )
        self.generator = ContextualInpainter(options.width)
        width = options.discriminator_width
        self.critic_of_hole = WholeDiscriminator(
            3, options.hole, width, widening=WIDENING_LOCAL, kernels=KERNELS, normed=False
        )
        self.critic_of_picture = WholeDiscriminator(
            3, options.crop, width, widening=WIDENING_GLOBAL, kernels=KERNELS, normed=False
        )
        rate, betas = options.learning_rate, (0.5, 0.9)
        self.optimisers = {
            "generator": adam(rate, self.generator, betas=betas),
            "critics": adam(rate, self.critic_of_hole, self.critic_of_picture, betas=betas),
        }

    def domains(self) -> list[Domain]:
        """Return photographs."""
        return [Domain({"photos": self.options.photos}, geometry_of(self.options, self.generator.size_multiple))]

    def step(self, batch: Batch) -> Iterator[Update]:
        """Update the critics `critic_updates` times, then the generator."""
        photos = batch["photos"].flip(1)
        hole = draw_hole(photos, self.options.hole, self.options.jitter)
        coarse, fine = self.generator.stages(photos, hole.mask.expand(len(photos), -1, -1, -1))
        completed = fine * hole.mask + photos * (1 - hole.mask)
        for _ in range(self.options.critic_updates):
            yield Update("critics", self.critic_terms(photos, completed.detach(), hole))
        yield Update("generator", self.generator_terms(photos, coarse, fine, completed, hole))

    def critic_terms(self, photos: Tensor, completed: Tensor, hole: Hole) -> dict[str, Tensor]:
        """Return the Wasserstein loss and the gradient penalty of both critics."""
        terms = {}
        for name, critic, (real, fake, mask) in (
            ("picture", self.critic_of_picture, (photos, completed, hole.mask)),
            ("hole", self.critic_of_hole, tuple(hole.square(part) for part in (photos, completed, hole.mask))),
        ):
            terms[f"discriminator_{name}"] = discriminator_loss(critic(real), critic(fake), "wgan")
            terms[f"penalty_{name}"] = self.options.penalty * gradient_penalty(critic, real, fake, mask=mask)
        return terms

    def generator_terms(
        self, photos: Tensor, coarse: Tensor, fine: Tensor, completed: Tensor, hole: Hole
    ) -> dict[str, Tensor]:
        """Return all weighted terms of the generator; pictures are (N,3,H,W) BGR in [-1,1]."""
        options, mask = self.options, hole.mask
        error_coarse, error_fine = (coarse - photos).abs(), (fine - photos).abs()
        error = options.coarse * error_coarse + error_fine
        inside = hole.square(error * discounted(mask, options.discount)).mean()
        around = (error * (1 - mask)).mean() / (1 - mask).mean()
        scores = self.critic_of_picture(completed), self.critic_of_hole(hole.square(completed))
        return {
            "reconstruction": options.reconstruction * inside,
            "outside": options.outside * around,
            "adversarial": options.adversarial * generator_loss(scores, "wgan"),
        }

    def modules_to_compile(self) -> list[nn.Module]:
        """Return both stages of the generator, and the critics."""
        return [*self.generator.children(), self.critic_of_hole, self.critic_of_picture]

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of all epochs."""
        return self.options.epochs * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1: the learning rate is constant."""
        return 1.0

    def results(self) -> dict[str, Result]:
        """Return the generator."""
        return {"inpainter": Result(self.generator)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return the picture with a hole, the coarse output, the filled picture, the original."""
        photos = batch["photos"].flip(1)
        hole = draw_hole(photos, self.options.hole, self.options.jitter)
        coarse, fine = self.generator.stages(photos, hole.mask.expand(len(photos), -1, -1, -1))
        known = photos * (1 - hole.mask)
        made = {"hole": known, "coarse": coarse, "filled": known + fine * hole.mask, "photo": photos}
        return {name: picture.flip(1) for name, picture in made.items()}
