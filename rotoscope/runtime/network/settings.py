"""The numbers that a user gives for further inputs of a network: --set NAME=VALUE."""

from collections.abc import Mapping, Sequence

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest, SettingInput
from rotoscope.runtime.models.golden import default_setting


def check_settings(models: Sequence[Manifest], given: Sequence[str]) -> None:
    """Raise UsageError for a setting that no model of a chain has."""
    inputs = [setting for model in models for setting in _inputs(model)]
    for text in given:
        name, value = _parted(text)
        if not name or not value:
            raise UsageError(f"--set {text}; accepted: NAME=VALUE, such as --set strength=0.5")
        if _named(inputs, name) is None:
            names = ", ".join(setting.tensor for setting in inputs)
            accepted = names or f"none, {' and '.join(model.name for model in models)} takes no settings"
            raise UsageError(f"--set {text}: no input of this name; accepted: {accepted}")


def setting_arrays(manifest: Manifest, given: Sequence[str]) -> Mapping[str, Array]:
    """The arrays of a model's settings by tensor name: those that are given as NAME=VALUE, and the defaults of the others.

    The style input, unless it is a picture, is among them if it is given.
    """
    inputs = _inputs(manifest)
    values = {setting.tensor: default_setting(setting) for setting in manifest.settings}
    for text in given:
        name, value = _parted(text)
        setting = _named(inputs, name)
        if setting is not None:
            values[setting.tensor] = _parsed(setting, value, text)
    return values


def _inputs(manifest: Manifest) -> list[SettingInput]:
    """The settings, and the style input as one of them."""
    style = manifest.style
    if style is None:
        return list(manifest.settings)
    zeros = (0.0,) * style.num_styles
    as_setting = SettingInput.model_construct(tensor=style.tensor, dtype=style.dtype, shape=style.shape, values=zeros)
    return [*manifest.settings, as_setting]


def _parted(text: str) -> tuple[str, str]:
    """(name, value) of NAME=VALUE; a name may hold =, a value may not."""
    name, _, value = text.rpartition("=")
    return name, value


def _named(inputs: Sequence[SettingInput], name: str) -> SettingInput | None:
    """The input of this name; or the only one whose name is this after its last / and before its last :."""
    exact = [setting for setting in inputs if setting.tensor == name]
    short = [setting for setting in inputs if setting.tensor.rpartition("/")[2].partition(":")[0] == name]
    return exact[0] if exact else short[0] if len(short) == 1 else None


def _parsed(setting: SettingInput, value: str, text: str) -> Array:
    """A number for each element, with commas; for several elements also numbered ones, as 2 or 0:0.5,3:0.5."""
    size = len(setting.values)
    words = value.split(",")
    if size > 1 and (":" in value or (len(words) == 1 and value.isascii() and value.isdecimal())):
        return weights_from(value, size, f"--set {text}").astype(setting.dtype).reshape(setting.shape)
    truths = {"true": "1", "false": "0"}
    try:
        numbers = [float(truths.get(word.strip().lower(), word)) for word in words]
    except ValueError:
        numbers = []
    is_whole = setting.dtype.startswith(("int", "uint", "bool"))
    if len(numbers) != size or not np.isfinite(numbers).all() or (is_whole and any(one % 1 for one in numbers)):
        kind = (
            "a whole number" if is_whole and size == 1 else "a number" if size == 1 else f"{size} numbers with commas"
        )
        raise UsageError(f"--set {text}; accepted: {kind}")
    return np.array(numbers).astype(setting.dtype).reshape(setting.shape)


def weights_from(text: str, size: int, flag: str) -> Array:
    """Weights (size,) float64 that sum to 1, from 7 or 3:0.5,12:0.5; raises UsageError that begins with `flag`."""
    weights = np.zeros(size)
    for word in text.split(","):
        place, is_pair, share = word.partition(":")
        try:
            index, weight = int(place), float(share) if is_pair else 1.0
        except ValueError:
            raise UsageError(
                f"{flag}; accepted: a number such as {size - 1}, or a blend such as 0:0.5,{size - 1}:0.5"
            ) from None
        if not 0 <= index < size:
            raise UsageError(f"{flag}: {index}; accepted: 0 to {size - 1}")
        if not 0 <= weight < 1e6:
            raise UsageError(f"{flag}: weight {share}; accepted: numbers from 0 on")
        weights[index] += weight
    if not weights.any():
        raise UsageError(f"{flag}: all weights are 0; accepted: at least one above 0")
    return weights / weights.sum()
