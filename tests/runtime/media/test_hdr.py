"""HDR shown to a network as SDR, and given back."""

import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope.kernels.hdr import HLG, PQ, hdr_from_sdr, sdr_from_hdr
from rotoscope.runtime.media.open_source import open_source


def grey(value):
    return np.full((1, 1, 3), value, np.float32)


def hdr_clip(path, transfer, *, size=(64, 48)):
    """A lossless clip of 10 bits in BT.2020, its luma a ramp over all code values."""
    luma = np.tile(np.linspace(64, 940, size[0]).round().astype(np.uint16), (size[1], 1))
    chroma = np.full((size[1] // 2, size[0] // 2), 512, np.uint16)

    def prepare(_container, stream):
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, transfer

    return tiny_clips.write_clip(
        path, frames=3, codec="ffv1", pixel_format="yuv420p10le", prepare=prepare,
        make=lambda *_: tiny_clips.planes_frame([luma, chroma, chroma], "yuv420p10le"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("transfer", "value", "light"), [(PQ, 0.5807, 203), (PQ, 0.7518, 1000), (HLG, 0.75, 203), (HLG, 1.0, 1000)]
)
def test_the_curve_is_the_one_that_is_written_down(transfer, value, light):
    x, white = light / 203, 1000 / 203
    expected = (x * (1 + x / white**2) / (1 + x)) ** (1 / 2.4)
    assert sdr_from_hdr(grey(value), transfer) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_there_and_back(transfer):
    values = np.random.default_rng(0).uniform(0.05, 0.6, (50, 50, 1)).astype(np.float32)
    values = values * np.array([1, 0.97, 0.95], np.float32)  # inside of 709
    sdr = np.dstack([sdr_from_hdr(values, transfer), np.zeros((50, 50), np.float32)])
    assert np.abs(hdr_from_sdr(sdr, transfer)[..., :3] - values).max() < 3e-3


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_keep_gives_back_what_an_unchanged_picture_had(transfer, tmp_path, identity):
    source = hdr_clip(tmp_path / "hdr.mkv", transfer)
    run = rotoscope.translate(source, tmp_path / "out.mkv", model=identity, steady="off", codec="ffv1", hdr="keep")
    with rotoscope.read(source) as before, rotoscope.read(tmp_path / "out.mkv") as after:
        assert (after.info.colour, after.info.depth) == (before.info.colour, 10)
        first, second = (np.asarray(next(iter(read)).source.planes[0], int) for read in (before, after))
    below = first < (720 if transfer == PQ else 930)  # PQ above 1000 cd/m2 is clipped
    assert np.abs(first - second)[below].max() <= 4
    assert "HDR is shown to the network as SDR and given back" in run.notes


def test_tonemap_writes_sdr(tmp_path, identity):
    source = hdr_clip(tmp_path / "hdr.mkv", PQ)
    run = rotoscope.translate(source, tmp_path / "out.mkv", model=identity, steady="off", codec="ffv1", hdr="tonemap")
    with rotoscope.read(tmp_path / "out.mkv") as after:
        assert (after.info.colour.matrix, after.info.colour.primaries, after.info.colour.transfer) == ("709", 1, 1)
        shown = np.asarray(next(iter(after)).source.planes[0], int)[0]
    value = (np.linspace(64, 940, 64).round() - 64) / 876
    expected = sdr_from_hdr(np.repeat(value[None, :, None], 3, axis=2).astype(np.float32), PQ)[0, :, 0] * 876 + 64
    assert np.abs(shown - expected).max() <= 2
    assert "HDR becomes SDR" in run.notes


def test_the_network_is_shown_sdr(tmp_path):
    with open_source(str(hdr_clip(tmp_path / "hdr.mkv", PQ)), hdr="keep") as source:
        frame = next(iter(source))
    assert frame.source.depth == 16
    assert frame.source.colour.transfer == 1
    assert source.info.colour.is_hdr


def test_a_network_that_inverts_gives_dark_light_for_bright(tmp_path):
    invert = tiny_models.invert(tmp_path / "invert.onnx")
    source = hdr_clip(tmp_path / "hdr.mkv", PQ)
    rotoscope.translate(source, tmp_path / "out.mkv", model=invert, steady="off", codec="ffv1", hdr="keep")
    with rotoscope.read(tmp_path / "out.mkv") as after:
        row = np.asarray(next(iter(after)).source.planes[0], int)[0]
    assert row[0] == pytest.approx(64 + 876 * 0.7518, abs=6)  # black becomes 1000 cd/m2
    assert row[-1] <= 66


@pytest.mark.parametrize("target", ["out.png", "out.gif", "out.y4m"])
def test_a_target_that_says_nothing_of_hdr_is_refused(target, tmp_path, identity):
    source = hdr_clip(tmp_path / "hdr.mkv", PQ)
    with pytest.raises(rotoscope.UsageError, match=r"--hdr keep: .* accepted: \.mp4, \.mov, \.mkv, or --hdr tonemap"):
        rotoscope.translate(source, tmp_path / target, model=identity, hdr="keep", duration=0.04)


def test_sdr_is_left_alone(tmp_path, identity):
    source = tiny_clips.write_clip(tmp_path / "clip.mkv", frames=2)
    for name, options in (("a", {}), ("b", {"hdr": "keep"}), ("c", {"hdr": "tonemap"})):
        rotoscope.translate(source, tmp_path / f"{name}.mkv", model=identity, steady="off", **options)
    first = (tmp_path / "a.mkv").read_bytes()
    assert [(tmp_path / f"{name}.mkv").read_bytes() == first for name in "bc"] == [True, True]
