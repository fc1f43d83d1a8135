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

The encoder sees a painting at 256x256 pixels, or at the size of a crop; the teacher sees it at twice that size.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from rotoscope.base.errors import UsageError
from rotoscope.networks.any_look import PAINTING_PX, AnyLook
from rotoscope.networks.compact import CELL
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
    smaller,
    style_targets,
    total_variation,
)
from rotoscope.training.losses.style_teacher import StyleTeacher
from rotoscope.training.options import AnyLookOptions
from rotoscope.training.systems.look import SCALE, SENSOR_NOISE, WARM_SHARE, exposed

TEACHER_SCALE = 2  # pixels of a side that a teacher sees for each one that the encoder sees

Move = Callable[[Tensor], Tensor]
"""Pictures (N,3,H,W) -> the same without some first rows and columns: features of stride 2 then meet other phases of cells"""


class LikePaintings:
    """The goal without a teacher: the content of photographs and the style of paintings, on features of SqueezeNet."""

    painting_scale = 1

    def __init__(self, options: AnyLookOptions) -> None:
        self.options = options
        self.features = frozen_squeezenet(options.squeezenet, fetch=options.fetch)

    def terms(self, painted: Tensor, photos: Tensor, paintings: Tensor, moved: Move) -> dict[str, Tensor]:
        """Return the weighted distances, for pictures (N,3,H,W) in [-1,1]; moved ones are compared."""
        options, features = self.options, self.features.to(photos.device)
        content, style = content_and_style(features, moved(painted), moved(photos), style_targets(features, paintings))
        return {
            "content": options.content * content,
            "style": options.style * style,
            "variation": options.variation * total_variation(painted),
        }


class LikeTeacher:
    """The goal with a teacher: its pictures."""

    painting_scale = TEACHER_SCALE

    def __init__(self, options: AnyLookOptions, teacher: Path) -> None:
        if options.fetch:
            raise UsageError("--fetch with --teacher; accepted: --squeezenet FILE, a complete file of LPIPS")
        self.options, self.teacher = options, StyleTeacher.open(teacher)
        self.lpips = frozen_lpips(options.squeezenet, weight=options.perceptual, option="--squeezenet")

    def terms(self, painted: Tensor, photos: Tensor, paintings: Tensor, moved: Move) -> dict[str, Tensor]:
        """Return the weighted distances, for pictures (N,3,H,W) in [-1,1]; moved ones are compared."""
        options, target = self.options, self.teacher.paint(photos, paintings)
        weights = {"pixels": options.pixels, "gradients": options.gradients, "perceptual": options.perceptual}
        return likeness_terms(moved(painted), moved(target), self.lpips, **weights)


class AnyLookTraining(TrainingSystem):
    """Encoder and student, trained on photographs and paintings that are drawn independently."""

    def __init__(self, options: AnyLookOptions) -> None:
        super().__init__()
        self.options = options
        self.preview_clip = options.preview
        self.network = AnyLook(options.width, options.blocks, options.style_channels, options.encoder_width)
        self.goal = LikePaintings(options) if options.teacher is None else LikeTeacher(options, options.teacher)
        self.optimisers = {"network": adam(options.learning_rate, self.network, betas=DEFAULT_BETAS)}

    def domains(self) -> list[Domain]:
        """Return photographs at random scales, and paintings at the size in which encoder or teacher sees them."""
        options = self.options
        side = self.goal.painting_scale * (options.crop or PAINTING_PX)
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

        def moved(pictures: Tensor) -> Tensor:
            return pictures[..., top:, left:]

        terms = self.goal.terms(painted, photos, paintings, moved)
        terms["overshoot"] = overshoot(painted)
        if options.lattice and min(painted.shape[-2:]) >= LEAST_SIDE_PX + CELL:
            terms["lattice"] = options.lattice * lattice_penalty(moved(painted))
        if options.temporal:
            flow = draw_flow(photos)
            of_next = self.network(next_frame(photos, flow, noise=SENSOR_NOISE), code)
            terms["temporal"] = options.temporal * temporal_loss(of_next, painted, flow)
        return terms

    def seen(self, paintings: Tensor) -> Tensor:
        """Return paintings (N,3,H,W) of a batch at the size in which the encoder sees them."""
        return smaller(paintings, self.goal.painting_scale)

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
        if isinstance(self.goal, LikeTeacher):
            columns["teacher"] = self.goal.teacher.paint(photos, paintings)
        return columns | {"painted": self.network(photos, self.network.encoder(columns["painting"]))}

    def modules_to_compile(self) -> list[nn.Module]:
        """Return encoder and student, which a step calls one after the other."""
        return [self.network.encoder, self.network.student]

    def preview(self, frames: Tensor, batch: Batch) -> Tensor:
        """Return frames in the style of the first painting of the fixed samples."""
        painted: Tensor = self.network(frames, self.network.encoder(self.seen(batch["paintings"][:1])))
        return painted
