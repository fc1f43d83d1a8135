"""Turn a loaded network into the graph of a model file: a module with inputs that a runtime can feed, and its manifest."""

import math
from typing import Any, NamedTuple

import torch
from torch import nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.manifest import Composite, FrameInput, FrameOutput, Manifest, NumberInput, StateTensor
from rotoscope.base.palette import parse_palette
from rotoscope.export.adapters import EightBit, Flat, Interpolating, Labels, Sharing, ThreeChannels, Uncomposed
from rotoscope.export.interfaces import INTERFACES, Flattened
from rotoscope.export.options import ExportOptions
from rotoscope.networks import Loaded, share_statistics
from rotoscope.networks.superslomo import SuperSloMo
from rotoscope.networks.vid2vid import Vid2Vid

NORMS = {
    "instance": "instance",
    "instance_running": "batch running",
    "batch_by_frame": "batch by frame",
    "batch_running": "batch running",
    "group": "group",
    "none": "none",
}


class Graph(NamedTuple):
    """A module and its manifest.

    The module takes the manifest's inputs and then its state tensors, all by position, and returns the manifest's outputs and
    then the next state as a tuple.
    """

    module: nn.Module
    manifest: Manifest


DEFAULTS = ExportOptions()


def as_graph(loaded: Loaded, options: ExportOptions = DEFAULTS, *, first_frame: Loaded | None = None) -> Graph:
    """Return the graph of a loaded network.

    options      all but `hints`, `part`, `precision` and `first_frame` are read; without a name, the model is called as its
                 architecture
    first_frame  vid2vid only: generator on label maps that draws the frames of a scene until the history is full; by default
                 vid2vid draws the first frame from an empty history
    Raises UsageError for an option that the network does not have, ModelRefused for a network that no model file can hold.
    """
    check_choices(loaded, options, first_frame)
    network, description = loaded
    signature, system = description.signature, description.system
    make = INTERFACES.get(signature.inputs)
    if make is None:
        raise ModelRefused(f"{system}: no model file has the inputs {', '.join(signature.inputs)}")
    if options.shared_statistics:
        network = Sharing(share_statistics(network))
    order: Any = signature.order
    multiple = math.lcm(description.size_multiple, first_frame.description.size_multiple if first_frame else 1)
    side = getattr(network, "fixed_size", None)  # of the only picture that the network takes
    frame = FrameInput(tensor="frame", range=signature.range, order=order, multiple=multiple, width=side, height=side)
    module = flat(network, len(signature.state), outside=options.warp == "outside")
    labels = labels_of(options)
    module, changed = make(Flattened(loaded, module, frame, labels, first_frame))
    fields: dict[str, Any] = {
        "frame": frame,
        "output": FrameOutput(tensor="picture", range=signature.range, order=order, scale=signature.scale),
        "normalisation": NORMS[description.norm],
        "state": state_tensors(loaded, network, multiple),
        **changed,
    }
    if labels is not None and fields["frame"].labels is None:
        raise UsageError(f"{system} takes no label maps")
    if options.warp == "outside":
        fields["composite"] = composites(fields["state"])
    if options.shared_statistics:
        fields |= sharing_fields(system, fields.get("kind", "translate"))
    if fields["output"].content == "picture":
        module = in_colour(module, description.sizes.get("out_channels", 3), system)
    if options.eight_bit:
        module, fields = in_eight_bits(module, fields)
    name = options.name or system
    if description.part:
        system = f"{system} ({description.part})"
    fields |= {"licence": options.licence, "source": options.source, "is_steady": options.is_steady}
    manifest = Manifest(name=name, system=system, **fields)
    return Graph(module.eval(), manifest)


def check_choices(loaded: Loaded, options: ExportOptions, first_frame: Loaded | None) -> None:
    """Raise UsageError for options that this network does not have."""
    network, description = loaded
    is_vid2vid, is_outside = isinstance(network, Vid2Vid), options.warp == "outside"
    if is_outside and not is_vid2vid:
        raise UsageError(f"warp outside the graph is for vid2vid; {description.system} has no such step")
    if first_frame is not None and (not is_vid2vid or is_outside):
        raise UsageError(f"a first-frame model is for vid2vid with its warp inside; this is {description.system}")
    has_norms = description.norm in ("instance", "batch_by_frame") and not description.signature.state
    if options.shared_statistics and not has_norms:
        raise UsageError(f"{description.system} has no instance norm whose statistics frames could share")


