"""MUNIT (Huang, Liu, Belongie, Kautz 2018): unpaired translation with one content and many styles; with a temporal loss on
synthetic motion also single-frame video translation (Wang and Feng).

Each domain has an auto-encoder with content c and style s, and a discriminator. A picture of a is translated to b by decoding
its content with a style drawn from N(0,1). The auto-encoders minimise, summed over both directions,

    picture |dec_a(c_a, s_a) - a|        reconstruction of the picture
    style |s' - s|, content |c' - c|     reconstruction of style and content, encoded from the translation
    cycle |dec_a(c', s_a) - a|           reconstruction of the picture from the translation
    adversarial (least squares, summed over three scales, not halved)
    temporal                             of reconstruction and cycle, for a synthetic next frame

The discriminators are updated first; each of the two updates draws new styles. The domain-invariant VGG loss, which all
published settings but one switch off, is not offered.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from rotoscope.base.errors import UsageError
from rotoscope.networks.munit import MunitGenerator
from rotoscope.networks.munit_layers import LayerNorm
from rotoscope.training.data.datasets import Domain
from rotoscope.training.data.synthetic_flow import draw_flow, next_frame, temporal_loss
from rotoscope.training.loop.optimisation import adam, halved_every, init_kaiming, init_normal
from rotoscope.training.loop.training_system import Batch, Result, TrainingSystem, Update, geometry_of
from rotoscope.training.losses.adversarial import discriminator_loss, generator_loss
from rotoscope.training.losses.discriminators import MunitDiscriminator
from rotoscope.training.options import MunitOptions


class Direction(NamedTuple):
    """One direction: auto-encoders of the source and of the target domain, and the discriminator of the target domain."""

    name: str
    source: MunitGenerator
    target: MunitGenerator
    discriminator: MunitDiscriminator


class Munit(TrainingSystem):
    """Auto-encoders `a` and `b`, named as in the published files, and their discriminators."""

    def __init__(self, options: MunitOptions) -> None:
        super().__init__()
        self.options = options
        least = 2 ** (options.discriminator_layers + 2)  # pixels; below it the smallest scale cannot be padded
        if 0 < options.crop < least:
            raise UsageError(f"--crop {options.crop}; accepted: {least} or more, for the discriminator's three scales")
        sizes = (options.width, options.style_channels)
        self.a, self.b = (MunitGenerator(3, *sizes, num_blocks=options.blocks, hidden=options.hidden) for _ in "ab")
        self.d_a, self.d_b = (
            MunitDiscriminator(3, options.discriminator_width, options.discriminator_layers) for _ in "ab"
        )
        for generator in (self.a, self.b):
            init_kaiming(generator)
            for layer in generator.modules():
                if isinstance(layer, LayerNorm):
                    nn.init.uniform_(layer.gamma)
        for discriminator in (self.d_a, self.d_b):
            init_normal(discriminator)
        rate, decay = options.learning_rate, options.weight_decay
        self.optimisers = {
            "generators": adam(rate, self.a, self.b, weight_decay=decay),
            "discriminators": adam(rate, self.d_a, self.d_b, weight_decay=decay),
        }

    @property
    def directions(self) -> tuple[Direction, Direction]:
        """Return a to b, and b to a."""
        return Direction("a", self.a, self.b, self.d_b), Direction("b", self.b, self.a, self.d_a)

    def domains(self) -> list[Domain]:
        """Return pictures of a and of b, drawn independently."""
        geometry = geometry_of(self.options, self.a.size_multiple)
        return [Domain({"a": self.options.a}, geometry), Domain({"b": self.options.b}, geometry)]

    def draw_style(self, like: Tensor) -> Tensor:
        """Draw a style (N,S,1,1) from N(0,1) for each of N pictures."""
        return torch.randn(like.shape[0], self.options.style_channels, 1, 1, device=like.device)

    def step(self, batch: Batch) -> Iterator[Update]:
        """Update the discriminators, then the auto-encoders."""
        pictures = {"a": batch["a"], "b": batch["b"]}
        discriminator_terms = {}
        for direction, real in zip(self.directions, (pictures["b"], pictures["a"]), strict=True):
            with torch.no_grad():
                fake = direction.target.decode(
                    direction.source.encode_content(pictures[direction.name]), self.draw_style(real)
                )
            score = discriminator_loss(direction.discriminator(real), direction.discriminator(fake), "lsgan")
            discriminator_terms[f"discriminator_{direction.name}"] = self.options.adversarial * score
        yield Update("discriminators", discriminator_terms)
        terms: dict[str, Tensor] = {}
        for direction in self.directions:
            terms |= self.generator_terms(direction, pictures[direction.name])
        yield Update("generators", terms)

    def generator_terms(self, direction: Direction, picture: Tensor) -> dict[str, Tensor]:
        """Return all weighted terms of one direction, for pictures (N,3,H,W) in [-1,1] of its source domain."""
        options = self.options
        content, own_style = direction.source.encode_content(picture), direction.source.encode_style(picture)
        style = self.draw_style(picture)
        decoded = direction.source.decode(content, own_style)
        fake = direction.target.decode(content, style)
        content_again, style_again = direction.target.encode_content(fake), direction.target.encode_style(fake)
        terms = {
            "picture": options.picture * l1_loss(decoded, picture),
            "style": options.style * l1_loss(style_again, style),
            "content": options.content * l1_loss(content_again, content),
            "adversarial": options.adversarial * generator_loss(direction.discriminator(fake), "lsgan"),
        }
        if options.cycle or options.temporal:
            cycle = direction.source.decode(content_again, own_style)
            if options.cycle:
                terms["cycle"] = options.cycle * l1_loss(cycle, picture)
            if options.temporal:
                terms["temporal"] = options.temporal * self.temporal(direction, picture, style, decoded, cycle)
        return {f"{name}_{direction.name}": term for name, term in terms.items()}

    @staticmethod
    def temporal(direction: Direction, picture: Tensor, style: Tensor, decoded: Tensor, cycle: Tensor) -> Tensor:
        """Return the temporal loss of reconstruction and cycle, for one synthetic next frame with the same style."""
        flow = draw_flow(picture)
        next_picture = next_frame(picture, flow)
        content, own_style = direction.source.encode_content(next_picture), direction.source.encode_style(next_picture)
        next_fake = direction.target.decode(content, style)
        next_cycle = direction.source.decode(direction.target.encode_content(next_fake), own_style)
        next_decoded = direction.source.decode(content, own_style)
        return temporal_loss(next_decoded, decoded, flow) + temporal_loss(next_cycle, cycle, flow)

    def modules_to_compile(self) -> list[nn.Module]:
        """Return encoders, decoders and discriminators."""
        return [*self.a.children(), *self.b.children(), self.d_a, self.d_b]

    def num_steps(self, epoch_steps: int) -> int:
        """Return the number of iterations."""
        return self.options.iterations

    def learning_rate_factor(self, step: int, epoch: int) -> float:
        """Return 1/2 for every `halve_every` steps done."""
        return halved_every(step, self.options.halve_every)

    def results(self) -> dict[str, Result]:
        """Return both auto-encoders, once for each direction: a translation needs one half of each."""
        both = nn.ModuleDict({"a": self.a, "b": self.b})
        return {direction: Result(both, {"direction": direction}) for direction in ("AtoB", "BtoA")}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Return each picture, and its translation with two styles."""
        columns = {}
        for direction in self.directions:
            picture = batch[direction.name]
            content = direction.source.encode_content(picture)
            columns[direction.name] = picture
            for number in (1, 2):
                style = self.draw_style(picture[:1]).expand(len(picture), -1, -1, -1)
                columns[f"{direction.name}, style {number}"] = direction.target.decode(content, style)
        return columns
