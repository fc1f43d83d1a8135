"""Every system: some steps of it on tiny data through the trainer, ending in weights that are recognised."""

import cv2
import numpy as np
import pytest
import tiny_data
import torch
from safetensors.torch import save_file

from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.export.graph import as_graph
from rotoscope.export.options import ExportOptions
from rotoscope.networks import Signature, from_state_dict
from rotoscope.networks.adain import AdaIN
from rotoscope.networks.compact import CompactGenerator
from rotoscope.networks.features import VggFeatures
from rotoscope.networks.lpips import Lpips
from rotoscope.networks.microast import MicroAst
from rotoscope.networks.msgnet import MsgNet
from rotoscope.networks.squeezenet import SqueezeNetFeatures
from rotoscope.networks.vid2vid import Vid2Vid
from rotoscope.training.data.datasets import TrainingData
from rotoscope.training.data.line_drawings import line_drawing
from rotoscope.training.loop.checkpoints import save_weights
from rotoscope.training.loop.optimisation import weights_of
from rotoscope.training.loop.run import run_training
from rotoscope.training.loop.run_page import read_log
from rotoscope.training.loop.trainer import parameters_of
from rotoscope.training.losses.style_teacher import StyleTeacher
from rotoscope.training.options import (
    AnyLookOptions,
    BlindConsistencyOptions,
    DualGanOptions,
    FastStyleOptions,
    InpaintingOptions,
    LookOptions,
    MunitOptions,
    Pix2PixOptions,
    RecycleGanOptions,
    RunOptions,
    SingleFrameOptions,
    SuperSlomoOptions,
    Vid2VidOptions,
)
from rotoscope.training.systems.any_look import AnyLookTraining
from rotoscope.training.systems.blind_consistency import BlindConsistency
from rotoscope.training.systems.dualgan import DualGan
from rotoscope.training.systems.fast_style_transfer import FastStyleTransfer
from rotoscope.training.systems.inpainting import Inpainting
from rotoscope.training.systems.label_prediction import LabelPrediction
from rotoscope.training.systems.look import Look
from rotoscope.training.systems.munit import Munit
from rotoscope.training.systems.pix2pix import Pix2Pix
from rotoscope.training.systems.recycle_gan import RecycleGan
from rotoscope.training.systems.super_slomo import SuperSlomoSystem
from rotoscope.training.systems.vid2vid import Vid2VidSystem, grey


def negative(rgb):
    return 255 - rgb


@pytest.fixture
def vgg_file(tmp_path):
    """VGG's shapes with random weights: what a loss is made of, without the published file."""

    def make(depth):
        torch.manual_seed(0)
        path = tmp_path / f"vgg{depth}.pth"
        torch.save(VggFeatures(depth, ()).state_dict(), path)
        return path

    return make


def trained(system, options, tmp_path, **run):
    """The folder of a short run, in which everything that learnt was called, as --compile needs it."""
    out = tmp_path / "run"
    run = RunOptions(out=out, device="cpu", **{"steps": 2, "log_every": 1, "sample_every": 2, **run})
    called, made = set(), []

    def make():
        made.append(system(options))
        for module in made[0].modules_to_compile():
            module.register_forward_hook(lambda module, _inputs, _output: called.add(module))
        return made[0]

    assert run_training(make, options, run).is_finished
    weights = [each for optimiser in made[0].optimisers.values() for each in parameters_of(optimiser)]
    assert {each for each in weights if each.grad is not None} <= set(weights_of(*called))
    assert (out / "samples" / "step-00000002.jpg").stat().st_size > 1000
    return out


def recognised(out, **names):
    for name, system in names.items():
        assert open_checkpoint(out / f"{name}.safetensors").description.system == system


def label_clips(tmp_path):
    """Clips of frames with the label maps and instances that explain them: 0 dark, 1 bright, 2 a square in motion."""
    for clip in range(2):
        for index in range(8):
            labels = np.zeros((32, 48), np.uint8)
            labels[16:] = 1
            labels[8:20, 4 + 2 * index + clip : 16 + 2 * index + clip] = 2
            colours = np.array([[30, 40, 90], [200, 190, 160], [220, 60, 40]], np.uint8)
            for view, picture in (
                ("labels", labels),
                ("instances", labels * 3),
                ("frames", colours[labels]),
            ):
                stacked = picture if picture.ndim == 3 else picture[..., None]
                tiny_data.write(tmp_path / view / f"clip{clip}" / f"{index:03d}.png", stacked)
    return {view: tmp_path / view for view in ("labels", "instances", "frames")}


