"""A look: the compact network learns the style of one picture, steady over time.

Fast style transfer (Johnson, Alahi, Fei-Fei 2016) on features of SqueezeNet 1.1 (`losses.painting`). For a photograph x and its
stylised picture y,

    content |phi_2(y) - phi_2(x)|^2 + style sum_j s_j |Gram(phi_j(y)) - Gram(phi_j(painting))|^2
        + tone |light(y) - t(light(x))|^2 + variation (|dy/du|^2 + |dy/dv|^2) + overshoot max(0, |y| - 1)^2
        + lattice (share of fine detail that repeats every 2 or 4 pixels) + temporal |G(x') - W(y)|
        + equivariance |G(shifted x) - shifted y|

light(.) is the mean luma of patches, which such shallow features do not preserve; t is the linear map from the luma range of
photographs to that of the painting (as in "Preserving Color in Neural Artistic Style Transfer", Gatys et al. 2016); x' is a
synthetic next frame (see `synthetic_flow`). Its noise is that of a small sensor, stronger than in the published loss: most of
the flicker comes from strokes that follow the noise.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import avg_pool2d

from rotoscope.base.errors import UsageError
from rotoscope.networks.compact import CELL, CompactGenerator
from rotoscope.training.data.datasets import Domain, Geometry, read_picture, to_tensor
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, warm_then_cosine
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update
from rotoscope.training.losses.equivariance import shift_difference
from rotoscope.training.losses.lattice import LEAST_SIDE_PX, lattice_penalty
from rotoscope.training.losses.painting import (
    content_and_style,
    frozen_squeezenet,
    overshoot,
    style_targets,
    total_variation,
)
from rotoscope.training.options import LookOptions

SCALE = (0.57, 1.33)  # range of the random scale of photographs
EXPOSURE = (0.7, 1.2)  # range of the random brightness
SENSOR_NOISE = (0.0, 0.05)  # range of the noise's standard deviation, for pictures in [-1,1]
WARM_SHARE = 0.05  # share of the steps in which the learning rate rises
LUMA = (0.299, 0.587, 0.114)
PATCH = 8  # side of the patches whose mean luma is compared, pixels
MIN_DEVIATION = 0.02  # of a painting's luma in [-1,1]; that of a flat picture is 0
PHOTO_LUMA = (-0.1, 0.5)  # mean and deviation of the luma of photographs, in [-1,1]


class Look(TrainingSystem):
    """The compact network, one painting, and photographs."""

    def __init__(self, options: LookOptions) -> None:
        super().__init__()
        self.options = options
        self.preview_clip = options.preview
        self.generator = CompactGenerator(options.width, options.blocks)
        if options.start is not None:
            load_start(self.generator, options.start)
        features = frozen_squeezenet(options.squeezenet, fetch=options.fetch)
        self.features = [features]  # in a list, so that it is no submodule and not trained
        with torch.no_grad():
            painting = self.painting()
            self.targets = style_targets(features, painting)
            luma = patch_luma(painting)
            self.painting_luma = (float(luma.mean()), max(float(luma.std()), MIN_DEVIATION))
        self.optimisers = {"generator": adam(options.learning_rate, self.generator, betas=DEFAULT_BETAS)}

    def painting(self) -> Tensor:
        """Return the painting (1,3,H,W) RGB in [-1,1], with a shorter side of `painting_side` pixels."""
        painting = read_picture(self.options.painting)
        factor = self.options.painting_side / min(painting.shape[:2])
        return to_tensor(cv2.resize(painting, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[np.newaxis])

    def domains(self) -> list[Domain]:
        """Return photographs, at random scales unless `resize` fixes their size."""
        options = self.options
        scale = (1.0, 1.0) if options.resize else SCALE
        geometry = Geometry(resize=options.resize, crop=options.crop, flip=options.flip, multiple=CELL, scale=scale)
        return [Domain({"photos": options.photos}, geometry)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update of the generator."""
        yield Update("generator", self.terms(exposed(batch["photos"])))

    def terms(self, photos: Tensor) -> dict[str, Tensor]:
        """Return all weighted terms for photographs (N,3,H,W) in [-1,1]."""
        options = self.options
        painted = self.generator(photos)
        # SqueezeNet starts with stride 2 and the generator works in cells of 4x4 pixels. Without a random shift between the
        # two grids, the loss does not see some checkerboard patterns.
        top, left = (int(shift) for shift in torch.randint(CELL, (2,)))
        content, style = self.content_and_style(painted[..., top:, left:], photos[..., top:, left:])
        terms = {
            "content": options.content * content,
            "style": options.style * style,
            "tone": options.tone * self.tone(painted, photos),
            "variation": options.variation * total_variation(painted),
            "overshoot": overshoot(painted),
        }
        if options.lattice and min(painted.shape[-2:]) >= LEAST_SIDE_PX + CELL:
            terms["lattice"] = options.lattice * lattice_penalty(painted[..., top:, left:])
        if options.temporal:
            flow = draw_flow(photos)
            of_next = self.generator(next_frame(photos, flow, noise=SENSOR_NOISE))
            terms["temporal"] = options.temporal * temporal_loss(of_next, painted, flow)
        if options.equivariance:
            terms["equivariance"] = options.equivariance * shift_difference(self.generator, photos, painted)
        return terms

    def content_and_style(self, painted: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Return both distances, divided by the energy of their targets, for pictures (N,3,H,W) in [-1,1]."""
        (features,) = self.features
        return content_and_style(features.to(photos.device), painted, photos, self.targets)

    def tone(self, painted: Tensor, photos: Tensor) -> Tensor:
        """Return the squared distance of the patch luma from that of the photographs, in the range of the painting."""
        (photo_mean, photo_deviation), (mean, deviation) = PHOTO_LUMA, self.painting_luma
        target = mean + deviation / photo_deviation * (patch_luma(photos) - photo_mean)
        return (patch_luma(painted) - target).square().mean() / deviation**2

    def num_steps(self, epoch_steps: int) -> int:
        """Return the number of iterations."""
        return self.options.iterations

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return a linear rise, then half a cosine down to 0."""
        return warm_then_cosine(step, self.options.iterations, WARM_SHARE)

    def results(self) -> dict[str, Result]:
        """Return the network."""
        return {"look": Result(self.generator)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return photographs and stylised pictures."""
        return {"photo": batch["photos"], "painted": self.generator(batch["photos"])}

    def preview(self, frames: Tensor, batch: Batch) -> Tensor:
        """Return painted frames."""
        painted: Tensor = self.generator(frames)
        return painted


def exposed(photos: Tensor) -> Tensor:
    """Return photographs (N,3,H,W) in [-1,1], each at a random brightness."""
    low, high = EXPOSURE
    exposure = low + (high - low) * torch.rand(len(photos), 1, 1, 1, device=photos.device)
    return ((photos + 1) * exposure - 1).clamp(-1, 1)


def load_start(generator: CompactGenerator, path: Path) -> None:
    """Load the weights of another look. Raises UsageError for a file that does not fit."""
    try:
        generator.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UsageError(
            f"--start {path}: {str(error).splitlines()[0]}; accepted: look.safetensors of a run"
        ) from error


def patch_luma(pictures: Tensor) -> Tensor:
    """Return the mean luma of patches of 8x8 pixels: (N,3,H,W) -> (N,1,H/8,W/8)."""
    weights = torch.tensor(LUMA, device=pictures.device).view(1, 3, 1, 1)
    return avg_pool2d((pictures * weights).sum(dim=1, keepdim=True), PATCH)
