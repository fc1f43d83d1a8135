"""Initial weights, Adam and learning-rate schedules, as the systems published them."""

import math
from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Adam

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
AFFINE_NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d)

GAN_BETAS = (0.5, 0.999)  # of Adam, for networks that train against each other
DEFAULT_BETAS = (0.9, 0.999)  # of Adam, for networks with a fixed loss


def init_weights(network: nn.Module, fill: Callable[[Tensor], object], norm_deviation: float = 0.02) -> None:
    """Set the weights of every convolution and dense layer by `fill`, the scales of affine norms to N(1, `norm_deviation`).

    Biases of all these layers become 0.
    """
    for layer in network.modules():
        if isinstance(layer, CONVOLUTIONS):
            fill(layer.weight)
        elif isinstance(layer, AFFINE_NORMS) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, norm_deviation)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def init_normal(network: nn.Module, deviation: float = 0.02) -> None:
    """Draw weights from N(0, 0.02): CycleGAN, pix2pix, Recycle-GAN, vid2vid, MUNIT's discriminators."""
    init_weights(network, lambda weight: nn.init.normal_(weight, 0.0, deviation))


def init_kaiming(network: nn.Module) -> None:
    """Draw weights from Kaiming's normal distribution over the inputs: MUNIT's generators, Super SloMo."""
    init_weights(network, nn.init.kaiming_normal_)


def init_truncated_normal(network: nn.Module, deviation: float = 0.02) -> None:
    """Draw weights from TensorFlow's truncated normal, cut at two deviations: DualGAN."""
    init_weights(network, lambda weight: nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation))


def weights_of(*networks: nn.Module) -> list[nn.Parameter]:
    """Return all parameters of several networks, for one optimiser."""
    return [parameter for network in networks for parameter in network.parameters()]


def adam(
    learning_rate: float, *networks: nn.Module, betas: tuple[float, float] = GAN_BETAS, weight_decay: float = 0.0
) -> Adam:
    """Return Adam over all parameters of the networks, in its fused form: one pass over the weights."""
    return Adam(weights_of(*networks), learning_rate, betas=betas, weight_decay=weight_decay, fused=True)


# Schedules return a factor of the initial learning rate, in [0, 1], as a pure function of the progress of the run.


def constant_then_linear(epochs_done: int, constant: int, decay: int) -> float:
    """CycleGAN: 1 for `constant` epochs, then linear; it would reach 0 in the epoch after the last."""
    return max(0.0, 1 - max(0, epochs_done + 1 - constant) / (decay + 1))


def constant_then_to_zero(epochs_done: int, constant: int, decay: int) -> float:
    """vid2vid: 1 for `constant` + 1 epochs, then 1/`decay` less in each epoch (its code sets the rate at an epoch's end)."""
    return max(0.0, 1 - max(0, epochs_done - constant) / max(1, decay))


def halved_every(done: int, period: int) -> float:
    """Halve after each `period`: 100,000 iterations for MUNIT, 20 epochs for blind consistency."""
    return 0.5 ** (done // period)


def divided_at(epochs_done: int, milestones: tuple[int, ...], factor: float = 0.1) -> float:
    """Super SloMo: multiply by `factor` at each of these epochs."""
    return factor ** sum(epochs_done >= milestone for milestone in milestones)


def warm_then_cosine(step: int, steps: int, warm_share: float) -> float:
    """Rise linearly in the first `warm_share` of the steps, then fall along half a cosine to 0 (Loshchilov, Hutter 2017)."""
    warm = max(1, round(warm_share * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))
