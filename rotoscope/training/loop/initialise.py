"""Initial weights as the systems published them; norms that scale begin around one, biases at zero."""

from collections.abc import Callable

from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
AFFINE_NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d)


def initialise(network: nn.Module, fill: Callable[[Tensor], object], norm_deviation: float = 0.02) -> None:
    """Give every convolution and dense layer weights by `fill`, every affine norm a scale of N(1, `norm_deviation`)."""
    for layer in network.modules():
        if isinstance(layer, CONVOLUTIONS):
            fill(layer.weight)
        elif isinstance(layer, AFFINE_NORMS) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, norm_deviation)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def normal(network: nn.Module, deviation: float = 0.02) -> None:
    """N(0, 0.02): CycleGAN, pix2pix, Recycle-GAN, vid2vid, MUNIT's discriminators."""
    initialise(network, lambda weight: nn.init.normal_(weight, 0.0, deviation))


def kaiming(network: nn.Module) -> None:
    """Kaiming normal over the inputs: MUNIT's generators."""
    initialise(network, nn.init.kaiming_normal_)


def truncated(network: nn.Module, deviation: float = 0.02) -> None:
    """TensorFlow's truncated normal, cut at two deviations: DualGAN."""
    initialise(network, lambda weight: nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation))
