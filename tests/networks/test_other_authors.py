"""Networks of other authors against plain functions of torch on the tensors of their files.

Each function was written for this test from the authors' description and code, layer by layer, and shares nothing with
`rotoscope.networks`. Weights are random: what is proved is the arithmetic, not a look.
"""

import pytest
import torch
from torch.nn.functional import (
    conv2d,
    conv_transpose2d,
    instance_norm,
    interpolate,
    leaky_relu,
    linear,
    max_pool2d,
    pad,
    pixel_shuffle,
    prelu,
)

from rotoscope.base.errors import ModelRefused
from rotoscope.networks import (
    adain,
    cartoongan,
    fast_style_deconv,
    from_state_dict,
    microast,
    msgnet,
    munit,
    pytorch_gan,
    reconet,
    resnet,
    rrdbnet,
    srvgg,
    ugatit,
    unit,
    whitebox,
)


def random_weights(network, seed=0):
    """The state dict of a network with repeatable values; no norm has its initial values."""
    torch.manual_seed(seed)
    return {
        key: torch.randn(value.shape) * (0.3 / max(1, value[0].numel()) ** 0.5 if value.ndim > 1 else 0.1)
        + (1.0 if value.ndim == 1 and key.endswith("weight") else 0.0)
        for key, value in network.state_dict().items()
    }


def picture(height=32, width=40, low=-1.0, high=1.0, channels=3):
    torch.manual_seed(1)
    return torch.rand(1, channels, height, width) * (high - low) + low


