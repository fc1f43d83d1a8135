"""Checkpoints are recognised, loaded and described; what cannot be loaded is refused in one line that says what to do."""

import collections
import random

import pytest
import torch
from catalogue import CASES, build, run
from torch import nn

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.networks import (
    animegan,
    cartoongan,
    contextual_attention,
    cut,
    dualgan,
    fast_style,
    fast_style_deconv,
    from_state_dict,
    munit,
    pwcnet,
    raft,
    resnet,
    superslomo,
    transformnet,
    unet,
    vid2vid,
    vinet,
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_system_comes_back_from_its_state_dict(case):
    network = build(case)
    loaded, description = from_state_dict(network.state_dict(), **case.hints)
    assert description.system == case.system
    assert type(loaded) is type(network)
    assert not loaded.training
    assert description.size_multiple == network.size_multiple
    assert description.parameters == sum(parameter.numel() for parameter in network.parameters())
    inputs = case.inputs(1)
    assert len(inputs) == len(description.signature.inputs)
    if hasattr(network, "iterations"):
        network.iterations = loaded.iterations
    (expected, state), (found, found_state) = run(network, inputs), run(loaded, inputs)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_state, state)
    assert len(found_state) == len(description.signature.state)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_frames_that_share_a_batch_do_not_see_each_other(case):
    network = build(case).double()
    if hasattr(network, "iterations"):
        network.iterations = 1
    inputs = tuple(value.double() if value.is_floating_point() else value for value in case.inputs(2))
    together, _ = run(network, inputs)
    alone = [run(network, tuple(value[index : index + 1] for value in inputs))[0] for index in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-9, rtol=1e-9)


FINER = {"label_channels": 108, "num_levels": 1, "num_blocks": 3, "is_coarse": False}

COUNTS = [
    (resnet.ResnetGenerator, {}, 11_378_179),
    (resnet.ResnetGenerator, {"norm": "batch_by_frame", "bias": False}, 11_383_427),
    (resnet.ResnetGenerator, {"num_blocks": 6}, 7_837_699),
    (resnet.ResnetGenerator, {"num_blocks": 6, "norm": "batch_by_frame", "bias": False}, 7_841_411),
    (unet.UnetGenerator, {}, 54_413_955),
    (unet.UnetGenerator, {"num_downs": 7}, 41_828_995),
    (unet.UnetGenerator, {"in_channels": 6, "norm": "instance", "bias": True}, 54_412_675),
    (unet.ViewsPredictor, {}, 117_199_267),
    (dualgan.DualGenerator, {}, 30_627_907),
    (munit.MunitGenerator, {}, 15_026_187),
    (vid2vid.ScaleGenerator, {"label_channels": 108, "foreground_width": 64}, 411_335_241),
    (vid2vid.ScaleGenerator, FINER | {"width": 64, "foreground_width": 32}, 2_880_489),
    (vid2vid.ScaleGenerator, FINER | {"width": 32, "foreground_width": 16}, 859_641),
    (vid2vid.ScaleGenerator, {"label_channels": 108, "num_levels": 2, "foreground_width": 128}, 137_792_649),
    (vid2vid.ScaleGenerator, {"label_channels": 45}, 364_996_230),
    (vid2vid.ScaleGenerator, {"label_channels": 18}, 364_826_886),
    (fast_style.TransformerNet, {}, 1_679_235),
    (fast_style_deconv.DeconvTransformerNet, {}, 1_679_235),
    (cartoongan.CartoonGenerator, {}, 11_129_667),
    (cut.CutGenerator, {}, 11_378_179),
    (animegan.AnimeGenerator, {}, 2_143_552),
    (transformnet.TransformNet, {}, 2_979_555),
    (superslomo.SlomoUnet, {"in_channels": 6, "out_channels": 4}, 19_794_116),
    (superslomo.SlomoUnet, {"in_channels": 20, "out_channels": 5}, 19_816_357),
    (pwcnet.PWCNet, {}, 9_374_274),
    (raft.RaftSmall, {}, 990_162),
    (vinet.VINet, {}, 14_115_364),
    (contextual_attention.ContextualInpainter, {}, 3_601_542),
]


