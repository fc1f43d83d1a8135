"""Recognise the architecture of a state dict, derive its sizes, and load its network; or say in one line why not."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.text import shortened
from rotoscope.networks.architectures import ARCHITECTURES, UNSUPPORTED, Architecture, Weights
from rotoscope.networks.description import Description, Loaded
from rotoscope.networks.norms import kind_of

# Keys under which training checkpoints store the weights.
WRAPPERS = ("state_dict", "model", "net_G", "params_ema", "params")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
MAX_KEY_CHARACTERS = 1000

# Values that a hint may have: words, True and False, or numbers of a range. `foreground` is a list of numbers.
HINTS: dict[str, type | range] = {
    "statistics": str,
    "direction": str,
    "align_corners": bool,
    "tensorflow": bool,
    "size": range(1, 4097),
    "iterations": range(1, 101),
    "foreground": range(1024),
}


def from_state_dict(state_dict: Mapping[str, Any], **hints: Any) -> Loaded:
    """Return the network of a state dict in eval mode with its weights, and its description.

    Takes what `torch.load` returns: a state dict, or a training checkpoint around one (keys `state_dict`, `model`,
    `net_G`), or several networks by name (MUNIT's `a` and `b`, Super SloMo's pair, vid2vid's scales as `netG0`,
    `netG1`, ...). Prefixes of DataParallel and torch.compile are dropped, and so are the running statistics that
    instance norms without scale kept in old files.

    Hints decide what the file does not say: `statistics` (frame, as published, or running) for batch norm; `direction` (AtoB,
    BtoA) for MUNIT and DualGAN files with both; `foreground` labels of vid2vid; `size` of VINet; `align_corners` of
    AnimeGANv2; `tensorflow` padding of contextual attention; `iterations` of RAFT. Others are refused with UsageError.

    Raises ModelRefused when the file is damaged, of an unknown architecture, or ambiguous (the message names the hint that
    decides).
    """
    if not isinstance(state_dict, Mapping):
        raise ModelRefused(f"a {type(state_dict).__name__} instead of a state dict: save model.state_dict()")
    weights = tensors_of(unwrapped(state_dict))
    if not weights:
        raise ModelRefused("no tensors in this checkpoint; a state dict is needed, as model.state_dict() gives it")
    architecture = find_architecture(weights)
    check_values(weights, plain_name(architecture))
    hints = {key: value for key, value in hints.items() if value is not None}
    check_hints(architecture, hints)
    try:
        sizes = architecture.sizes(weights, **hints_for(architecture.sizes, hints))
        weights = architecture.convert(weights, **hints_for(architecture.convert, hints))
        with torch.device("meta"):
            network = architecture.network(**sizes)
    except KeyError as error:
        raise ModelRefused(
            f"looks like {plain_name(architecture)}, but {shortened(str(error.args[0]))} missing: download it again"
        ) from error
    except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise ModelRefused(
            f"looks like {plain_name(architecture)}, but its shapes do not fit: download it again"
        ) from error
    name = architecture.name.format(**sizes)
    load(network, weights, name)
    network.eval().requires_grad_(False)
    description = Description(
        system=name,
        sizes=sizes,
        signature=architecture.signature(sizes) if callable(architecture.signature) else architecture.signature,
        size_multiple=int(getattr(network, "size_multiple", 1)),
        norm=kind_of(network),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )
    return Loaded(network, description)


def unwrapped(state_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the state dict inside a training checkpoint, or the argument itself."""
    for wrapper in WRAPPERS:
        inner = state_dict.get(wrapper)
        if isinstance(inner, Mapping) and inner:
            return unwrapped(inner)
    return state_dict


def tensors_of(state_dict: Mapping[str, Any]) -> Weights:
    """Return all tensors by full name without the prefixes of wrappers, floating ones as float32; drop other entries."""
    found: Weights = {}
    for key, value in state_dict.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": tensor for inner, tensor in tensors_of(value).items()}
        elif isinstance(value, Tensor | np.ndarray):
            if len(str(key)) > MAX_KEY_CHARACTERS:
                raise ModelRefused(f"a key of {len(str(key)):,} characters, {shortened(str(key))}; no network has such")
            try:
                tensor = torch.as_tensor(value).detach()
            except TypeError as error:  # NumPy's text, dates and records
                raise ModelRefused(f"{shortened(str(key))} holds {value.dtype}; weights are numbers") from error
            found[str(key)] = tensor.float() if tensor.is_floating_point() else tensor
    return {re.sub(r"(^|\.)((module|_orig_mod)\.)+", r"\1", key): tensor for key, tensor in found.items()}


