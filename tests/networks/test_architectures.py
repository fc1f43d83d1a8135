"""Properties of single architectures: initial states, accepted sizes, directions, adjoints."""

import pytest
import torch
from catalogue import CASES, build

from rotoscope.networks import animegan, cut, dualgan, fast_style, label_maps, munit, transformnet, vid2vid, vinet
from rotoscope.networks.norms import FrameBatchNorm2d, kind_of, make_norm
from rotoscope.networks.pix2pixhd import average_by_instance
from rotoscope.networks.shared_norm import share_statistics


def case(name):
    return next(case for case in CASES if str(case) == name)


def test_frame_batch_norm_is_the_same_in_both_modes_and_keeps_its_buffers():
    norm = FrameBatchNorm2d(3)
    torch.nn.init.normal_(norm.weight)
    x = torch.rand(1, 3, 8, 9)
    reference = torch.nn.BatchNorm2d(3)
    reference.load_state_dict(norm.state_dict())
    trained, evaluated = norm.train()(x), norm.eval()(x)
    assert torch.equal(trained, evaluated)
    torch.testing.assert_close(evaluated, reference.train()(x))
    assert norm.running_mean.abs().max() == 0


def test_norm_kinds_are_told_from_the_layers():
    for kind in ("instance", "instance_running", "batch_by_frame", "batch_running", "none"):
        assert kind_of(torch.nn.Sequential(make_norm(kind, 2))) == kind
    with pytest.raises(ValueError, match="norm 'layer'"):
        make_norm("layer", 2)


def test_transform_net_passes_the_first_frame_and_then_corrects():
    network = build(case("TransformNet (blind video consistency)"))
    source, processed = torch.rand(2, 1, 3, 16, 24)
    first, state = network(source, processed, network.initial_state(source))
    assert torch.equal(first, processed)
    assert torch.equal(state[1], processed)
    assert state[2].abs().max() == 0
    second, _ = network(source, processed, state)
    assert not torch.equal(second, processed)


def test_transform_net_without_norm_loads_files_that_list_one():
    weights = transformnet.TransformNet(4, 1).state_dict()
    assert not [key for key in weights if "norm_layer" in key]


def test_vid2vid_starts_from_nothing_with_the_raw_picture():
    network = vid2vid.Vid2Vid([{"label_channels": 6, "width": 4, "num_levels": 1, "num_blocks": 2}]).eval()
    labels = torch.rand(1, 6, 16, 24)
    given = network.initial_state(torch.rand(1, 6, 16, 24))
    nothing = tuple(torch.zeros_like(part) for part in given)
    picture, state = network(labels, nothing)
    made = network.netG0(labels, nothing[0])
    torch.testing.assert_close(picture, made.raw)
    assert state[1].item() == 1
    torch.testing.assert_close(state[0][:, 3:], picture)
    torch.testing.assert_close(network(labels, given)[0], network.netG0(labels, given[0]).picture)


def test_labels_are_encoded_with_their_instance_edges():
    labels = torch.tensor([[[[0, 0, 2], [0, 0, 2], [1, 1, 1]]]])
    instances = torch.tensor([[[[5, 5, 7], [5, 5, 7], [5, 5, 5]]]])
    encoded = label_maps.encode_labels(labels, 3, instances)
    assert encoded.shape == (1, 4, 3, 3)
    assert encoded[0, :3].argmax(dim=0).equal(labels[0, 0])
    assert encoded[0, 3].tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 1]]


def test_vinet_composites_nothing_before_there_is_a_previous_output():
    network = build(case("VINet"))
    window, masks = case("VINet").inputs(1)
    state = network.initial_state(window)
    other = (torch.rand_like(state[0]), state[1], state[2])
    assert torch.equal(network(window, masks, state)[0], network(window, masks, other)[0])
    assert vinet.TARGET == 2


def test_munit_translates_with_the_other_domain_s_decoder():
    sizes = {"width": 4, "num_blocks": 1, "hidden": 8}
    pair = munit.MunitPair(sizes, sizes, "AtoB").eval()
    picture, style = torch.rand(1, 3, 16, 24), torch.randn(1, 8, 1, 1)
    expected = pair.b.decode(pair.a.encode_content(picture), style)
    assert torch.equal(pair(picture, style), expected)


@pytest.mark.parametrize("kernel", [3, 5])
def test_dualgan_s_transposed_convolution_is_the_adjoint_of_its_convolution(kernel):
    conv, deconv = dualgan.SameConv(4, 5, kernel), dualgan.SameDeconv(5, 4, kernel)
    deconv.weight = conv.weight
    torch.nn.init.zeros_(conv.bias)
    torch.nn.init.zeros_(deconv.bias)
    x, y = torch.rand(1, 4, 16, 12), torch.rand(1, 5, 8, 6)
    torch.testing.assert_close((conv(x) * y).sum(), (x * deconv(y)).sum())


@pytest.mark.parametrize(("size", "expected"), [((41, 30), (44, 32)), ((40, 32), (40, 32)), ((17, 18), (20, 20))])
def test_fast_style_rounds_its_output_up_to_multiples_of_four(size, expected):
    assert fast_style.TransformerNet(2)(torch.rand(1, 3, *size)).shape[-2:] == expected


def test_animegan_takes_any_size_with_aligned_corners():
    assert animegan.AnimeGenerator()(torch.rand(1, 3, 33, 46)).shape[-2:] == (33, 46)


def test_blurs_keep_a_constant_picture():
    flat = torch.full((1, 3, 8, 10), 0.7)
    torch.testing.assert_close(cut.BlurDown(3)(flat), flat[..., ::2, ::2])
    torch.testing.assert_close(cut.BlurUp(3)(flat), torch.full((1, 3, 16, 20), 0.7))


def test_features_are_averaged_over_each_instance():
    x = torch.rand(2, 3, 4, 6)
    instances = torch.zeros(2, 1, 4, 6, dtype=torch.int32)
    instances[:, :, :2] = 26_001
    pooled = average_by_instance(x, instances)
    torch.testing.assert_close(pooled[:, :, 0, 0], x[:, :, :2].mean(dim=(2, 3)))
    torch.testing.assert_close(pooled[:, :, 3, 5], x[:, :, 2:].mean(dim=(2, 3)))


def test_munit_can_share_the_statistics_of_the_halves_it_uses():
    pair = build(case("MUNIT, both domains"))
    picture, style = case("MUNIT, both domains").inputs(1)
    shared = share_statistics(pair)
    output, left = shared(picture, style, shared.calibrate(picture, style))
    assert output.shape == picture.shape
    assert torch.isfinite(left).all()
