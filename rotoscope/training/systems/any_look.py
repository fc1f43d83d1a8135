"""Any look: a style encoder and a student learn together to paint photographs in the style of any painting.

As `look`, but with a painting of its own for each photograph of a batch. For a photograph x, a painting p with the code E(p),
and the painted picture y = G(x, E(p)),

    content |phi_2(y) - phi_2(x)|^2 + style sum_j s_j |Gram(phi_j(y)) - Gram(phi_j(p))|^2
        + variation (|dy/du|^2 + |dy/dv|^2) + overshoot max(0, |y| - 1)^2
        + lattice (share of fine detail that repeats every 2 or 4 pixels) + temporal |G(x') - W(y)|

where x' is a synthetic next frame. All terms are those of `look`, but for the tone, which needs the luma of one painting.

With a teacher, a trained network that paints in the style of a picture, the first three terms are replaced by the distance to
its picture t, as in `distill`:

    pixels |y - t| + gradients |grad y - grad t| + perceptual LPIPS(y, t)

The teacher sees twice as many pixels of a painting on each side as the encoder does, because its strokes are as large as there.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from rotoscope.networks.any_look import PAINTING_PX, AnyLook
from rotoscope.networks.compact import CELL
from rotoscope.networks.lpips import Lpips
from rotoscope.networks.squeezenet import SqueezeNetFeatures
from rotoscope.training.data.datasets import Domain, Geometry
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import DEFAULT_BETAS, adam, warm_then_cosine
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update
from rotoscope.training.losses.lattice import LEAST_SIDE_PX, lattice_penalty
from rotoscope.training.losses.likeness import frozen_lpips, likeness_terms
from rotoscope.training.losses.painting import (
    content_and_style,
    frozen_squeezenet,
    overshoot,
    style_targets,
    total_variation,
)
from rotoscope.training.losses.style_teacher import StyleTeacher
from rotoscope.training.options import AnyLookOptions
from rotoscope.training.systems.look import SCALE, SENSOR_NOISE, WARM_SHARE, exposed

TEACHER_SCALE = 2  # pixels of a side that a teacher sees for each one that the encoder sees


class AnyLookTraining(TrainingSystem):
    """Encoder and student, trained on photographs and paintings that are drawn independently."""

    def __init__(self, options: AnyLookOptions) -> None:
        super().__init__()
        self.options = options
        self.preview_clip = options.preview
        self.network = AnyLook(options.width, options.blocks, options.style_channels, options.encoder_width)
        # in lists, so that they are no submodules and not trained
        self.features: list[SqueezeNetFeatures] = []
        self.lpips: list[Lpips | None] = []
        self.teacher: StyleTeacher | None = None
        if options.teacher is None:
            self.features.append(frozen_squeezenet(options.squeezenet, fetch=options.fetch))
        else:
            self.teacher = StyleTeacher.open(options.teacher)
            self.lpips.append(frozen_lpips(options.squeezenet, weight=options.perceptual, option="--squeezenet"))
        self.optimisers = {"network": adam(options.learning_rate, self.network, betas=DEFAULT_BETAS)}

    def domains(self) -> list[Domain]:
        """Return photographs at random scales, and paintings at the size in which encoder or teacher sees them."""
        options = self.options
        side = options.crop or PAINTING_PX
        if self.teacher is not None:
            side *= TEACHER_SCALE
        scale = (1.0, 1.0) if options.resize else SCALE
        photos = Geometry(resize=options.resize, crop=options.crop, flip=options.flip, multiple=CELL, scale=scale)
        paintings = Geometry(resize=side, crop=side, flip=options.flip, multiple=CELL)
        return [Domain({"photos": options.photos}, photos), Domain({"paintings": options.paintings}, paintings)]

    def step(self, batch: Batch) -> Iterator[Update]:
        """One update of both networks."""
        yield Update("network", self.terms(exposed(batch["photos"]), batch["paintings"]))

    def terms(self, photos: Tensor, paintings: Tensor) -> dict[str, Tensor]:
        """Return all weighted terms for photographs and paintings, both (N,3,H,W) in [-1,1]."""
        options = self.options
        code = self.network.encoder(self.seen(paintings))
        painted = self.network(photos, code)
        top, left = (int(shift) for shift in torch.randint(CELL, (2,)))  # as in `look`
        moved, sources = painted[..., top:, left:], photos[..., top:, left:]
        if self.teacher is None:
            terms = self.painting_terms(moved, sources, paintings)
            terms["variation"] = options.variation * total_variation(painted)
        else:
            target = self.teacher.paint(photos, paintings)[..., top:, left:]
            weights = {"pixels": options.pixels, "gradients": options.gradients, "perceptual": options.perceptual}
            terms = likeness_terms(moved, target, self.lpips[0], **weights)
        terms["overshoot"] = overshoot(painted)
        if options.lattice and min(painted.shape[-2:]) >= LEAST_SIDE_PX + CELL:
            terms["lattice"] = options.lattice * lattice_penalty(moved)
        if options.temporal:
            flow = draw_flow(photos)
            of_next = self.network(next_frame(photos, flow, noise=SENSOR_NOISE), code)
            terms["temporal"] = options.temporal * temporal_loss(of_next, painted, flow)
        return terms

    def seen(self, paintings: Tensor) -> Tensor:
        """Return paintings (N,3,H,W) of a batch at the size in which the encoder sees them."""
        return paintings if self.teacher is None else avg_pool2d(paintings, TEACHER_SCALE)

    def painting_terms(self, painted: Tensor, photos: Tensor, paintings: Tensor) -> dict[str, Tensor]:
        """Return the weighted distances of content and style, for pictures (N,3,H,W) in [-1,1]."""
        (features,) = self.features
        features = features.to(photos.device)
        content, style = content_and_style(features, painted, photos, style_targets(features, paintings))
        return {"content": self.options.content * content, "style": self.options.style * style}

    def num_steps(self, epoch_steps: int) -> int:
        """Return the number of iterations."""
        return self.options.iterations

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return a linear rise, then half a cosine down to 0."""
        return warm_then_cosine(step, self.options.iterations, WARM_SHARE)

    def results(self) -> dict[str, Result]:
        """Return encoder and student, in one file."""
        return {"any-look": Result(self.network)}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return photographs, paintings and painted pictures."""
        photos, paintings = batch["photos"], batch["paintings"]
        columns = {"photo": photos, "painting": self.seen(paintings)}
        if self.teacher is not None:
            columns["teacher"] = self.teacher.paint(photos, paintings)
        return columns | {"painted": self.network(photos, self.network.encoder(columns["painting"]))}

    def modules_to_compile(self) -> list[nn.Module]:
        """Return encoder and student, which a step calls one after the other."""
        return [self.network.encoder, self.network.student]

    def preview(self, frames: Tensor, batch: Batch) -> Tensor:
        """Return frames in the style of the first painting of the fixed samples."""
        painted: Tensor = self.network(frames, self.network.encoder(self.seen(batch["paintings"][:1])))
        return painted
