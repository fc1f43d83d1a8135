"""AdaIN from its two published files (decoder and VGG, here narrow with seeded weights) to pictures, by command."""

import catalogue
import numpy as np
import torch
from PIL import Image

from rotoscope.cli import main
from rotoscope.networks import adain


def test_export_info_translate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = adain.AdaIN(*catalogue.ADAIN).eval()
    last = [layer for layer in network.decoder.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    with torch.no_grad():  # random weights give pictures of a few levels
        last.weight *= 10
        last.bias += 0.5
    weights = network.state_dict()
    for name, part in (("decoder.pth", "decoder"), ("vgg_normalised.pth", "encoder")):
        torch.save(
            {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(part)}, name
        )
    rng = np.random.default_rng(0)
    pictures = {
        name: rng.integers(0, 256, shape, np.uint8)
        for name, shape in (("photo", (40, 56, 3)), ("painting", (30, 25, 3)))
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(f"{name}.png")
    assert main(["export", "decoder.pth", "vgg_normalised.pth", "adain.onnx"]) == 0
    assert main(["info", "adain.onnx"]) == 0
    shown = capsys.readouterr().out
    assert "AdaIN" in shown
    assert "--like PICTURE" in shown
    assert (
        main(["translate", "photo.png", "out.png", "-m", "adain.onnx", "--like", "painting.png", "--steady", "off"])
        == 0
    )
    content, style = (torch.from_numpy(pictures[name]).permute(2, 0, 1)[None] / 255 for name in pictures)
    expected = network(content, style)[0].permute(1, 2, 0).clamp(0, 1).detach().numpy() * 255
    made = np.asarray(Image.open("out.png")).astype(float)
    assert made.shape == (40, 56, 3)
    assert np.ptp(made) > 10
    assert np.abs(made - expected).max() <= 1
