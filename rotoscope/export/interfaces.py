"""Inputs and outputs of a model file, for each kind of network inputs.

INTERFACES maps the input names of a network's signature to a function. The function returns the module to export, which takes
what the runtime feeds, with the fields of its manifest that differ from the defaults.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.manifest import (
    FrameInput,
    FrameOutput,
    FurtherOutput,
    InstanceInput,
    LabelMap,
    MaskInput,
    NumberInput,
    SecondInput,
    StyleInput,
    Window,
)
from rotoscope.export.adapters import (
    ByDrawings,
    ByLabels,
    Drawing,
    FirstFrames,
    Grey,
    Labels,
    OneVector,
    Styled,
    Windowed,
)
from rotoscope.networks import Loaded
from rotoscope.networks.pwcnet import MULTIPLE as PWC_MULTIPLE
from rotoscope.networks.pwcnet import PWCNet
from rotoscope.networks.vid2vid import Vid2Vid

CITYSCAPES_CHANNELS = 36  # unambiguous: the 35 labels of Cityscapes and one channel of instance edges
# Channels a frame of networks on label maps that mean something else, in their published options.
NO_LABELS = {"pix2pixHD": (2, 4, 6, 39), "vid2vid": (3, 6, 15)}
DRAWN_CHANNELS = {"lines": 1, "drawing": 3, "drawings": 6}  # a frame
STYLE_DEVIATION = 0.5  # of codes drawn for an encoder whose features are in [-1,1] (tanh)
VINET_WINDOW = Window(offsets=(-6, -3, 0, 3, 6), edge="mirror")


class Flattened(NamedTuple):
    """A network whose module takes and returns single tensors, with the frame input that it has by default.

    labels       how a network on label maps was trained to see them; None: by its number of channels
    first_frame  of vid2vid: the network that draws the first frames of a scene
    """

    loaded: Loaded
    module: nn.Module
    frame: FrameInput
    labels: Labels | None
    first_frame: Loaded | None

    @property
    def sizes(self) -> Mapping[str, Any]:
        """The arguments that the network was built with."""
        return self.loaded.description.sizes


class Interface(NamedTuple):
    """The module to export, and the fields of its manifest that differ from the defaults."""

    module: nn.Module
    fields: dict[str, Any]


def picture(given: Flattened) -> Interface:
    """One picture, in colour, in grey, or as label maps if it has another number of channels; a picture or a code comes out."""
    channels = given.sizes.get("in_channels", 3)
    check_label_channels(given, channels)
    (result,) = given.loaded.description.signature.outputs
    code = {} if result == "picture" else {"kind": "encode", "output": FrameOutput(tensor=result, content="code")}
    if channels == 3:
        return Interface(given.module, code)
    if channels == 1:
        return Interface(Grey(given.module, given.loaded.description.signature.order), code)
    module, fields = by_labels(given, given.module, channels)
    return Interface(module, fields | code)


def check_label_channels(given: Flattened, channels: int) -> None:
    """Raise ModelRefused for an input of several channels that no file shows to be label maps, unless the user named labels.

    CycleGAN, pix2pix and CUT never encode labels. pix2pixHD and vid2vid do, but some of their inputs of other kinds are known
    by the number of channels: drawings and pictures with one more channel, two pictures, vid2vid's faces (15), Cityscapes with
    3 features (39).
    """
    system = given.loaded.description.system
    others = next((NO_LABELS[name] for name in NO_LABELS if system.startswith(name)), None)
    is_picture = channels in (1, 3) and not system.startswith("vid2vid")
    if given.labels is not None or is_picture or (others is not None and channels not in others):
        return
    raise ModelRefused(
        f"{system}: its input of {channels} channels is no picture and not known to be a label map; "
        f"if it is one of {channels} classes, rotoscope export with --labels {channels}"
    )


def picture_and_style(given: Flattened) -> Interface:
    """MUNIT: one picture and a style code of its target domain."""
    sizes = given.sizes
    if "direction" in sizes:
        sizes = sizes["b" if sizes["direction"] == "AtoB" else "a"]
    return Interface(given.module, {"style": StyleInput(tensor="style", shape=(1, sizes["style_channels"], 1, 1))})


def picture_and_example(given: Flattened) -> Interface:
    """MSG-Net, AdaIN, MicroAST: one picture, and a picture whose style it takes, in the same coding."""
    return Interface(given.module, {"example": given.frame.model_copy(update={"tensor": "example"})})


def picture_and_mask(given: Flattened) -> Interface:
    """One picture and the mask of its hole."""
    return Interface(given.module, {"mask": MaskInput(tensor="mask")})


def picture_and_instances(given: Flattened) -> Interface:
    """The feature encoder of pix2pixHD: one picture and its instance ids; features come out."""
    output = FrameOutput(tensor="features", content="code")
    return Interface(given.module, {"kind": "encode", "instances": InstanceInput(tensor="instances"), "output": output})


def labels_and_features(given: Flattened) -> Interface:
    """Pix2pixHD with features: one label map and one feature vector for the whole picture."""
    module, fields = by_labels(given, OneVector(given.module), given.sizes["in_channels"])
    shape = (1, given.sizes["num_features"], 1, 1)
    return Interface(module, fields | {"style": StyleInput(tensor="features", shape=shape)})


def label_window(given: Flattened) -> Interface:
    """vid2vid: the label maps of the current and of the previous frames."""
    network = given.loaded.network
    assert isinstance(network, Vid2Vid)
    num_frames = network.num_label_frames
    channels = given.sizes["scales"][0]["label_channels"] // num_frames - network.features
    wrapped, style = given.module, dict[str, Any]()
    if network.features:
        labels = given.labels or Labels(channels)
        num_labels = labels.num if network.input == "labels" else 0
        wrapped = Styled(given.module, num_frames, num_labels)
        shape = (1, network.features * max(1, num_labels), 1, 1)
        style = {"style": StyleInput(tensor="style", shape=shape, deviation=STYLE_DEVIATION)}
        if given.first_frame is not None:
            raise UsageError("a first-frame model for a vid2vid with a style; accepted: without one")
    if network.input != "labels":
        return drawn_window(given, wrapped, channels, style)
    check_label_channels(given, channels)
    module, fields = by_labels(given, wrapped, channels, num_frames=num_frames)
    fields |= style
    if given.first_frame is not None:
        drawing = Drawing(given.first_frame, num_frames - 1, channels)
        module = FirstFrames(by_labels(given, drawing, channels, num_frames=num_frames)[0], module)
    return Interface(module, fields)


def drawn_window(given: Flattened, module: nn.Module, channels: int, style: dict[str, Any]) -> Interface:
    """vid2vid on lines or drawings: those of the current and of the previous frames."""
    network = given.loaded.network
    assert isinstance(network, Vid2Vid)
    if channels != DRAWN_CHANNELS[network.input] or given.first_frame is not None:
        raise UsageError(
            f"hint input={network.input}: {DRAWN_CHANNELS[network.input]} channels a frame, without --first-frame; "
            f"this vid2vid has {channels}"
        )
    window = Window(offsets=tuple(range(1 - network.num_label_frames, 1)))
    frame = given.frame.model_copy(update={"tensor": "drawing", "window": window})
    second = {"second": SecondInput(tensor="second_drawing", what="drawing")} if network.input == "drawings" else {}
    return Interface(
        ByDrawings(module, grey=network.input == "lines", two=bool(second)), {"frame": frame, **second, **style}
    )


def past_maps(given: Flattened) -> Interface:
    """The label predictor: the label maps up to the newest one; scores of the labels of the next map come out."""
    num_labels, num_maps = given.sizes["num_labels"], given.sizes["num_maps"]
    named = given._replace(labels=given.labels or Labels(num_labels))
    module, fields = by_labels(named, given.module, num_labels, num_frames=num_maps)
    if "instances" in fields:
        raise UsageError(f"--edges: {given.loaded.description.system} sees no instances")
    return Interface(module, {**fields, "kind": "predict", "output": FrameOutput(tensor="scores", content="scores")})


def two_frames(given: Flattened) -> Interface:
    """Predictors: the previous and the current frame."""
    stacked = given.loaded.description.signature.inputs == ("frames",)
    frame = given.frame.model_copy(update={"window": Window(offsets=(-1, 0))})
    return Interface(Windowed(given.module, stacked=stacked), {"frame": frame})


def window_and_masks(given: Flattened) -> Interface:
    """VINet: five frames and their masks."""
    frame = given.frame.model_copy(update={"window": VINET_WINDOW})
    return Interface(given.module, {"frame": frame, "mask": MaskInput(tensor="mask")})


def source_and_translation(given: Flattened) -> Interface:
    """TransformNet: a frame and its translation by another network."""
    second = SecondInput(tensor="translated", what="translated")
    return Interface(given.module, {"kind": "stabilise", "second": second})


def two_pictures(given: Flattened) -> Interface:
    """Flow networks: a frame and the next one."""
    fields: dict[str, Any] = {"kind": "flow", "second": SecondInput(tensor="second", what="next")}
    if isinstance(given.loaded.network, PWCNet):  # it would resize its inputs to this multiple inside the graph
        fields["frame"] = given.frame.model_copy(update={"multiple": PWC_MULTIPLE})
    return Interface(given.module, fields | {"output": FrameOutput(tensor="flow", content="flow")})


def two_pictures_and_time(given: Flattened) -> Interface:
    """Super SloMo: a frame, the next one, and the time of the frame between them."""
    further = (
        FurtherOutput(tensor="flow_to_frame", what="flow to frame"),
        FurtherOutput(tensor="flow_to_second", what="flow to second"),
        FurtherOutput(tensor="visibility", what="visibility"),
    )
    fields = {
        "kind": "interpolate",
        "second": SecondInput(tensor="second", what="next"),
        "number": NumberInput(tensor="time", what="time", shape=(1, 1, 1, 1), value=0.5),
        "further": further,
    }
    return Interface(given.module, fields)


INTERFACES: dict[tuple[str, ...], Callable[[Flattened], Interface]] = {
    ("picture",): picture,
    ("picture", "style"): picture_and_style,
    ("picture", "example"): picture_and_example,
    ("picture", "mask"): picture_and_mask,
    ("picture", "instances"): picture_and_instances,
    ("labels", "features"): labels_and_features,
    ("labels",): label_window,
    ("past",): past_maps,
    ("frames",): two_frames,
    ("older", "newer"): two_frames,
    ("window", "masks"): window_and_masks,
    ("source", "processed"): source_and_translation,
    ("first", "second"): two_pictures,
    ("first", "second", "time"): two_pictures_and_time,
}


def by_labels(
    given: Flattened, module: nn.Module, channels: int, *, num_frames: int = 1
) -> tuple[nn.Module, dict[str, Any]]:
    """Wrap a module on `channels` one-hot channels a frame so that it takes label maps; return it with its manifest fields.

    Raises UsageError if the labels that the user named do not give this number of channels.
    """
    labels = given.labels
    if labels is None:
        labels = Labels(35, edges=True) if channels == CITYSCAPES_CHANNELS else Labels(channels)
    if labels.num + labels.edges != channels:
        raise UsageError(
            f"{labels.num} labels {'and edges' if labels.edges else 'without edges'}: this network has {channels} "
            "channels a frame"
        )
    coding: dict[str, Any] = {"range": (0.0, 255.0)} if labels.palette else {"dtype": "int32"}
    frame = FrameInput(
        tensor="labels",
        multiple=given.frame.multiple,
        padding="edge",
        labels=LabelMap(num=labels.num, palette=labels.palette),
        window=Window(offsets=tuple(range(1 - num_frames, 1))) if num_frames > 1 else None,
        **coding,
    )
    instances = {"instances": InstanceInput(tensor="instances")} if labels.edges else {}
    return ByLabels(module, labels), {"frame": frame, **instances}