def find_architecture(weights: Weights) -> Architecture:
    """Return the first row of the table that fits; raises ModelRefused with the closest one if none does."""
    keys = list(weights)

    def fits(marks: tuple[str, ...]) -> bool:
        return all(any(re.fullmatch(mark, key) for key in keys) for mark in marks)

    for marks, what, instead in UNSUPPORTED:
        if fits(marks):
            raise ModelRefused(f"this file looks like {what}, which cannot make pictures here: try {instead}")
    for architecture in ARCHITECTURES:
        if fits(architecture.marks) and architecture.when(weights):
            return architecture
    found = {
        architecture: [fits((mark,)) for mark in architecture.marks]
        for architecture in ARCHITECTURES
        if architecture.when(weights)
    }
    closest = max(found, key=lambda item: sum(found[item]) / len(item.marks))
    if any(found[closest]):
        lacking = example_key(closest.marks[found[closest].index(False)])
        raise ModelRefused(f"comes closest to {plain_name(closest)}, but {lacking} missing: try another file, or ONNX")
    names = ", ".join(shortened(key, 40) for key in keys[:3])
    raise ModelRefused(
        f"a network of no known architecture, {len(keys)} tensors such as {names}: export it to ONNX with the code it came from"
    )


def check_values(weights: Weights, name: str) -> None:
    """Raise ModelRefused for tensors without values, and for weights that are not floating-point numbers."""
    for key, value in weights.items():
        if value.numel() == 0:
            raise ModelRefused(
                f"looks like {name}, but {shortened(key)} has no values, {tuple(value.shape)}: download it again"
            )
        if value.ndim and not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise ModelRefused(
                f"looks like {name}, but {shortened(key)} is {kind}; weights are float16, bfloat16 or float32: give the file "
                "before its quantisation"
            )


def plain_name(architecture: Architecture) -> str:
    """Return the name of an architecture without its sizes."""
    return re.sub(r"[-,( ]*\{.*", "", architecture.name)


def example_key(mark: str) -> str:
    """Return a key that a mark matches, for messages."""
    mark = re.sub(r"\([^)]*\)\?", "", mark.replace("\\", ""))
    return re.sub(r"\(([^|)]*)[^)]*\)", r"\1", mark).split("|")[0].replace("d+", "4")


def hints_for(function: Callable[..., Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hints that are parameters of a function."""
    known = inspect.signature(function).parameters
    return {key: value for key, value in hints.items() if key in known}


def check_hints(architecture: Architecture, hints: Mapping[str, Any]) -> None:
    """Raise UsageError for a hint that this architecture does not take."""
    known = (
        list(inspect.signature(architecture.sizes).parameters)[1:]
        + list(inspect.signature(architecture.convert).parameters)[1:]
    )
    for hint in hints:
        if hint not in known:
            accepted = ", ".join(dict.fromkeys(known)) or "none"
            raise UsageError(
                f"{plain_name(architecture)} does not take the hint {shortened(hint)!r}; it takes {accepted}"
            )
        check_hint(hint, hints[hint])


def check_hint(name: str, value: Any) -> None:
    """Raise UsageError for a value that a hint cannot have."""
    allowed = HINTS[name]
    if isinstance(allowed, range):
        values = value if name == "foreground" and isinstance(value, tuple | list) else (value,)
        fits = 0 < len(values) <= len(allowed) and all(type(item) is int and item in allowed for item in values)
        accepted = f"a number from {allowed[0]} to {allowed[-1]}"
    else:
        fits, accepted = isinstance(value, allowed), {bool: "true, false", str: "a word"}[allowed]
    if not fits:
        shown = shortened(str(value)) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
        raise UsageError(f"hint {name}={shown}; accepted: {accepted}")


def load(network: nn.Module, weights: Weights, name: str) -> None:
    """Load tensors into a network; raise ModelRefused for missing, unexpected, differently shaped or non-finite tensors.

    Unused running statistics are dropped.
    """
    wanted = network.state_dict()
    unused = {key for key in weights if key not in wanted and key.endswith(STATISTICS)}
    weights = {key: value for key, value in weights.items() if key not in unused}
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}
    weights = {key: torch.zeros((), dtype=torch.int64) for key in counters} | weights
    differences = [f"{key} missing" for key in wanted if key not in weights]
    differences += [f"{shortened(key)} unexpected" for key in weights if key not in wanted]
    differences += [
        f"{shortened(key)} is {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in weights and value.shape != weights[key].shape
    ]
    if differences:
        shown = "; ".join(differences[:3]) + (f"; {len(differences) - 3} more" if len(differences) > 3 else "")
        raise ModelRefused(f"looks like {name}, but {shown}: try another file of that training, or export it to ONNX")
    broken = next((key for key, value in weights.items() if not bool(torch.isfinite(value).all())), None)
    if broken:
        raise ModelRefused(f"looks like {name}, but {broken} holds values that are not finite: try an earlier epoch")
    network.load_state_dict(weights, assign=True)