class Layers:
    """Layers by the names in a file: `self("name", x)` is that convolution."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, name, x, *, stride=1, padding=0, reflect=0, mode="reflect", groups=1):
        x = pad(x, (reflect,) * 4, mode=mode) if reflect else x
        weight, bias = self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")
        return conv2d(x, weight, bias, stride, padding, groups=groups)

    def up(self, name, x, kernel=3):
        how = {3: (2, 1, 1), 4: (2, 1, 0)}[kernel]
        return conv_transpose2d(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"), *how)

    def affine(self, name, x):
        return instance_norm(x, weight=self.weights[f"{name}.weight"], bias=self.weights[f"{name}.bias"])


def twice(x):
    return interpolate(x, scale_factor=2, mode="nearest")


def rrdb(weights, x, blocks, fold, names):
    at = Layers(weights)

    def dense(name, y):
        seen = [y]
        for number in range(1, 5):
            seen.append(leaky_relu(at(names["conv"].format(name, number), torch.cat(seen, 1), padding=1), 0.2))
        return y + 0.2 * at(names["conv"].format(name, 5), torch.cat(seen, 1), padding=1)

    if fold > 1:
        n, c, h, w = x.shape
        x = (
            x.view(n, c, h // fold, fold, w // fold, fold)
            .permute(0, 1, 3, 5, 2, 4)
            .reshape(n, -1, h // fold, w // fold)
        )
    first = y = at(names["first"], x, padding=1)
    for block in range(blocks):
        z = y
        for part in (1, 2, 3):
            z = dense(names["part"].format(block, part), z)
        y = y + 0.2 * z
    y = first + at(names["trunk"].format(blocks), y, padding=1)
    for up in names["ups"]:
        y = leaky_relu(at(up, twice(y), padding=1), 0.2)
    return at(names["last"], leaky_relu(at(names["hr"], y, padding=1), 0.2), padding=1)


NEW = {
    "conv": "{}.conv{}", "first": "conv_first", "part": "body.{}.rdb{}", "trunk": "conv_body", "ups": ["conv_up1", "conv_up2"],
    "hr": "conv_hr", "last": "conv_last",
}  # fmt: skip
TRUNK = NEW | {
    "part": "RRDB_trunk.{}.RDB{}", "trunk": "trunk_conv", "ups": ["upconv1", "upconv2"], "hr": "HRconv",
}  # fmt: skip
NUMBERED = {
    "conv": "{}.conv{}.0", "first": "model.0", "part": "model.1.sub.{}.RDB{}", "trunk": "model.1.sub.{}",
    "ups": ["model.3", "model.6"], "hr": "model.8", "last": "model.10",
}  # fmt: skip


def renamed(weights, names, blocks):
    """Weights under our names of RRDBNet, renamed as in older files."""
    found = {}
    for key, value in weights.items():
        layer, kind = key.rsplit(".", 1)
        words = layer.split(".")
        if len(words) == 4:
            layer = names["conv"].format(names["part"].format(words[1], words[2][-1]), words[3][-1])
        else:
            plain = {"conv_first": "first", "conv_hr": "hr", "conv_last": "last"}
            ups = dict(zip(["conv_up1", "conv_up2"], names["ups"], strict=False))
            layer = ups.get(layer) or (names["trunk"].format(blocks) if layer == "conv_body" else names[plain[layer]])
        found[f"{layer}.{kind}"] = value
    return found


@pytest.mark.parametrize("fold", [1, 2, 4])
def test_rrdbnet(fold):
    weights = random_weights(rrdbnet.RRDBNet(8, 2, 4, fold=fold))
    x = picture(low=0)
    found = from_state_dict({"params_ema": weights})
    assert found.description.signature.scale == 4 // fold
    torch.testing.assert_close(found.network(x), rrdb(weights, x, 2, fold, NEW), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("names", [TRUNK, NUMBERED])
def test_rrdbnet_under_older_names(names):
    weights = renamed(random_weights(rrdbnet.RRDBNet(8, 2, 4)), names, 2)
    x = picture(low=0)
    torch.testing.assert_close(from_state_dict(weights).network(x), rrdb(weights, x, 2, 1, names), atol=1e-5, rtol=1e-4)


def test_rrdbnet_with_one_doubling():
    names = TRUNK | {"ups": ["upconv1"]}
    weights = renamed(random_weights(rrdbnet.RRDBNet(8, 1, 4, num_ups=1)), names, 1)
    x = picture(low=0)
    found = from_state_dict(weights)
    assert found.description.signature.scale == 2
    torch.testing.assert_close(found.network(x), rrdb(weights, x, 1, 1, names), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("activation", "scale"), [("prelu", 4), ("prelu", 1), ("relu", 2), ("lrelu", 2)])
def test_srvgg(activation, scale):
    weights = random_weights(srvgg.CompactUpscaler(8, 3, scale, activation))
    at, x = Layers(weights), picture(low=0)
    y = x
    for layer in range(0, 10, 2):
        y = at(f"body.{layer}", y, padding=1)
        if layer < 8 and activation == "prelu":
            y = prelu(y, weights[f"body.{layer + 1}.weight"])
        elif layer < 8:
            y = leaky_relu(y, 0.1 if activation == "lrelu" else 0.0)
    expected = pixel_shuffle(y, scale) + interpolate(x, scale_factor=scale, mode="nearest")
    hints = {} if activation == "prelu" else {"activation": activation}
    torch.testing.assert_close(from_state_dict(weights, **hints).network(x), expected, atol=1e-5, rtol=1e-4)


def box(x):
    ones = torch.ones(x.shape[1], 1, 3, 3)
    return conv2d(x, ones, padding=1, groups=x.shape[1]) / conv2d(
        torch.ones_like(x), ones, padding=1, groups=x.shape[1]
    )


def filtered(x, y, epsilon):
    mean_x, mean_y = box(x), box(y)
    a = (box(x * y) - mean_x * mean_y) / (box(x * x) - mean_x * mean_x + epsilon)
    return box(a) * x + box(mean_y - a * mean_x)


def legacy_double(x):
    """TensorFlow 1's bilinear x2 without aligned corners: output i samples the input at i / 2."""
    for axis in (2, 3):
        size = x.shape[axis]
        place = torch.arange(2 * size) / 2
        low = place.floor().long()
        share = (place - low).view([-1, 1] if axis == 2 else [1, -1])
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, (low + 1).clamp(max=size - 1)) * share
    return x


