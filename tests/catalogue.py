"""One small network per architecture, with inputs: tests of loading, batching and export run over this list."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from rotoscope.networks import (
    adain,
    animegan,
    any_look,
    cartoongan,
    compact,
    contextual_attention,
    cut,
    dualgan,
    fast_style,
    fast_style_deconv,
    label_predictor,
    microast,
    msgnet,
    munit,
    pix2pixhd,
    pwcnet,
    pytorch_gan,
    raft,
    reconet,
    resnet,
    rrdbnet,
    srvgg,
    superslomo,
    transformnet,
    ugatit,
    unet,
    unit,
    vid2vid,
    vinet,
    whitebox,
)


def pictures(count=1, channels=3, height=32, width=48, low=-1.0, high=1.0):
    def make(batch):
        return tuple(torch.rand(batch, channels, height, width) * (high - low) + low for _ in range(count))

    return make


@dataclass
class Case:
    """One network. `inputs(batch)` makes the arguments of `forward` without state; `system` is the recognised name."""

    system: str
    network: Callable[[], nn.Module]
    inputs: Callable[[int], tuple] = field(default_factory=pictures)
    hints: dict = field(default_factory=dict)
    name: str = ""
    traced: bool = True  # part of the tests over all exports; False if another case has the same operators

    def __str__(self):
        return self.name or self.system


def vid2vid_scale(scale, **sizes):
    width, levels = 8 // 2**scale, 2 if scale == 0 else 1
    return {
        "label_channels": 12,
        "width": width,
        "num_levels": levels,
        "num_blocks": 2,
        "is_coarse": scale == 0,
        "scale": scale,
    } | sizes


def street_scale(scale, **sizes):
    """A scale of a network for 35 classes and edges of instances, three frames at once.

    With the statistics of the frame, an empty history's zeros become rounding noise, which no two engines share.
    """
    return vid2vid_scale(scale, label_channels=108, norm="batch_running", **sizes)


def with_style(batch):
    return *pictures()(batch), torch.randn(batch, 3, 1, 1)


def with_mask(batch):
    mask = torch.zeros(batch, 1, 32, 48)
    mask[:, :, 8:20, 10:30] = 1
    return *pictures()(batch), mask


def with_time(batch):
    return *pictures(2, height=32, width=64, low=0)(batch), torch.full((batch, 1, 1, 1), 0.4)


def with_instances(batch):
    return *pictures()(batch), torch.randint(0, 5, (batch, 1, 32, 48))


def label_and_features(batch):
    return *pictures(channels=4)(batch), *pictures(channels=2)(batch)


def window(batch):
    mask = torch.zeros(batch, 5, 1, 32, 32)
    mask[..., 10:20, 8:26] = 1
    return torch.rand(batch, 5, 3, 32, 32) * 2 - 1, mask


ADAIN = ((4, 4, 6, 6, 8, 8, 8, 8, 10), (8, 8, 8, 8, 6, 6, 4, 4, 3))
MUNIT = {"width": 4, "style_channels": 3, "num_blocks": 2, "hidden": 8}

UNIT = {"width": 4, "num_blocks": 2}

CASES = [
    Case("CycleGAN ResNet-6", lambda: resnet.ResnetGenerator(width=4, num_blocks=6)),
    Case("CycleGAN ResNet-9", lambda: resnet.ResnetGenerator(width=4, dropout=True), name="CycleGAN ResNet-9, dropout"),
    Case(
        "CycleGAN ResNet-2",
        lambda: resnet.ResnetGenerator(width=4, num_blocks=2, norm="batch_by_frame", bias=False, dropout=True),
        name="CycleGAN, batch norm and dropout",
    ),
    Case(
        "CycleGAN ResNet-2",
        lambda: resnet.ResnetGenerator(width=4, num_blocks=2, norm="batch_running", bias=False),
        hints={"statistics": "running"},
        name="CycleGAN, stored batch norm",
    ),
    Case(
        "CycleGAN ResNet-2",
        lambda: resnet.ResnetGenerator(width=4, num_blocks=2, norm="none", bias=False),
        name="CycleGAN, no norm",
    ),
    Case(
        "pix2pixHD global generator, 2 blocks",
        lambda: resnet.ResnetGenerator(5, width=4, num_blocks=2, num_downs=3),
        pictures(channels=5),
    ),
    Case(
        "pix2pixHD local enhancer", lambda: pix2pixhd.LocalEnhancer(width=4, num_blocks=2, num_enhancers=2, num_downs=2)
    ),
    Case(
        "pix2pixHD generator with features",
        lambda: pix2pixhd.FeatureGenerator(4, 2, width=4, num_blocks=2),
        label_and_features,
    ),
    Case(
        "pix2pixHD generator with features",
        lambda: pix2pixhd.FeatureGenerator(4, 2, width=4, num_blocks=1, num_downs=2, norm="batch_by_frame"),
        label_and_features,
        name="pix2pixHD generator with features, batch norm",
        traced=False,
    ),
    Case("pix2pixHD feature encoder", lambda: pix2pixhd.FeatureEncoder(width=4, norm="batch_by_frame"), with_instances),
    Case("pix2pix U-Net, 5 levels", lambda: unet.UnetGenerator(width=4, num_downs=5), pictures(height=64, width=64)),
    Case(
        "Recycle-GAN predictor U-Net, 5 levels",
        lambda: unet.UnetGenerator(6, width=4, num_downs=5, norm="instance", bias=True),
        pictures(channels=6, height=64, width=64),
    ),
    Case(
        "Recycle-GAN predictor (prediction)",
        lambda: unet.ViewsPredictor(width=2, num_downs=4),
        pictures(2),
    ),
    Case(
        "Recycle-GAN predictor (prediction)",
        lambda: unet.ViewsPredictor(width=2, num_downs=4, norm="batch_by_frame", bias=False),
        pictures(2),
        name="Recycle-GAN predictor (prediction), batch norm",
        traced=False,
    ),
    Case("DualGAN", lambda: dualgan.DualGenerator(width=4), pictures(height=256, width=256)),
    Case("MUNIT", lambda: munit.MunitGenerator(**MUNIT), with_style),
    Case(
        "MUNIT, both domains",
        lambda: munit.MunitPair(MUNIT | {"in_channels": 3}, MUNIT, "BtoA"),
        with_style,
        hints={"direction": "BtoA"},
    ),
    Case("vid2vid", lambda: vid2vid.Vid2Vid([vid2vid_scale(0)]), pictures(channels=12)),
    Case(
        "vid2vid",
        lambda: vid2vid.Vid2Vid([vid2vid_scale(scale, foreground_width=4 // 2**scale) for scale in range(3)], (1,)),
        pictures(channels=12),
        hints={"foreground": (1,)},
        name="vid2vid, three scales with foreground",
        traced=False,
    ),
    Case(
        "vid2vid",
        lambda: vid2vid.Vid2Vid([street_scale(scale, foreground_width=4 // 2**scale) for scale in range(2)], (26,)),
        pictures(channels=108),
        hints={"foreground": (26,), "statistics": "running"},
        name="vid2vid of street scenes",
    ),
    Case(
        "vid2vid",
        lambda: vid2vid.Vid2Vid([vid2vid_scale(0, has_flow=False, norm="instance")]),
        pictures(channels=12),
        name="vid2vid without flow",
    ),
    Case(
        "vid2vid label predictor, 5 labels",
        lambda: label_predictor.LabelPredictor(5, 3, 4, 1, 2),
        pictures(channels=15, low=0.0),
        name="vid2vid label predictor",
    ),
    Case("fast style transfer", lambda: fast_style.TransformerNet(4), pictures(low=0, high=255)),
    Case(
        "fast style transfer by transposed convolutions, residual",
        lambda: fast_style_deconv.DeconvTransformerNet((4, 8, 16), (8, 4)),
        pictures(low=0, high=255),
    ),
    Case("CartoonGAN", lambda: cartoongan.CartoonGenerator(4)),
    Case("AnimeGANv2", animegan.AnimeGenerator, pictures(height=30, width=41)),
    Case("CUT ResNet-3", lambda: cut.CutGenerator(width=4, num_blocks=3)),
    Case(
        "CUT ResNet-3",
        lambda: cut.CutGenerator(width=4, num_blocks=3, norm="none", bias=False),
        name="CUT, no norm",
        traced=False,
    ),
    Case(
        "CUT ResNet-3",
        lambda: cut.CutGenerator(width=4, num_blocks=3, smooth_downs=False, norm="batch_by_frame", bias=False),
        name="CUT, smooth up only",
    ),
    Case(
        "TransformNet (blind video consistency)",
        lambda: transformnet.TransformNet(4, 2, norm="batch_running"),
        pictures(2, low=0),
    ),
    Case("Super SloMo", superslomo.SuperSloMo, with_time),
    Case("PWC-Net", pwcnet.PWCNet, pictures(2, height=128, width=150, low=0)),
    Case("RAFT-small", raft.RaftSmall, pictures(2, height=128, width=136, low=0, high=255), {"iterations": 1}),
    Case("VINet", vinet.VINet, window, {"size": 256}),
    Case(
        "VINet",
        lambda: vinet.VINet(double_size=True),
        window,
        {"size": 512},
        "VINet at double size",
        traced=False,
    ),
    Case("contextual attention", lambda: contextual_attention.ContextualInpainter(4), with_mask),
    Case("UNIT", lambda: unit.UnitGenerator(width=4, num_blocks=2)),
    Case(
        "UNIT, both domains",
        lambda: unit.UnitPair(UNIT, UNIT | {"num_blocks": 1}, "AtoB"),
        hints={"direction": "AtoB"},
        traced=False,
    ),
    Case("Real-ESRGAN RRDBNet, 2 blocks", lambda: rrdbnet.RRDBNet(8, 2, 4), pictures(low=0)),
    Case(
        "Real-ESRGAN RRDBNet, 1 blocks",
        lambda: rrdbnet.RRDBNet(8, 1, 4, fold=2),
        pictures(low=0),
        name="Real-ESRGAN RRDBNet, scale 2",
    ),
    Case("Real-ESRGAN SRVGGNetCompact, 3 convolutions", lambda: srvgg.CompactUpscaler(8, 3, 2), pictures(low=0)),
    Case("White-box Cartoonization (torch)", lambda: whitebox.WhiteboxGenerator(4, 2)),
    Case("U-GAT-IT, 2 blocks", lambda: ugatit.UgatitGenerator(width=4, num_blocks=2)),
    Case(
        "U-GAT-IT, 2 blocks",
        lambda: ugatit.UgatitGenerator(width=4, num_blocks=2, size=48),
        pictures(height=48, width=48),
        name="U-GAT-IT of one size",
        traced=False,
    ),
    Case("ReCoNet", lambda: reconet.ReCoNet(4), pictures(low=0, high=255)),
    Case("ReCoNet with 2 blocks", lambda: reconet.SteadyReCoNet(4, 2)),
    Case("PyTorch-GAN ResNet-2", lambda: pytorch_gan.ResampledResnet(width=4, num_blocks=2)),
    Case("PyTorch-GAN U-Net", lambda: pytorch_gan.PlainUnet(width=4), pictures(height=256, width=256)),
    Case("MSG-Net", lambda: msgnet.MsgNet(4, 2), pictures(2, low=0, high=255)),
    Case("AdaIN", lambda: adain.AdaIN(*ADAIN), pictures(2, low=0), traced=False),
    Case("MicroAST", lambda: microast.MicroAst((4, 8, 16)), pictures(2, low=0)),
    Case("any look", lambda: any_look.AnyLook(8, 2, 3, 4), with_style),
    Case("compact student", lambda: compact.CompactGenerator(8, 2)),
]


# An export takes 5 to 30 s. `make test` exports these; test_exported_operators.py holds that the others, which the full
# suite exports, have no further operators.
EXPORTED = (
    "CycleGAN ResNet-6",
    "CycleGAN, batch norm and dropout",
    "CycleGAN, stored batch norm",
    "pix2pixHD generator with features",
    "pix2pixHD feature encoder",
    "pix2pix U-Net, 5 levels",
    "MUNIT",
    "vid2vid of street scenes",
    "fast style transfer",
    "AnimeGANv2",
    "CUT ResNet-3",
    "TransformNet (blind video consistency)",
    "RAFT-small",
    "Real-ESRGAN RRDBNet, scale 2",
    "Real-ESRGAN SRVGGNetCompact, 3 convolutions",
    "White-box Cartoonization (torch)",
    "U-GAT-IT, 2 blocks",
    "ReCoNet with 2 blocks",
    "MSG-Net",
    "any look",
    "compact student",
)


def traced_cases(*, but=()):
    """Return the traced cases as parameters of a test; those that `make test` does not export, and `but`, are marked full."""
    return [
        pytest.param(case, id=str(case), marks=[pytest.mark.full] * (str(case) not in EXPORTED or str(case) in but))
        for case in CASES
        if case.traced
    ]


def named(name):
    """Return the case of that name."""
    return next(case for case in CASES if str(case) == name)


def build(case, seed=0):
    """Return the case's network in eval mode with repeatable weights; no norm has its initial values 0 and 1."""
    torch.manual_seed(seed)
    network = case.network()
    for key, value in network.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif value.ndim == 1 and value.is_floating_point():
            value.normal_(1.0 if key.endswith("weight") else 0.0, 0.1)
        elif isinstance(network, vinet.VINet) and key.endswith("conv.weight"):
            value.mul_(6)  # gates halve what passes through them, layer after layer
    return network.eval().requires_grad_(False)


def run(network, inputs):
    """Return (outputs, state) of one call from the initial state."""
    if not hasattr(network, "initial_state"):
        return network(*inputs), ()
    if isinstance(network, vid2vid.Vid2Vid):
        return network(*inputs, network.initial_state(inputs[0][:, :6]))
    _, state = network(*inputs, network.initial_state(inputs[0]))
    return network(*inputs, state)
