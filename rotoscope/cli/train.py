"""rotoscope train SYSTEM: from pictures or videos to weights that `export` and `translate` take."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.config import Dict

from rotoscope.base.errors import UsageError
from rotoscope.base.extras import needs_extra
from rotoscope.base.settings_file import read_toml
from rotoscope.cli.progress import Style
from rotoscope.cli.training_run import exit_code, shown_training
from rotoscope.cli.whole_numbers import refuse_fractions
from rotoscope.training.options import SYSTEMS, RunOptions, SystemOptions

train = App(
    name="train",
    help="Train a system on pictures or videos.",
    default_parameter=Parameter(show_env_var=False, negative_iterable=(), negative_none=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


def system_command(kind: type[SystemOptions]) -> Callable[..., int]:
    """Return the function of `rotoscope train SYSTEM`, whose flags are the fields of both dataclasses."""

    def command(
        *,
        options: Annotated[kind, Parameter(name="*", group=Group("System"))],  # type: ignore[valid-type]  # cyclopts reads it at run time
        run: Annotated[RunOptions, Parameter(name="*", group=Group("Run"))],
        progress: Annotated[Style, Parameter(group=Group("Run"), help="Progress on standard error.")] = "auto",
    ) -> int:
        import rotoscope

        with shown_training(kind.system, progress) as show:
            result = rotoscope.train(given(options, kind), run, on_progress=show)
        return exit_code(result)

    if all(
        field.default is not MISSING for field in fields(kind)
    ):  # which inputs are needed, the options say themselves
        command.__annotations__["options"] = Annotated[kind | None, Parameter(name="*", group=Group("System"))]
        command.__defaults__, command.__kwdefaults__ = None, {"options": None, "progress": "auto"}
    command.__doc__ = (kind.__doc__ or "").partition("\n")[0]
    return command


def given(options: SystemOptions | None, kind: type[SystemOptions]) -> SystemOptions:
    """Return the options; None stands for those of a system that has a default for each, and refuses what is missing."""
    return kind() if options is None else options


for kind in SYSTEMS:
    train.command(system_command(kind), name=kind.system)


@train.meta.default
def train_with_config(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)], config: Path | None = None
) -> int:
    """Train a system on pictures or videos.

    Parameters
    ----------
    words
        The system and its options.
    config
        TOML file of options, such as the config.toml of a run; flags override it.

    """
    train.config = (refuse_fractions,)
    if config is not None:
        values = read_config(config, words[:1])
        train.config = (Dict(values, use_commands_as_keys=False, source=str(config)), refuse_fractions)
    try:
        code: int = train(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        error.command_chain = ("train", *(error.command_chain or ()))
        raise
    return code


def read_config(path: Path, system: tuple[str, ...]) -> dict[str, Any]:
    """Return the options in a TOML file; if it names a system, it must be that of the command line."""
    if not path.is_file():
        raise UsageError(f"--config {path}: no such file")
    try:
        values = read_toml(path)
    except UsageError as error:
        raise UsageError(f"--config {error}") from error
    tables = [name for name, value in values.items() if isinstance(value, dict)]
    if tables:
        raise UsageError(f"--config {path}: unknown table [{tables[0]}]; options stand at the top, as name = value")
    named = values.pop("system", None)
    if system and named not in (None, *system):
        raise UsageError(f"--config {path} is for {named}, not for {system[0]}")
    return values


@train.command
def resume(folder: Path, /, *, steps: int | None = None, progress: Style = "auto") -> int:
    """Continue a run that was stopped or killed, exactly from its newest checkpoint; without one, from the start.

    Parameters
    ----------
    folder
        The run's folder.
    steps
        Stop after this many steps instead of the number in config.toml.
    progress
        Progress on standard error.

    """
    with needs_extra("train"):
        from rotoscope.api.training import open_teacher
        from rotoscope.training.systems import runs
    with shown_training(folder.resolve().name, progress) as show:
        result = runs.resume(folder, steps=steps, open_teacher=open_teacher, on_progress=show)
    return exit_code(result)