def cartoon(weights, x, dialect):
    at = Layers(weights)
    wide = "generator.{}" if dialect != "port" else "{}"
    port = ["initial_down.0", "down1.0", "down1.2", "down2.0", "down2.2", "up1.0", "up2.0", "up2.2", "last.0", "last.2"]
    ours = [wide.format("Conv" if number == 0 else f"Conv_{number}") for number in range(10)]
    names = port if dialect == "port" else ours

    def conv(number, y, padding):
        return leaky_relu(at(names[number], y, padding=padding), 0.2)

    def strided(number, y):
        sides = (0, 1, 0, 1) if dialect == "tensorflow" else (1, 1, 1, 1)
        return leaky_relu(at(names[number], pad(y, sides), stride=2), 0.2)

    def double(y):
        if dialect == "tensorflow":
            return legacy_double(y)
        return interpolate(y, scale_factor=2, mode="bilinear", align_corners=dialect == "torch")

    whole = conv(0, x, 3)
    half = conv(2, strided(1, whole), 1)
    y = conv(4, strided(3, half), 1)
    for number in range(2):
        pair = (f"res_blocks.{number}.block.0", f"res_blocks.{number}.block.2")
        if dialect != "port":
            pair = tuple(wide.format(f"block_{number}.conv{step}") for step in (1, 2))
        y = y + at(pair[1], leaky_relu(at(pair[0], y, padding=1), 0.2), padding=1)
    y = conv(7, conv(6, double(conv(5, y, 1)) + half, 1), 1)
    y = at(names[9], conv(8, double(y) + whole, 1), padding=3)
    return filtered(x, y.tanh(), 1e-2) if dialect == "port" else filtered(x, y, 5e-3)


def as_port(weights):
    """Weights under our names, renamed as in vinesmsuic's port."""
    names = {f"generator.{ours}": theirs for theirs, ours in whitebox.PORT.items()}
    found = {}
    for key, value in weights.items():
        layer, kind = key.rsplit(".", 1)
        if layer in names:
            layer = names[layer]
        else:
            block, step = layer.removeprefix("generator.block_").split(".conv")
            layer = f"res_blocks.{block}.block.{2 * int(step) - 2}"
        found[f"{layer}.{kind}"] = value
    return found


@pytest.mark.parametrize(("dialect", "order"), [("torch", "BGR"), ("port", "RGB"), ("tensorflow", "BGR")])
def test_whitebox(dialect, order):
    weights = random_weights(whitebox.WhiteboxGenerator(4, 2))
    stored = weights
    if dialect == "port":
        stored = weights = as_port(weights)
    if dialect == "tensorflow":
        stored = {
            key.replace(".weight", "/weights").replace(".bias", "/biases").replace(".", "/"): (
                value.permute(2, 3, 1, 0) if value.ndim == 4 else value
            ).numpy()
            for key, value in weights.items()
        }
    x = picture()
    found = from_state_dict({"state_dict": stored} if dialect == "port" else stored)
    assert found.description.signature.order == order
    torch.testing.assert_close(found.network(x), cartoon(weights, x, dialect), atol=1e-5, rtol=1e-4)


def normed(x, rho):
    def by(axes):
        count = x[0, 0].numel() if axes == (2, 3) else x[0].numel()
        centred = x - x.mean(axes, keepdim=True)
        return centred / (centred.square().sum(axes, keepdim=True) / (count - 1) + 1e-5).sqrt()

    return rho * by((2, 3)) + (1 - rho) * by((1, 2, 3))


@pytest.mark.parametrize("size", [None, 32])
def test_ugatit(size):
    weights = random_weights(ugatit.UgatitGenerator(width=4, num_blocks=2, size=size))
    at, x = Layers(weights), picture(32, 32)
    y = instance_norm(at("DownBlock.1", x, reflect=3)).relu()
    y = instance_norm(at("DownBlock.5", y, reflect=1, stride=2)).relu()
    y = instance_norm(at("DownBlock.9", y, reflect=1, stride=2)).relu()
    for block in (12, 13):
        z = instance_norm(at(f"DownBlock.{block}.conv_block.1", y, reflect=1)).relu()
        y = y + instance_norm(at(f"DownBlock.{block}.conv_block.5", z, reflect=1))
    y = torch.cat([y * weights[f"{name}.weight"].view(1, -1, 1, 1) for name in ("gap_fc", "gmp_fc")], dim=1)
    y = at("conv1x1", y).relu()
    code = y.mean((2, 3)) if size is None else y.reshape(1, -1)
    code = linear(linear(code, weights["FC.0.weight"]).relu(), weights["FC.2.weight"]).relu()
    gamma, beta = (linear(code, weights[f"{name}.weight"]).view(1, -1, 1, 1) for name in ("gamma", "beta"))
    for block in (1, 2):
        name = f"UpBlock1_{block}"
        z = normed(at(f"{name}.conv1", y, reflect=1), weights[f"{name}.norm1.rho"]) * gamma + beta
        z = normed(at(f"{name}.conv2", z.relu(), reflect=1), weights[f"{name}.norm2.rho"]) * gamma + beta
        y = y + z
    for layer in (2, 7):
        name = f"UpBlock2.{layer + 1}"
        y = normed(at(f"UpBlock2.{layer}", twice(y), reflect=1), weights[f"{name}.rho"])
        y = (y * weights[f"{name}.gamma"] + weights[f"{name}.beta"]).relu()
    expected = at("UpBlock2.11", y, reflect=3).tanh()
    content = {"genA2B": weights, "genB2A": weights, "disGA": {"model.0.weight": torch.zeros(3)}}
    found = from_state_dict(content, part="genA2B")
    torch.testing.assert_close(found.network(x), expected, atol=1e-4, rtol=1e-4)


