"""Fast style transfer (Johnson, Alahi, Fei-Fei 2016): train a feed-forward generator on the style of one picture.

The loss of the paper, on VGG16: a content term (distance of deep features between result and photograph) plus a style term
(distance of Gram matrices between result and painting), with the published network. The bundled looks are trained with `look`.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from rotoscope.networks.fast_style import TransformerNet
from rotoscope.training.data.datasets import Domain, read_picture
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.painting import gram_matrix
from rotoscope.training.losses.perceptual import frozen_vgg, normalise_imagenet
from rotoscope.training.options import FastStyleOptions

STYLE_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
CONTENT_TAP = 1


def normalise_for_vgg(pictures: Tensor) -> Tensor:
    """Normalise pictures (N,3,H,W) RGB in 0..255 by the mean and deviation of ImageNet, as VGG expects."""
    return normalise_imagenet(pictures / 255)


class FastStyleTransfer(TrainingSystem):
    """TransformerNet and one painting, with the losses, weights and layers of the public implementation.

    Content |phi_2(y) - phi_2(x)|^2 at relu2_2 of VGG16, and style: the sum over relu1_2, 2_2, 3_3 and 4_3 of
    |Gram(phi(y)) - Gram(phi(painting))|^2. Both are means; pictures are in 0..255.
    """

    def __init__(self, options: FastStyleOptions) -> None:
        super().__init__()
        self.options = options
        self.generator = TransformerNet(options.width)
        features = frozen_vgg(16, options.vgg16, *STYLE_TAPS)
        assert features is not None
        self.features = [features]  # in a list, so that it is no submodule and not trained
        painting = torch.from_numpy(np.ascontiguousarray(read_picture(options.painting).transpose(2, 0, 1)))
        with torch.no_grad():
            self.targets = [gram_matrix(tap) for tap in features(normalise_for_vgg(painting[None].float()))]
        self.optimisers = {"generator": adam(options.learning_rate, self.generator, betas=DEFAULT_BETAS)}

    def domains(self) -> list[Domain]:
        """Return photographs."""
        return [Domain({"photos": self.options.photos}, geometry_of(self.options, self.generator.size_multiple))]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update of the generator."""
        photos = (batch["photos"] + 1) * 127.5
        yield Update("generator", self.terms(self.generator(photos), photos))

    def terms(self, painted: Tensor, photos: Tensor) -> dict[str, Tensor]:
        """Return the weighted content and style terms of pictures (N,3,H,W) in 0..255."""
        (features,) = self.features
        features = features.to(photos.device)
        taps = features(normalise_for_vgg(painted))
        with torch.no_grad():
            content = features(normalise_for_vgg(photos))[CONTENT_TAP]
        style = [
            mse_loss(gram_matrix(tap), target.to(photos.device).expand(len(photos), -1, -1))
            for tap, target in zip(taps, self.targets, strict=True)
        ]
        return {
            "content": self.options.content * mse_loss(taps[CONTENT_TAP], content),
            "style": self.options.style * torch.stack(style).sum(),
        }

    def num_steps(self, epoch_steps: int) -> int:
        """Return the steps of all epochs."""
        return self.options.epochs * epoch_steps

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1: the learning rate is constant."""
        return 1.0

    def results(self) -> dict[str, Result]:
        """Return the generator."""
        return {"style": Result(self.generator)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return photographs and stylised pictures."""
        painted = self.generator((batch["photos"] + 1) * 127.5)
        return {"photo": batch["photos"], "painted": painted / 127.5 - 1}
