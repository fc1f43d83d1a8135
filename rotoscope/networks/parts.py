"""Find the networks of known architectures in a file: at its top, in a dictionary inside it, or under a common prefix.

A training checkpoint holds generators, discriminators, averages and counters under names that everybody chooses: `netG`,
`state_dict` with `generator.`, `G_A` beside `G_B`. Full names join the keys of dictionaries by full stops, so dictionaries and
prefixes are the same here: every beginning of a full name is tried as the name of a network.
"""

import bisect
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rotoscope.base.errors import ModelRefused
from rotoscope.base.text import shortened
from rotoscope.networks.architectures import ARCHITECTURES, Architecture, Weights
from rotoscope.networks.description import Signature
from rotoscope.networks.unsupported import UNSUPPORTED, Unsupported

MAX_KEY_CHARACTERS = 1000
MAX_WORDS = 24  # of a full name that are tried as the name of a network
MAX_PARTS = 64
MOST_SHOWN = 6  # networks named in a message
OPTIMISER = re.compile(r"optim.*|.*optimizer.*|opt|opt_?[GDgd]\w*|lr_schedulers?|callbacks|loops")
AVERAGED = re.compile(r"(?:(?<![a-z])|(?<=_))(ema|averaged?_model|averaged?|avg|swa|shadow)(?![a-z])", re.IGNORECASE)


class FoundNetwork(NamedTuple):
    """A network in a file.

    name     full name of the dictionary, or the prefix, that holds it; "" for the whole file
    weights  its tensors, named without the prefix
    """

    name: str
    architecture: Architecture
    weights: Weights

    @property
    def is_average(self) -> bool:
        """Whether its name says that it is a moving average of weights."""
        return bool(AVERAGED.search(self.name))

    @property
    def name_without_average(self) -> str:
        """The name of the network that it is the average of, in lower case without punctuation."""
        return re.sub(r"[._]", "", AVERAGED.sub("", self.name)).lower()


def tensors_of(state_dict: Mapping[str, Any]) -> Weights:
    """Return all tensors by full name without the prefixes of DataParallel and torch.compile, floating ones as float32.

    Other entries and the dictionaries of optimisers are dropped.
    """
    found: Weights = {}
    for key, value in state_dict.items():
        name = str(key)
        if isinstance(value, Mapping):
            if not OPTIMISER.fullmatch(name):
                found |= {f"{name}.{inner}": tensor for inner, tensor in tensors_of(value).items()}
        elif isinstance(value, Tensor | np.ndarray):
            if len(name) > MAX_KEY_CHARACTERS:
                raise ModelRefused(f"a key of {len(name):,} characters, {shortened(name)}; no network has such")
            try:
                tensor = torch.as_tensor(value).detach()
            except TypeError as error:  # NumPy's text, dates and records
                raise ModelRefused(f"{shortened(name)} holds {value.dtype}; weights are numbers") from error
            found[name] = tensor.float() if tensor.is_floating_point() else tensor
    return {re.sub(r"(^|\.)((module|_orig_mod)\.)+", r"\1", key): tensor for key, tensor in found.items()}


@functools.cache
def any_mark() -> re.Pattern[str]:
    """Return one pattern for all marks of all rows."""
    marks = [mark for row in (*ARCHITECTURES, *UNSUPPORTED) for mark in row.marks]
    return re.compile("|".join(f"(?:{mark})" for mark in dict.fromkeys(marks)))


def marked_names(weights: Weights) -> dict[str, list[str]]:
    """Return for each prefix the names under it that match a mark; the prefix of the whole file is ""."""
    found: dict[str, list[str]] = {}
    for key in weights:
        words = key.split(".")
        for place in range(min(len(words), MAX_WORDS)):
            rest = ".".join(words[place:])
            if any_mark().fullmatch(rest):
                found.setdefault(".".join(words[:place]), []).append(rest)
    return found


def fits(marks: Sequence[str], names: Sequence[str]) -> bool:
    """Whether each mark matches one of the names."""
    return all(any(re.fullmatch(mark, name) for name in names) for mark in marks)


