"""MUNIT's encoders as files of their own: what torch makes of the same picture, at odd sizes, of the right domain."""

import numpy as np
import pytest
import torch
from catalogue import CASES, build

import rotoscope
from rotoscope.assembly import engines
from rotoscope.base.errors import UsageError
from rotoscope.export.convert import export_checkpoint, open_network
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict
from rotoscope.networks.munit import MunitGenerator, MunitPair

SIZES = {"width": 4, "style_channels": 3, "num_blocks": 2, "hidden": 8}


@pytest.fixture
def pair(here):
    """Both domains, as in pair.pt."""
    torch.manual_seed(0)
    network = MunitPair(SIZES, SIZES, "AtoB").eval()
    torch.save(network.state_dict(), "pair.pt")
    return network


def exported(path, folder, part, **options):
    export_checkpoint([path], folder / "part.onnx", ExportOptions(part=part, **options), engines.proving_engine)
    return rotoscope.load(folder / "part.onnx")


def picture(height, width):
    """(H,W,3) uint8, and the same in [-1,1] as torch has it."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return values, torch.from_numpy(values).permute(2, 0, 1)[None] / 127.5 - 1


@pytest.mark.parametrize(("direction", "domain"), [("AtoB", "b"), ("BtoA", "a")])
def test_the_style_is_of_the_domain_that_the_direction_leads_to(direction, domain, pair, here):
    encoder = exported(here / "pair.pt", here, "style-encoder", hints=(f"direction={direction}",))
    for size in ((37, 53), (96, 64)):
        values, tensor = picture(*size)
        made = encoder.encode(values)
        assert (made.shape, made.dtype) == ((1, 3, 1, 1), np.float32)
        with torch.inference_mode():
            np.testing.assert_allclose(made, getattr(pair, domain).encode_style(tensor), atol=1e-5)


@pytest.mark.parametrize(("direction", "domain"), [("AtoB", "a"), ("BtoA", "b")])
def test_the_content_is_of_the_domain_that_the_direction_starts_from(direction, domain, pair, here):
    encoder = exported(here / "pair.pt", here, "content-encoder", hints=(f"direction={direction}",))
    values, tensor = picture(37, 53)
    padded = torch.nn.functional.pad(tensor, (0, 3, 0, 3), mode="reflect")
    with torch.inference_mode():
        expected = getattr(pair, domain).encode_content(padded)
    assert expected.shape == (1, 16, 10, 14)
    np.testing.assert_allclose(encoder.encode(values), expected, atol=1e-4)


def test_the_encoders_of_one_domain(here):
    torch.manual_seed(0)
    network = MunitGenerator(**SIZES).eval()
    torch.save(network.state_dict(), "gen.pt")
    values, tensor = picture(44, 52)
    for part, method in (("style-encoder", network.encode_style), ("content-encoder", network.encode_content)):
        with torch.inference_mode():
            expected = method(tensor)
        np.testing.assert_allclose(exported(here / "gen.pt", here, part).encode(values), expected, atol=1e-4)
        (here / "part.onnx").unlink()


def test_a_part_says_what_it_is_and_how_large(pair, here):
    opened = open_network([here / "pair.pt"], ExportOptions(part="style-encoder", hints=("direction=AtoB",)))
    manifest, encoder = opened.graph.manifest, pair.b.enc_style
    assert (manifest.kind, manifest.inputs, manifest.outputs) == ("encode", ("frame",), ("style",))
    assert (manifest.output.content, manifest.direction, manifest.normalisation) == ("code", "AtoB", "none")
    assert opened.loaded.description.parameters == sum(parameter.numel() for parameter in encoder.parameters())
    # Of each convolution at 256x256: channels in, channels out, taps, pixels; the last one sees the mean alone.
    layers = [(3, 4, 7, 256), (4, 8, 4, 128), (8, 16, 4, 64), (16, 16, 4, 32), (16, 16, 4, 16), (16, 3, 1, 1)]
    macs = sum(into * out * taps**2 * side**2 for into, out, taps, side in layers)
    assert str(opened).startswith(f"MUNIT, both domains, style encoder, AtoB, 11 k parameters, {macs / 1e9:.3g} GMAC")


def test_half_precision_of_a_part_is_proved_too(pair, here):
    encoder = exported(here / "pair.pt", here, "style-encoder", hints=("direction=AtoB",), precision="fp16")
    values, tensor = picture(64, 48)
    with torch.inference_mode():
        np.testing.assert_allclose(encoder.encode(values), pair.b.encode_style(tensor), atol=2e-3)


@pytest.mark.parametrize(
    "case", [case for case in CASES if str(case) in ("CycleGAN ResNet-6", "pix2pixHD feature encoder")]
)
def test_other_networks_have_no_such_part(case, here):
    torch.save(build(case).state_dict(), "net.pth")
    system = from_state_dict(build(case).state_dict()).description.system
    with pytest.raises(UsageError, match=f"--part style-encoder: {system} has no such part; MUNIT has"):
        open_network([here / "net.pth"], ExportOptions(part="style-encoder"))


@pytest.mark.parametrize(("target", "options", "said"), [
    ("part.safetensors", {}, "--part goes into an .onnx file"),
    ("part.onnx", {"precision": "int8"}, "accepted: fp32, fp16"),
    ("part.onnx", {"eight_bit": True}, "one picture in and one out"),
    ("part.onnx", {"shared_statistics": True}, "statistics"),
    ("part.onnx", {"labels": 3}, "takes no label maps"),
])  # fmt: skip
@pytest.mark.parametrize("part", ["style-encoder", "content-encoder"])
def test_what_is_for_whole_networks_is_refused(part, target, options, said, pair, here):
    chosen = ExportOptions(part=part, hints=("direction=AtoB",), **options)
    with pytest.raises(UsageError, match=said):
        export_checkpoint([here / "pair.pt"], here / target, chosen, engines.proving_engine)
    assert not (here / target).exists()


def test_a_part_that_computes_something_else_is_not_written(pair, here, monkeypatch):
    from rotoscope.export import convert as module

    def of_the_other_domain(graph, path, **options):
        other = open_network([here / "pair.pt"], ExportOptions(part="style-encoder", hints=("direction=BtoA",)))
        return write_onnx(other.graph, path, **options)

    write_onnx = module.write_onnx
    monkeypatch.setattr(module, "write_onnx", of_the_other_domain)
    with pytest.raises(rotoscope.ModelRefused, match=r"gives other results \(style: max "):
        exported(here / "pair.pt", here, "style-encoder", hints=("direction=AtoB",))
    assert not (here / "part.onnx").exists()
