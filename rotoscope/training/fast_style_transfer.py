"""Fast style transfer (Johnson, Alahi, Fei-Fei 2016): train a feed-forward generator to paint like one picture.

The loss is the paper's: a content term (distance of deep features between the result and the photograph) plus a style
term (distance of Gram matrices between the result and the painting). `FastStyleTransfer` trains the published network with
the published losses on VGG16. `StyleLoss`, which the bundled look was trained with, takes SqueezeNet 1.1 and divides each
term by the energy of its target, so that the weights mean the same for every feature network and every layer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from rotoscope.networks.fast_style import TransformerNet
from rotoscope.training.data import Domain, read_picture
from rotoscope.training.options import FastStyleOptions
from rotoscope.training.perceptual import imagenet, vgg
from rotoscope.training.system import Batch, Result, System, Update, geometry_of

STYLE_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
CONTENT_TAP = 1


@dataclass(frozen=True, kw_only=True)
class StyleLossWeights:
    """Weights of the loss terms; `style` has one weight for each of the seven SqueezeNet taps."""

    content: float = 1.0
    content_tap: int = 2
    style: tuple[float, ...] = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25)
    style_total: float = 2.0
    total_variation: float = 2.0
    overshoot: float = 1.0


def gram_matrix(features: Tensor) -> Tensor:
    """(N,C,H,W) -> (N,C,C): inner products of the channels divided by C*H*W (equation 3 of the paper)."""
    n, c, h, w = features.shape
    flat = features.reshape(n, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)


def total_variation(pictures: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels of (N,C,H,W), in y plus in x."""
    dy = pictures[..., 1:, :] - pictures[..., :-1, :]
    dx = pictures[..., :, 1:] - pictures[..., :, :-1]
    return dy.square().mean() + dx.square().mean()


class StyleLoss(nn.Module):
    """Content and style loss against one painting.

    `features` maps (N,3,H,W) RGB in [-1,1] to a list of feature maps; `painting` is (1,3,H,W) in the same range.
    """

    def __init__(self, features: nn.Module, painting: Tensor, weights: StyleLossWeights) -> None:
        super().__init__()
        self.features = features
        self.weights = weights
        with torch.no_grad():
            self.targets = [gram_matrix(tap) for tap in features(painting)]

    def forward(self, result: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Loss terms of (N,3,H,W) results for (N,3,H,W) photographs, both RGB in [-1,1]; `total` is their weighted sum."""
        taps = self.features(result)
        with torch.no_grad():
            photo_tap = self.features(photo)[self.weights.content_tap]
        content = (taps[self.weights.content_tap] - photo_tap).square().mean() / photo_tap.square().mean()
        style = torch.zeros(())
        for weight, tap, target in zip(self.weights.style, taps, self.targets, strict=True):
            if weight:
                style = style + weight * (gram_matrix(tap) - target).square().mean() / target.square().mean()
        # Values outside [-1,1] are cut off when the picture is written; the loss keeps them from being needed.
        overshoot = (result.abs() - 1).clamp(min=0).square().mean()
        variation = total_variation(result)
        total = (
            self.weights.content * content
            + self.weights.style_total * style
            + self.weights.total_variation * variation
            + self.weights.overshoot * overshoot
        )
        return {"total": total, "content": content, "style": style, "variation": variation, "overshoot": overshoot}


def random_crops(photos: Sequence[Tensor], *, count: int, size: int, generator: torch.Generator) -> Tensor:
    """`count` random square crops at random scales, flips and exposures of (3,H,W) float photographs in [-1,1]."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    crops = []
    for _ in range(count):
        photo = photos[int(torch.randint(len(photos), (), generator=generator))]
        height, width = photo.shape[1:]
        side = min(height, width, round(size * uniform(0.75, 1.75)))
        top = round(uniform(0, height - side))
        left = round(uniform(0, width - side))
        crop = photo[None, :, top : top + side, left : left + side]
        crop = nn.functional.interpolate(crop, size=(size, size), mode="bilinear", antialias=True)[0]
        if uniform(0, 1) < 0.5:
            crop = crop.flip(-1)
        exposure = uniform(0.7, 1.2)
        crops.append(((crop + 1) * exposure - 1).clamp(-1, 1))
    return torch.stack(crops)


def train_step(
    generator: nn.Module, loss: StyleLoss, optimiser: torch.optim.Optimizer, photos: Tensor
) -> dict[str, float]:
    """One optimisation step on a batch of (N,3,H,W) photographs; returns the value of every loss term."""
    results = generator(photos)
    # The feature network samples every second pixel and the generator paints in 4x4 cells; unless the two grids slide
    # over each other, the loss is blind to some checkerboards.
    top, left = (int(shift) for shift in torch.randint(4, (2,)))
    terms: dict[str, Tensor] = loss(results[..., top:, left:], photos[..., top:, left:])
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(terms["total"])
    optimiser.step()
    return {name: float(value.detach()) for name, value in terms.items()}


def normalised(pictures: Tensor) -> Tensor:
    """(N,3,H,W) RGB in 0..255 as VGG expects them: in [0,1], the mean and deviation of ImageNet taken out."""
    return imagenet(pictures / 255)


class FastStyleTransfer(System):
    """Johnson's TransformerNet against one painting, with the losses, weights and layers of its public implementation.

    Content |phi_2(y) - phi_2(x)|^2 at VGG16's relu2_2, and style, the sum over relu1_2, 2_2, 3_3 and 4_3 of
    |Gram(phi(y)) - Gram(phi(painting))|^2, both means; pictures in 0..255.
    """

    def __init__(self, options: FastStyleOptions) -> None:
        super().__init__()
        self.options = options
        self.generator = TransformerNet(options.width)
        features = vgg(16, options.vgg16, *STYLE_TAPS)
        assert features is not None
        self.features = [features]  # in a list: not trained
        painting = torch.from_numpy(np.ascontiguousarray(read_picture(options.painting).transpose(2, 0, 1)))
        with torch.no_grad():
            self.targets = [gram_matrix(tap) for tap in features(normalised(painting[None].float()))]
        self.optimisers = {"generator": torch.optim.Adam(self.generator.parameters(), options.learning_rate)}

    def domains(self) -> list[Domain]:
        """Photographs."""
        return [Domain({"photos": self.options.photos}, geometry_of(self.options, self.generator.size_multiple))]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update."""
        photos = (batch["photos"] + 1) * 127.5
        yield Update("generator", self.terms(self.generator(photos), photos))

    def terms(self, painted: Tensor, photos: Tensor) -> dict[str, Tensor]:
        """Content and style, weighted, of pictures (N,3,H,W) in 0..255."""
        (features,) = self.features
        features = features.to(photos.device)
        taps = features(normalised(painted))
        with torch.no_grad():
            content = features(normalised(photos))[CONTENT_TAP]
        style = [
            mse_loss(gram_matrix(tap), target.to(photos.device).expand(len(photos), -1, -1))
            for tap, target in zip(taps, self.targets, strict=True)
        ]
        return {
            "content": self.options.content * mse_loss(taps[CONTENT_TAP], content),
            "style": self.options.style * torch.stack(style).sum(),
        }

    def length(self, epoch_steps: int) -> int:
        """All epochs."""
        return self.options.epochs * epoch_steps

    def rate(self, step: int, epoch: int) -> float:
        """Constant."""
        return 1.0

    def results(self) -> dict[str, Result]:
        """The generator."""
        return {"style": Result(self.generator)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Photographs, and painted."""
        painted = self.generator((batch["photos"] + 1) * 127.5)
        return {"photo": batch["photos"], "painted": painted / 127.5 - 1}