def pictures(tmp_path, size=40):
    return {
        "a": tiny_data.folder(tmp_path / "a", size=size),
        "b": tiny_data.folder(tmp_path / "b", size=size, change=negative),
    }


def test_pix2pix(tmp_path):
    options = Pix2PixOptions(**pictures(tmp_path, 72), resize=68, crop=64, width=2, downs=6, discriminator_width=2)
    out = trained(Pix2Pix, options, tmp_path)
    recognised(out, AtoB="pix2pix U-Net, 6 levels")


def test_dualgan(tmp_path):
    sizes = {"width": 1, "discriminator_width": 1, "critic_updates": 2}
    out = trained(DualGan, DualGanOptions(**pictures(tmp_path, 256), **sizes), tmp_path)
    recognised(out, AtoB="DualGAN", BtoA="DualGAN")


MUNIT = {"resize": 68, "crop": 64, "width": 4, "blocks": 1, "hidden": 8, "discriminator_width": 4}


@pytest.mark.parametrize("kind", [MunitOptions, SingleFrameOptions])
def test_munit(kind, tmp_path):
    out = trained(Munit, kind(**pictures(tmp_path, 72), **MUNIT), tmp_path)
    recognised(out, AtoB="MUNIT, both domains", BtoA="MUNIT, both domains")
    network, description = open_checkpoint(out / "BtoA.safetensors")
    assert description.sizes["direction"] == "BtoA"
    assert network(torch.rand(1, 3, 64, 64), torch.randn(1, 8, 1, 1)).shape == (1, 3, 64, 64)


RECYCLE = {"resize": 36, "crop": 32, "width": 2, "blocks": 1, "predictor_width": 2, "predictor_downs": 4}
RECYCLE |= {"discriminator_width": 2, "discriminator_layers": 2}


@pytest.mark.parametrize(
    "more", [{}, {"cycle": 10.0, "identity": 0.5, "adversarial_predictions": True, "pool": 5}], ids=str
)
def test_recycle_gan(more, tmp_path):
    paths = {"a": tiny_data.clips(tmp_path / "a"), "b": tiny_data.clips(tmp_path / "b", change=negative)}
    out = trained(RecycleGan, RecycleGanOptions(**paths, **RECYCLE, **more), tmp_path)
    predictor = "Recycle-GAN predictor U-Net, 4 levels"
    recognised(out, AtoB="CycleGAN ResNet-1", predictor_a=predictor, predictor_b=predictor)


VID2VID = {"num_labels": 3, "resize": 32, "width": 4, "levels": 2, "blocks": 2, "discriminator_width": 2, "sequence": 4}


QUIET = {**VID2VID, "perceptual": 0.0}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"scales": 2, "local_blocks": 1, "freeze_coarse_epochs": 1, "foreground": (2,), "sequence": 8},
        {"first_frames": False, "encoder_features": 2},
    ],
    ids=str,
)
def test_vid2vid(more, tmp_path, vgg_file):
    paths = label_clips(tmp_path)
    options = Vid2VidOptions(**paths, **{**VID2VID, **more}, vgg19=vgg_file(19))
    out = trained(Vid2VidSystem, options, tmp_path)
    recognised(out, generator="vid2vid")
    if options.encoder_features:
        recognised(out, encoder="pix2pixHD feature encoder")


def drawn_clips(tmp_path):
    """The frames of `label_clips` with their lines."""
    paths = label_clips(tmp_path)
    for clip in range(2):
        for index in range(8):
            name = f"clip{clip}/{index:03d}.png"
            lines = line_drawing(cv2.imread(str(tmp_path / "frames" / name)))
            tiny_data.write(tmp_path / "lines" / name, lines[..., None])
    return {"lines": tmp_path / "lines", "frames": paths["frames"]}


