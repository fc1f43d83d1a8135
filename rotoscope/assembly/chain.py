"""The models that a user names, as a chain: opened, with their options, and styled."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rotoscope.assembly.engines import device_of
from rotoscope.assembly.model import Model
from rotoscope.assembly.models import is_checkpoint
from rotoscope.assembly.styles import styled
from rotoscope.base.device import Device
from rotoscope.base.errors import UsageError
from rotoscope.base.options import ModelOptions

Named = str | Path | Model
"""Name of a model: a bundled look, the path of an .onnx file or checkpoint, or a loaded model"""


def as_chain(model: Named | Sequence[Named]) -> list[Named]:
    """One model or several as a list; raises UsageError for none."""
    chain: list[Named] = (
        [model] if isinstance(model, (str, Path, Model)) or not isinstance(model, Sequence) else list(model)
    )
    if not chain:
        raise UsageError("no model given; accepted: a name, a path, a loaded model, or a list of them")
    return chain


def model_keywords(options: Mapping[str, Any], engine: str | None) -> dict[str, Any]:
    """The keywords among the options that concern models; refuses wrong values before anything is opened."""
    given = {name: value for name, value in options.items() if name in ModelOptions.__annotations__}
    if engine is not None:
        given["engine"] = engine
    ModelOptions(**given)
    return given


def threads_of(chain: Sequence[Named]) -> int | None:
    """The threads that a loaded model of the chain asks for; None if none does."""
    return next((item.threads for item in chain if isinstance(item, Model) and item.threads), None)


def device_of_chain(chain: Sequence[Named], given: Mapping[str, Any]) -> Device:
    """The device of a chain that will be opened with these options: that of its first model."""
    own = chain[0].options if isinstance(chain[0], Model) else ModelOptions()
    return device_of(replace(own, **{name: given[name] for name in ("engine", "device") if name in given}))


def open_chain(chain: Sequence[Named], given: Mapping[str, Any]) -> list[Model]:
    """Open the models of a chain, see `opened_models`. Style encoders are used and left out: see `styled`."""
    return styled(opened_models(chain, given))


def opened_models(chain: Sequence[Named], given: Mapping[str, Any]) -> list[Model]:
    """Open the models of a chain; the keywords go to all of them, `norm` to the first, which alone sees the source."""
    names = [item for item in chain if not isinstance(item, Model)]
    if names and given.get("hints") and not any(is_checkpoint(Path(name)) for name in names):
        raise UsageError(f"--hint {given['hints'][0]}: hints are for checkpoints, and {names[0]} is none")
    models = []
    for place, item in enumerate(chain):
        own = {name: value for name, value in given.items() if place == 0 or name != "norm"}
        models.append(item.with_options(own) if isinstance(item, Model) else Model.open(item, ModelOptions(**own)))
    return models
