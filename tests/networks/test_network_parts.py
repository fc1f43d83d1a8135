"""Networks are found under any name in a file; averages are preferred; normalised weights are folded; counters passed over."""

import pytest
import torch
from catalogue import CASES, build
from torch import nn
from torch.nn.utils import spectral_norm, weight_norm
from torch.nn.utils.parametrizations import spectral_norm as parametrised_spectral_norm
from torch.nn.utils.parametrizations import weight_norm as parametrised_weight_norm

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.networks import from_state_dict, raft, resnet


def generator(seed=0, **sizes):
    torch.manual_seed(seed)
    return resnet.ResnetGenerator(**({"width": 4, "num_blocks": 6} | sizes)).eval()


def weights(seed=0):
    return generator(seed).state_dict()


def under(prefix, found):
    return {prefix + key: value for key, value in found.items()}


OTHER = {"model.0.weight": torch.zeros(4, 3, 4, 4), "model.2.weight": torch.zeros(8, 4, 4, 4)}
NAMES = [
    "model_state_dict",
    "netG",
    "G",
    "generator",
    "gen",
    "ema",
    "net",
    "weights",
    "params",
    "netG_A2B",
    "my.own.name",
]
WRAPPINGS = {
    **{name: lambda name=name: {name: weights(), "epoch": 3} for name in NAMES},
    "two levels": lambda: {"checkpoint": {"models": {"gen": weights(), "dis": OTHER}}},
    "lightning": lambda: {"state_dict": under("generator.", weights()) | under("discriminator.", OTHER)},
    "parallel inside": lambda: {"netG": under("module.", weights()), "netD": under("module.", OTHER)},
    "compiled inside lightning": lambda: {"state_dict": under("model._orig_mod.", weights())},
    "beside a feature network": lambda: {
        "state_dict": under("G.", weights()) | under("vgg.", {"0.weight": torch.ones(3)})
    },
    "beside flow": lambda: {"netG": weights(), "flow": raft.RaftSmall().state_dict()},
    "beside its optimiser": lambda: {"G": weights(), "optimizer_G": {"state": {"0": under("exp_avg.", weights())}}},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_one_known_network_of_a_file_is_taken(wrapping):
    network, description = from_state_dict(WRAPPINGS[wrapping]())
    assert description.system == "CycleGAN ResNet-6"
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in weights().items())


