"""One run of training: its configuration in a file, its progress on the screen, its end as an exit code."""

import importlib
import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rotoscope.base.errors import UsageError
from rotoscope.cli.progress import Style
from rotoscope.training.options import (
    BlindConsistencyOptions,
    CycleGanOptions,
    DistillOptions,
    DualGanOptions,
    FastStyleOptions,
    InpaintingOptions,
    LookOptions,
    MunitOptions,
    Pix2PixOptions,
    RecycleGanOptions,
    RunOptions,
    SingleFrameOptions,
    SuperSlomoOptions,
    SystemOptions,
    Vid2VidOptions,
)

if TYPE_CHECKING:
    from rotoscope.training.loop.system import System
    from rotoscope.training.loop.trainer import TrainingProgress

Part = TypeVar("Part", SystemOptions, RunOptions)

INTERRUPTED = 130
CONFIG = "config.toml"

# Options of each system, and the module and class that train it.
SYSTEMS: dict[type[SystemOptions], tuple[str, str]] = {
    CycleGanOptions: ("cyclegan", "CycleGan"),
    Pix2PixOptions: ("pix2pix", "Pix2Pix"),
    DualGanOptions: ("dualgan", "DualGan"),
    MunitOptions: ("munit", "Munit"),
    SingleFrameOptions: ("munit", "Munit"),
    RecycleGanOptions: ("recycle_gan", "RecycleGan"),
    Vid2VidOptions: ("vid2vid", "Vid2VidSystem"),
    FastStyleOptions: ("fast_style_transfer", "FastStyleTransfer"),
    LookOptions: ("look", "Look"),
    BlindConsistencyOptions: ("blind_consistency", "BlindConsistency"),
    SuperSlomoOptions: ("super_slomo", "SuperSlomoSystem"),
    InpaintingOptions: ("inpainting", "Inpainting"),
}


def begin(options: SystemOptions, run: RunOptions, progress: Style) -> int:
    """Train from the beginning, in a folder that holds no run yet."""
    if any(run.out.glob("checkpoints/step-*.pt")):
        raise UsageError(f"{run.out} holds a run already; `rotoscope train resume {run.out}` goes on with it")
    run.out.mkdir(parents=True, exist_ok=True)
    (run.out / CONFIG).write_text(as_toml(options, run))
    return carry_out(options, run, progress, resume=False)


def carry_out(options: SystemOptions, run: RunOptions, progress: Style, *, resume: bool) -> int:
    """Train, showing progress; exit code 0, or 130 if it was stopped."""
    try:
        trainer = importlib.import_module("rotoscope.training.loop.trainer")
    except ModuleNotFoundError as error:
        raise UsageError(f'{error.name} is not installed; this installs it: pip install ".[train]"') from error
    told = {"system": options.system, **asdict(options), **asdict(run)}
    with shown_training(options.system, progress) as show:
        finished = trainer.train(
            lambda: make_system(options), run, told, batch=options.batch, resume=resume, on_progress=show
        )
    where = f"{run.out}/*.safetensors" if finished else f"stopped; rotoscope train resume {run.out} goes on"
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"{where}; curves and samples in {run.out / 'run.html'}", file=sys.stderr)
    return 0 if finished else INTERRUPTED


def make_system(options: SystemOptions) -> "System":
    """The system that the options belong to."""
    if isinstance(options, DistillOptions):
        import rotoscope
        from rotoscope.training.systems.distill import Distillation, as_teacher

        # The teacher runs on an engine and is asked picture by picture.
        return Distillation(options, as_teacher(rotoscope.load(options.teacher)))
    module, name = SYSTEMS[type(options)]
    made: System = getattr(importlib.import_module(f"rotoscope.training.systems.{module}"), name)(options)
    return made


def as_toml(options: SystemOptions, run: RunOptions) -> str:
    """Every option that has a value, as a file that `--config` and `resume` read."""
    values = {"system": options.system, **asdict(options), **asdict(run)}
    written = ((name, str(value) if isinstance(value, Path) else value) for name, value in values.items())
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in written if value is not None)


def from_toml(path: Path) -> tuple[SystemOptions, RunOptions]:
    """The options that `as_toml` wrote. Raises UsageError if the file is not of that kind."""
    if not path.is_file():
        raise UsageError(f"{path.parent}: no run here (no {path.name})")
    try:
        values = tomllib.loads(path.read_text())
        kinds: list[type[SystemOptions]] = [*SYSTEMS, DistillOptions]
        kind = {kind.system: kind for kind in kinds}[values.pop("system")]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise UsageError(f"{path}: not the configuration of a run ({error})") from error
    try:
        options, run = _taken(kind, values), _taken(RunOptions, values)
    except TypeError as error:  # a field without a default is not there
        raise UsageError(f"{path}: {str(error).partition(' ')[2]}") from error
    if values:
        raise UsageError(f"{path}: unknown {', '.join(sorted(values))}")
    return options, run


def _taken(kind: type[Part], values: dict[str, Any]) -> Part:
    """An object of this class from its share of the values, which are taken out."""
    types = {field.name: field.type for field in fields(kind)}
    return kind(**{name: _typed(types[name], values.pop(name)) for name in list(values) if name in types})


def _typed(annotation: Any, value: Any) -> Any:
    """TOML knows no paths and no tuples."""
    if annotation in (Path, Path | None):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value


@contextmanager
def shown_training(title: str, style: Style) -> "Iterator[Callable[[TrainingProgress], None]]":
    """A bar with the newest losses, a JSON line a report, nothing; by default the bar on a terminal, elsewhere plain lines."""
    if style == "none":
        yield lambda _progress: None
    elif style == "json":
        yield lambda progress: print(json.dumps(_as_row(progress)), file=sys.stderr, flush=True)
    elif style == "auto" and not sys.stderr.isatty():
        yield lambda progress: print(
            f"step {progress.step}/{progress.total}  {progress.seconds:.0f} s  {_losses(progress)}", file=sys.stderr
        )
    else:
        yield from _bar(title)


def _as_row(progress: "TrainingProgress") -> dict[str, Any]:
    a_step = progress.seconds / progress.step
    return {
        "step": progress.step,
        "total": progress.total,
        "seconds": round(progress.seconds, 3),
        "eta_seconds": round(a_step * (progress.total - progress.step), 1),
        "losses": dict(progress.terms),
    }


def _losses(progress: "TrainingProgress") -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in progress.terms.items())


def _bar(title: str) -> "Iterator[Callable[[TrainingProgress], None]]":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("[dim]{task.fields[losses]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, losses="")

        def show(progress: "TrainingProgress") -> None:
            bar.update(task, total=progress.total, completed=progress.step, losses=_losses(progress))

        yield show
