"""From a state dict to a network: which system, which sizes, which names; or one line that says why not."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.networks.description import Description, Loaded
from rotoscope.networks.norms import kind_of
from rotoscope.networks.systems import SYSTEMS, UNSUPPORTED, System, Weights

# A training checkpoint keeps the weights under one of these.
WRAPPERS = ("state_dict", "model", "net_G", "params_ema", "params")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def from_state_dict(state_dict: Mapping[str, Any], **hints: Any) -> Loaded:
    """The network that a state dict belongs to, loaded, in eval mode, with its description.

    Takes what `torch.load` returns: a state dict, or a training checkpoint around one (keys `state_dict`, `model`,
    `net_G`), or several networks by name (MUNIT's `a` and `b`, Super SloMo's pair, vid2vid's scales as `netG0`,
    `netG1`, ...). Prefixes of DataParallel and torch.compile are dropped, and so are the running statistics that
    instance norms without scale kept in old files.

    Hints say what a file cannot, each only where it means something: `statistics` (frame, as published, or running)
    for batch norm; `direction` (AtoB, BtoA) for MUNIT and DualGAN files with both; `foreground` labels of vid2vid;
    `size` of VINet; `align_corners` of AnimeGANv2; `tensorflow` padding of contextual attention; `iterations` of
    RAFT.

    Raises ModelRefused when the file is damaged, of an unknown system, or ambiguous (the message names the hint that
    decides).
    """
    if not isinstance(state_dict, Mapping):
        raise ModelRefused(f"a {type(state_dict).__name__} instead of a state dict: save model.state_dict()")
    weights = tensors_of(unwrapped(state_dict))
    if not weights:
        raise ModelRefused("no tensors in this checkpoint; a state dict is needed, as model.state_dict() gives it")
    system = find_system(weights)
    hints = {key: value for key, value in hints.items() if value is not None}
    check_hints(system, hints)
    try:
        sizes = system.sizes(weights, **taken_by(system.sizes, hints))
        weights = system.convert(weights, **taken_by(system.convert, hints))
        with torch.device("meta"):
            network = system.network(**sizes)
    except KeyError as error:
        raise ModelRefused(
            f"looks like {plain_name(system)}, but {error.args[0]} missing: download it again"
        ) from error
    except (IndexError, ValueError, RuntimeError) as error:
        raise ModelRefused(f"looks like {plain_name(system)}, but its shapes do not fit: download it again") from error
    name = system.name.format(**sizes)
    load(network, weights, name)
    network.eval().requires_grad_(False)
    description = Description(
        system=name,
        sizes=sizes,
        signature=system.signature(sizes) if callable(system.signature) else system.signature,
        size_multiple=int(getattr(network, "size_multiple", 1)),
        norm=kind_of(network),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )
    return Loaded(network, description)


def unwrapped(state_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state dict inside a training checkpoint, or what was given."""
    for wrapper in WRAPPERS:
        inner = state_dict.get(wrapper)
        if isinstance(inner, Mapping) and inner:
            return unwrapped(inner)
    return state_dict


def tensors_of(state_dict: Mapping[str, Any]) -> Weights:
    """Every tensor by its full name without foreign prefixes, floating ones as float32; other entries are left behind."""
    found: Weights = {}
    for key, value in state_dict.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": tensor for inner, tensor in tensors_of(value).items()}
        elif isinstance(value, Tensor | np.ndarray):
            tensor = torch.as_tensor(value).detach()
            found[str(key)] = tensor.float() if tensor.is_floating_point() else tensor
    return {re.sub(r"(^|\.)((module|_orig_mod)\.)+", r"\1", key): tensor for key, tensor in found.items()}


def find_system(weights: Weights) -> System:
    """The first row of the table that fits."""
    keys = list(weights)

    def fits(marks: tuple[str, ...]) -> bool:
        return all(any(re.fullmatch(mark, key) for key in keys) for mark in marks)

    for marks, what, instead in UNSUPPORTED:
        if fits(marks):
            raise ModelRefused(f"this file looks like {what}, which cannot make pictures here: try {instead}")
    for system in SYSTEMS:
        if fits(system.marks) and system.when(weights):
            return system
    found = {system: [fits((mark,)) for mark in system.marks] for system in SYSTEMS if system.when(weights)}
    closest = max(found, key=lambda system: sum(found[system]) / len(system.marks))
    if any(found[closest]):
        lacking = spoken(closest.marks[found[closest].index(False)])
        raise ModelRefused(f"comes closest to {plain_name(closest)}, but {lacking} missing: try another file, or ONNX")
    names = ", ".join(keys[:3])
    raise ModelRefused(
        f"a network of no known system, {len(keys)} tensors such as {names}: export it to ONNX with the code it came from"
    )


def plain_name(system: System) -> str:
    """The system's name without sizes."""
    return re.sub(r"[-,( ]*\{.*", "", system.name)


def spoken(mark: str) -> str:
    """A mark as the first key that it matches."""
    mark = re.sub(r"\([^)]*\)\?", "", mark.replace("\\", ""))
    return re.sub(r"\(([^|)]*)[^)]*\)", r"\1", mark).split("|")[0].replace("d+", "4")


def taken_by(function: Callable[..., Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    """The hints that a function knows."""
    known = inspect.signature(function).parameters
    return {key: value for key, value in hints.items() if key in known}


def check_hints(system: System, hints: Mapping[str, Any]) -> None:
    """Refuse a hint that means nothing for this system."""
    known = (
        list(inspect.signature(system.sizes).parameters)[1:] + list(inspect.signature(system.convert).parameters)[1:]
    )
    for hint in hints:
        if hint not in known:
            accepted = ", ".join(dict.fromkeys(known)) or "none"
            raise UsageError(f"{plain_name(system)} does not take the hint {hint!r}; it takes {accepted}")


def load(network: nn.Module, weights: Weights, name: str) -> None:
    """Give the network its tensors; refuse on any difference that is not an unused statistic."""
    wanted = network.state_dict()
    unused = {key for key in weights if key not in wanted and key.endswith(STATISTICS)}
    weights = {key: value for key, value in weights.items() if key not in unused}
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}
    weights = {key: torch.zeros((), dtype=torch.int64) for key in counters} | weights
    differences = [f"{key} missing" for key in wanted if key not in weights]
    differences += [f"{key} unexpected" for key in weights if key not in wanted]
    differences += [
        f"{key} is {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
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
