"""What a checkpoint does not say: inputs that are no label maps, hints, parts, weights stored again, folders of runs."""

import pytest
import torch
from catalogue import CASES, build, vid2vid_scale

import rotoscope
from rotoscope.assembly.engines import proving_engine
from rotoscope.base.errors import ModelRefused
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.export.convert import export_checkpoint, open_network
from rotoscope.export.options import ExportOptions, parse_hints
from rotoscope.networks import cartoongan, resnet, ugatit, unet, vid2vid, whitebox


def saved(path, network):
    torch.save(network.state_dict() if isinstance(network, torch.nn.Module) else network, path)
    return path


NO_LABELS = {
    "CycleGAN, 2 channels": lambda: resnet.ResnetGenerator(2, width=4, num_blocks=6),
    "CycleGAN, 4 channels": lambda: resnet.ResnetGenerator(4, width=4, num_blocks=6),
    "CycleGAN, 6 channels": lambda: resnet.ResnetGenerator(6, width=4, num_blocks=6),
    "pix2pix, 4 channels": lambda: unet.UnetGenerator(4, width=4, num_downs=5),
    "pix2pix, 6 channels": lambda: unet.UnetGenerator(6, width=4, num_downs=5),
    "pix2pixHD with 3 features": lambda: resnet.ResnetGenerator(39, width=4, num_blocks=2, num_downs=3),
    "vid2vid on poses": lambda: vid2vid.Vid2Vid([vid2vid_scale(0, label_channels=9)]),
    "vid2vid on two kinds of poses": lambda: vid2vid.Vid2Vid([vid2vid_scale(0, label_channels=18)]),
    "vid2vid on faces": lambda: vid2vid.Vid2Vid([vid2vid_scale(0, label_channels=45)]),
}


@pytest.mark.parametrize("what", NO_LABELS)
def test_an_input_that_no_one_called_a_label_map_is_refused_when_it_is_opened(what, tmp_path):
    path = saved(tmp_path / "latest_net_G.pth", NO_LABELS[what]())
    with pytest.raises(
        ModelRefused, match=r"channels is no picture and not known to be a label map.*--labels"
    ) as error:
        open_network([path], ExportOptions())
    channels = int(str(error.value).split("its input of ")[1].split()[0])
    labelled = open_network([path], ExportOptions(labels=channels)).graph.manifest
    assert labelled.frame.labels.num == channels


def test_label_maps_of_known_systems_and_grey_pictures_stay_what_they_are(tmp_path):
    labels = saved(tmp_path / "hd.pth", resnet.ResnetGenerator(35, width=4, num_blocks=2, num_downs=3))
    assert open_network([labels], ExportOptions()).graph.manifest.frame.labels.num == 35
    grey = saved(tmp_path / "grey.pth", resnet.ResnetGenerator(1, width=4, num_blocks=6))
    assert open_network([grey], ExportOptions()).graph.manifest.frame.labels is None


def test_six_channels_with_instance_norm_are_two_frames(tmp_path):
    network = unet.UnetGenerator(6, width=4, num_downs=5, norm="instance", bias=True)
    manifest = open_network([saved(tmp_path / "p.pth", network)], ExportOptions()).graph.manifest
    assert manifest.frame.window.offsets == (-1, 0)


def test_info_says_which_network_it_took_and_what_it_assumed(tmp_path):
    torch.manual_seed(0)
    both = {name: resnet.ResnetGenerator(width=4, num_blocks=6).state_dict() for name in ("netG", "netG_ema")}
    found = rotoscope.info(saved(tmp_path / "run.ckpt", both))
    assert found.manifest.system == "CycleGAN ResNet-6 (netG_ema)"
    assert any("averaged weights, preferred to netG" in line for line in found.inferred)
    assert any("assumed" in line and "padding=reflect" in line for line in found.inferred)
    other = rotoscope.info(tmp_path / "run.ckpt", hints=("part=netG", "padding=replicate", "output=tanh"))
    assert other.manifest.system == "CycleGAN ResNet-6 (netG)"
    assert not other.inferred


