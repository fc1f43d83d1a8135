"""The loop around every system: devices and precision by Lightning Fabric, checkpoints, exact resume, log and samples.

    for each step: samples -> the system's moves, one after the other -> log, samples, checkpoint when they are due

A move (`Update`) is: loss finite? - gradients of the named optimiser's weights, from every accumulated batch - their
mean over processes - one step of that optimiser. Gradients are averaged explicitly instead of wrapping networks in
DistributedDataParallel, because that follows only one forward pass through one module, while these losses pass
through several networks several times, some of them (gradient penalties) differentiating twice.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.training.data.datasets import TrainingData, batches
from rotoscope.training.loop.checkpoints import load_checkpoint, save_checkpoint, save_weights
from rotoscope.training.loop.devices import make_fabric
from rotoscope.training.loop.record import Means, Record
from rotoscope.training.loop.stopping import stop_on_signal
from rotoscope.training.loop.system import Batch, System, Update
from rotoscope.training.options import RunOptions

NUM_SAMPLES = 4


class LossNotFinite(RotoscopeError):
    """A loss term became infinite or not a number; the batch that did it is saved."""


@dataclass(frozen=True)
class TrainingProgress:
    """How far a run is; terms are means since the last report."""

    step: int
    total: int
    first: int
    seconds: float
    terms: Mapping[str, float]


def train(
    make_system: Callable[[], System],
    run: RunOptions,
    options: Mapping[str, Any],
    *,
    batch: int,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] = lambda _progress: None,
) -> bool:
    """Train a system in the folder `run.out`, from the beginning or from its newest checkpoint; False if it was stopped.

    make_system  builds it; called after the seed is set, so that every process begins with the same weights
    options      what the run was told, for its report and the description of its weights
    batch        samples in a batch, on each device
    Raises a RotoscopeError; what one process trained until then is in a checkpoint, unless a loss was not finite.
    """
    fabric = make_fabric(run)
    fabric.launch()
    torch.manual_seed(run.seed)
    trainer = Trainer(fabric, make_system(), run, options, batch)
    if fabric.global_rank:
        on_progress = _silent
    if resume:
        trainer.restore(load_checkpoint(run.out / "checkpoints", rank=fabric.global_rank))
    else:
        torch.manual_seed(run.seed + fabric.global_rank)
    begun_at = trainer.step
    with stop_on_signal() as stopped:
        try:
            finished = trainer.go(stopped, on_progress)
        except RotoscopeError as error:
            # A broken loss leaves nothing worth keeping, a wrong option comes first, and other processes would be waited for.
            if not isinstance(error, LossNotFinite | UsageError) and fabric.world_size == 1 and trainer.step > begun_at:
                trainer.checkpoint()
            trainer.record.write_page(f"stopped: {error}", is_running=False)
            raise
        finally:
            fabric.logger.finalize("success")
    if finished:
        trainer.save_results(run.out)
    trainer.record.write_page("finished" if finished else "stopped; `rotoscope train resume` goes on", is_running=False)
    return finished


def _silent(_progress: TrainingProgress) -> None:
    """For all processes but the first."""


class Trainer:
    """One run on one process."""

    def __init__(self, fabric: Fabric, system: System, run: RunOptions, options: Mapping[str, Any], batch: int) -> None:
        self.fabric, self.run, self.options, self.batch = fabric, run, options, batch
        self.system = system.to(fabric.device)
        if run.channels_last:
            self.system.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimisers = {
            name: cast(Optimizer, fabric.setup_optimizers(optimiser)) for name, optimiser in system.optimisers.items()
        }
        self.rates = {name: _rates(optimiser) for name, optimiser in self.optimisers.items()}
        self.results = nn.ModuleDict({name: result.network for name, result in system.results().items()})
        self.average: AveragedModel | None = None
        if run.ema:
            average = get_ema_multi_avg_fn(run.ema)
            self.average = AveragedModel(self.results, multi_avg_fn=average)
        if run.compile:
            for module in system.called():
                module.compile()
        self.data = TrainingData(system.domains(), run.seed, batch * run.accumulate * fabric.world_size)
        self.epoch_steps = self.data.epoch_steps
        length = system.length(self.epoch_steps)
        self.total = run.steps or length
        if self.total > length:
            raise UsageError(
                f"--steps {run.steps}: the learning rate's schedule ends after {length}; more epochs or iterations?"
            )
        self.step = 0
        self.best = float("inf")
        self.seconds = 0.0  # of work, over all parts of a run that was resumed
        self.folder = run.out
        self.record, self.means_for_best = Record(fabric, run.out, options), Means()
        (self.folder / "checkpoints").mkdir(parents=True, exist_ok=True)

    def go(self, stopped: Callable[[], bool], on_progress: Callable[[TrainingProgress], None]) -> bool:
        """Train to the end (True), or until somebody wants to stop (False); either way the last step has a checkpoint."""
        run, first = self.run, self.step
        started = time.monotonic() - self.seconds
        samples = {key: value.to(self.fabric.device) for key, value in self.data.alike(NUM_SAMPLES).items()}
        reader = batches(
            self.data,
            self.batch,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            first=first * run.accumulate,
            workers=run.workers,
            pin=self.fabric.device.type == "cuda",
        )
        begun = -1
        if first == 0:
            self.record.begin()
            self.sample(samples)
        while self.step < self.total:
            epoch = self.step // self.epoch_steps
            if epoch != begun:
                self.system.begin_epoch(epoch)
                begun = epoch
            self.set_rates(self.system.rate(self.step, epoch))
            self.play([self.on_device(next(reader)) for _ in range(run.accumulate)])
            if self.step == first and run.best_by and run.best_by not in self.means_for_best.names:
                raise UsageError(f"--best-by {run.best_by}; accepted: {', '.join(self.means_for_best.names)}")
            if self.average is not None:
                self.average.update_parameters(self.results)
            self.step += 1
            self.seconds = time.monotonic() - started
            is_last = self.step == self.total or self.all_agree(stopped())
            if self.step % run.log_every == 0 or is_last:
                terms = self.record.write_row(self.step, self.total, self.seconds)
                on_progress(TrainingProgress(self.step, self.total, first, self.seconds, terms))
            if self.step % run.sample_every == 0 or is_last:
                self.sample(samples)
            if self.step % run.save_every == 0 or is_last:
                self.checkpoint()
            if is_last and self.step < self.total:
                return False
        return True

    def on_device(self, batch: Batch) -> Batch:
        """The batch where the networks are."""
        moved: Batch = self.fabric.to_device(batch)
        if self.run.channels_last:
            moved = {
                key: value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
                for key, value in moved.items()
            }
        return moved

    def play(self, accumulated: list[Batch]) -> None:
        """One step, each move on all accumulated batches: k of them make the step of a batch k times as large."""
        games = [self.system.step(batch) for batch in accumulated]
        while True:
            for number, (game, batch) in enumerate(zip(games, accumulated, strict=True)):
                with self.fabric.autocast():
                    update = next(game, None)
                if update is None:
                    return
                optimiser = self.optimisers[update.optimiser]
                if number == 0:
                    optimiser.zero_grad(set_to_none=True)
                self.descend(update, batch, 1 / len(games))
            self.average_gradients(optimiser)
            optimiser.step()

    def descend(self, update: Update, batch: Batch, share: float) -> None:
        """Add the gradients of one batch's losses."""
        loss = torch.stack([term.float() for term in update.terms.values()])
        if not bool(loss.isfinite().all()):
            self.stop_at(update, batch)
        self.record.means.add(update.terms)
        if self.run.best_by:
            self.means_for_best.add(update.terms)
        self.fabric.backward(loss.sum() * share, inputs=parameters_of(self.optimisers[update.optimiser]))

    def average_gradients(self, optimiser: Optimizer) -> None:
        """The mean over all processes, in place."""
        if self.fabric.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters_of(optimiser) if parameter.grad is not None]
        flat = self.fabric.all_reduce(torch.cat([gradient.flatten() for gradient in gradients]), reduce_op="mean")
        assert isinstance(flat, Tensor)
        for gradient, mean in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def set_rates(self, factor: float) -> None:
        """Learning rates for the next step."""
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self.rates[name], strict=True):
                group["lr"] = rate * factor

    def stop_at(self, update: Update, batch: Batch) -> None:
        """Save what made a loss infinite, and say where it is."""
        terms = {name: float(term.detach()) for name, term in update.terms.items()}
        where = self.folder / f"not-finite-step-{self.step:08d}.rank{self.fabric.global_rank}.pt"
        torch.save({"step": self.step, "terms": terms, "batch": batch}, where)
        broken = ", ".join(f"{name} {value}" for name, value in terms.items() if not abs(value) < float("inf"))
        raise LossNotFinite(
            f"step {self.step}: loss {broken}; its batch is in {where}. "
            f"In {self.folder / 'config.toml'} lower learning_rate or set precision to fp32, then resume"
        )

    def all_agree(self, wish: bool) -> bool:
        """True on every process if it is on one."""
        if self.fabric.world_size == 1:
            return wish
        flag = torch.tensor(float(wish), device=self.fabric.device)
        return float(self.fabric.all_reduce(flag, reduce_op="sum")) > 0  # type: ignore[arg-type]

    def sample(self, batch: Batch) -> None:
        """Draw the grid of fixed samples, with averaged weights if there are any; nothing of the run's chance is used up."""
        if self.fabric.global_rank:
            return
        device = self.fabric.device
        forked = torch.random.fork_rng([device] if device.type == "cuda" else [])
        with forked, torch.no_grad(), self.fabric.autocast(), self.averaged():
            torch.manual_seed(self.run.seed)
            self.system.eval()
            columns = self.system.samples(batch)
            self.system.train()
        self.record.write_samples(self.step, columns)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Averaged weights in the place of the trained ones, for as long as the block lasts."""
        if self.average is None:
            yield
            return
        trained = list(self.results.parameters())
        averages = list(self.average.parameters())
        for one, other in zip(trained, averages, strict=True):
            one.data, other.data = other.data, one.data
        try:
            yield
        finally:
            for one, other in zip(trained, averages, strict=True):
                one.data, other.data = other.data, one.data

    def checkpoint(self) -> None:
        """Save everything that decides how the run goes on; keep the weights if they are the best so far."""
        self.fabric.barrier()
        is_whole = self.step % self.run.save_every == 0  # the mean of a part of the interval would compare with wholes
        if self.run.best_by and (is_whole or (self.step == self.total and self.best == float("inf"))):
            self.keep_best()
        state = {
            "step": self.step,
            "best": self.best,
            "means_for_best": self.means_for_best.state(),
            "seconds": self.seconds,
            "system": self.system.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "average": None if self.average is None else self.average.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "random": random_state(),
        }
        for first in (False, True):  # the others, then the first
            if (self.fabric.global_rank == 0) == first:
                folder = self.folder / "checkpoints"
                save_checkpoint(folder, state, rank=self.fabric.global_rank, keep=self.run.keep)
            self.fabric.barrier()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on as if never stopped."""
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
        self.means_for_best.go_on(state["means_for_best"])
        self.system.load_state_dict(state["system"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        set_random_state(state["random"])
        self.record.go_on(self.step)

    def keep_best(self) -> None:
        """Save the weights if the chosen term, a mean over all processes, was never lower."""
        mean = self.means_for_best.take().get(self.run.best_by, float("inf"))
        if self.fabric.world_size > 1:
            of_all = self.fabric.all_reduce(torch.tensor(mean, device=self.fabric.device), reduce_op="mean")
            mean = float(cast(Tensor, of_all))
        if mean < self.best:
            self.best = mean
            self.save_results(self.folder / "best")

    def save_results(self, folder: Path) -> None:
        """The weights that export takes, one file for each generator."""
        if self.fabric.global_rank:
            return
        folder.mkdir(exist_ok=True)
        with self.averaged():
            for name, result in self.system.results().items():
                trained = {"system": self.options["system"], "steps": self.step}
                save_weights(folder / f"{name}.safetensors", result.network, {"hints": dict(result.hints), **trained})


def _rates(optimiser: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimiser.param_groups]


def parameters_of(optimiser: Optimizer) -> list[nn.Parameter]:
    """All parameters that it moves now."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"] if parameter.requires_grad]


def random_state() -> dict[str, Any]:
    """Of torch, on the CPU and on every GPU."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go on drawing from there."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