def test_vid2vid_learns_from_lines_with_a_style(tmp_path):
    """Its encoder describes whole frames, and the exported model takes such a code for every frame of the window."""
    options = Vid2VidOptions(**drawn_clips(tmp_path), **QUIET, encoder_features=2, coarse_epochs=1, scales=2)
    out = trained(Vid2VidSystem, options, tmp_path)
    recognised(out, generator="vid2vid", encoder="pix2pixHD feature encoder")
    loaded = open_checkpoint(out / "generator.safetensors")
    module, manifest = as_graph(loaded)
    assert (manifest.style.what, manifest.style.shape) == ("code", (1, 2, 1, 1))
    assert (manifest.frame.labels, manifest.frame.window.offsets) == (None, (-2, -1, 0))
    window, style = torch.rand(1, 3, 3, 32, 48) * 2 - 1, torch.randn(1, 2, 1, 1)
    state = loaded.network.initial_state(torch.rand(1, 6, 32, 48))
    maps = torch.cat([grey(window), style[:, None] * grey(window)], dim=2).flatten(1, 2)
    with torch.inference_mode():
        expected, _ = loaded.network(maps, state)
        torch.testing.assert_close(module(window, style, *state)[0], expected)
        assert (module(window, -style, *state)[0] - expected).abs().max() > 1e-4


def test_a_style_of_label_maps_is_a_code_for_each_label():
    """One code for all pixels would change nothing: the first norm removes what is constant."""
    scale = {"label_channels": 3 * (3 + 2), "width": 4, "num_levels": 1, "num_blocks": 2}
    module, manifest = as_graph(from_state_dict(Vid2Vid([scale]).state_dict(), features=2), ExportOptions(labels=3))
    assert manifest.style.shape == (1, 6, 1, 1)
    maps, style = torch.randint(3, (1, 3, 1, 16, 24)), torch.randn(1, 6, 1, 1)
    state = torch.rand(1, 6, 16, 24), torch.ones(1, 1, 1, 1)
    with torch.inference_mode():
        one, other, same = (module(maps, code, *state)[0] for code in (style, -style, style.clone()))
    assert (one - other).abs().max() > 1e-3
    assert torch.equal(one, same)


def test_vid2vid_learns_from_two_drawings(tmp_path):
    frames = label_clips(tmp_path)["frames"]
    options = Vid2VidOptions(drawings=frames, more_drawings=frames, frames=frames, **QUIET)
    out = trained(Vid2VidSystem, options, tmp_path)
    loaded = open_checkpoint(out / "generator.safetensors")
    module, manifest = as_graph(loaded)
    assert manifest.second.what == "drawing"
    one, other = torch.rand(2, 1, 3, 3, 32, 48).unbind()
    state = loaded.network.initial_state(torch.rand(1, 6, 32, 48))
    with torch.inference_mode():
        expected, _ = loaded.network(torch.cat([one, other], dim=2).flatten(1, 2), state)
        torch.testing.assert_close(module(one, other, *state)[0], expected)


def test_vid2vid_goes_from_coarse_to_fine_in_one_run(tmp_path):
    paths = label_clips(tmp_path)
    options = Vid2VidOptions(**paths, **QUIET, scales=2, local_blocks=1, coarse_epochs=2, freeze_coarse_epochs=1)
    system = Vid2VidSystem(options)
    (domain,) = system.domains()
    batch = TrainingData([domain], seed=0).batch([0])
    learns = {}
    for epoch in (0, 1, 2, 3):
        system.begin_epoch(epoch)
        system.zero_grad(set_to_none=True)
        update = next(system.step(batch))
        torch.stack(list(update.terms.values())).sum().backward()
        scales = [system.generator.get_submodule(f"netG{scale}") for scale in range(2)]
        height = system.samples(batch)["made"].shape[-2]
        learns[epoch] = (height, *(any(each.grad is not None for each in net.parameters()) for net in scales))
    assert learns == {
        0: (16, True, False),
        1: (16, True, False),
        2: (32, False, True),
        3: (32, True, True),
    }


