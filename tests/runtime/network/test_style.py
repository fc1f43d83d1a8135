"""What a network with a style is fed: numbers drawn with a seed, or exactly those of a file."""

import re
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest, StyleInput
from rotoscope.base.options import ModelOptions
from rotoscope.cli.options import parse_style
from rotoscope.runtime.network.style import style_code, style_codes

STYLE = StyleInput(tensor="style", shape=(1, 3, 1, 1), deviation=0.25)


@pytest.fixture
def styled(tmp_path):
    return tiny_models.painter(tmp_path / "painter.onnx", STYLE)


def saved(folder, values, dtype=np.float32, shape=(1, 3, 1, 1)):
    path = folder / "code.npy"
    np.save(path, np.array(values, dtype).reshape(shape))
    return str(path)


def painted(model, **options):
    """The colour that comes out for a picture, float, before it is rounded to 8 bits."""
    with rotoscope.Translator(model, steady="off", **options) as translator:
        frame = Frame(0, 0, Fraction(1), 1, Picture((tiny_clips.pattern(0),)))
        (done,) = translator.stream([frame])
    result = done.pixels()
    assert (result == result[0, 0]).all()
    return result[0, 0, :3]


def drawn(seed):
    return np.random.default_rng(seed).standard_normal((1, 3, 1, 1)) * 0.25


# Known answers


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_gives_exactly_its_code(engine, styled, tmp_path):
    code = [0.1, 1 / 3, 0.987654321]
    np.testing.assert_array_equal(painted(styled, engine=engine, style=saved(tmp_path, code)), np.float32(code))


def test_a_seed_is_what_is_drawn_with_it_and_0_if_none_is_given(styled):
    assert not np.array_equal(drawn(0), drawn(7))
    for options, seed in (({}, 0), ({"style": 0}, 0), ({"style": 7}, 7)):
        np.testing.assert_array_equal(painted(styled, **options), drawn(seed).astype(np.float32).ravel())


def test_the_style_is_the_same_in_load_translate_and_on_every_frame(styled, tmp_path):
    code = saved(tmp_path, np.array([51, 102, 204]) / 255)
    model = rotoscope.load(styled, style=code)
    assert (model(tiny_clips.pattern(0)) == (51, 102, 204)).all()
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    for options in ({"model": model}, {"model": styled, "style": code}):
        rotoscope.translate(clip, tmp_path / "%02d.png", overwrite=True, steady="off", **options)
        with rotoscope.read(tmp_path / "%02d.png") as frames:
            colours = [rotoscope.rgb(frame.source) for frame in frames]
        assert len(colours) == 8 and all((colour == (51, 102, 204)).all() for colour in colours)


def test_what_translate_is_given_goes_before_what_load_was_given(styled, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=1)
    model = rotoscope.load(styled, style=saved(tmp_path, [1, 1, 1]))
    rotoscope.translate(clip, tmp_path / "out.png", model=model, style=3)
    with rotoscope.read(tmp_path / "out.png") as frames:
        colour = rotoscope.rgb(next(iter(frames)).source)[0, 0]
    np.testing.assert_array_equal(colour, np.rint(drawn(3).ravel().clip(0, 1) * 255))


def test_in_a_chain_the_model_that_takes_a_style_gets_it():
    plain = Manifest(name="plain", frame=FrameInput(tensor="in"), output=FrameOutput(tensor="out"))
    without, code = style_codes([plain, plain.model_copy(update={"style": STYLE})], [5, 5])
    assert without is None
    np.testing.assert_array_equal(code, drawn(5).astype(np.float32))


def test_no_code_is_too_large_or_too_small(tmp_path):
    code = [-1.7, 3.4e38, 1e-42]
    np.testing.assert_array_equal(style_code(STYLE, saved(tmp_path, code)).ravel(), np.float32(code))


