"""rotoscope encode, and translate with the code that it wrote."""

import cv2
import numpy as np
import pytest
import tiny_clips
import torch

import rotoscope
from rotoscope.networks.munit import MunitPair
from rotoscope.networks.pix2pixhd import FeatureEncoder

SIZES = {"width": 4, "style_channels": 3, "num_blocks": 2, "hidden": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """pair.pt, and its translation and style encoder from A to B as munit.onnx and style.onnx."""
    from rotoscope.assembly.engines import proving_engine
    from rotoscope.export.convert import export_checkpoint
    from rotoscope.export.options import ExportOptions

    folder = tmp_path_factory.mktemp("munit")
    torch.manual_seed(0)
    torch.save(MunitPair(SIZES, SIZES, "AtoB").state_dict(), folder / "pair.pt")
    for name, part in (("munit", None), ("style", "style-encoder")):
        options = ExportOptions(part=part, hints=("direction=AtoB",))
        export_checkpoint([folder / "pair.pt"], folder / f"{name}.onnx", options, proving_engine)
    return folder


@pytest.fixture
def photo(here):
    cv2.imwrite("photo.png", tiny_clips.pattern(0)[..., ::-1])
    cv2.imwrite("example.png", tiny_clips.pattern(9, 53, 37)[..., ::-1])
    return "photo.png"


def tensor(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1


def test_a_picture_in_the_style_of_another(folder, photo, rotoscope_main):
    code, out, err = rotoscope_main("encode", "example.png", "example.npy", "-m", folder / "style.onnx")
    assert (code, out, err) == (0, "", "code (1, 3, 1, 1) -> example.npy\n")
    words = ["-m", folder / "munit.onnx", "--style", "example.npy"]
    assert rotoscope_main("translate", photo, "out.png", *words)[0] == 0

    network = MunitPair(SIZES, SIZES, "AtoB").eval()
    network.load_state_dict(torch.load(folder / "pair.pt"))
    with torch.inference_mode():
        style = network.b.encode_style(tensor(tiny_clips.pattern(9, 53, 37)))
        expected = network(tensor(tiny_clips.pattern(0)), style)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(np.load("example.npy", allow_pickle=False), style, atol=1e-5)
    made = cv2.imread("out.png")[..., ::-1].astype(int)
    assert np.abs(made - np.rint((expected + 1) * 127.5)).max() <= 1
    rotoscope_main("translate", photo, "drawn.png", "-m", folder / "munit.onnx")
    assert np.abs(made - cv2.imread("drawn.png")[..., ::-1]).max() > 8


def test_of_a_video_the_first_frame_counts(folder, here, rotoscope_main):
    tiny_clips.write_clip("clip.mkv", frames=3, codec="ffv1", pixel_format="bgr0")
    assert rotoscope_main("encode", "clip.mkv", "code.npy", "-m", folder / "style.onnx")[0] == 0
    expected = rotoscope.load(folder / "style.onnx").encode(tiny_clips.pattern(0))
    np.testing.assert_array_equal(np.load("code.npy"), expected)


@pytest.mark.parametrize("flag", ["--working-size", "--engine"])
def test_options_change_what_the_network_sees_and_what_runs_it(flag, folder, photo, rotoscope_main):
    words = {"--working-size": "32x24", "--engine": "openvino"}
    assert rotoscope_main("encode", photo, "code.npy", "-m", folder / "style.onnx", flag, words[flag])[0] == 0
    whole = rotoscope.load(folder / "style.onnx").encode(tiny_clips.pattern(0))
    difference = np.abs(np.load("code.npy") - whole).max()
    assert difference > 1e-4 if flag == "--working-size" else difference < 1e-5


def test_a_code_that_exists_is_replaced_only_when_asked(folder, photo, here, rotoscope_main):
    (here / "code.npy").write_text("mine")
    words = ["encode", photo, "-o", "code.npy", "-m", folder / "style.onnx"]
    code, _, err = rotoscope_main(*words)
    assert (code, err) == (2, "rotoscope: code.npy exists; --overwrite (in Python overwrite=True) replaces it\n")
    assert (here / "code.npy").read_text() == "mine"
    assert rotoscope_main(*words, "--overwrite")[0] == 0
    assert np.load("code.npy").shape == (1, 3, 1, 1)


@pytest.mark.parametrize(("words", "code", "said"), [
    (["none.png", "x.npy", "-m", "STYLE"], 3, "none.png: no such file"),
    (["photo.png", "x.bin", "-m", "STYLE"], 2, "x.bin: a code ends in .npy"),
    (["photo.png", "no/x.npy", "-m", "STYLE"], 2, "no: no such folder"),
    (["photo.png", "x.npy", "-m", "none.onnx"], 4, "none.onnx: no such file"),
    (["photo.png", "x.npy", "-m", "MUNIT"], 2, "of kind translate; encode takes one of kind encode, such as export --part"),
    (["photo.png", "x.npy", "-m", "STYLE", "--engine", "torch"], 2, "torch"),
    (["photo.png", "x.npy", "-m", "STYLE", "--working-size", "big"], 2, "'big'; accepted: WIDTHxHEIGHT"),
])  # fmt: skip
def test_what_cannot_be_encoded_is_one_line(words, code, said, folder, photo, here, rotoscope_main):
    models = {"STYLE": folder / "style.onnx", "MUNIT": folder / "munit.onnx"}
    found, out, err = rotoscope_main("encode", *(models.get(word, word) for word in words))
    assert (found, out, err.count("\n")) == (code, "", 1) and said in err
    assert sorted(item.name for item in here.iterdir()) == ["example.png", "photo.png"]


def test_encoders_that_need_instances_are_refused(photo, here, rotoscope_main):
    torch.manual_seed(0)
    torch.save(FeatureEncoder(width=4).state_dict(), "features.pth")
    assert rotoscope_main("export", "features.pth", "features.onnx")[0] == 0
    code, _, err = rotoscope_main("encode", photo, "x.npy", "-m", "features.onnx")
    assert (
        code == 2 and err.count("\n") == 1 and "takes more than one picture; encode takes encoders of a picture" in err
    )


def test_a_picture_is_encoded_by_the_encoder_beside_the_model(folder, photo, here, rotoscope_main):
    code, _, err = rotoscope_main("encode", "example.png", "style.npy", "-m", folder / "style.onnx")
    assert code == 0, err
    made = []
    for place, words in enumerate((("--style", "style.npy"), ("--style", "example.png"), ("--like", "example.png"))):
        code, _, err = rotoscope_main("translate", photo, f"{place}.png", "-m", folder / "munit.onnx", *words)
        assert code == 0 and ("style encoder: style.onnx, beside munit.onnx" in err) == (place > 0)
        made.append((here / f"{place}.png").read_bytes())
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(("style", "said"), [
    ("none.npy", "none.npy: no such file"),
    ("missing.png", "missing.png: no such file"),
    ("1.5", "style=1.5; accepted: a whole number"),
    ("-1", "style=-1; accepted: a whole number"),
    ("wide.npy", "wide.npy: holds float32 (1, 8, 1, 1); accepted: float32 (1, 3, 1, 1)"),
])  # fmt: skip
def test_a_style_that_is_none_is_one_line(style, said, folder, photo, here, rotoscope_main):
    np.save("wide.npy", np.zeros((1, 8, 1, 1), np.float32))
    code, out, err = rotoscope_main("translate", photo, "out.png", "-m", folder / "munit.onnx", "--style", style)
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err
    assert not (here / "out.png").exists()


def test_an_encoder_makes_no_pictures_and_takes_no_style(folder):
    picture = tiny_clips.pattern(0)
    with pytest.raises(
        rotoscope.UsageError, match="of kind encode; models of kind translate or stabilise make pictures"
    ):
        rotoscope.load(folder / "style.onnx")(picture)
    with pytest.raises(rotoscope.UsageError, match="takes no style"):
        rotoscope.load(folder / "style.onnx", style=1).encode(picture)


def test_info_says_what_goes_in_and_what_comes_out(folder, rotoscope_main):
    rows = dict(line.split(maxsplit=1) for line in rotoscope_main("info", folder / "munit.onnx")[1].splitlines())
    assert (rows["kind"], rows["with"], rows["output"]) == ("translate", "style", "picture: float32 NCHW RGB, -1..1")
    rows = dict(line.split(maxsplit=1) for line in rotoscope_main("info", folder / "style.onnx")[1].splitlines())
    assert (rows["kind"], rows["with"], rows["output"]) == ("encode", "no further inputs", "style: float32, a code")


def test_one_call_encodes_a_file(folder, photo):
    code = rotoscope.encode(folder / "style.onnx", photo, "code.npy")
    np.testing.assert_array_equal(np.load("code.npy"), code)
    np.testing.assert_array_equal(rotoscope.encode(rotoscope.load(folder / "style.onnx"), photo), code)