def test_prediction_of_label_maps(tmp_path):
    labels = label_clips(tmp_path)["labels"]
    options = Vid2VidOptions(task="predict", labels=labels, past=3, **{**QUIET, "sequence": 5})
    out = trained(LabelPrediction, options, tmp_path)
    recognised(out, predictor="vid2vid label predictor, 3 labels")


def test_a_predictor_learns_a_motion(tmp_path):
    """The square moves by 2 pixels a frame: repeating the last map is wrong at its sides."""
    options = Vid2VidOptions(
        task="predict", labels=label_clips(tmp_path)["labels"], past=2, learning_rate=5e-3,
        **{**QUIET, "sequence": 3, "width": 8, "levels": 1},
    )  # fmt: skip
    system = LabelPrediction(options)
    (domain,) = system.domains()
    batch = TrainingData([domain], seed=0).batch(range(6))
    optimiser = system.optimisers["predictor"]
    for _ in range(40):
        for update in system.step(batch):
            optimiser.zero_grad()
            torch.stack(list(update.terms.values())).sum().backward()
            optimiser.step()
    labels = batch["labels"]
    made = system.network.composite(system.one_hot(labels[:, :2])).picture.argmax(1)
    wrong, repeated = ((found != labels[:, 2]).float().mean() for found in (made, labels[:, 1]))
    assert wrong < 0.5 * repeated


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no input; accepted: one of --labels"),
        ({"labels": "a", "lines": "b", "frames": "c"}, "--labels and --lines"),
        ({"lines": "a"}, "needs --frames"),
        ({"drawings": "a", "frames": "b", "foreground": (2,)}, "accepted: these with --labels"),
        ({"labels": "a", "more_drawings": "b", "frames": "c"}, "--more-drawings without --drawings"),
        ({"task": "predict", "lines": "a"}, "needs --labels"),
        ({"task": "predict", "labels": "a", "frames": "b"}, "--task predict --frames"),
        ({"task": "predict", "labels": "a", "sequence": 4, "past": 4}, "longer than the past"),
    ],
    ids=str,
)
def test_inputs_of_vid2vid_that_do_not_go_together_are_refused(given, said):
    with pytest.raises(UsageError, match=said):
        Vid2VidOptions(**given)


def test_vid2vid_keeps_coarser_scales_frozen_and_takes_them_from_an_earlier_run(tmp_path):
    paths = label_clips(tmp_path)
    quiet = {**VID2VID, "perceptual": 0.0}
    coarse = trained(Vid2VidSystem, Vid2VidOptions(**paths, **quiet), tmp_path)
    fine = Vid2VidOptions(
        **paths,
        **quiet,
        scales=2,
        local_blocks=1,
        start_from=coarse / "generator.safetensors",
        freeze_coarse_epochs=100,
    )
    (tmp_path / "fine").mkdir()
    out = trained(Vid2VidSystem, fine, tmp_path / "fine")
    before = open_checkpoint(coarse / "generator.safetensors").network.state_dict()
    after = open_checkpoint(out / "generator.safetensors").network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_fast_style(tmp_path, vgg_file):
    photos = tiny_data.folder(tmp_path / "photos")
    tiny_data.write(tmp_path / "painting.png", tiny_data.blobs(99, 48))
    sizes = {"batch": 2, "resize": 32, "crop": 32, "width": 2}
    options = FastStyleOptions(photos=photos, painting=tmp_path / "painting.png", vgg16=vgg_file(16), **sizes)
    recognised(trained(FastStyleTransfer, options, tmp_path), style="fast style transfer")


def test_a_look(tmp_path):
    torch.manual_seed(0)
    torch.save(SqueezeNetFeatures().state_dict(), tmp_path / "squeezenet.pth")
    photos = tiny_data.folder(tmp_path / "photos")
    tiny_data.write(tmp_path / "painting.png", tiny_data.blobs(99, 48))
    sizes = {"batch": 2, "crop": 72, "width": 8, "blocks": 1, "painting_side": 64, "equivariance": 1.0}
    options = LookOptions(
        photos=photos, painting=tmp_path / "painting.png", squeezenet=tmp_path / "squeezenet.pth", **sizes
    )
    recognised(trained(Look, options, tmp_path), look="compact student")


