"""Time one CycleGAN step of the trainer, and of a plain training loop with the same networks.

The loop is eager fp32 in the order of the published code: translations and cycles, identity, generators' losses with the
discriminators frozen, then each discriminator on real pictures and on fakes from the history. Neither side reads, logs or
samples. Sizes: width 32, nine blocks, 128x128, one picture per domain.
"""

import itertools
import os
import statistics
import time

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor:UserWarning"
)  # raised when the compiler reads .grad

from rotoscope.networks.resnet import ResnetGenerator  # noqa: E402
from rotoscope.training.data.image_pool import ImagePool  # noqa: E402
from rotoscope.training.loop.optimisation import init_normal  # noqa: E402
from rotoscope.training.loop.run import make_fabric  # noqa: E402
from rotoscope.training.loop.trainer import Trainer  # noqa: E402
from rotoscope.training.losses.discriminators import PatchDiscriminator  # noqa: E402
from rotoscope.training.options import CycleGanOptions, RunOptions  # noqa: E402
from rotoscope.training.systems.cyclegan import CycleGan  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
WIDTH, BLOCKS, SIZE_PX = 32, 9, 128
KINDS = {
    "rotoscope": {},
    "rotoscope --compile": {"compile": True},
    "rotoscope --channels-last": {"channels_last": True},
    "rotoscope --precision bf16": {"precision": "bf16"},
    "rotoscope --precision bf16 --compile": {"precision": "bf16", "compile": True},
}


class StraightforwardLoop:
    """The training step of the published code."""

    def __init__(self):
        self.g_ab, self.g_ba = (ResnetGenerator(width=WIDTH, num_blocks=BLOCKS) for _ in "ab")
        self.d_a, self.d_b = (PatchDiscriminator(width=WIDTH) for _ in "ab")
        for network in (self.g_ab, self.g_ba, self.d_a, self.d_b):
            init_normal(network)
        generators = itertools.chain(self.g_ab.parameters(), self.g_ba.parameters())
        discriminators = itertools.chain(self.d_a.parameters(), self.d_b.parameters())
        self.optimiser_g = torch.optim.Adam(generators, 2e-4, betas=(0.5, 0.999))
        self.optimiser_d = torch.optim.Adam(discriminators, 2e-4, betas=(0.5, 0.999))
        self.pool_a, self.pool_b = ImagePool(50), ImagePool(50)
        self.l1, self.l2 = torch.nn.L1Loss(), torch.nn.MSELoss()

    def judge(self, discriminator, real, fake):
        scores = discriminator(real)
        loss_real = self.l2(scores, torch.ones_like(scores))
        scores = discriminator(fake.detach())
        loss = (loss_real + self.l2(scores, torch.zeros_like(scores))) * 0.5
        loss.backward()
        return loss.item()

    def step(self, batch):
        a, b = batch["a"], batch["b"]
        fake_b = self.g_ab(a)
        again_a = self.g_ba(fake_b)
        fake_a = self.g_ba(b)
        again_b = self.g_ab(fake_a)
        discriminators = [*self.d_a.parameters(), *self.d_b.parameters()]
        for parameter in discriminators:
            parameter.requires_grad = False
        self.optimiser_g.zero_grad()
        fool_b, fool_a = self.d_b(fake_b), self.d_a(fake_a)
        loss = (
            self.l2(fool_b, torch.ones_like(fool_b))
            + self.l2(fool_a, torch.ones_like(fool_a))
            + 10 * (self.l1(again_a, a) + self.l1(again_b, b))
            + 5 * (self.l1(self.g_ab(b), b) + self.l1(self.g_ba(a), a))
        )
        loss.backward()
        self.optimiser_g.step()
        for parameter in discriminators:
            parameter.requires_grad = True
        self.optimiser_d.zero_grad()
        judged = self.judge(self.d_a, a, self.pool_a(fake_a)) + self.judge(self.d_b, b, self.pool_b(fake_b))
        self.optimiser_d.step()
        return loss.item(), judged


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return two pictures of noise per domain; the content does not change the time."""
    random = np.random.default_rng(0)
    found = {}
    for name in "ab":
        found[name] = tmp_path_factory.mktemp(name)
        for index in range(2):
            cv2.imwrite(str(found[name] / f"{index}.png"), random.integers(0, 256, (SIZE_PX, SIZE_PX, 3), np.uint8))
    return found


def make_trainer(folders, out, **flags):
    """Return the trainer that `rotoscope train cyclegan` makes with these flags."""
    sizes = {"width": WIDTH, "blocks": BLOCKS, "discriminator_width": WIDTH, "resize": SIZE_PX, "crop": SIZE_PX}
    options = CycleGanOptions(**folders, **sizes)
    run = RunOptions(out=out, device="cpu", **flags)
    return Trainer(make_fabric(run), CycleGan(options), options, run)


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor:UserWarning"
)  # raised when the compiler reads .grad
@pytest.mark.benchmark(group=f"CycleGAN step, width {WIDTH}, {SIZE_PX}x{SIZE_PX}")
@pytest.mark.parametrize("kind", KINDS)
def test_cyclegan_step(benchmark, folders, tmp_path, kind):
    torch.manual_seed(0)
    trainer = make_trainer(folders, tmp_path, **KINDS[kind])
    batch = trainer.data.batch([0])
    loop, seconds_of_loop = StraightforwardLoop(), []

    def step_of_loop():
        started = time.perf_counter()
        loop.step(batch)
        seconds_of_loop.append(time.perf_counter() - started)

    before = [weights.clone() for weights in trainer.system.g_ab.parameters()]
    # The two alternate, so that other work on the machine slows both.
    benchmark.pedantic(
        lambda: trainer.train_step([trainer.on_device(batch)]), setup=step_of_loop, rounds=ROUNDS, warmup_rounds=2
    )
    benchmark.extra_info["loop_ms"] = round(1e3 * statistics.median(seconds_of_loop[-ROUNDS:]), 1)
    benchmark.extra_info["loop_takes"] = round(
        statistics.median(seconds_of_loop[-ROUNDS:]) / benchmark.stats.stats.median, 3
    )
    after = list(trainer.system.g_ab.parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(bool(weights.isfinite().all()) for weights in after)


@pytest.mark.parametrize("flags", [{}, {"compile": True}], ids=["eager", "compiled"])
def test_both_learn_the_same(folders, tmp_path, flags):
    """Check, without timing, that both compute the same from the same weights and pictures; else they could not be compared."""
    torch.manual_seed(0)
    trainer = make_trainer(folders, tmp_path, **flags)
    loop = StraightforwardLoop()
    batch = trainer.data.batch([0])
    for name in ("g_ab", "g_ba", "d_a", "d_b"):
        getattr(loop, name).load_state_dict(getattr(trainer.system, name).state_dict())
    loop.step(batch)
    trainer.train_step([batch])
    for name in ("g_ab", "g_ba", "d_a", "d_b"):
        ours, theirs = getattr(trainer.system, name).state_dict(), getattr(loop, name).state_dict()
        for key, value in ours.items():
            torch.testing.assert_close(value, theirs[key], atol=5e-4, rtol=0)