def test_a_part_is_a_word_even_if_it_is_a_number():
    assert parse_hints(("part=0", "size=512")) == {"part": "0", "size": 512}


def as_tensorflow(network):
    return {
        key.replace(".weight", "/weights").replace(".bias", "/biases").replace(".", "/"): (
            value.permute(2, 3, 1, 0) if value.ndim == 4 else value
        )
        for key, value in network.state_dict().items()
    }


def with_scales(network):
    return {
        key.replace("weight", "scale").replace("bias", "shift") if key.startswith("in") else key: value
        for key, value in network.state_dict().items()
    }


AGAIN = {
    "names say the dialect": (lambda: as_tensorflow(whitebox.WhiteboxGenerator(4, 1)), ()),
    "names say the padding": (lambda: with_scales(cartoongan.CartoonGenerator(4)), ()),
    "a hint says the padding": (
        lambda: resnet.ResnetGenerator(width=4, num_blocks=6).state_dict(),
        ("padding=replicate",),
    ),
    "a part": (lambda: {"G_A": resnet.ResnetGenerator(width=4, num_blocks=6).state_dict(), "G_B": {}}, ("part=G_A",)),
}


@pytest.mark.parametrize("what", AGAIN)
def test_weights_stored_again_keep_what_their_old_names_and_hints_said(what, tmp_path):
    torch.manual_seed(0)
    make, hints = AGAIN[what]
    path, again = saved(tmp_path / "g.pth", make()), tmp_path / "again.safetensors"
    export_checkpoint([path], again, ExportOptions(hints=hints), proving_engine)
    picture = torch.rand(1, 3, 32, 32)
    first = open_checkpoint(path, **parse_hints(hints))
    torch.testing.assert_close(open_checkpoint(again).network(picture), first.network(picture))


def test_an_upscaler_and_a_network_of_one_size_say_so(tmp_path):
    case = next(case for case in CASES if case.name == "Real-ESRGAN RRDBNet, scale 2")
    manifest = open_network([saved(tmp_path / "x2.pth", build(case))], ExportOptions()).graph.manifest
    assert (manifest.output.scale, manifest.frame.multiple) == (2, 2)
    network = ugatit.UgatitGenerator(width=4, num_blocks=1, size=48)
    assert open_network([saved(tmp_path / "u.pth", network)], ExportOptions()).graph.manifest.frame.fixed_size == (
        48,
        48,
    )


def test_the_folder_of_a_run_stands_for_its_weights(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.toml").write_text("")
    with pytest.raises(ModelRefused, match="a run without a checkpoint"):
        rotoscope.info(run)
    for step, seed in ((100, 1), (2000, 2)):
        torch.manual_seed(seed)
        state = {
            f"generator.{key}": value
            for key, value in resnet.ResnetGenerator(width=4, num_blocks=6).state_dict().items()
        }
        torch.save({"system": state, "step": step}, run / "checkpoints" / f"step-{step:08d}.pt")
    (run / "checkpoints" / "step-00009000.rank1.pt").write_bytes(b"")
    found = rotoscope.info(run)
    assert found.path.name == "step-00002000.pt"
    assert found.manifest.system == "CycleGAN ResNet-6 (system.generator)"
    report = rotoscope.export_model(run, tmp_path / "out.safetensors")
    assert report.network.loaded.description.part == "system.generator"
    for name in ("AtoB", "BtoA"):
        (run / f"{name}.safetensors").write_bytes((tmp_path / "out.safetensors").read_bytes())
    with pytest.raises(ModelRefused, match=r"several networks: give one of .*AtoB\.safetensors, .*BtoA\.safetensors"):
        rotoscope.info(run)
    (run / "BtoA.safetensors").unlink()
    assert rotoscope.info(run).path.name == "AtoB.safetensors"