def test_any_look_learns_and_previews_a_clip(tmp_path):
    torch.manual_seed(0)
    torch.save(SqueezeNetFeatures().state_dict(), tmp_path / "squeezenet.pth")
    photos = tiny_data.folder(tmp_path / "photos", size=80)
    paintings = tiny_data.folder(tmp_path / "paintings", size=80, seed=50)
    tiny_data.clips(tmp_path / "clips", size=48, count=1)
    sizes = {"batch": 2, "crop": 72, "width": 8, "blocks": 1, "style_channels": 8, "encoder_width": 4, "iterations": 30}
    options = AnyLookOptions(
        photos=photos,
        paintings=paintings,
        squeezenet=tmp_path / "squeezenet.pth",
        preview=tmp_path / "clips",
        learning_rate=1e-2,
        **sizes,
    )
    run = RunOptions(out=tmp_path / "run", device="cpu", log_every=10, sample_every=15)
    assert run_training(lambda: AnyLookTraining(options), options, run).is_finished
    recognised(run.out, **{"any-look": "any look"})
    first, *_, last = read_log(run.out / "log.jsonl")
    assert last["style"] + last["content"] < 0.9 * (first["style"] + first["content"])
    assert (run.out / "samples" / "clip-00000015.jpg").is_file()
    assert (run.out / "run.html").read_text().count("frames of the clip") == 3  # steps 0, 15 and 30


def test_any_look_learns_from_a_teacher(tmp_path):
    torch.manual_seed(0)
    lpips = Lpips("squeeze")
    torch.save(lpips.backbone.state_dict() | lpips.heads.state_dict(), tmp_path / "lpips.pth")
    teacher = MicroAst((4, 8, 16)).eval()
    save_weights(tmp_path / "teacher.safetensors", teacher, {"hints": {}, "system": "MicroAST", "steps": 1})
    photos = tiny_data.folder(tmp_path / "photos", size=80)
    paintings = tiny_data.folder(tmp_path / "paintings", size=160, seed=50)
    sizes = {"batch": 2, "crop": 72, "width": 8, "blocks": 1, "style_channels": 8, "encoder_width": 4, "iterations": 30}
    options = AnyLookOptions(
        photos=photos,
        paintings=paintings,
        teacher=tmp_path / "teacher.safetensors",
        squeezenet=tmp_path / "lpips.pth",
        learning_rate=1e-2,
        **sizes,
    )
    run = RunOptions(out=tmp_path / "run", device="cpu", log_every=10, sample_every=15)
    assert run_training(lambda: AnyLookTraining(options), options, run).is_finished
    recognised(run.out, **{"any-look": "any look"})
    first, *_, last = read_log(run.out / "log.jsonl")
    assert {"pixels", "gradients", "perceptual"} < set(last)
    assert "style" not in last
    assert last["pixels"] < 0.9 * first["pixels"]


def test_the_teacher_of_any_look_paints_what_its_network_paints(tmp_path):
    torch.manual_seed(0)
    network = MicroAst((4, 8, 16)).eval()
    photo, painting = torch.rand(2, 3, 32, 40), torch.rand(2, 3, 48, 48)
    for order in ("RGB", "BGR"):
        teacher = StyleTeacher(network, Signature(("picture", "example"), range=(0.0, 1.0), order=order))
        turn = (lambda x: x.flip(1)) if order == "BGR" else lambda x: x
        expected = turn(network(turn(photo), turn(painting))).clamp(0, 1) * 2 - 1
        torch.testing.assert_close(teacher.paint(photo * 2 - 1, painting * 2 - 1), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("network", "signature"),
    [
        (
            AdaIN((4, 4, 6, 6, 8, 8, 8, 8, 10), (8, 8, 8, 8, 6, 6, 4, 4, 3)),
            Signature(("picture", "example"), range=(0.0, 1.0)),
        ),
        (MsgNet(4, 2), Signature(("picture", "example"), range=(0.0, 255.0), order="BGR")),
    ],
)
def test_teachers_of_other_ranges_and_of_sides_that_are_no_multiples(network, signature):
    photo = torch.rand(1, 3, 36, 44) * 2 - 1
    made = StyleTeacher(network, signature).paint(photo, torch.rand(1, 3, 48, 48) * 2 - 1)
    assert made.shape == photo.shape
    assert made.abs().max() <= 1


