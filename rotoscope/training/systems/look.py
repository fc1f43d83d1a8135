"""A look: the compact student learns to paint like one picture, and to hold still while it does.

Fast style transfer (Johnson, Alahi, Fei-Fei 2016) on the features of SqueezeNet 1.1, each term divided by the energy of
its target, so that weights mean the same for every layer and every painting. For a photograph x and its painting y,

    content |phi_2(y) - phi_2(x)|^2 + style sum_j s_j |Gram(phi_j(y)) - Gram(phi_j(painting))|^2
        + tone |light(y) - t(light(x))|^2 + variation (|dy/du|^2 + |dy/dv|^2) + overshoot max(0, |y| - 1)^2
        + temporal |G(x') - W(y)|

with light(.) the luma of patches, which features as shallow as these do not keep, and t the linear map from the range of
photographs to that of the painting (luminance as in "Preserving Color in Neural Artistic Style Transfer", Gatys et al. 2016);
and with x' a synthesised next frame (see `synthetic_flow`). Its noise is what a small sensor makes, not the trace of it that
the published loss adds: strokes that grow out of noise are most of what flickers.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from rotoscope.networks.compact import CompactGenerator
from rotoscope.networks.squeezenet import load_squeezenet
from rotoscope.training.data.datasets import Domain, Geometry, read_picture, to_tensor
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, warm_then_cosine
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update
from rotoscope.training.options import LookOptions
from rotoscope.training.systems.fast_style_transfer import gram_matrix

CONTENT_TAP = 2
STYLE_SHARES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25)  # of SqueezeNet's seven taps
SCALE = (0.57, 1.33)  # sizes at which photographs are seen, as factors of their own
EXPOSURE = (0.7, 1.2)  # and how bright
SENSOR_NOISE = (0.0, 0.05)  # range of the deviation, for pictures in [-1,1]
WARM_SHARE = 0.05  # of the steps, in which the learning rate rises
LUMA = (0.299, 0.587, 0.114)
PATCH = 8  # side of the patches whose light is compared, pixels
LEAST_DEVIATION = 0.02  # of the light of a painting, in [-1,1]; a flat one has none
PHOTO_LIGHT = (-0.1, 0.5)  # mean and deviation of the luma of photographs, in [-1,1]
CELL = 4  # side of the cells that the network paints in, pixels


class Look(TrainingSystem):
    """The compact network, one painting and any photographs."""

    def __init__(self, options: LookOptions) -> None:
        super().__init__()
        self.options = options
        self.generator = CompactGenerator(options.width)
        features = load_squeezenet(str(options.squeezenet))
        self.features = [features]  # in a list: not trained
        with torch.no_grad():
            painting = self.painting()
            self.targets = [gram_matrix(tap) for tap in features(painting)]
            lights = light(painting)
            self.light = (float(lights.mean()), max(float(lights.std()), LEAST_DEVIATION))
        self.optimisers = {"generator": adam(options.learning_rate, self.generator, betas=DEFAULT_BETAS)}

    def painting(self) -> Tensor:
        """(1,3,H,W) RGB in [-1,1], at the size that was asked for."""
        painting = read_picture(self.options.painting)
        factor = self.options.painting_side / min(painting.shape[:2])
        return to_tensor(cv2.resize(painting, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[np.newaxis])

    def domains(self) -> list[Domain]:
        """Photographs, at many scales."""
        options = self.options
        scale = (1.0, 1.0) if options.resize else SCALE
        geometry = Geometry(resize=options.resize, crop=options.crop, flip=options.flip, multiple=CELL, scale=scale)
        return [Domain({"photos": options.photos}, geometry)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update."""
        photos = batch["photos"]
        low, high = EXPOSURE
        exposure = low + (high - low) * torch.rand(len(photos), 1, 1, 1, device=photos.device)
        yield Update("generator", self.terms(((photos + 1) * exposure - 1).clamp(-1, 1)))

    def terms(self, photos: Tensor) -> dict[str, Tensor]:
        """All terms, weighted, for photographs (N,3,H,W) in [-1,1]."""
        options = self.options
        painted = self.generator(photos)
        # The feature network samples every second pixel and the generator paints in cells of 4x4; unless the two grids
        # slide over each other, the loss is blind to some checkerboards.
        top, left = (int(shift) for shift in torch.randint(CELL, (2,)))
        content, style = self.content_and_style(painted[..., top:, left:], photos[..., top:, left:])
        terms = {
            "content": options.content * content,
            "style": options.style * style,
            "tone": options.tone * self.tone(painted, photos),
            "variation": options.variation * total_variation(painted),
            # Values outside [-1,1] are cut off when the picture is written; this keeps them from being needed.
            "overshoot": (painted.abs() - 1).clamp(min=0).square().mean(),
        }
        if options.temporal:
            flow = draw_flow(photos)
            of_next = self.generator(next_frame(photos, flow, noise=SENSOR_NOISE))
            terms["temporal"] = options.temporal * temporal_loss(of_next, painted, flow)
        return terms

    def content_and_style(self, painted: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Both distances, relative to the energy of their targets; pictures (N,3,H,W) in [-1,1]."""
        (features,) = self.features
        features = features.to(photos.device)
        taps = features(painted)
        with torch.no_grad():
            goal = features(photos)[CONTENT_TAP]
        content = (taps[CONTENT_TAP] - goal).square().mean() / goal.square().mean()
        style = [
            share * (gram_matrix(tap) - target).square().mean() / target.square().mean()
            for share, tap, target in zip(STYLE_SHARES, taps, (t.to(photos.device) for t in self.targets), strict=True)
        ]
        return content, torch.stack(style).sum()

    def tone(self, painted: Tensor, photos: Tensor) -> Tensor:
        """How far light and dark are from the photographs', in the painting's range and relative to it; pictures in [-1,1]."""
        (of_photos, spread), (mean, deviation) = PHOTO_LIGHT, self.light
        target = mean + deviation / spread * (light(photos) - of_photos)
        return (light(painted) - target).square().mean() / deviation**2

    def num_steps(self, epoch_steps: int) -> int:
        """All iterations."""
        return self.options.iterations

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Rising at first, then falling to zero."""
        return warm_then_cosine(step, self.options.iterations, WARM_SHARE)

    def results(self) -> dict[str, Result]:
        """The network."""
        return {"look": Result(self.generator)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Photographs, and painted."""
        return {"photo": batch["photos"], "painted": self.generator(batch["photos"])}


def light(pictures: Tensor) -> Tensor:
    """Mean luma of patches of 8x8 pixels, for pictures (N,3,H,W): (N,1,H/8,W/8)."""
    weights = torch.tensor(LUMA, device=pictures.device).view(1, 3, 1, 1)
    return avg_pool2d((pictures * weights).sum(dim=1, keepdim=True), PATCH)


def total_variation(pictures: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels of (N,C,H,W), in y plus in x."""
    return pictures.diff(dim=-2).square().mean() + pictures.diff(dim=-1).square().mean()