SEVERAL = {
    "two directions": ({"G_A": weights(1), "G_B": weights(2)}, "G_A", "G_B"),
    "other words": ({"genA2B": weights(1), "genB2A": weights(2)}, "genA2B", "genB2A"),
    "prefixes": ({"state_dict": under("netG_A.", weights(1)) | under("netG_B.", weights(2))}, "netG_A", "netG_B"),
    "with averages": (
        {"G_A": weights(3), "G_B": weights(4), "G_A_ema": weights(1), "G_B_ema": weights(2)}, "G_A_ema", "G_B_ema",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SEVERAL)
def test_several_networks_are_named_with_the_hint_that_chooses(case):
    content, first, second = SEVERAL[case]
    with pytest.raises(ModelRefused, match=f"--hint part=[a-z_.]*{first} or --hint part=[a-z_.]*{second}$"):
        from_state_dict(content)
    for name, seed in ((first, 1), (second, 2)):
        loaded = from_state_dict(content, part=name)
        assert torch.equal(loaded.network.model[1].weight, weights(seed)["model.1.weight"])
        assert loaded.description.part.endswith(name)
    with pytest.raises(ModelRefused, match=f"no network named nothing here.*{first}"):
        from_state_dict(content, part="nothing")


AVERAGES = {
    "G_ema": lambda old, new: {"G": old, "G_ema": new},
    "g_ema": lambda old, new: {"generator": old, "g_ema": new, "d": OTHER},
    "params_ema": lambda old, new: {"params": old, "params_ema": new},
    "ema": lambda old, new: {"model": old, "ema": new},
    "model_ema": lambda old, new: {"model": old, "model_ema": new},
    "ema_model": lambda old, new: {"state_dict": old, "ema_model": under("module.", new)},
    "netG.ema": lambda old, new: {"netG": {"net": old, "ema": new}},
    "averaged_model": lambda old, new: {"net_G": under("module.", old) | under("averaged_model.", new)},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_weights_are_preferred_and_said(name):
    network, description = from_state_dict(AVERAGES[name](weights(1), weights(2)))
    assert torch.equal(network.model[1].weight, weights(2)["model.1.weight"])
    assert "averaged weights, preferred to" in description.notes[0]


def test_swa_leaves_its_counter():
    averaged = torch.optim.swa_utils.AveragedModel(generator()).state_dict()
    assert from_state_dict(averaged).description.system == "CycleGAN ResNet-6"


COUNTERS = {
    "thop": lambda found: (
        found
        | {key.replace("weight", "total_ops"): torch.zeros(1, dtype=torch.float64) for key in found if "weight" in key}
        | {"total_params": torch.zeros(1, dtype=torch.float64)}
    ),
    "batches": lambda found: found | {"model.2.num_batches_tracked": torch.zeros(1, dtype=torch.int64)},
    "an empty tensor": lambda found: found | {"device_marker": torch.zeros(0)},
    "steps": lambda found: found | {"global_step": torch.tensor(5), "step": torch.tensor([5])},
}


@pytest.mark.parametrize("what", COUNTERS)
def test_counters_are_passed_over(what):
    assert from_state_dict(COUNTERS[what](weights())).description.system == "CycleGAN ResNet-6"


def test_a_learned_number_is_not_passed_over():
    with pytest.raises(ModelRefused, match="residual_scale unexpected"):
        from_state_dict(weights() | {"residual_scale": torch.ones(1)})


FOLDS = {
    "spectral norm": spectral_norm,
    "weight norm": weight_norm,
    "parametrised spectral norm": parametrised_spectral_norm,
    "parametrised weight norm": parametrised_weight_norm,
    "weight norm over dimension 1": lambda layer: weight_norm(layer, dim=1),
    "weight norm over everything": lambda layer: weight_norm(layer, dim=None),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fold", FOLDS)
def test_normalised_weights_are_folded(fold):
    network = generator()
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            FOLDS[fold](module)
            if "spectral" in fold:  # transposed convolutions of equal widths are told apart by u and v
                module(torch.rand(1, module.in_channels, 9, 9))
    for _ in range(30):
        network.train()(torch.rand(1, 3, 32, 32))  # power iterations
    picture = torch.rand(1, 3, 32, 40)
    expected = network.eval()(picture)
    loaded = from_state_dict(network.state_dict())
    assert "folded into the weights" in loaded.description.notes[0]
    torch.testing.assert_close(loaded.network(picture), expected, atol=1e-4, rtol=1e-4)


def test_an_older_form_of_spectral_norm_is_folded():
    found = weights()
    matrix = found["model.4.weight"].flatten(1)
    u, s, v = torch.linalg.svd(matrix)
    stored = {key: value for key, value in found.items() if key != "model.4.weight"} | {
        "model.4.module.weight_bar": 3 * found["model.4.weight"],
        "model.4.module.weight_u": u[:, 0],
        "model.4.module.weight_v": v[0],
    }
    loaded = from_state_dict(stored)
    torch.testing.assert_close(loaded.network.model[4].weight, found["model.4.weight"] / s[0])


def test_affine_instance_norm_and_a_norm_without_tensors():
    network = generator(norm="instance_affine")
    for norm in network.modules():
        if isinstance(norm, nn.InstanceNorm2d):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    picture = torch.rand(1, 3, 32, 40)
    loaded = from_state_dict(network.state_dict())
    assert loaded.description.norm == "instance"
    torch.testing.assert_close(loaded.network(picture), network(picture))
    plain = generator(norm="instance", bias=False)
    assert from_state_dict(plain.state_dict()).description.norm == "none"
    assert "norm=none" in from_state_dict(plain.state_dict()).description.notes[0]
    found = from_state_dict(plain.state_dict(), norm="instance")
    torch.testing.assert_close(found.network(picture), plain(picture))


SAYS = {
    "a diffusion model": {"model.diffusion_model.input_blocks.0.0.weight": torch.ones(3, 3)},
    "a LoRA": {"unet.down.lora_A.weight": torch.ones(3, 3), "unet.down.lora_B.weight": torch.ones(3, 3)},
    "a gan-compression student": {"model.10.conv_block.1.conv.0.weight": torch.ones(3, 3)},
    "LaMa": {
        "generator.model.1.ffc.convl2l.weight": torch.ones(3),
        "generator.model.1.ffc.convl2g.weight": torch.ones(3),
    },
    "SPADE": {"head_0.conv_0.weight": torch.ones(3), "head_0.norm_0.mlp_shared.0.weight": torch.ones(3)},
    "RIFE": {"module.block0.conv0.0.0.weight": torch.ones(3)},
    "StarGAN's generator": {f"main.{n}.weight": torch.ones(3) for n in (0, 3)}
    | {"main.9.main.0.weight": torch.ones(3)},
}


@pytest.mark.parametrize("what", SAYS)
def test_what_cannot_run_is_named_with_a_road_that_works(what):
    with pytest.raises(ModelRefused, match=f"looks like {what}") as error:
        from_state_dict(SAYS[what])
    if "diffusion" in str(error.value):
        assert "ONNX" not in str(error.value)


@pytest.mark.parametrize(
    "names",
    [["a.weight", "b.weight"], ["model.1.weight", "model.4.weight", "model.16.weight", "model.99.attention.weight"]],
)
def test_what_is_nothing_known_is_called_unknown(names):
    with pytest.raises(ModelRefused, match="unknown network") as error:
        from_state_dict({name: torch.ones(3, 3, 3, 3) for name in names})
    assert "closest" not in str(error.value)


def test_an_unknown_network_with_a_flow_network_inside_is_unknown():
    inner = build(next(case for case in CASES if case.system == "RAFT-small")).state_dict()
    many = {f"painter.layer{number}.weight": torch.ones(3) for number in range(len(inner) + 1)}
    with pytest.raises(ModelRefused, match="unknown network"):
        from_state_dict({"flow": inner} | many)


def test_hints_are_checked_by_value():
    with pytest.raises(UsageError, match="hint padding=mirror; accepted: reflect, replicate, zero"):
        from_state_dict(weights(), padding="mirror")
    with pytest.raises(UsageError, match="hint output=sinh; accepted: tanh, linear"):
        from_state_dict(weights(), output="sinh")
