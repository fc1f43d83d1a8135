"""A loaded network as the graph of a model file: inputs that a runtime can feed, encoded inside, and the manifest for them.

Each system's kind of inputs becomes a manifest and a chain of the modules in adapters.py.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.manifest import (
    Composite,
    FrameInput,
    FrameOutput,
    FurtherOutput,
    InstanceInput,
    LabelMap,
    Manifest,
    MaskInput,
    NumberInput,
    SecondInput,
    StateTensor,
    StyleInput,
    Window,
)
from rotoscope.export.adapters import (
    ByLabels,
    Drawing,
    EightBit,
    FirstFrames,
    Flat,
    Grey,
    Interpolating,
    Labels,
    OneVector,
    Sharing,
    ThreeChannels,
    Uncomposed,
    Windowed,
)
from rotoscope.networks import Loaded, share_statistics
from rotoscope.networks.pwcnet import MULTIPLE as PWC_MULTIPLE
from rotoscope.networks.pwcnet import PWCNet
from rotoscope.networks.superslomo import SuperSloMo
from rotoscope.networks.vid2vid import Vid2Vid

CITYSCAPES_CHANNELS = 36  # 35 labels and the edges of instances: the one published count that says more than itself
NORMS = {
    "instance": "instance",
    "instance_running": "batch running",
    "batch_by_frame": "batch by frame",
    "batch_running": "batch running",
    "group": "group",
    "none": "none",
}


class Graph(NamedTuple):
    """A module called with the manifest's inputs and then its state tensors, all by position.

    It returns the manifest's outputs and then the state's in the same way, as a tuple.
    """

    module: nn.Module
    manifest: Manifest


def as_graph(
    loaded: Loaded,
    *,
    name: str,
    labels: Labels | None = None,
    shared_statistics: bool = False,
    warp: Literal["inside", "outside"] = "inside",
    first_frame: Loaded | None = None,
    eight_bit: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> Graph:
    """The graph of a loaded network.

    labels             for networks on label maps; by default one class a channel, and for 36 channels a frame 35 classes and
                       edges
    shared_statistics  instance norm (and batch norm by frame) keeps its statistics from frame to frame, as state
    warp               of vid2vid: "outside" leaves the last step to the runtime, for engines without GridSample
    first_frame        of vid2vid: the generator on label maps alone that draws the first frames of a scene, until the history
                       is full; by default the first is drawn without a past
    eight_bit          pictures go in and come out as uint8 (N,H,W,3) RGB
    provenance         `direction`, `licence`, `source`, `checkpoint_sha256` of the manifest
    Raises UsageError for a choice that the network does not have, ModelRefused for a network that no model file can hold.
    """
    network, description = loaded
    signature = description.signature
    order: Any = signature.order
    multiple = math.lcm(description.size_multiple, first_frame.description.size_multiple if first_frame else 1)
    frame = FrameInput(tensor="frame", range=signature.range, order=order, multiple=multiple)
    output = FrameOutput(tensor="picture", range=signature.range, order=order)
    parts: dict[str, Any] = {"frame": frame, "output": output, "normalisation": NORMS[description.norm]}
    if warp == "outside" and not isinstance(network, Vid2Vid):
        raise UsageError(f"warp outside the graph is for vid2vid; {description.system} has no such step")
    if first_frame is not None and (not isinstance(network, Vid2Vid) or warp == "outside"):
        raise UsageError(f"a first-frame model is for vid2vid with its warp inside; this is {description.system}")
    if shared_statistics:
        if description.norm not in ("instance", "batch_by_frame") or signature.state:
            raise UsageError(f"{description.system} has no instance norm whose statistics frames could share")
        network = Sharing(share_statistics(network))
        parts |= {
            "number": NumberInput(tensor="keep", what="keep", value=1.0),
            "normalisation": "shared",
        }
    module = flat(network, len(signature.state), outside=warp == "outside")
    match signature.inputs:
        case ("picture",):
            channels = description.sizes.get("in_channels", 3)
            if channels == 1:
                module = Grey(module, signature.order)
            elif channels != 3:
                module, parts = by_labels(module, parts, channels, labels, num_frames=1)
            (result,) = signature.outputs
            if result != "picture":
                parts |= {"kind": "encode", "output": FrameOutput(tensor=result, content="code")}
        case ("picture", "style"):
            parts["style"] = StyleInput(tensor="style", shape=(1, style_channels(description.sizes), 1, 1))
        case ("picture", "mask"):
            parts["mask"] = MaskInput(tensor="mask")
        case ("picture", "instances"):
            parts |= {
                "kind": "encode",
                "instances": InstanceInput(tensor="instances"),
                "output": FrameOutput(tensor="features", content="code"),
            }
        case ("labels", "features"):
            count = description.sizes["num_features"]
            parts["style"] = StyleInput(tensor="features", shape=(1, count, 1, 1))
            module = OneVector(module)
            module, parts = by_labels(module, parts, description.sizes["in_channels"], labels, num_frames=1)
        case ("labels",):
            assert isinstance(network, Vid2Vid)
            count = network.num_label_frames
            channels = description.sizes["scales"][0]["label_channels"] // count
            module, parts = by_labels(module, parts, channels, labels, num_frames=count)
            if first_frame is not None:
                drawing, _ = by_labels(
                    Drawing(first_frame, count - 1, channels), parts, channels, labels, num_frames=count
                )
                module = FirstFrames(drawing, module)
        case ("frames",) | ("older", "newer"):
            parts["frame"] = frame.model_copy(update={"window": Window(offsets=(-1, 0))})
            module = Windowed(module, stacked=signature.inputs == ("frames",))
        case ("window", "masks"):
            window = Window(offsets=(-6, -3, 0, 3, 6), edge="mirror")
            parts |= {"frame": frame.model_copy(update={"window": window}), "mask": MaskInput(tensor="mask")}
        case ("source", "processed"):
            parts |= {"kind": "stabilise", "second": SecondInput(tensor="translated", what="translated")}
        case ("first", "second"):
            parts |= {"kind": "flow", "second": SecondInput(tensor="second", what="next")}
            if isinstance(network, PWCNet):  # it would resize to this by itself, by a graph much larger
                parts["frame"] = frame.model_copy(update={"multiple": PWC_MULTIPLE})
            parts["output"] = FrameOutput(tensor="flow", content="flow")
        case ("first", "second", "time"):
            parts |= {
                "kind": "interpolate",
                "second": SecondInput(tensor="second", what="next"),
                "number": NumberInput(tensor="time", what="time", shape=(1, 1, 1, 1), value=0.5),
                "further": (
                    FurtherOutput(tensor="flow_to_frame", what="flow to frame"),
                    FurtherOutput(tensor="flow_to_second", what="flow to second"),
                    FurtherOutput(tensor="visibility", what="visibility"),
                ),
            }
        case other:
            raise ModelRefused(f"{description.system}: no model file has the inputs {', '.join(other)}")
    if labels is not None and parts["frame"].labels is None:
        raise UsageError(f"{description.system} takes no label maps")
    parts["state"] = state_tensors(loaded, network, frame.multiple)
    if warp == "outside":
        parts["composite"] = composites(parts["state"])
    if shared_statistics and parts.get("kind", "translate") != "translate":
        raise UsageError(
            f"{description.system} makes no pictures of frames; sharing statistics is against flicker in those"
        )
    made = description.sizes.get("out_channels", 3)
    if parts["output"].content == "picture" and made != 3:
        if made != 1:
            raise ModelRefused(f"{description.system} makes {made} channels; a picture has 3, or 1 that is grey")
        module = ThreeChannels(module)
    if eight_bit:
        module, parts = in_eight_bits(module, parts)
    system = description.system
    return Graph(module.eval(), Manifest(name=name, system=system, **parts, **(provenance or {})))


def flat(network: nn.Module, num_state: int, *, outside: bool) -> nn.Module:
    """The network without tuples in its arguments and results."""
    if isinstance(network, SuperSloMo):
        return Interpolating(network)
    if isinstance(network, Sharing):
        return network
    if outside:
        assert isinstance(network, Vid2Vid)
        return Uncomposed(network)
    return Flat(network, num_state)


def by_labels(
    module: nn.Module, parts: dict[str, Any], channels: int, labels: Labels | None, *, num_frames: int
) -> tuple[nn.Module, dict[str, Any]]:
    """A network on `channels` channels a frame, on label maps instead."""
    if labels is None:
        labels = Labels(35, edges=True) if channels == CITYSCAPES_CHANNELS else Labels(channels)
    if labels.num + labels.edges != channels:
        raise UsageError(
            f"{labels.num} labels {'and edges' if labels.edges else 'without edges'}: this network has {channels} "
            "channels a frame"
        )
    window = Window(offsets=tuple(range(1 - num_frames, 1))) if num_frames > 1 else None
    coding: dict[str, Any] = {"range": (0.0, 255.0)} if labels.palette else {"dtype": "int32"}
    frame = FrameInput(
        tensor="labels",
        multiple=parts["frame"].multiple,
        padding="edge",
        labels=LabelMap(num=labels.num, palette=labels.palette),
        window=window,
        **coding,
    )
    parts = parts | {"frame": frame}
    if labels.edges:
        parts["instances"] = InstanceInput(tensor="instances")
    return ByLabels(module, labels), parts


def in_eight_bits(module: nn.Module, parts: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """Pictures from end to end."""
    frame, output = parts["frame"], parts["output"]
    if frame.labels or frame.window or "second" in parts or "mask" in parts or output.content != "picture":
        raise UsageError("uint8 inside the graph is for networks with one picture in and one out")
    in_pictures = frame.model_copy(update={"dtype": "uint8", "layout": "NHWC", "order": "RGB", "range": (0.0, 255.0)})
    out_pictures = output.model_copy(update={"dtype": "uint8", "layout": "NHWC", "order": "RGB", "range": (0.0, 255.0)})
    return EightBit(module, frame, output), parts | {"frame": in_pictures, "output": out_pictures}


def state_tensors(loaded: Loaded, network: nn.Module, multiple: int) -> tuple[StateTensor, ...]:
    """What the network keeps, with shapes as expressions, read off its own initial state at one size."""
    if isinstance(network, Sharing):
        return (StateTensor(input="statistics", output="statistics_out", shape=(4, network.num_channels)),)
    if not loaded.description.signature.state:
        return ()
    height, width = 5 * multiple, 7 * multiple  # sides that no number of channels or frames is mistaken for
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
    """Finest first, as the histories stand in the state."""
    histories = [tensor.input for tensor in state if tensor.input.startswith("history")]
    return tuple(
        Composite(state=name, drawn=f"drawn_{scale}", carried=f"carried_{scale}", flow=f"flow_{scale}")
        for scale, name in enumerate(histories)
    )


def style_channels(sizes: Mapping[str, Any]) -> int:
    """Of a MUNIT generator, or of the domain that a pair translates to."""
    if "direction" in sizes:
        sizes = sizes["b" if sizes["direction"] == "AtoB" else "a"]
    count: int = sizes["style_channels"]
    return count