def test_reconet():
    weights = random_weights(reconet.ReCoNet(4))
    at, x = Layers(weights), picture(low=0, high=255)
    y = at.affine("conv1.instance", at("conv1.conv2d", x, reflect=4)).relu()
    for name in ("conv2", "conv3"):
        y = at.affine(f"{name}.instance", at(f"{name}.conv2d", y, reflect=1, stride=2)).relu()
    for name in ("res1", "res2", "res3", "res4", "res5"):
        z = at.affine(f"{name}.in1", at(f"{name}.conv1.conv2d", y, reflect=1)).relu()
        y = y + at.affine(f"{name}.in2", at(f"{name}.conv2.conv2d", z, reflect=1))
    for name in ("deconv1", "deconv2"):
        y = at.affine(f"{name}.instance", at(f"{name}.conv2d", twice(y), reflect=1)).relu()
    expected = (at("deconv3.conv2d", y, reflect=4) / 255).tanh() * 150 + 255 / 2
    found = from_state_dict(weights)
    assert found.description.signature.range == (0, 255)
    torch.testing.assert_close(found.network(x), expected, atol=1e-3, rtol=1e-4)


def test_reconet_of_the_other_port():
    weights = random_weights(reconet.SteadyReCoNet(4, 3))
    at, x = Layers(weights), picture()

    def unit_of(name, y, kernel=3, stride=1):
        return at.affine(f"{name}.layers.1", at(f"{name}.layers.0.layers.1", y, reflect=kernel // 2, stride=stride))

    y = unit_of("encoder.layers.0", x, 9).relu()
    y = unit_of("encoder.layers.1", y, stride=2).relu()
    y = unit_of("encoder.layers.2", y, stride=2).relu()
    for number in (3, 4, 5):
        name = f"encoder.layers.{number}.branch"
        y = (y + unit_of(f"{name}.1", unit_of(f"{name}.0", y).relu())).relu()
    for number in (1, 3):
        y = unit_of(f"decoder.layers.{number}", twice(y)).relu()
    expected = at("decoder.layers.4.layers.0.layers.1", y, reflect=4).tanh()
    torch.testing.assert_close(from_state_dict(weights).network(x), expected, atol=1e-4, rtol=1e-4)


def test_pytorch_gan_resnet():
    weights = random_weights(pytorch_gan.ResampledResnet(width=4, num_blocks=2))
    at, x = Layers(weights), picture()
    y = instance_norm(at("model.1", x, reflect=3)).relu()
    for layer in (4, 7):
        y = instance_norm(at(f"model.{layer}", y, stride=2, padding=1)).relu()
    for block in (10, 11):
        z = instance_norm(at(f"model.{block}.block.1", y, reflect=1)).relu()
        y = y + instance_norm(at(f"model.{block}.block.5", z, reflect=1))
    for layer in (13, 17):
        y = instance_norm(at(f"model.{layer}", twice(y), padding=1)).relu()
    expected = at("model.21", y, reflect=3).tanh()
    torch.testing.assert_close(from_state_dict(weights).network(x), expected, atol=1e-4, rtol=1e-4)


def test_pytorch_gan_unet():
    weights = random_weights(pytorch_gan.PlainUnet(width=4))
    at, x = Layers(weights), picture(256, 256)
    levels = [x]
    for level in range(1, 9):
        y = at(f"down{level}.model.0", levels[-1], stride=2, padding=1)
        levels.append(leaky_relu(instance_norm(y) if 1 < level < 8 else y, 0.2))
    y = levels[8]
    for number in range(1, 8):
        y = torch.cat([instance_norm(at.up(f"up{number}.model.0", y, 4)).relu(), levels[8 - number]], dim=1)
    expected = at("final.2", pad(twice(y), (1, 0, 1, 0)), padding=1).tanh()
    torch.testing.assert_close(from_state_dict(weights).network(x), expected, atol=1e-4, rtol=1e-4)


MODES = {"reflect": "reflect", "replicate": "replicate", "zero": "constant"}


def content_code(at, prefix, x, activation, mode):
    y = activation(instance_norm(at(f"{prefix}.model.0.conv", x, reflect=3, mode=mode)))
    for layer in (1, 2):
        y = activation(instance_norm(at(f"{prefix}.model.{layer}.conv", y, stride=2, reflect=1, mode=mode)))
    for block in (0, 1):
        name = f"{prefix}.model.3.model.{block}.model"
        z = activation(instance_norm(at(f"{name}.0.conv", y, reflect=1, mode=mode)))
        y = y + instance_norm(at(f"{name}.1.conv", z, reflect=1, mode=mode))
    return y


def enlarged(at, prefix, y, activation, mode):
    for layer in (2, 4):
        y = at(f"{prefix}.model.{layer}.conv", twice(y), reflect=2, mode=mode)
        y = (y - y.mean((1, 2, 3), keepdim=True)) / (y.std((1, 2, 3), keepdim=True) + 1e-5)
        gamma, beta = (
            at.weights[f"{prefix}.model.{layer}.norm.{name}"].view(1, -1, 1, 1) for name in ("gamma", "beta")
        )
        y = activation(y * gamma + beta)
    return at(f"{prefix}.model.5.conv", y, reflect=3, mode=mode).tanh()


ACTIVATIONS = {"relu": torch.relu, "lrelu": lambda x: leaky_relu(x, 0.2)}


@pytest.mark.parametrize("activation", ["relu", "lrelu"])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
def test_unit_with_any_padding_and_activation(activation, padding):
    domains = {name: random_weights(unit.UnitGenerator(width=4, num_blocks=2), seed) for seed, name in enumerate("ab")}
    x, how = picture(), (ACTIVATIONS[activation], MODES[padding])
    code = content_code(Layers(domains["a"]), "enc", x, *how)
    at = Layers(domains["b"])
    for block in (0, 1):
        name = f"dec.model.0.model.{block}.model"
        z = how[0](instance_norm(at(f"{name}.0.conv", code, reflect=1, mode=how[1])))
        code = code + instance_norm(at(f"{name}.1.conv", z, reflect=1, mode=how[1]))
    expected = enlarged(at, "dec", code, *how)
    found = from_state_dict(domains, direction="AtoB", padding=padding, activation=activation)
    torch.testing.assert_close(found.network(x), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("activation", "padding"), [("lrelu", "reflect"), ("relu", "zero"), ("lrelu", "replicate")])
def test_munit_with_other_options_of_its_config(activation, padding):
    weights = random_weights(munit.MunitGenerator(width=4, num_blocks=2, hidden=8, style_channels=3))
    at, x, style = Layers(weights), picture(), torch.randn(1, 3, 1, 1)
    how = (ACTIVATIONS[activation], MODES[padding])
    code = content_code(at, "enc_content", x, *how)
    numbers = style.flatten(1)
    for layer in (0, 1, 2):
        numbers = linear(numbers, weights[f"mlp.model.{layer}.fc.weight"], weights[f"mlp.model.{layer}.fc.bias"])
        numbers = how[0](numbers) if layer < 2 else numbers
    parts = iter(numbers.view(-1, 16, 1, 1).unbind())
    for block in (0, 1):
        y = code
        for step in (0, 1):
            y = instance_norm(at(f"dec.model.0.model.{block}.model.{step}.conv", y, reflect=1, mode=how[1]))
            shift, scale = next(parts), next(parts)
            y = y * scale + shift
            y = how[0](y) if step == 0 else y
        code = code + y
    expected = enlarged(at, "dec", code, *how)
    found = from_state_dict(weights, activation=activation, padding=padding)
    torch.testing.assert_close(found.network(x, style), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("padding", ["replicate", "zero"])
@pytest.mark.parametrize("dropout", [False, True])
def test_cyclegan_with_other_paddings(padding, dropout):
    network = resnet.ResnetGenerator(width=4, num_blocks=2, padding=padding, dropout=dropout)
    weights = random_weights(network)
    at, x = Layers(weights), picture()
    first, second = (1, 5 + dropout) if padding == "replicate" else (0, 3 + dropout)
    y = instance_norm(at("model.1", x, reflect=3)).relu()
    for layer in (4, 7):
        y = instance_norm(at(f"model.{layer}", y, stride=2, padding=1)).relu()
    for block in (10, 11):
        name = f"model.{block}.conv_block"
        z = instance_norm(at(f"{name}.{first}", y, reflect=1, mode=MODES[padding])).relu()
        y = y + instance_norm(at(f"{name}.{second}", z, reflect=1, mode=MODES[padding]))
    for layer in (12, 15):
        y = instance_norm(at.up(f"model.{layer}", y)).relu()
    expected = at("model.19", y, reflect=3).tanh()
    hints = {"padding": padding} if padding == "replicate" else {}
    torch.testing.assert_close(from_state_dict(weights, **hints).network(x), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("output", "end"), [("linear", lambda y: y), ("tanh", torch.tanh), ("tanh150", lambda y: 150 * y.tanh())]
)
def test_style_networks_with_another_end(output, end):
    weights = random_weights(fast_style_deconv.DeconvTransformerNet((4, 8, 16), (8, 4)))
    x = picture(low=0, high=255)
    plain = from_state_dict(weights).network(x)
    torch.testing.assert_close(from_state_dict(weights, output=output).network(x), end(plain), atol=1e-4, rtol=1e-4)


def test_the_second_version_of_the_style_network_has_norm_and_relu_before_its_convolutions():
    weights = random_weights(fast_style_deconv.DeconvTransformerNet((4, 8, 16), (8, 4), num_layers=2))
    network = from_state_dict(weights, blocks="preactivated").network
    x = torch.rand(1, 16, 12, 12)
    expected = x
    for block in ("ResidualBlock.0", "ResidualBlock.1"):
        y = expected
        for conv in ("conv1", "conv2"):
            norm, kernel = (f"{block}.{conv}.{layer}_layer" for layer in ("norm", "conv"))
            y = instance_norm(y, weight=weights[f"{norm}.weight"], bias=weights[f"{norm}.bias"]).relu()
            padded = pad(y, (1, 1, 1, 1), mode="reflect")
            y = conv2d(padded, weights[f"{kernel}.weight"], weights[f"{kernel}.bias"])
        expected = expected + y
    torch.testing.assert_close(network.ResidualBlock(x), expected, atol=1e-4, rtol=1e-4)


def test_cartoongan_of_the_torch_files():
    weights = random_weights(cartoongan.CartoonGenerator(4))
    stored = {
        key.replace("weight", "scale").replace("bias", "shift") if key.startswith("in") else key: value
        for key, value in weights.items()
    }
    at, x = Layers(weights), picture()

    def norm(name, y):
        y = (y - y.mean((2, 3), keepdim=True)) / (y.var((2, 3), unbiased=False, keepdim=True) + 1e-9).sqrt()
        return y * weights[f"{name}.weight"].view(1, -1, 1, 1) + weights[f"{name}.bias"].view(1, -1, 1, 1)

    y = norm("in01_1", at("conv01_1", x, reflect=3)).relu()
    for number in ("02", "03"):
        y = at(f"conv{number}_2", at(f"conv{number}_1", y, stride=2, padding=1), padding=1)
        y = norm(f"in{number}_1", y).relu()
    for number in range(4, 12):
        z = norm(f"in{number:02}_1", at(f"conv{number:02}_1", y, reflect=1)).relu()
        y = y + norm(f"in{number:02}_2", at(f"conv{number:02}_2", z, reflect=1))
    for step, last in (("deconv01", "in12_1"), ("deconv02", "in13_1")):
        y = norm(last, at(f"{step}_2", at.up(f"{step}_1", y), padding=1)).relu()
    expected = at("deconv03_1", y, reflect=3).tanh()
    assert from_state_dict(stored).description.sizes["padding"] == "zero"
    torch.testing.assert_close(from_state_dict(stored).network(x), expected, atol=1e-4, rtol=1e-4)


def test_msgnet():
    weights = random_weights(msgnet.MsgNet(4, 2))
    at, x, style = Layers(weights), picture(low=0, high=255), picture(24, 28, low=0, high=255)

    def bottleneck(name, y, stride=1, double=lambda z: z):
        z = at(f"{name}.conv_block.2", instance_norm(y).relu())
        z = at(f"{name}.conv_block.5.conv2d", double(instance_norm(z).relu()), reflect=1, stride=stride)
        return at(f"{name}.conv_block.8", instance_norm(z).relu())

    def encoded(y):
        y = instance_norm(at("model.0.0.conv2d", y, reflect=3)).relu()
        for layer in (3, 4):
            name = f"model.0.{layer}"
            y = at(f"{name}.residual_layer", y, stride=2) + bottleneck(name, y, stride=2)
        return y

    features = encoded(style).flatten(2)
    gram = torch.bmm(features, features.transpose(1, 2)) / features[0].numel()
    y = encoded(x)
    y = torch.bmm(torch.bmm(weights["model.1.weight"], gram).transpose(1, 2), y.flatten(2)).view_as(y)
    for block in (2, 3):
        y = y + bottleneck(f"model.{block}", y)
    for block in (4, 5):
        name = f"model.{block}"
        y = at(f"{name}.residual_layer.conv2d", twice(y)) + bottleneck(name, y, double=twice)
    expected = at("model.8.conv2d", instance_norm(y).relu(), reflect=3)
    named_twice = {key.replace("model.0.", "model1."): value for key, value in weights.items() if "model.0." in key}
    found = from_state_dict(weights | named_twice | {"ins.weight": weights["model.1.weight"]})
    assert found.description.signature.order == "BGR"
    torch.testing.assert_close(found.network(x, style), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("first", ["decoder", "encoder"])
def test_adain_of_two_files(first):
    network = adain.AdaIN((4, 4, 6, 6, 8, 8, 8, 8, 10), (8, 8, 8, 8, 6, 6, 4, 4, 3))
    weights = random_weights(network)
    files = [
        {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(name)}
        for name in (first, "encoder" if first == "decoder" else "decoder")
    ]
    x, style = picture(low=0), picture(24, 28, low=0)

    def encoded(y):
        at = Layers({key: value for key, value in weights.items() if key.startswith("encoder")})
        y = at("encoder.0", y)
        for layer in (2, 5, 9, 12, 16, 19, 22, 25, 29):
            y = at(f"encoder.{layer}", y, reflect=1).relu()
            y = max_pool2d(y, 2, 2, ceil_mode=True) if layer in (5, 12, 25) else y
        return y

    y, z = encoded(x), encoded(style)
    mean, deviation = y.mean((2, 3), keepdim=True), (y.flatten(2).var(2) + 1e-5).sqrt()[..., None, None]
    y = (y - mean) / deviation * (z.flatten(2).var(2) + 1e-5).sqrt()[..., None, None] + z.mean((2, 3), keepdim=True)
    at = Layers(weights)
    for layer in (1, 5, 8, 11, 14, 18, 21, 25, 28):
        y = at(f"decoder.{layer}", y, reflect=1)
        y = y.relu() if layer < 28 else y
        y = twice(y) if layer in (1, 14, 21) else y
    later = {"32.weight": torch.zeros(4, 4, 3, 3), "51.bias": torch.zeros(4)}  # VGG's layers behind relu4_1
    files[first == "decoder"] |= later
    found = from_state_dict({f"netG{number}": file for number, file in enumerate(files)})
    assert found.description.system == "AdaIN"
    torch.testing.assert_close(found.network(x, style), y, atol=1e-5, rtol=1e-3)


def test_one_file_of_adain_asks_for_the_other():
    weights = adain.AdaIN((4, 4, 6, 6, 8, 8, 8, 8, 10), (8, 8, 8, 8, 6, 6, 4, 4, 3)).state_dict()
    for part in ("decoder", "encoder"):
        alone = {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(part)}
        with pytest.raises(ModelRefused, match="give both files: rotoscope export"):
            from_state_dict(alone)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 2, 1)])
def test_microast_of_four_files(order):
    weights = random_weights(microast.MicroAst((4, 8, 16)))
    for value in weights.values():
        if value.ndim == 4:
            torch.nn.init.kaiming_normal_(value)  # so that the picture depends on all layers
    parts = ("content_encoder", "style_encoder", "modulator", "decoder")
    names = [parts[number] for number in order]  # the content encoder before that of the style
    files = [
        {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(part)}
        for part in names
    ]
    x, style = picture(low=0), picture(24, 28, low=0)
    at = Layers(weights)

    def conv(name, y, kernel=3, **options):
        return at(f"{name}.conv_layer", y, reflect=kernel // 2, **options)

    def residual(name, y):
        return y + conv(f"{name}.conv2", conv(f"{name}.conv1", y).relu())

    def encoded(part, y):
        y = conv(f"{part}.enc1.0", y, 9).relu()
        y = conv(f"{part}.enc1.2", y, stride=2, groups=4).relu()
        y = conv(f"{part}.enc1.4", y, 1).relu()
        y = conv(f"{part}.enc1.6", y, stride=2, groups=8).relu()
        y = residual(f"{part}.enc1.10", conv(f"{part}.enc1.8", y, 1).relu())
        return y, residual(f"{part}.enc2.0", y)

    def moments(y):
        return y.mean((2, 3), keepdim=True), (y.flatten(2).var(2) + 1e-5).sqrt()[..., None, None]

    (_, y), styles = encoded("content_encoder", x), encoded("style_encoder", style)
    for level, layer in ((2, "dec1"), (1, "dec2")):
        features = styles[level - 1]
        weight, bias = (
            conv(f"modulator.{kind}{level}.0", features, groups=16).mean((2, 3), keepdim=True)
            for kind in ("weight", "bias")
        )
        (mean, deviation), (target_mean, target_deviation) = moments(y), moments(features)
        y = (y - mean) / deviation * target_deviation + target_mean
        inner = (weight * conv(f"decoder.{layer}.conv1", y) + bias * y).relu()
        y = y + weight * conv(f"decoder.{layer}.conv2", inner) + bias * inner
    for layers, groups in (((1, 3), 8), ((6, 8), 4)):
        y = interpolate(y, scale_factor=2, mode="bilinear")
        for layer, kernel, number in zip(layers, (3, 1), (groups, 1), strict=True):
            y = conv(f"decoder.dec3.{layer}", y, kernel, groups=number).relu()
    expected = conv("decoder.dec3.10", y, 9)
    found = from_state_dict({f"netG{number}": file for number, file in enumerate(files)})
    assert found.description.system == "MicroAST"
    assert found.description.signature.inputs == ("picture", "example")
    torch.testing.assert_close(found.network(x, style), expected, atol=1e-3 * expected.std().item(), rtol=1e-3)
    swapped = {
        f"netG{number}": files[names.index(part)]
        for number, part in enumerate(("style_encoder", *parts[::2], "decoder"))
    }
    with torch.inference_mode():
        other = from_state_dict(swapped).network(x, style)
    assert (other - expected).abs().max() > 0.1 * expected.std()  # the order of the encoders matters


def test_some_files_of_microast_ask_for_the_others():
    weights = microast.MicroAst((4, 8, 16)).state_dict()
    alone = {key.removeprefix("decoder."): value for key, value in weights.items() if key.startswith("decoder")}
    with pytest.raises(ModelRefused, match="give all of them: rotoscope export CONTENT_ENCODER"):
        from_state_dict(alone)
    encoder = {
        key.removeprefix("content_encoder."): value for key, value in weights.items() if "content_encoder" in key
    }
    with pytest.raises(ModelRefused, match="found: content_encoder, decoder"):
        from_state_dict({"netG0": encoder, "netG1": alone})
    with pytest.raises(ModelRefused, match="found: content_encoder, style_encoder"):
        from_state_dict({"netG0": encoder, "netG1": encoder})
