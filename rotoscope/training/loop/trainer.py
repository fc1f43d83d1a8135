"""The training loop of every system: steps, learning rates, checkpoints, exact resume, log and samples.

    for each step: batches -> the system's updates, one after the other -> log, samples, checkpoint when they are due

For each `Update`: gradients of its loss for the weights of its optimiser, accumulated over the batches of the step; their mean
over all processes; one step of that optimiser. Gradients are averaged here and not by DistributedDataParallel, which follows
one forward pass through one module: these losses pass several networks several times, and gradient penalties differentiate
twice.
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

from rotoscope.base.errors import InputRefused, RotoscopeError, UsageError
from rotoscope.training.data.datasets import TrainingData, batches
from rotoscope.training.data.preview import preview_frames
from rotoscope.training.loop.checkpoints import save_checkpoint, save_weights
from rotoscope.training.loop.run_folder import CHECKPOINTS, NOT_FINITE
from rotoscope.training.loop.run_log import Means, RunLog
from rotoscope.training.loop.training_system import Batch, TrainingSystem, Update
from rotoscope.training.options import RunOptions, SystemOptions
from rotoscope.training.options.config_file import as_values

NUM_SAMPLES = 4
FIRST_CHECKPOINT_SECONDS = 60  # of work, until the first weights that `export` takes


class LossNotFinite(RotoscopeError):
    """A loss term became infinite or NaN; the batch that caused it is saved."""


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a run: `step` of `total` after `seconds` of work, and the mean of each loss term since the last report."""

    step: int
    total: int
    seconds: float
    terms: Mapping[str, float]

    @property
    def steps_per_second(self) -> float:
        """Mean rate of the run."""
        return self.step / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Time until the last step at this rate."""
        return (self.total - self.step) / self.steps_per_second


@dataclass(frozen=True)
class AppliedUpdate:
    """An update of the current step, kept until its loss is known to be finite."""

    terms: Mapping[str, Tensor]  # detached
    batch: Batch
    is_finite: Tensor  # one bool, on the device


class Trainer:
    """One run in one process. Nothing is written before `train`."""

    def __init__(self, fabric: Fabric, system: TrainingSystem, options: SystemOptions, run: RunOptions) -> None:
        self.fabric, self.options, self.run = fabric, options, run
        self.system = system.to(fabric.device)
        if run.channels_last:
            self.system.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimisers = {
            name: cast(Optimizer, fabric.setup_optimizers(optimiser)) for name, optimiser in system.optimisers.items()
        }
        self.initial_rates = {name: learning_rates(optimiser) for name, optimiser in self.optimisers.items()}
        self.results = nn.ModuleDict({name: result.network for name, result in system.results().items()})
        self.average: AveragedModel | None = None
        if run.ema:
            self.average = AveragedModel(self.results, multi_avg_fn=get_ema_multi_avg_fn(run.ema))
        if run.compile:
            for module in system.modules_to_compile():
                module.compile()
        self.data = TrainingData(system.domains(), run.seed, options.batch * run.accumulate * fabric.world_size)
        self.samples = self.data.fixed_samples(NUM_SAMPLES)
        self.clip = None if system.preview_clip is None else preview_frames(system.preview_clip).to(fabric.device)
        self.epoch_steps = self.data.epoch_steps
        num_steps = system.num_steps(self.epoch_steps)
        self.total = run.steps or num_steps
        if self.total > num_steps:
            raise UsageError(
                f"--steps {run.steps}: the learning rate's schedule ends after {num_steps}; more epochs or iterations?"
            )
        self.step = 0
        self.best = float("inf")
        self.seconds = 0.0  # of work, over all parts of a resumed run
        self.has_checkpoint = False
        self.folder = run.out
        self.log, self.means_for_best = RunLog(fabric, run.out, as_values(options, run)), Means()
        self.applied: list[AppliedUpdate] = []  # of the current step

    def train(self, stopped: Callable[[], bool], on_progress: Callable[[TrainingProgress], None]) -> bool:
        """Train to the last step (True) or until `stopped` (False). In both cases the last step has a checkpoint."""
        run, first = self.run, self.step
        started = time.monotonic() - self.seconds
        (self.folder / CHECKPOINTS).mkdir(exist_ok=True)
        self.log.create()
        samples = {key: value.to(self.fabric.device) for key, value in self.samples.items()}
        reader = batches(
            self.data,
            self.options.batch,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            first=first * run.accumulate,
            workers=run.workers,
            pin=self.fabric.device.type == "cuda",
        )
        current_epoch = -1
        if first == 0:
            self.log.clear()
            self.write_samples(samples)
        while self.step < self.total:
            epoch = self.step // self.epoch_steps
            if epoch != current_epoch:
                self.system.begin_epoch(epoch)
                current_epoch = epoch
            self.set_learning_rates(self.system.learning_rate_factor(self.step, epoch))
            self.train_step([self.on_device(next(reader)) for _ in range(run.accumulate)])
            if self.step == first and run.best_by and run.best_by not in self.means_for_best.names:
                raise UsageError(f"--best-by {run.best_by}; accepted: {', '.join(self.means_for_best.names)}")
            if self.average is not None:
                self.average.update_parameters(self.results)
            self.step += 1
            self.seconds = time.monotonic() - started
            is_last = self.step == self.total or self.is_true_anywhere(stopped())
            if self.step % run.log_every == 0 or is_last:
                self.report(on_progress)
            if self.step % run.sample_every == 0 or is_last:
                self.write_samples(samples)
            if self.step % run.save_every == 0 or is_last or self.is_first_checkpoint_due():
                self.checkpoint()
            if is_last and self.step < self.total:
                return False
        return True

    def report(self, on_progress: Callable[[TrainingProgress], None]) -> None:
        """Write a row of the log and call `on_progress`."""
        terms = self.log.write_row(self.step, self.seconds)
        progress = TrainingProgress(self.step, self.total, self.seconds, terms)
        self.log.write_running_page(
            f"step {self.step:,} of {self.total:,}, {progress.steps_per_second:.3g} steps/s, "
            f"{duration(progress.seconds_left)} left"
        )
        on_progress(progress)

    def is_first_checkpoint_due(self) -> bool:
        """Whether a minute has passed without a checkpoint, at a step of the log, in which all processes ask."""
        if self.has_checkpoint or self.step % self.run.log_every:
            return False
        return self.is_true_anywhere(self.seconds >= FIRST_CHECKPOINT_SECONDS)

    def on_device(self, batch: Batch) -> Batch:
        """Return the batch on the device of the networks."""
        moved: Batch = self.fabric.to_device(batch)
        if self.run.channels_last:
            moved = {
                key: value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
                for key, value in moved.items()
            }
        return moved

    def train_step(self, accumulated: list[Batch]) -> None:
        """Run one step on k batches, whose accumulated gradients equal those of one batch k times as large.

        For each update: accumulate gradients over the batches, average them over processes, step its optimiser. Losses are
        checked once, at the end: reading them earlier would make the host wait for the GPU in every update.
        """
        self.applied.clear()
        steps = [self.system.step(batch) for batch in accumulated]
        while True:
            for number, (step, batch) in enumerate(zip(steps, accumulated, strict=True)):
                with self.fabric.autocast():
                    update = next(step, None)
                if update is None:
                    self.check_losses()
                    return
                optimiser = self.optimisers[update.optimiser]
                if number == 0:
                    optimiser.zero_grad(set_to_none=True)
                self.add_gradients(update, batch, 1 / len(steps))
            self.average_gradients(optimiser)
            optimiser.step()

    def add_gradients(self, update: Update, batch: Batch, share: float) -> None:
        """Add the gradients of one batch's loss, times `share`."""
        loss = torch.stack([term.float() for term in update.terms.values()])
        terms = {name: term.detach() for name, term in update.terms.items()}
        self.applied.append(AppliedUpdate(terms, batch, loss.detach().isfinite().all()))
        self.log.means.add(terms)
        if self.run.best_by:
            self.means_for_best.add(terms)
        self.fabric.backward(loss.sum() * share, inputs=parameters_of(self.optimisers[update.optimiser]))

    def check_losses(self) -> None:
        """Raise LossNotFinite for the first update of this step whose loss is not finite, and save its batch."""
        if not self.applied or bool(torch.stack([update.is_finite for update in self.applied]).all()):
            self.applied.clear()
            return
        update = next(update for update in self.applied if not update.is_finite)
        terms = {name: float(term) for name, term in update.terms.items()}
        where = self.folder / NOT_FINITE.format(step=self.step, rank=self.fabric.global_rank)
        torch.save({"step": self.step, "terms": terms, "batch": update.batch}, where)
        broken = ", ".join(f"{name} {value}" for name, value in terms.items() if not abs(value) < float("inf"))
        raise LossNotFinite(
            f"step {self.step}: loss {broken}; its batch is in {where}. "
            f"In {self.folder / 'config.toml'} lower learning_rate or set precision to fp32, then resume"
        )

    def average_gradients(self, optimiser: Optimizer) -> None:
        """Replace the optimiser's gradients by their mean over all processes."""
        if self.fabric.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters_of(optimiser) if parameter.grad is not None]
        flat = self.fabric.all_reduce(torch.cat([gradient.flatten() for gradient in gradients]), reduce_op="mean")
        assert isinstance(flat, Tensor)
        for gradient, mean in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def set_learning_rates(self, factor: float) -> None:
        """Set the learning rates of all optimisers to `factor` times the initial ones."""
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self.initial_rates[name], strict=True):
                group["lr"] = rate * factor

    def is_true_anywhere(self, value: bool) -> bool:
        """Return True in every process if the value is True in one."""
        if self.fabric.world_size == 1:
            return value
        flag = torch.tensor(float(value), device=self.fabric.device)
        return float(self.fabric.all_reduce(flag, reduce_op="sum")) > 0  # type: ignore[arg-type]

    def write_samples(self, batch: Batch) -> None:
        """Write the grid of the fixed samples, with the averaged weights if there are any; random state is not changed."""
        if self.fabric.global_rank:
            return
        device = self.fabric.device
        forked = torch.random.fork_rng([device] if device.type == "cuda" else [])
        with forked, torch.no_grad(), self.fabric.autocast(), self.averaged_weights():
            torch.manual_seed(self.run.seed)
            self.system.eval()
            columns = self.system.samples(batch)
            clip = {} if self.clip is None else {"clip": self.clip, "result": self.system.preview(self.clip, batch)}
            self.system.train()
        self.log.write_samples(self.step, columns)
        if clip:
            self.log.write_samples(self.step, clip, of="clip")

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Put the running average of the weights, if there is one, in the place of the trained weights for this block."""
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
        """Save everything that the rest of the run depends on, and the weights for `export`, also in `best` if they are."""
        self.has_checkpoint = True
        self.fabric.barrier()
        is_whole = self.step % self.run.save_every == 0  # a mean over part of an interval is not compared
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
        for is_first in (False, True):  # rank 0 writes last: its file marks a complete checkpoint
            if (self.fabric.global_rank == 0) == is_first:
                folder = self.folder / CHECKPOINTS
                save_checkpoint(folder, state, rank=self.fabric.global_rank, keep=self.run.keep)
            self.fabric.barrier()
        self.write_weights(self.folder)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load a checkpoint. Raises InputRefused if it does not fit the options of the run."""
        try:
            self.step, self.best, self.seconds = int(state["step"]), float(state["best"]), float(state["seconds"])
            self.means_for_best.restore(state["means_for_best"])
            self.system.load_state_dict(state["system"])
            for name, optimiser in self.optimisers.items():
                check_optimiser_state(optimiser, state["optimisers"][name])
                optimiser.load_state_dict(state["optimisers"][name])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            set_random_state(state["random"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError, IndexError) as error:
            first_line = (str(error).splitlines() or [""])[0]
            raise InputRefused(
                f"{self.folder}: the newest checkpoint does not fit the options in config.toml ({first_line})"
            ) from error
        self.has_checkpoint = True
        self.log.cut_after(self.step)

    def keep_best(self) -> None:
        """Write the weights to `best` if the mean of the chosen term over all processes is the lowest so far."""
        mean = self.means_for_best.pop().get(self.run.best_by, float("inf"))
        if self.fabric.world_size > 1:
            of_all = self.fabric.all_reduce(torch.tensor(mean, device=self.fabric.device), reduce_op="mean")
            mean = float(cast(Tensor, of_all))
        if mean < self.best:
            self.best = mean
            self.write_weights(self.folder / "best")

    def write_weights(self, folder: Path) -> None:
        """Write the weights that `export` takes, one file for each result."""
        if self.fabric.global_rank:
            return
        folder.mkdir(exist_ok=True)
        with self.averaged_weights():
            for path, result in zip(self.weights_files(folder), self.system.results().values(), strict=True):
                trained = {"system": self.options.system, "steps": self.step}
                save_weights(path, result.network, {"hints": dict(result.hints), **trained})

    def weights_files(self, folder: Path) -> tuple[Path, ...]:
        """Return the names of those files."""
        return tuple(folder / f"{name}.safetensors" for name in self.system.results())


def duration(seconds: float) -> str:
    """Return a time in whole seconds below two minutes, in minutes below two hours, else in hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def learning_rates(optimiser: Optimizer) -> list[float]:
    """Return the learning rate of each parameter group."""
    return [float(group["lr"]) for group in optimiser.param_groups]


def parameters_of(optimiser: Optimizer) -> list[nn.Parameter]:
    """Return the parameters that the optimiser changes; frozen ones are left out."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"] if parameter.requires_grad]


def check_optimiser_state(optimiser: Optimizer, state: Mapping[str, Any]) -> None:
    """Raise ValueError unless options and tensors of a state are of the kinds and shapes that an optimiser has."""
    groups, own = state["param_groups"], optimiser.state_dict()["param_groups"]
    for group, mine in zip(groups, own, strict=True):
        if any(not isinstance(group[key], type(value)) for key, value in mine.items() if value is not None):
            raise ValueError("options of an optimiser of another kind")
    weights = [each for group in optimiser.param_groups for each in group["params"]]
    for index, values in state["state"].items():
        for value in values.values():
            if isinstance(value, Tensor) and value.shape not in ((), weights[int(index)].shape):
                raise ValueError(f"a tensor {tuple(value.shape)} of an optimiser whose weights are of another shape")


def random_state() -> dict[str, Any]:
    """Return the state of torch's random generators, on the CPU and on every GPU."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Set the state of torch's random generators."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