@pytest.mark.parametrize(("make", "sizes", "count"), COUNTS)
def test_published_sizes_have_their_published_number_of_parameters(make, sizes, count):
    with torch.device("meta"):
        network = make(**sizes)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def tiny():
    return build(CASES[0])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {f"module.{key}": value for key, value in weights.items()},
        lambda weights: {f"_orig_mod.module.{key}": value for key, value in weights.items()},
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"net_G": collections.OrderedDict(weights), "optimizer": {"state": {}}},
        lambda weights: {key: value.half() for key, value in weights.items()},
        lambda weights: weights | {f"model.{index}.running_mean": torch.zeros(4) for index in (2, 5)},
    ],
    ids=["DataParallel", "compiled", "checkpoint", "net_G", "half", "old instance norm"],
)
def test_what_stands_around_the_weights_is_taken_off(wrap):
    loaded = from_state_dict(wrap(tiny().state_dict()))
    assert loaded.description.system == "CycleGAN ResNet-6"
    assert loaded.description.norm == "instance"
    assert all(value.dtype == torch.float32 for value in loaded.network.parameters())


def test_batch_norm_uses_the_frame_unless_told_otherwise():
    weights = resnet.ResnetGenerator(width=4, num_blocks=2, norm="batch_running", bias=False).state_dict()
    assert from_state_dict(weights).description.norm == "batch_by_frame"
    assert from_state_dict(weights, statistics="running").description.norm == "batch_running"


def changed(weights, key, value=None):
    """The weights with another value for a key, or without it."""
    others = {other: tensor for other, tensor in weights.items() if other != key}
    return others if value is None else others | {key: value}


REFUSED = [
    ("damaged", lambda: changed(tiny().state_dict(), "model.4.bias"), {}, "model.4.bias missing"),
    ("foreign key", lambda: changed(tiny().state_dict(), "extra", torch.zeros(2)), {}, "extra unexpected"),
    (
        "wrong shape",
        lambda: changed(tiny().state_dict(), "model.4.weight", torch.zeros(2, 2, 3, 3)),
        {},
        r"model.4.weight is \(2, 2, 3, 3\) instead of \(8, 4, 3, 3\)",
    ),
    ("not finite", lambda: changed(tiny().state_dict(), "model.4.bias", torch.full((8,), torch.nan)), {}, "not finite"),
    (
        "cut short",
        lambda: changed(tiny().state_dict(), "model.23.weight"),
        {},
        "CycleGAN ResNet, but model.23.weight missing",
    ),
    ("unknown", lambda: nn.Linear(3, 4).state_dict(), {}, "an unknown network, 2 tensors such as weight, bias"),
    (
        "headless",
        lambda: changed(tiny().state_dict(), "model.1.weight"),
        {},
        "closest to CycleGAN ResNet, but model.1.weight",
    ),
    ("not a mapping", lambda: [torch.zeros(2)], {}, "a list instead of a state dict"),
    ("empty", lambda: {"epoch": 3}, {}, "no tensors"),
    (
        "discriminator",
        lambda: {"model.0.weight": torch.zeros(1), "model.11.weight": torch.zeros(1)},
        {},
        "PatchGAN.*net_G",
    ),
    ("ambiguous VINet", lambda: vinet.VINet().state_dict(), {}, "--hint size=256 or --hint size=512"),
    ("both domains", lambda: {"a": munit_weights(), "b": munit_weights()}, {}, "--hint direction=AtoB"),
    ("foreground", lambda: scale_weights(foreground_width=4), {}, "--hint foreground=26"),
    ("finer scale", lambda: scale_weights(is_coarse=False), {}, "netG0"),
    ("no statistics", lambda: tiny().state_dict(), {"statistics": "running"}, "no running statistics"),
    ("wrong statistics", lambda: tiny().state_dict(), {"statistics": "mean"}, "frame, running"),
]


def munit_weights():
    return munit.MunitGenerator(width=4, num_blocks=1, hidden=8).state_dict()


def scale_weights(**sizes):
    return vid2vid.ScaleGenerator(12, width=4, num_levels=1, num_blocks=2, **sizes).state_dict()