def test_a_file_in_fortran_order_is_read_as_it_is_meant(tmp_path):
    wide = StyleInput(tensor="style", shape=(2, 3))
    values = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    np.save(tmp_path / "code.npy", values)
    code = style_code(wide, str(tmp_path / "code.npy"))
    assert code.flags.c_contiguous
    np.testing.assert_array_equal(code, [[0, 1, 2], [3, 4, 5]])


# Errors


@pytest.mark.parametrize(("values", "dtype", "shape", "said"), [
    ([1, 2, 3], np.float64, (1, 3, 1, 1), "holds float64 (1, 3, 1, 1); accepted: float32 (1, 3, 1, 1)"),
    ([1, 2, 3], np.int32, (1, 3, 1, 1), "holds int32"),
    ([1, 2, 3], ">f4", (1, 3, 1, 1), "holds >f4"),
    ([1, 2, 3, 4], np.float32, (1, 4, 1, 1), "holds float32 (1, 4, 1, 1)"),
    ([1, 2, 3], np.float32, (3,), "holds float32 (3,)"),
    ([], np.float32, (0,), "holds float32 (0,)"),
    ([1, np.nan, 3], np.float32, (1, 3, 1, 1), "not all of its values are finite"),
    ([1, -np.inf, 3], np.float32, (1, 3, 1, 1), "not all of its values are finite"),
])  # fmt: skip
def test_a_code_that_does_not_fit_is_refused(values, dtype, shape, said, styled, tmp_path):
    with pytest.raises(rotoscope.UsageError, match=re.escape(said)) as error:
        rotoscope.Translator(styled, style=saved(tmp_path, values, dtype, shape))
    assert "code.npy: " in str(error.value) and "\n" not in str(error.value)


def test_nothing_in_a_file_is_run(styled, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    np.save(tmp_path / "code.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(rotoscope.UsageError, match=r"code\.npy: not a \.npy file of plain numbers"):
        rotoscope.Translator(styled, style=str(tmp_path / "code.npy"))
    assert not (tmp_path / "ran").exists()


def test_a_file_that_claims_more_than_it_holds_takes_no_memory(styled, tmp_path):
    path = tmp_path / "code.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with pytest.raises(rotoscope.UsageError, match=r"not a \.npy file"):
        rotoscope.Translator(styled, style=str(path))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00\xff\xff{"])
def test_what_is_no_array_is_refused(content, styled, tmp_path):
    (tmp_path / "code.npy").write_bytes(content)
    with pytest.raises(rotoscope.UsageError, match=r"not a \.npy file"):
        rotoscope.Translator(styled, style=str(tmp_path / "code.npy"))


def test_several_arrays_in_one_file_are_refused(styled, tmp_path):
    np.savez(tmp_path / "codes.npz", a=np.zeros(3), b=np.ones(3))
    (tmp_path / "codes.npz").rename(tmp_path / "code.npy")
    with pytest.raises(rotoscope.UsageError, match="several arrays"):
        rotoscope.Translator(styled, style=str(tmp_path / "code.npy"))


@pytest.mark.parametrize("style", [-1, 1.5, "7", "seven", ""])
def test_what_is_neither_a_seed_nor_a_file_is_refused(style):
    with pytest.raises(rotoscope.UsageError, match="accepted: a whole number from 0 on, a blend such as 3:0"):
        ModelOptions(style=style)


@pytest.mark.parametrize(("text", "style"), [("7", 7), ("0", 0), ("1.5", "1.5"), ("-1", "-1"), ("a.npy", "a.npy")])
def test_words_of_the_command_line(text, style):
    assert parse_style(None, [SimpleNamespace(value=text)]) == style


@pytest.mark.parametrize("style", [0, 3, "none.npy"])
def test_a_model_without_a_style_takes_none(style, identity, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=1)
    with pytest.raises(rotoscope.UsageError, match=f"--style {style}: identity takes no style"):
        rotoscope.translate(clip, tmp_path / "out.mp4", model=identity, style=style)
    assert not (tmp_path / "out.mp4").exists()
