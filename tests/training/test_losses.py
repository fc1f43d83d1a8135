"""Each system's losses on inputs whose answer is known, and against published values."""

import pytest
import tiny_data
import torch
from golden_training import golden
from safetensors.torch import save_file
from torch import nn

from rotoscope.base.errors import UsageError
from rotoscope.networks.compact import CompactGenerator
from rotoscope.networks.features import VggFeatures
from rotoscope.networks.squeezenet import SqueezeNetFeatures
from rotoscope.networks.vid2vid import ScalePicture
from rotoscope.training.loop.optimisation import weights_of
from rotoscope.training.losses.painting import STYLE_SHARES, gram_matrix, total_variation
from rotoscope.training.losses.reference_flow import reference_flow
from rotoscope.training.options import (
    BlindConsistencyOptions,
    DualGanOptions,
    FastStyleOptions,
    InpaintingOptions,
    LookOptions,
    MunitOptions,
    Pix2PixOptions,
    RecycleGanOptions,
    SuperSlomoOptions,
    Vid2VidOptions,
)
from rotoscope.training.systems import blind_consistency, vid2vid
from rotoscope.training.systems.blind_consistency import BlindConsistency
from rotoscope.training.systems.dualgan import DualGan
from rotoscope.training.systems.fast_style_transfer import FastStyleTransfer, normalise_for_vgg
from rotoscope.training.systems.inpainting import Hole, Inpainting, discounted, draw_hole
from rotoscope.training.systems.look import Look, load_start, patch_luma
from rotoscope.training.systems.munit import Munit
from rotoscope.training.systems.pix2pix import Pix2Pix
from rotoscope.training.systems.recycle_gan import RecycleGan
from rotoscope.training.systems.super_slomo import SuperSlomoSystem, centred, roughness
from rotoscope.training.systems.vid2vid import GeneratedFrame, Vid2VidSystem


class Same(nn.Module):
    """A generator that changes nothing."""

    def forward(self, x, *_others):
        return x


