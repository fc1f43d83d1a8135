"""Adversarial losses: least squares, cross entropy, hinge, Wasserstein with gradient penalty.

| objective | discriminator, real and fake | generator |
|---|---|---|
| `lsgan` (Mao et al. 2017) | (s-1)^2, s^2 | (s-1)^2 |
| `vanilla` (Goodfellow et al. 2014) | -log sigmoid(s), -log(1 - sigmoid(s)) | -log sigmoid(s) |
| `hinge` (Lim and Ye 2017) | max(0, 1-s), max(0, 1+s) | -s |
| `wgan` (Arjovsky et al. 2017; with `gradient_penalty`, Gulrajani et al. 2017) | -s, s | -s |

s is a score. Losses are means over all scores, summed over scales.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, relu

Objective = Literal["lsgan", "vanilla", "hinge", "wgan"]
Scores = Tensor | Sequence[Tensor]

EPSILON = 1e-8  # under the square root of the slope, whose derivative is infinite at 0


def score_loss(scores: Scores, objective: Objective, *, real: bool) -> Tensor:
    """Return the loss of scores against the target "real" or "fake"."""
    if not isinstance(scores, Tensor):
        return torch.stack([score_loss(level, objective, real=real) for level in scores]).sum()
    if objective == "lsgan":
        return (scores - float(real)).square().mean()
    if objective == "vanilla":
        return binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))
    sign = -1.0 if real else 1.0
    return relu(1 + sign * scores).mean() if objective == "hinge" else (sign * scores).mean()


def generator_loss(scores: Scores, objective: Objective) -> Tensor:
    """Return the generator's loss: the scores of its outputs against the target "real"."""
    if objective == "hinge":
        objective = "wgan"  # the generator's loss has no hinge
    return score_loss(scores, objective, real=True)


def discriminator_loss(real: Scores, fake: Scores, objective: Objective) -> Tensor:
    """Return the discriminator's loss: real against "real" plus fake against "fake", not halved."""
    return score_loss(real, objective, real=True) + score_loss(fake, objective, real=False)


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, mask: Tensor | None = None
) -> Tensor:
    """Return the mean of (slope - 1)^2 at random points between each real picture and its fake, both (N,C,H,W).

    The slope is the norm of the gradient of the score, taken over the pixels of `mask` (N,1,H,W) if it is given.
    """
    share = torch.rand(real.shape[0], 1, 1, 1, device=real.device, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    # Second derivatives need fp32, and compiled networks have none.
    with torch.autocast(between.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
        (slope,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    if mask is not None:
        slope = slope * mask
    length = (EPSILON + slope.square().flatten(1).sum(dim=1)).sqrt()
    return (length - 1).square().mean()