def labels_of(options: ExportOptions) -> Labels | None:
    """Return how a network on label maps was trained to see them; None unless the number of classes is given."""
    if options.labels is None:
        if options.edges or options.palette:
            raise UsageError("--edges and --palette need --labels, the number of classes")
        return None
    return Labels(options.labels, edges=options.edges, palette=parse_palette(options.palette))


def flat(network: nn.Module, num_state: int, *, outside: bool) -> nn.Module:
    """Wrap a network so that its arguments and results are tensors, not tuples of tensors.

    outside  of vid2vid: return what the runtime needs to finish the picture
    """
    if isinstance(network, SuperSloMo):
        return Interpolating(network)
    if isinstance(network, Sharing):
        return network
    if outside:
        assert isinstance(network, Vid2Vid)
        return Uncomposed(network)
    return Flat(network, num_state)


def sharing_fields(system: str, kind: str) -> dict[str, Any]:
    """Return the manifest fields of a network with shared statistics."""
    if kind != "translate":
        raise UsageError(
            f"{system} does not translate frames; shared statistics reduce flicker of translated frames only"
        )
    return {"number": NumberInput(tensor="keep", what="keep", value=1.0), "normalisation": "shared"}


def in_colour(module: nn.Module, channels: int, system: str) -> nn.Module:
    """Return a module whose picture has 3 channels, given one whose picture has 3 or 1."""
    if channels == 3:
        return module
    if channels != 1:
        raise ModelRefused(f"{system} makes {channels} channels; a picture has 3, or 1 if it is grey")
    return ThreeChannels(module)


def in_eight_bits(module: nn.Module, fields: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """Wrap a module so that pictures go in and come out as uint8 (N,H,W,3) RGB; return it with the changed fields."""
    frame, output = fields["frame"], fields["output"]
    if frame.labels or frame.window or "second" in fields or "mask" in fields or output.content != "picture":
        raise UsageError("uint8 inside the graph is for networks with one picture in and one out")
    coding = {"dtype": "uint8", "layout": "NHWC", "order": "RGB", "range": (0.0, 255.0)}
    coded = {"frame": frame.model_copy(update=coding), "output": output.model_copy(update=coding)}
    return EightBit(module, frame, output), fields | coded


def state_tensors(loaded: Loaded, network: nn.Module, multiple: int) -> tuple[StateTensor, ...]:
    """Return the state tensors of a network; their shapes in N, H and W are derived from its initial state at one size.

    multiple  of the sides that the network takes
    """
    if isinstance(network, Sharing):
        return (StateTensor(input="statistics", output="statistics_out", shape=(4, network.num_channels)),)
    if not loaded.description.signature.state:
        return ()
    height, width = 5 * multiple, 7 * multiple  # unequal, and unlike any number of channels or frames
    begin: Any = network.initial_state
    if isinstance(network, Vid2Vid):
        history = network.num_history_channels
        state = begin(torch.zeros(1, history, height, width))
    else:
        places = (5,) if "window" in loaded.description.signature.inputs else ()
        state = begin(torch.zeros(1, *places, 3, height, width))

    def expression(shape: torch.Size) -> tuple[int | str, ...]:
        if len(shape) != 4 or shape[2] == shape[3] == 1:
            return ("N", *shape[1:])
        return ("N", shape[1], _side("H", height, shape[2]), _side("W", width, shape[3]))

    names = loaded.description.signature.state
    return tuple(
        StateTensor(input=name, output=f"{name}_out", shape=expression(tensor.shape))
        for name, tensor in zip(names, state, strict=True)
    )


def _side(letter: str, whole: int, part: int) -> str:
    return letter if part == whole else f"{letter}/{whole // part}"


def composites(state: tuple[StateTensor, ...]) -> tuple[Composite, ...]:
    """Return the pictures that vid2vid leaves to the runtime, one for each history of its state, finest scale first."""
    histories = [tensor.input for tensor in state if tensor.input.startswith("history")]
    return tuple(
        Composite(state=name, drawn=f"drawn_{scale}", carried=f"carried_{scale}", flow=f"flow_{scale}")
        for scale, name in enumerate(histories)
    )
