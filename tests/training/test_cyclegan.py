"""CycleGAN's losses against the published ones, and the temporal loss that may join them."""

import torch
from golden_training import golden

from rotoscope.training.loop.optimisation import weights_of
from rotoscope.training.options import CycleGanOptions
from rotoscope.training.systems.cyclegan import CycleGan


def cyclegan(tmp_path, **options):
    tiny = {"width": 4, "blocks": 1, "discriminator_width": 4, "pool": 0}
    return CycleGan(CycleGanOptions(a=tmp_path, b=tmp_path, **{**tiny, **options}))


def test_losses_and_gradients_are_the_published_ones(tmp_path):
    vector, system = golden("cyclegan_train_losses"), cyclegan(tmp_path)
    # The reference's G_A maps A to B, and its D_A judges what G_A makes: pictures of B.
    for network, name in ((system.g_ab, "GA"), (system.g_ba, "GB"), (system.d_b, "DA"), (system.d_a, "DB")):
        network.load_state_dict(vector.networks[name])
    a, b = vector.inputs["A"], vector.inputs["B"]
    updates = system.step({"a": a, "b": b})
    generators = next(updates)
    assert generators.optimiser == "generators"
    published = {
        "adversarial_b": "loss_G_A",
        "adversarial_a": "loss_G_B",
        "cycle_a": "loss_cycle_A",
        "cycle_b": "loss_cycle_B",
        "identity_b": "loss_idt_A",
        "identity_a": "loss_idt_B",
    }
    for ours, theirs in published.items():
        torch.testing.assert_close(generators.terms[ours], vector.outputs[theirs][0], atol=1e-4, rtol=0)
    total = sum(generators.terms.values())
    torch.testing.assert_close(total, vector.outputs["loss_G_total"][0], atol=1e-4, rtol=0)
    total.backward(inputs=weights_of(system.g_ab, system.g_ba))
    for network, name in ((system.g_ab, "GA"), (system.g_ba, "GB")):
        expected = vector.outputs[f"grad/{name}/model.1.weight"]
        torch.testing.assert_close(network.model[1].weight.grad, expected, atol=1e-4, rtol=1e-4)
    discriminators = next(updates)
    assert discriminators.optimiser == "discriminators"
    for ours, theirs in (("discriminator_b", "loss_D_A"), ("discriminator_a", "loss_D_B")):
        torch.testing.assert_close(discriminators.terms[ours], vector.outputs[theirs][0], atol=1e-4, rtol=0)
    assert next(updates, None) is None


def test_discriminators_send_nothing_to_the_generators(tmp_path):
    system = cyclegan(tmp_path)
    updates = system.step({"a": torch.rand(1, 3, 32, 32), "b": torch.rand(1, 3, 32, 32)})
    next(updates)
    sum(next(updates).terms.values()).backward()
    assert all(parameter.grad is None for parameter in weights_of(system.g_ab, system.g_ba))
    assert all(parameter.grad is not None for parameter in weights_of(system.d_a, system.d_b))


def test_the_temporal_loss_is_zero_for_generators_that_leave_pictures_as_they_are(tmp_path):
    system = cyclegan(tmp_path, temporal=10.0)
    picture = torch.rand(1, 3, 120, 120)
    nothing = torch.nn.Identity()
    torch.manual_seed(0)
    loss = system.temporal(nothing, nothing, picture, picture, picture)
    # What is left is the noise of the synthesised frame: deviation 0.001 to 0.002, twice its mean magnitude.
    assert 2 * 0.001 * 0.79 < loss < 2 * 0.002 * 0.81
    updates = system.step({"a": picture, "b": picture})
    assert {"temporal_a", "temporal_b"} <= set(next(updates).terms)


def test_whole_pictures_of_unequal_sizes_keep_their_identity_too(tmp_path):
    system = cyclegan(tmp_path)
    a, b = torch.rand(1, 3, 32, 40), torch.rand(1, 3, 48, 32)
    terms = next(system.step({"a": a, "b": b})).terms
    with torch.no_grad():
        for name, network, picture in (("identity_a", system.g_ba, a), ("identity_b", system.g_ab, b)):
            expected = 5 * (network(picture) - picture).abs().mean()
            torch.testing.assert_close(terms[name].detach(), expected)
