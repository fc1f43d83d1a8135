"""Transparency: laid over black, or kept beside the colours if codec and container hold it."""

import cv2
import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope.runtime.media.open_source import open_source

WIDTH, HEIGHT = 64, 48


def glass(depth=8):
    """(H,W,4) RGBA: the pattern of the clips, opacity growing to the right."""
    rgb = tiny_clips.pattern(0, WIDTH, HEIGHT).astype(np.uint16 if depth == 16 else np.uint8)
    alpha = np.tile(np.linspace(0, 255, WIDTH).round().astype(rgb.dtype), (HEIGHT, 1))
    rgba = np.dstack([rgb, alpha])
    return rgba * 257 if depth == 16 else rgba


def save(path, rgba):
    cv2.imwrite(str(path), rgba[..., [2, 1, 0, 3]])
    return path


def opacity(path, index=0):
    """(H,W) opacity in [0,1] of one picture of a file."""
    with open_source(str(path), keep_alpha=True) as source:
        frame = list(source)[index]
    assert frame.source.alpha is not None
    return frame.source.alpha / ((1 << frame.source.depth) - 1)


def colours(path):
    with open_source(str(path), keep_alpha=True) as source:
        return rotoscope.rgb(next(iter(source)).source).astype(int)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("ending", [".png", ".webp", ".tif", ".exr"])
def test_pictures_keep_their_alpha(ending, depth, tmp_path, identity):
    source = save(tmp_path / "in.png", glass(depth))
    run = rotoscope.translate(source, tmp_path / f"out{ending}", model=identity, alpha="keep", quality=None)
    assert np.abs(opacity(tmp_path / f"out{ending}") - glass()[..., 3] / 255).max() < 3e-3
    shown = glass()[..., 3] > 40
    assert np.abs(colours(tmp_path / f"out{ending}") - glass()[..., :3])[shown].mean() < (
        4 if ending == ".webp" else 1.5
    )
    assert not any("transparency" in note for note in run.notes)


def test_by_default_it_is_laid_over_black(tmp_path, identity):
    source = save(tmp_path / "in.png", glass())
    run = rotoscope.translate(source, tmp_path / "out.png", model=identity)
    assert cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED).shape == (HEIGHT, WIDTH, 3)
    assert "transparency is laid over black" in run.notes


@pytest.mark.parametrize(("ending", "options"), [
    (".mov", {}), (".mkv", {}), (".webm", {}), (".mkv", {"codec": "prores_ks"}), (".mkv", {"codec": "libvpx-vp9"}),
])  # fmt: skip
def test_video_keeps_its_alpha(ending, options, tmp_path, identity):
    folder = tmp_path / "shots"
    folder.mkdir()
    for index in range(3):
        save(folder / f"{index}.png", glass())
    target = tmp_path / f"out{ending}"
    rotoscope.translate(folder, target, model=identity, steady="off", alpha="keep", **options)
    for index in (0, 2):
        assert np.abs(opacity(target, index) - glass()[..., 3] / 255).max() < 0.03
    again = tmp_path / f"again{ending}"
    rotoscope.translate(target, again, model=identity, steady="off", alpha="keep", **options)
    assert np.abs(opacity(again) - glass()[..., 3] / 255).max() < 0.05


def test_alpha_follows_size_and_comparison(tmp_path, identity):
    source = save(tmp_path / "in.png", glass())
    rotoscope.translate(source, tmp_path / "out.png", model=identity, alpha="keep", output_size="32x24", compare=True)
    found = opacity(tmp_path / "out.png")
    assert found.shape == (24, 64)
    assert (
        np.abs(found[:, :32] - cv2.resize(glass()[..., 3] / 255, (32, 24), interpolation=cv2.INTER_AREA)).max() < 0.01
    )
    assert np.array_equal(found[:, :32], found[:, 32:])


def test_alpha_of_an_upscaled_picture(tmp_path):
    model = tiny_models.upscale(tmp_path / "x2.onnx", 2)
    source = save(tmp_path / "in.png", glass())
    rotoscope.translate(source, tmp_path / "out.png", model=model, alpha="keep")
    assert opacity(tmp_path / "out.png").shape == (2 * HEIGHT, 2 * WIDTH)


@pytest.mark.parametrize(("target", "options", "said"), [
    ("out.mp4", {}, r"--alpha keep: \.mp4 holds none here; accepted: prores_ks in \.mov"),
    ("out.jpg", {}, r"--alpha keep: \.jpg holds none here"),
    ("out.mov", {"codec": "libx264"}, "--alpha keep: libx264 holds none here"),
])  # fmt: skip
def test_a_target_without_alpha_is_refused(target, options, said, tmp_path, identity):
    source = save(tmp_path / "in.png", glass())
    folder = tmp_path / "shots"
    folder.mkdir()
    source.rename(folder / "0.png")
    with pytest.raises(rotoscope.UsageError, match=said):
        rotoscope.translate(folder / "0.png", tmp_path / target, model=identity, alpha="keep", **options)


def test_an_opaque_source_may_be_kept_anywhere(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    assert rotoscope.translate(clip, tmp_path / "out.mp4", model=identity, alpha="keep").frames_out == 2


def test_a_turned_picture_turns_its_alpha(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(glass()).save(tmp_path / "in.png", exif=exif.tobytes())
    assert np.abs(opacity(tmp_path / "in.png") - np.rot90(glass()[..., 3], -1) / 255).max() < 1e-6


@pytest.mark.parametrize("ending", [".png", ".gif", ".bmp", ".webp"])
def test_palettes_without_transparency_say_nothing(ending, tmp_path):
    from PIL import Image

    picture = Image.fromarray(tiny_clips.pattern(0))
    options = {"lossless": True} if ending == ".webp" else {}
    (picture if ending == ".webp" else picture.convert("P")).save(tmp_path / f"in{ending}", **options)
    with rotoscope.read(str(tmp_path / f"in{ending}")) as source:
        assert not [note for note in source.notes if "transparency" in note]
