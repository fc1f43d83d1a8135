"""Recognise the architecture of a state dict, derive its sizes, and load its network; or say in one line why not."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.text import shortened
from rotoscope.networks.architectures import ARCHITECTURES, Architecture, Weights
from rotoscope.networks.description import Description, Loaded
from rotoscope.networks.folding import folded
from rotoscope.networks.norms import kind_of
from rotoscope.networks.parts import FoundNetwork, choose, find_parts, find_unsupported, fits, tensors_of

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
# Tensors of one number that tools leave beside weights, and that no layer reads.
COUNTERS = re.compile(
    r"(.*\.)?(total_ops|total_params|num_batches_tracked|n_averaged|(global_)?steps?|(cur_)?iter(ation)?s?|epochs?|initted|decay"
    r"|num_updates|real_label|fake_label)"
)
NUMBERED = re.compile(r"[a-z_.\\]*\d+\\\.weight")  # a mark that many networks match

# Values that a hint may have: words, True and False, or numbers of a range. `foreground` is a list of numbers.
HINTS: dict[str, type | range | tuple[str, ...]] = {
    "part": str,
    "statistics": str,
    "direction": str,
    "norm": ("instance", "none"),
    "padding": ("reflect", "replicate", "zero"),
    "activation": ("relu", "lrelu"),
    "output": str,
    "dialect": ("tensorflow", "torch", "port"),
    "align_corners": bool,
    "tensorflow": bool,
    "blocks": ("residual", "preactivated"),
    "size": range(1, 4097),
    "iterations": range(1, 101),
    "foreground": range(1024),
    "input": ("labels", "lines", "drawing", "drawings"),
    "features": range(1, 65),
}
# Hints on arithmetic that files of the same names and shapes may differ in: what was assumed is said.
ARITHMETIC = ("norm", "padding", "activation", "output", "align_corners", "blocks")
STORED = (
    ("padding", "zero"),
    ("activation", "prelu"),
    ("blocks", "bottleneck"),
    ("blocks", "dense"),
)  # names show it


def from_state_dict(state_dict: Mapping[str, Any], **hints: Any) -> Loaded:
    """Return the network of a state dict in eval mode with its weights, and its description.

    Takes what `torch.load` returns: a state dict, or a training checkpoint around one under any name, or several networks by
    name (MUNIT's `a` and `b`, Super SloMo's pair, vid2vid's scales as `netG0`, `netG1`, ...). Prefixes of DataParallel and
    torch.compile are dropped, spectral and weight norm are folded into the weights, and counters are passed over. If the
    file holds a network and a moving average of it, the average is taken.

    Hints decide what the file does not say: `part`, the network to take of several; `statistics` (frame, as published, or
    running) for batch norm; `direction` (AtoB, BtoA) for MUNIT, UNIT and DualGAN files with both; `norm`, `padding`,
    `activation` and `output` of networks whose names and shapes fit several; `foreground` labels, `input` and encoder
    `features` of vid2vid; `size` of VINet;
    `align_corners` of AnimeGANv2; `blocks` of fast style transfer by transposed convolutions; `dialect` of White-box
    Cartoonization; `tensorflow` padding of contextual attention; `iterations` of RAFT. Others are refused with UsageError.

    Raises ModelRefused when the file is damaged, of an unknown architecture, or ambiguous (the message names the hint that
    decides).
    """
    if not isinstance(state_dict, Mapping):
        raise ModelRefused(f"a {type(state_dict).__name__} instead of a state dict: save model.state_dict()")
    hints = {key: value for key, value in hints.items() if value is not None}
    for hint in hints.keys() & HINTS.keys():
        check_hint(hint, hints[hint])
    stored = tensors_of(state_dict)
    if not stored:
        raise ModelRefused("no tensors in this checkpoint; a state dict is needed, as model.state_dict() gives it")
    plain = folded(stored)
    part, note = find_network(plain, hints.pop("part", None))
    loaded = loaded_part(part, hints)
    notes = [note] if note else []
    if len(plain) < len(stored):
        notes.append("spectral or weight norm: folded into the weights")
    notes += assumed(part.architecture, loaded.description.sizes, hints)
    again = decided(part.architecture, loaded.description.sizes) | hints
    return Loaded(loaded.network, replace(loaded.description, part=part.name, notes=tuple(notes), hints=again))


def find_network(weights: Weights, wanted: str | None) -> tuple[FoundNetwork, str]:
    """Return the network to take from a file, and a note; raise ModelRefused that says what the file is if there is none."""
    parts = find_parts(weights)
    if parts:
        return choose(parts, wanted)
    known = find_unsupported(weights)
    if known is not None:
        raise ModelRefused(f"looks like {known.what}: {known.instead}")
    closest = find_closest(weights)
    if closest is not None:
        architecture, lacking = closest
        raise ModelRefused(
            f"comes closest to {plain_name(architecture)}, but {lacking} missing: try another file, or ONNX"
        )
    names = ", ".join(shortened(key, 40) for key in list(weights)[:3])
    raise ModelRefused(
        f"an unknown network, {len(weights)} tensors such as {names}: export it to ONNX with the code it came from"
    )


def find_closest(weights: Weights) -> tuple[Architecture, str] | None:
    """Return the row that a damaged file seems to be of, with a name that it lacks; None if nothing speaks for one.

    Numbered layers alone, such as `model.4.weight`, are in many networks and speak for none.
    """
    for row in ARCHITECTURES:
        matched = {mark: fits((mark,), list(weights)) for mark in row.marks}
        speaks = any(found and not NUMBERED.fullmatch(mark) for mark, found in matched.items())
        if speaks and len(row.marks) / 2 <= sum(matched.values()) < len(row.marks):
            return row, example_key(next(mark for mark, found in matched.items() if not found))
    return None


def loaded_part(part: FoundNetwork, hints: Mapping[str, Any]) -> Loaded:
    """Build the network of a part and load its weights."""
    architecture, weights = part.architecture, part.weights
    check_values(weights, plain_name(architecture))
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


def assumed(architecture: Architecture, sizes: Mapping[str, Any], hints: Mapping[str, Any]) -> list[str]:
    """Return a note on the arithmetic that the file does not decide and no hint decided."""
    taken = inspect.signature(architecture.sizes).parameters
    open_hints = [hint for hint in ARITHMETIC if hint in taken and hint not in hints and hint in sizes]
    found = {hint: sizes[hint] for hint in open_hints if (hint, sizes[hint]) not in STORED}
    found = {hint: value for hint, value in found.items() if hint != "norm" or value == "none"}
    if not found:
        return []
    shown = ", ".join(f"{hint}={str(value).lower()}" for hint, value in found.items())
    return [f"assumed, as the file does not say: {shown} (--hint {next(iter(found))}=... changes it)"]


def decided(architecture: Architecture, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hints that stand for what the names in a file decided, which other names would not show."""
    found = {}
    for hint in inspect.signature(architecture.sizes).parameters:
        allowed = HINTS.get(hint)
        if hint in sizes and (allowed is bool or (isinstance(allowed, tuple) and sizes[hint] in allowed)):
            found[hint] = sizes[hint]
    return found


def check_values(weights: Weights, name: str) -> None:
    """Raise ModelRefused for tensors without values, and for weights that are not floating-point numbers."""
    for key, value in weights.items():
        if is_counter(key, value):
            continue
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


def is_counter(key: str, value: Tensor) -> bool:
    """Whether a tensor is one number that a tool left, or holds nothing and is no parameter."""
    is_empty = value.numel() == 0 and not key.endswith(("weight", "bias"))
    return is_empty or (value.numel() == 1 and COUNTERS.fullmatch(key) is not None)


def plain_name(architecture: Architecture) -> str:
    """Return the name of an architecture without its sizes."""
    return re.sub(r"( with)?[-,( ]*\{.*", "", architecture.name)


def example_key(mark: str) -> str:
    """Return a key that a mark matches, for messages."""
    mark = re.sub(r"\([^)]*\)\?", "", mark.replace("\\", ""))
    return re.sub(r"\(([^|)]*)[^)]*\)", r"\1", mark).split("|")[0].replace("d+", "4")


def hints_for(function: Callable[..., Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hints that are parameters of a function."""
    known = inspect.signature(function).parameters
    return {key: value for key, value in hints.items() if key in known}


class HintRefused(UsageError):
    """A hint is not one of its architecture, or has a value that it cannot have; `hint` is its name."""

    def __init__(self, hint: str, reason: str) -> None:
        super().__init__(reason)
        self.hint = hint


def check_hints(architecture: Architecture, hints: Mapping[str, Any]) -> None:
    """Raise UsageError for a hint that this architecture does not take."""
    known = (
        list(inspect.signature(architecture.sizes).parameters)[1:]
        + list(inspect.signature(architecture.convert).parameters)[1:]
    )
    for hint in hints:
        if hint not in known:
            accepted = ", ".join(dict.fromkeys(known)) or "none"
            text = f"{plain_name(architecture)} does not take the hint {shortened(hint)!r}; it takes {accepted}"
            raise HintRefused(hint, text)


def check_hint(name: str, value: Any) -> None:
    """Raise UsageError for a value that a hint cannot have."""
    allowed = HINTS[name]
    if isinstance(allowed, tuple):
        is_right, accepted = isinstance(value, str) and value in allowed, ", ".join(allowed)
    elif isinstance(allowed, range):
        values = value if name == "foreground" and isinstance(value, tuple | list) else (value,)
        is_right = 0 < len(values) <= len(allowed) and all(type(item) is int and item in allowed for item in values)
        accepted = f"a number from {allowed[0]} to {allowed[-1]}"
    else:
        is_right, accepted = isinstance(value, allowed), {bool: "true, false", str: "a word"}[allowed]
    if not is_right:
        shown = shortened(str(value)) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
        raise HintRefused(name, f"hint {name}={shown}; accepted: {accepted}")


def load(network: nn.Module, weights: Weights, name: str) -> None:
    """Load tensors into a network; raise ModelRefused for missing, unexpected, differently shaped or non-finite tensors.

    Counters and unused running statistics are dropped.
    """
    wanted = network.state_dict()
    counters = {key for key, value in weights.items() if is_counter(key, value)}
    unused = {key for key in weights if key not in wanted and key.endswith(STATISTICS)} | counters
    weights = {key: value for key, value in weights.items() if key not in unused}
    counted = {key for key in wanted if key.endswith("num_batches_tracked")}
    weights |= {key: torch.zeros((), dtype=torch.int64) for key in counted}
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