@pytest.mark.parametrize(("make", "hints", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_does_not_fit_is_refused_in_one_line(make, hints, words):
    with pytest.raises(ModelRefused, match=words) as error:
        from_state_dict(make(), **hints)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_a_file_with_many_differences_shows_three_of_them():
    with pytest.raises(ModelRefused) as error:
        from_state_dict({key: value for key, value in tiny().state_dict().items() if ".5." not in key})
    message = str(error.value)
    assert message.count("missing") == 3
    assert "more" in message


def test_a_hint_that_means_nothing_is_answered_with_those_that_do():
    with pytest.raises(UsageError, match="CycleGAN ResNet does not take the hint 'size'; it takes statistics"):
        from_state_dict(tiny().state_dict(), size=256)


def test_pwc_net_loads_under_all_its_names():
    network = build(next(case for case in CASES if case.system == "PWC-Net"))
    weights = network.state_dict()
    inputs = torch.rand(2, 1, 3, 128, 128)
    expected = network(*inputs)
    ours_by_theirs = pwcnet.nvlabs_names()
    nvlabs = {
        f"{theirs}.{kind}": weights[f"{ours}.{kind}"]
        for theirs, ours in ours_by_theirs.items()
        for kind in ("weight", "bias")
    }
    assert len(nvlabs) == len(weights)
    assert {"conv1a.0.weight", "conv6aa.0.bias", "conv6_0.0.weight", "conv2_4.0.weight", "predict_flow6.weight"} <= set(
        nvlabs
    )
    assert {"deconv6.weight", "upfeat3.bias", "dc_conv6.0.weight", "dc_conv7.weight"} <= set(nvlabs)
    nvlabs |= {"deconv2.weight": torch.zeros(2, 2, 4, 4), "deconv2.bias": torch.zeros(2)}
    module = {key.replace("net", "module"): value for key, value in weights.items()}
    for renamed in (nvlabs, module):
        torch.testing.assert_close(from_state_dict(renamed).network(*inputs), expected)


def test_super_slomo_loads_as_published():
    network = superslomo.SuperSloMo()
    file = {
        "Detail": "trained at night",
        "epoch": 199,
        "state_dictFC": network.flowComp.state_dict(),
        "state_dictAT": network.ArbTimeFlowIntrp.state_dict(),
    }
    assert from_state_dict(file).description.system == "Super SloMo"


def test_dualgan_loads_tensorflow_variables_of_either_direction():
    network = build(next(case for case in CASES if case.system == "DualGAN"))
    variables = {}
    for key, value in network.state_dict().items():
        layer, kind = key.rsplit(".", 1)
        if layer.startswith("bn_"):
            variables[f"{layer}/{'scale' if kind == 'weight' else 'center'}"] = value.numpy()
        else:
            is_filter = kind == "weight"
            variables[f"{layer}/{'w' if is_filter else 'biases'}"] = (
                value.permute(2, 3, 1, 0) if is_filter else value
            ).numpy()
    one = {f"B_g_{key}": value for key, value in variables.items()}
    two = one | {f"A_g_{key}": 0 * value for key, value in variables.items()}
    picture = torch.rand(1, 3, 256, 256)
    expected = network(picture)
    torch.testing.assert_close(from_state_dict(one).network(picture), expected)
    torch.testing.assert_close(from_state_dict(two, direction="BtoA").network(picture), expected)
    with pytest.raises(ModelRefused, match="--hint direction=AtoB"):
        from_state_dict(two)


def test_contextual_attention_loads_tensorflow_variables():
    network = contextual_attention.ContextualInpainter(4, tensorflow=True).eval()
    variables = {}
    for key, value in network.state_dict().items():
        net, layer, _, kind = key.split(".")
        if net == "fine_generator" and layer.startswith("conv"):
            layer = f"x{layer}"
        if layer in ("conv13", "conv15", "allconv13", "allconv15"):
            layer = f"{layer}_upsample/{layer}_upsample_conv"
        variables[f"inpaint_net/{layer}/{'kernel' if kind == 'weight' else 'bias'}"] = (
            value.permute(2, 3, 1, 0) if kind == "weight" else value
        ).numpy()
    variables["discriminator/conv1/kernel"] = variables["inpaint_net/conv1/kernel"]
    picture, mask = torch.rand(1, 3, 32, 40), (torch.rand(1, 1, 32, 40) > 0.7).float()
    found = from_state_dict(variables)
    assert found.description.sizes["tensorflow"]
    torch.testing.assert_close(found.network(picture, mask), network(picture, mask))


def damaged(weights, random):
    """The weights with one tensor lost, cut, flattened or renamed."""
    key = random.choice(sorted(weights))
    value = weights[key]
    others = {other: tensor for other, tensor in weights.items() if other != key}
    damage = random.choice(["lost", "cut", "flat", "renamed"])
    if damage == "lost":
        return others
    if damage == "cut":
        return others | {key: value[:0] if value.ndim else value[None][:0]}
    if damage == "flat":
        return others | {key: torch.zeros(3)}
    return others | {f"{key}.old": value}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_damaged_files_are_refused_and_nothing_else_happens(case):
    weights = case.network().state_dict()
    for seed in range(12):
        try:
            from_state_dict(damaged(weights, random.Random(seed)), **case.hints)
        except (ModelRefused, UsageError) as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 400