def test_any_look_refuses_to_fetch_what_a_teacher_does_not_need(tmp_path):
    save_weights(tmp_path / "t.safetensors", MicroAst((4, 8, 16)), {"hints": {}, "system": "MicroAST", "steps": 1})
    options = AnyLookOptions(photos=tmp_path, paintings=tmp_path, teacher=tmp_path / "t.safetensors", fetch=True)
    with pytest.raises(UsageError, match="accepted: --squeezenet FILE"):
        AnyLookTraining(options)


def test_any_look_refuses_a_teacher_that_takes_no_style_picture(tmp_path):
    save_weights(tmp_path / "look.safetensors", CompactGenerator(8, 1), {"hints": {}, "system": "look", "steps": 1})
    (tmp_path / "text.safetensors").write_text("no weights")
    save_file({"a.weight": torch.zeros(3, 3)}, tmp_path / "unknown.safetensors")
    for name in ("look", "text", "missing", "unknown"):
        options = AnyLookOptions(photos=tmp_path, paintings=tmp_path, teacher=tmp_path / f"{name}.safetensors")
        with pytest.raises(UsageError, match="a network that takes a picture and a style picture"):
            AnyLookTraining(options)


def test_blind_consistency(tmp_path, vgg_file):
    random = np.random.default_rng(0)

    def flickering(rgb):
        return np.clip(rgb * random.uniform(0.7, 1.3), 0, 255).astype(np.uint8)

    source = tiny_data.clips(tmp_path / "source", size=48)
    processed = tiny_data.clips(tmp_path / "processed", size=48, change=flickering)
    sizes = {"batch": 2, "crop": 32, "clip": 4, "width": 2, "blocks": 1, "scale": (0.8, 1.2)}
    options = BlindConsistencyOptions(source=source, processed=processed, vgg16=vgg_file(16), **sizes)
    recognised(trained(BlindConsistency, options, tmp_path), stabiliser="TransformNet (blind video consistency)")


@pytest.mark.slow  # its networks have one size, 40 million weights
def test_super_slomo(tmp_path):
    frames = tiny_data.clips(tmp_path / "frames", frames=5)
    sizes = {"batch": 1, "resize": 32, "crop": 32, "between": 3, "perceptual": 0.0}
    out = trained(SuperSlomoSystem, SuperSlomoOptions(frames=frames, **sizes), tmp_path)
    recognised(out, interpolator="Super SloMo")


def test_inpainting(tmp_path):
    photos = tiny_data.folder(tmp_path / "photos", size=72)
    sizes = {"batch": 2, "resize": 66, "crop": 64, "hole": 32, "jitter": 8, "width": 4, "discriminator_width": 2}
    out = trained(Inpainting, InpaintingOptions(photos=photos, **sizes), tmp_path)
    recognised(out, inpainter="contextual attention")


def test_a_loss_on_features_asks_for_their_file(tmp_path):
    options = BlindConsistencyOptions(source=tmp_path, processed=tmp_path)
    with pytest.raises(UsageError, match=r"needs --vgg16 FILE or --perceptual 0; the file: https://"):
        BlindConsistency(options)


def test_options_that_a_network_cannot_take_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--crop 0"):
        DualGan(DualGanOptions(a=tmp_path, b=tmp_path, crop=0, width=1, discriminator_width=1))
    options = Vid2VidOptions(
        **label_clips(tmp_path), **{**VID2VID, "perceptual": 0.0}, start_from=tmp_path / "none.safetensors"
    )
    with pytest.raises(ModelRefused, match=r"none.safetensors: "):
        Vid2VidSystem(options)


def test_clips_fit_the_encoder_of_vid2vid_as_well_as_its_generator(tmp_path):
    options = Vid2VidOptions(
        **label_clips(tmp_path), **{**VID2VID, "resize": 24, "perceptual": 0.0}, encoder_features=2
    )
    (domain,) = Vid2VidSystem(options).domains()
    assert domain.geometry.multiple == 16