def under(weights: Weights, keys: Sequence[str], prefix: str) -> Weights:
    """Return the tensors under a prefix, named without it; `keys` are the sorted names of the tensors."""
    if not prefix:
        return weights
    first = bisect.bisect_left(keys, f"{prefix}.")
    last = bisect.bisect_left(keys, f"{prefix}/")  # / is the character after the full stop
    return {key[len(prefix) + 1 :]: weights[key] for key in keys[first:last]}


def find_parts(weights: Weights) -> list[FoundNetwork]:
    """Return the networks of known architectures, none of them inside another one; averages inside one stand for themselves."""
    marked = marked_names(weights)
    keys = sorted(weights)
    prefixes = sorted(marked, key=lambda prefix: (prefix.count(".") + bool(prefix), prefix))
    found: list[FoundNetwork] = []
    for prefix in prefixes:
        whole = next((part for part in found if not part.name or prefix.startswith(f"{part.name}.")), None)
        inside = prefix.removeprefix(f"{whole.name}." if whole and whole.name else "")
        if whole and not AVERAGED.fullmatch(inside):
            continue
        inner = under(weights, keys, prefix)
        fitting = (row for row in ARCHITECTURES if fits(row.marks, marked[prefix]) and row.when(inner))
        architecture = next(fitting, None)
        if architecture is None or (is_flow(architecture) and 2 * len(inner) < len(weights)):
            continue
        if whole:  # an average beside the weights that it averages
            rest = {key: value for key, value in whole.weights.items() if not key.startswith(f"{inside}.")}
            found[found.index(whole)] = whole._replace(weights=rest)
        found.append(FoundNetwork(prefix, architecture, inner))
        if len(found) > MAX_PARTS:
            raise ModelRefused(f"more than {MAX_PARTS} networks in one file")
    return found


def is_flow(architecture: Architecture) -> bool:
    """Whether a network computes motion; inside a larger one it is a tool of that, not what the file is for."""
    return isinstance(architecture.signature, Signature) and architecture.signature.outputs == ("flow",)


def find_unsupported(weights: Weights) -> Unsupported | None:
    """Return what a file without a known network is, if it is something that people often give; None if it is unknown."""
    keys = sorted(weights)
    for prefix, names in marked_names(weights).items():
        if 2 * len(under(weights, keys, prefix)) < len(weights):
            continue
        for row in UNSUPPORTED:
            if fits(row.marks, names):
                return row
    return None


def choose(parts: Sequence[FoundNetwork], wanted: str | None) -> tuple[FoundNetwork, str]:
    """Return the network to take, and a note if the file holds others; raise ModelRefused if the file does not decide.

    wanted  the hint `part`: the full name, or its last words
    """
    if wanted is not None:
        chosen = [part for part in parts if part.name == wanted]
        chosen = chosen or [part for part in parts if f".{part.name}".endswith(f".{wanted}")]
        if len(chosen) == 1:
            return chosen[0], ""
        raise ModelRefused(f"no network named {shortened(wanted)} here; there {one_of(parts)}")
    pictures = [part for part in parts if not is_flow(part.architecture)]
    named = without_averaged(pictures or parts)
    if len(named) > 1:
        raise ModelRefused(f"holds several networks: choose by {one_of(named)}")
    (part,) = named
    others = [other.name or "the other" for other in pictures if other is not part]
    note = f"part {part.name}: averaged weights, preferred to {', '.join(map(shortened, others))}" if others else ""
    return part, note


def without_averaged(parts: Sequence[FoundNetwork]) -> list[FoundNetwork]:
    """Return the networks without those whose moving average is there too."""
    averages = [part for part in parts if part.is_average]
    others = [part for part in parts if not part.is_average]
    if len(averages) == len(others) == 1 and averages[0].architecture is others[0].architecture:
        return averages
    bases = {part.name_without_average for part in averages}
    return averages + [part for part in others if part.name_without_average not in bases]


def one_of(parts: Sequence[FoundNetwork]) -> str:
    """List hints that choose a network, such as `--hint part=G_A or --hint part=G_B`."""
    hints = [f"--hint part={shortened(part.name)}" for part in parts if part.name] or ["is one network, without a name"]
    more = f" or {len(hints) - MOST_SHOWN} more" if len(hints) > MOST_SHOWN else ""
    return " or ".join(hints[:MOST_SHOWN]) + more