class Score(nn.Module):
    """A discriminator that says one number."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return torch.full((x.shape[0], 1, 2, 2), self.value)


def close(found, expected, absolute=1e-4):
    torch.testing.assert_close(found, expected, atol=absolute, rtol=1e-5)


def number(value):
    return pytest.approx(value, rel=1e-4, abs=1e-6)


# pix2pix


def test_pix2pix_weighs_what_it_should(tmp_path):
    system = Pix2Pix(Pix2PixOptions(a=tmp_path, b=tmp_path, width=2, downs=5, discriminator_width=2))
    system.generator, system.discriminator = Same(), Score(0.0)
    a = torch.rand(2, 3, 32, 32)
    updates = list(system.step({"a": a, "b": a + 0.25}))
    assert [update.optimiser for update in updates] == ["discriminator", "generator"]
    assert updates[0].terms["discriminator"].item() == number(0.5 * 2 * 0.693147)
    assert updates[1].terms["adversarial"].item() == number(0.693147)
    assert updates[1].terms["l1"].item() == number(100 * 0.25)


def test_pix2pix_drops_out_in_training_alone(tmp_path):
    system = Pix2Pix(Pix2PixOptions(a=tmp_path, b=tmp_path, width=2, downs=7, discriminator_width=2))
    assert sum(isinstance(layer, nn.Dropout) for layer in system.generator.modules()) == 2
    picture = torch.rand(1, 3, 128, 128)
    assert not torch.equal(system.generator(picture), system.generator(picture))
    system.eval()
    assert torch.equal(system.generator(picture), system.generator(picture))


# DualGAN


def test_dualgan_weighs_what_it_should(tmp_path):
    options = DualGanOptions(a=tmp_path, b=tmp_path, width=1, discriminator_width=1, reconstruction_b=1000.0)
    system = DualGan(options)
    system.d_a, system.d_b = Score(2.0), Score(5.0)
    a, b = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    system.g_ab, system.g_ba = nn.Identity(), nn.Identity()
    terms = system.generator_terms(a, b, fake_a=b + 0.1, fake_b=a + 0.2)
    assert (terms["adversarial_a"].item(), terms["adversarial_b"].item()) == (-2.0, -5.0)
    assert terms["reconstruction_a"].item() == number(500 * 0.2)
    assert terms["reconstruction_b"].item() == number(1000 * 0.1)


def test_dualgan_updates_its_critics_first_and_sees_bgr(tmp_path):
    options = DualGanOptions(a=tmp_path, b=tmp_path, width=1, discriminator_width=1, critic_updates=3)
    system = DualGan(options)
    seen = []
    system.g_ab.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach()))
    a, b = torch.rand(1, 3, 256, 256), torch.rand(1, 3, 256, 256)
    updates = [update.optimiser for update in system.step({"a": a, "b": b})]
    assert updates == ["critics", "critics", "critics", "generators"]
    assert torch.equal(seen[0], a.flip(1))


# MUNIT


def munit(tmp_path, **options):
    sizes = {"width": 4, "blocks": 1, "hidden": 8, "discriminator_width": 2}
    return Munit(MunitOptions(a=tmp_path, b=tmp_path, **sizes, **options))


class StubGenerator:
    """Content is the picture; the style is a constant; decoding adds to the content."""

    def __init__(self, style, shift):
        self.style, self.shift = style, shift

    def encode_content(self, picture):
        return picture

    def encode_style(self, picture):
        return torch.full((picture.shape[0], 8, 1, 1), self.style)

    def decode(self, content, _style):
        return content + self.shift


def test_munit_weighs_what_it_should(tmp_path, monkeypatch):
    system = munit(tmp_path, cycle=10.0)
    monkeypatch.setattr(Munit, "draw_style", lambda _self, like: torch.zeros(like.shape[0], 8, 1, 1))
    picture = torch.rand(1, 3, 64, 64)
    direction = system.directions[0]._replace(
        source=StubGenerator(0.3, 0.1), target=StubGenerator(0.5, 0.2), discriminator=Score(3.0)
    )
    terms = system.generator_terms(direction, picture)
    assert terms["picture_a"].item() == number(10 * 0.1)
    assert terms["style_a"].item() == number(0.5)  # drawn 0, read as 0.5
    assert terms["content_a"].item() == number(0.2)
    assert terms["cycle_a"].item() == number(10 * 0.3)
    assert terms["adversarial_a"].item() == number((3 - 1) ** 2)


def test_the_temporal_loss_of_munit_is_zero_but_for_noise_where_everything_moves_along(tmp_path):
    system = munit(tmp_path)
    direction = system.directions[0]._replace(source=StubGenerator(0, 0.1), target=StubGenerator(0, 0.2))
    picture = torch.rand(1, 3, 120, 120)
    torch.manual_seed(0)
    loss = system.temporal(direction, picture, torch.zeros(1, 8, 1, 1), picture + 0.1, picture + 0.3)
    assert 2 * 0.001 * 0.79 < loss < 2 * 0.002 * 0.81
    assert system.temporal(direction, picture, torch.zeros(1, 8, 1, 1), picture + 0.6, picture + 0.3) > 0.49


def test_munit_draws_styles_afresh_for_each_update(tmp_path, monkeypatch):
    system = munit(tmp_path)
    drawn = []
    draw = Munit.draw_style

    def noting(self, like):
        drawn.append(draw(self, like))
        return drawn[-1]

    monkeypatch.setattr(Munit, "draw_style", noting)
    list(system.step({"a": torch.rand(1, 3, 64, 64), "b": torch.rand(1, 3, 64, 64)}))
    assert len(drawn) == 4
    assert len({float(style[0, 0]) for style in drawn}) == 4


# Recycle-GAN


class Newer(nn.Module):
    """Predicts no motion: returns the newer of two frames."""

    def forward(self, frames):
        return frames[:, 3:]


def test_recycle_gan_weighs_what_it_should(tmp_path):
    options = RecycleGanOptions(
        a=tmp_path, b=tmp_path, width=2, blocks=1, predictor_width=2, predictor_downs=4, discriminator_width=2,
        cycle=10.0, identity=0.5, adversarial_predictions=True,
    )  # fmt: skip
    system = RecycleGan(options)
    system.g_ab = system.g_ba = nn.Identity()
    system.p_a = system.p_b = Newer()
    system.d_a, system.d_b = Score(4.0), Score(3.0)
    still = torch.rand(1, 3, 16, 16)
    frames = torch.stack([still, still + 0.1, still + 0.4], dim=1)
    generators, discriminators = system.step({"a": frames, "b": frames})
    assert generators.terms["adversarial_a"].item() == number(3 * (3 - 1) ** 2)
    assert generators.terms["adversarial_predicted_a"].item() == number((4 - 1) ** 2)
    assert generators.terms["recurrent_a"].item() == number(10 * 0.3)
    assert generators.terms["recycle_a"].item() == number(10 * 0.3)
    assert generators.terms["cycle_a"].item() == number(0)
    assert generators.terms["identity_a"].item() == number(0)
    # For each of four fakes, half of (3-1)^2 + 3^2; or of (4-1)^2 + 4^2.
    assert discriminators.terms["discriminator_b"].item() == number(4 * 0.5 * (4 + 9))
    assert discriminators.terms["discriminator_a"].item() == number(4 * 0.5 * (9 + 16))


def test_the_paper_s_model_has_no_cycle_terms(tmp_path):
    options = RecycleGanOptions(
        a=tmp_path, b=tmp_path, width=2, blocks=1, predictor_width=2, predictor_downs=4, discriminator_width=2,
        discriminator_layers=2,
    )  # fmt: skip
    frames = torch.rand(1, 3, 3, 32, 32)
    first = next(RecycleGan(options).step({"a": frames, "b": frames}))
    assert {name[:-2] for name in first.terms} == {"adversarial", "recurrent", "recycle"}


# vid2vid


def test_vid2vid_believes_flow_and_compares_as_published():
    vector = golden("loss_vid2vid_flow")
    first, second, flow_ref, flow = (vector.inputs[name] for name in ("im1", "im2", "flow_ref", "flow"))
    believed = vid2vid.confidence(first, second, flow_ref)
    assert torch.equal(believed, vector.outputs["conf"])
    close(10 * vid2vid.masked_l1(flow, flow_ref, believed), vector.outputs["F_Flow"][0])
    warped = vid2vid.warp_border(second, flow)
    close(10 * vid2vid.masked_l1(warped, first, believed), vector.outputs["F_Warp"][0])


def vid2vid_system(tmp_path, **more):
    sizes = {"num_labels": 3, "width": 2, "levels": 1, "blocks": 2, "discriminator_width": 2, "perceptual": 0.0}
    return Vid2VidSystem(Vid2VidOptions(labels=tmp_path, frames=tmp_path, **{**sizes, **more}))


def test_vid2vid_weighs_flow_terms_as_it_should(tmp_path):
    system = vid2vid_system(tmp_path, scales=2, first_frames=False)
    real = torch.rand(1, 3, 16, 24) * 0.1  # dark enough for every flow to be believed
    flow = torch.zeros(1, 2, 16, 24)
    made = ScalePicture(real + 0.5, flow + 2, torch.full((1, 1, 16, 24), 0.3), real, (), real, real[:, :1])
    still = real.mean(dim=(2, 3), keepdim=True).expand_as(real)
    frame = GeneratedFrame(torch.zeros(1, 3, 16, 24), still, still, made._replace(picture=still + 0.5), still, flow)
    terms = system.flow_terms(frame)
    assert terms["flow"].item() == number(10 / 2 * 2)
    assert terms["warp"].item() == number(0)  # a still, even picture looks the same wherever it is taken from
    assert terms["steady"].item() == number(10 * 0.5)
    assert terms["weight"].item() == number(0.3)  # published without the factor of the others


def test_feature_matching_leaves_scores_out_and_weighs_layers_and_scales():
    real = [[torch.zeros(1, 4, 3, 3) for _ in range(5)] for _ in range(2)]
    fake = [[torch.full((1, 4, 3, 3), 0.5) for _ in range(4)] + [torch.full((1, 4, 3, 3), 100.0)] for _ in range(2)]
    assert vid2vid.feature_matching(real, fake).item() == number(2 * 4 * 0.5 * 4 / 4 / 2)


def test_vid2vid_looks_at_windows_of_three_frames_and_then_of_every_third(tmp_path):
    system = vid2vid_system(tmp_path)
    frames = torch.stack([torch.full((1, 3, 32, 32), index / 10) for index in range(8)], dim=1)
    found = {scale: real for scale, real, _ in system.windows(frames, list(frames.unbind(dim=1)))}
    assert {
        scale: [round(float(real[0, 3 * place, 0, 0]), 3) for place in range(3)] for scale, real in found.items()
    } == {
        0: [0.5, 0.6, 0.7],
        1: [0.1, 0.4, 0.7],
    }
    assert found[0].shape == (1, 13, 32, 32)
    few = frames[:, :6]
    assert [scale for scale, *_ in system.windows(few, list(few.unbind(dim=1)))] == [0]


def test_vid2vid_trains_its_encoder_and_stops_gradients_between_frames(tmp_path):
    system = vid2vid_system(tmp_path, encoder_features=2, instances=tmp_path, sequence=4)
    batch = {
        "labels": torch.randint(3, (1, 4, 32, 32)),
        "instances": torch.randint(3, (1, 4, 32, 32)),
        "frames": torch.rand(1, 4, 3, 32, 32),
    }
    updates = []
    for update in system.step(batch):
        weights = [
            parameter for group in system.optimisers[update.optimiser].param_groups for parameter in group["params"]
        ]
        sum(update.terms.values()).backward(inputs=weights)
        updates.append(update.optimiser)
    assert updates == ["generator", "discriminators"] * 2
    assert system.encoder.model[1].weight.grad.abs().sum() > 0
    assert system.discriminator.scale0_layer0[0].weight.grad.abs().sum() > 0


# fast style transfer


def test_gram_matrices_and_normalisation_are_the_published_ones():
    vector = golden("op_fst_gram")
    close(gram_matrix(vector.inputs["features"]), vector.outputs["gram"])
    close(normalise_for_vgg(vector.inputs["batch"]), vector.outputs["normalized"])


def test_style_is_zero_for_the_painting_itself_and_content_for_the_photograph(tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "vgg.pth"
    torch.save(VggFeatures(16, ()).state_dict(), weights)
    painting = tiny_data.blobs(3, 32)
    tiny_data.write(tmp_path / "painting.png", painting)
    system = FastStyleTransfer(
        FastStyleOptions(photos=tmp_path, painting=tmp_path / "painting.png", vgg16=weights, width=2)
    )
    painted = torch.from_numpy(painting.transpose(2, 0, 1).copy())[None].float()
    photo = torch.rand(1, 3, 32, 32) * 255
    assert system.terms(painted, photo)["style"] == 0
    assert system.terms(photo, photo)["content"] == 0
    assert system.terms(photo, painted)["style"] > 0


@pytest.fixture
def look(tmp_path):
    """The losses of a look, of which the network does nothing and SqueezeNet is random."""
    torch.manual_seed(0)
    torch.save(SqueezeNetFeatures().state_dict(), tmp_path / "squeezenet.pth")
    tiny_data.write(tmp_path / "painting.png", tiny_data.blobs(3, 64))
    system = Look(
        LookOptions(
            photos=tmp_path,
            painting=tmp_path / "painting.png",
            squeezenet=tmp_path / "squeezenet.pth",
            painting_side=64,
            width=8,
        )
    )
    system.generator = Same()
    return system


def test_content_and_style_of_a_look_are_distances_relative_to_their_targets(look):
    painting, photo = look.painting(), torch.rand(1, 3, 64, 64) * 2 - 1
    assert look.content_and_style(painting, photo)[1] == 0
    assert look.content_and_style(photo, photo)[0] == 0
    look.targets = [
        [target * 2 for target in targets] for targets in look.targets
    ]  # half of every target is missing: a quarter of its energy
    assert look.content_and_style(painting, photo)[1] == number(sum(STYLE_SHARES) / 4)


def test_the_tone_of_a_look_is_the_photographs_light_in_the_range_of_the_painting(look):
    grey = torch.full((1, 3, 16, 16), 0.4)  # one deviation of photographs, 0.5, above their mean, -0.1
    look.painting_luma = (0.2, 0.3)
    assert float(look.tone(grey + 0.1, grey)) == pytest.approx(0, abs=1e-10)  # one of the painting's above its mean
    assert float(look.tone(grey + 0.25, grey)) == number(0.15**2 / 0.3**2)
    green = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 16, 24)
    assert patch_luma(green).shape == (1, 1, 2, 3)
    assert float(patch_luma(green).mean()) == number(0.587)


def test_a_look_that_changes_nothing_is_as_steady_as_the_noise_that_it_is_shown(look):
    terms = look.terms(torch.zeros(8, 3, 64, 64))
    mean_deviation = 0.025  # of the sensor's noise; and the mean absolute value of a normal number is 0.8 of it
    assert float(terms["temporal"]) == pytest.approx(1.5 * 0.8 * mean_deviation, rel=0.6)
    assert terms["variation"] == terms["overshoot"] == 0


def test_a_look_starts_from_the_weights_of_another(tmp_path):
    other, generator = CompactGenerator(8, 1), CompactGenerator(8, 1)
    save_file(other.state_dict(), tmp_path / "look.safetensors")
    load_start(generator, tmp_path / "look.safetensors")
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in generator.state_dict().items())
    with pytest.raises(UsageError, match="accepted: look"):
        load_start(CompactGenerator(16, 1), tmp_path / "look.safetensors")


def test_total_variation_is_the_mean_square_of_neighbours_differences():
    slope = torch.arange(8.0).expand(1, 3, 8, 8)
    assert total_variation(slope) == 1
    assert total_variation(slope + slope.mT * 2) == 5


# blind consistency


def test_blind_consistency_is_the_published_loss():
    vector = golden("loss_vcons_temporal")
    now, before = vector.inputs["I_cur"], vector.inputs["I_prev"]
    flow = vector.inputs["flow_cur_to_prev"]
    mask = blind_consistency.visibility(now, before, flow)
    close(mask, vector.outputs["mask"])
    loss = blind_consistency.temporal_loss(vector.inputs["O_cur"], vector.inputs["O_prev"], flow, mask)
    close(100 * loss, vector.outputs["loss"][0])


def test_blind_consistency_counts_every_pair_of_a_clip(tmp_path):
    options = BlindConsistencyOptions(source=tmp_path, processed=tmp_path, perceptual=0.0, width=2, blocks=1)
    system = BlindConsistency(options)
    nn.init.zeros_(system.network.deconv3.conv2d.weight)
    nn.init.zeros_(system.network.deconv3.conv2d.bias)  # a correction of zero: outputs are the processed frames
    source = torch.zeros(1, 4, 3, 64, 64)
    levels = torch.tensor([0.0, 0.2, 0.3, 0.7]).view(1, 4, 1, 1, 1)
    (update,) = system.step({"source": source, "processed": (2 * levels - 1).expand(1, 4, 3, 64, 64)})
    assert update.terms["short_term"].item() == number(100 * (0.2 + 0.1 + 0.4))
    assert update.terms["long_term"].item() == number(100 * (0.3 + 0.7))


# Super SloMo


def test_super_slomo_weighs_what_it_should(tmp_path):
    system = SuperSlomoSystem(SuperSlomoOptions(frames=tmp_path, perceptual=0.0))
    flow = torch.zeros(1, 2, 32, 32)
    system.network.flows = lambda _first, _last: (flow, flow)
    system.network.at = lambda _time, first, *_others: type("Made", (), {"frame": first})
    even = torch.full((1, 3, 32, 32), 0.0)
    terms = system.terms(even, even, even + 0.1, torch.full((1, 1, 1, 1), 0.5))
    assert terms["reconstruction"].item() == number(204 * 0.1)
    assert terms["warping"].item() == number(102 * (0.1 + 0.1 + 0 + 0))
    assert terms["smoothness"].item() == 0


def test_roughness_is_the_mean_slope_of_a_flow():
    flow = torch.arange(10.0).expand(1, 2, 8, 10) * 0.5
    assert roughness(flow).item() == number(0.5)
    assert centred(torch.full((1, 3, 1, 1), 1.0)).flatten().tolist() == number([1 - 0.429, 1 - 0.431, 1 - 0.397])


# inpainting


def test_the_discount_falls_from_the_border_inwards():
    mask = torch.zeros(1, 1, 9, 11)
    mask[:, :, 2:7, 3:10] = 1
    weights = discounted(mask, 0.9)[0, 0]
    assert weights[2, 3].item() == number(0.9)
    assert weights[4, 6].item() == number(0.9**3)  # third from the top
    assert weights[1].sum() == 0 and (weights > 0).sum() == 35


def test_inpainting_weighs_what_it_should(tmp_path):
    options = InpaintingOptions(photos=tmp_path, crop=32, resize=32, hole=16, jitter=0, width=4, discriminator_width=2)
    system = Inpainting(options)
    system.critic_of_picture, system.critic_of_hole = Score(2.0), Score(3.0)
    mask = torch.zeros(1, 1, 32, 32)
    mask[:, :, 8:24, 8:24] = 1
    hole = Hole(8, 8, 16, mask)
    photos = torch.rand(2, 3, 32, 32)
    terms = system.generator_terms(photos, photos + 0.1, photos + 0.2, photos, hole)
    discount = hole.square(discounted(mask, 0.9)).mean().item()
    assert terms["reconstruction"].item() == number(1.2 * (1.2 * 0.1 + 0.2) * discount)
    assert terms["outside"].item() == number(1.2 * (1.2 * 0.1 + 0.2))
    assert terms["adversarial"].item() == number(0.001 * -(2 + 3))


def test_holes_lie_inside_the_picture_and_differ():
    torch.manual_seed(0)
    picture = torch.zeros(1, 3, 40, 56)
    places = set()
    for _ in range(200):
        hole = draw_hole(picture, 24, 8)
        rows, columns = hole.mask[0, 0].any(dim=1).sum(), hole.mask[0, 0].any(dim=0).sum()
        assert 16 <= rows <= 24 and 16 <= columns <= 24
        assert hole.square(hole.mask).sum() == hole.mask.sum()
        places.add((hole.top, hole.left))
    assert len(places) > 100


# reference flow


def test_reference_flow_points_from_the_first_picture_to_the_second():
    wide = torch.from_numpy(tiny_data.blobs(1, 104).transpose(2, 0, 1).copy()).float() / 127.5 - 1
    first, second = wide[:, :96, 4:100], wide[:, 2:98, :96]  # the second shows the same 4 px further right, 2 px higher
    flow = reference_flow(first[None], second[None])[0, :, 16:-16, 16:-16].flatten(1).median(dim=1).values
    assert flow.tolist() == pytest.approx([4, -2], abs=0.3)


def test_only_the_named_weights_of_an_update_get_gradients(tmp_path):
    system = munit(tmp_path)
    updates = system.step({"a": torch.rand(1, 3, 64, 64), "b": torch.rand(1, 3, 64, 64)})
    next(updates)
    generators = next(updates)
    makers = weights_of(system.a, system.b)
    sum(generators.terms.values()).backward(inputs=makers)
    assert all(parameter.grad is None for parameter in weights_of(system.d_a, system.d_b))
    assert all(parameter.grad is not None for parameter in makers)
