"""Picture files of phones, scanners and laboratories: the whole picture in the right colours, or one line that says why not."""

import io
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pillow_heif
import pytest
from avif_grid import GRID
from PIL import Image, ImageCms

import rotoscope
from rotoscope.kernels.hdr import PQ, sdr_from_hdr
from rotoscope.runtime.media.colour_profile import SRGB_COLORANTS, deep_to_srgb
from rotoscope.runtime.media.open_source import open_source

WIDTH, HEIGHT = 128, 96


def textured(width=WIDTH, height=HEIGHT):
    rows, columns = np.mgrid[:height, :width]
    found = [columns * 255 // width, 255 - rows * 255 // height, (rows + columns) * 255 // (width + height)]
    return np.stack(found, axis=-1).astype(np.uint8)


def image(width=WIDTH, height=HEIGHT):
    return Image.fromarray(textured(width, height))


def pixels(frame):
    return rotoscope.rgb(frame.source).astype(int)


def read(path, **options):
    with rotoscope.read(str(path), **options) as source:
        return [pixels(frame) for frame in source], source


def off(found, right):
    return np.abs(found.astype(int) - np.asarray(right).astype(int)).mean()


def wide_profile(gamma=2.2):
    """A matrix profile with the primaries of Display P3 and a plain gamma curve, as bytes."""
    import struct

    colorants = {
        b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189), b"bXYZ": (0.15710, 0.06657, 0.78407),
    }  # fmt: skip
    fixed = lambda *values: struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))  # noqa: E731
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"Wide\0" + bytes(78)
    parts = {b"desc": text, b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249), b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    parts |= {name: b"XYZ \0\0\0\0" + fixed(*values) for name, values in colorants.items()}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, offset = b"", b"", 132 + 12 * len(parts)
    for name, data in parts.items():
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12s4s", offset + len(body), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp"
    )
    head += bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(parts)) + table + body


def in_srgb(picture, profile):
    import io

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return np.asarray(ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"))


# JPEG


@pytest.mark.parametrize("first", [image(), Image.new("RGB", (WIDTH, HEIGHT), (200, 60, 30))], ids=["textured", "flat"])
@pytest.mark.parametrize("second", ["smaller", "same size"])
def test_a_jpeg_with_a_second_picture_is_its_first(first, second, tmp_path):
    path = tmp_path / "photo.jpg"
    size = (64, 48) if second == "smaller" else first.size
    first.save(path, format="MPO", quality=95, save_all=True, append_images=[first.resize(size)])
    frames, source = read(path)
    assert source.is_picture
    assert len(frames) == 1
    assert off(frames[0], first) < 3
    assert "2 pictures in this file; the first is used" in source.notes


def test_a_picture_behind_the_first_without_an_index_is_left_out(tmp_path):
    for name, picture in (("first", image()), ("second", image(64, 48))):
        picture.save(tmp_path / f"{name}.jpg", quality=95)
    path = tmp_path / "both.jpg"
    path.write_bytes(
        (tmp_path / "first.jpg").read_bytes() + (tmp_path / "second.jpg").read_bytes() + b"trailer of a maker"
    )
    frames, source = read(path)
    assert source.is_picture
    assert [frame.shape for frame in frames] == [(HEIGHT, WIDTH, 3)]
    assert not source.losses


def test_the_result_of_a_phone_picture_is_a_picture(here, identity):
    image().save("photo.jpg", format="MPO", save_all=True, append_images=[image(64, 48)])
    run = rotoscope.translate("photo.jpg", model=identity)
    assert (run.frames_out, run.target) == (1, "photo.identity.jpg")


def test_a_raw_film_of_jpegs_stays_a_film(tmp_path):
    path = tmp_path / "film.mjpeg"
    image().save(tmp_path / "one.jpg")
    path.write_bytes((tmp_path / "one.jpg").read_bytes() * 4)
    frames, source = read(path)
    assert (len(frames), source.is_picture) == (4, False)


@pytest.mark.parametrize("ending", [".jpg", ".tif"])
def test_cmyk_is_as_pillow_shows_it(ending, tmp_path):
    image().convert("CMYK").save(tmp_path / f"print{ending}", **({"quality": 95} if ending == ".jpg" else {}))
    (found,), _ = read(tmp_path / f"print{ending}")
    with Image.open(tmp_path / f"print{ending}") as opened:
        assert off(found, opened.convert("RGB")) < 1.5


# Colour profiles


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_a_colour_profile_is_honoured(ending, tmp_path):
    profile, path = wide_profile(), tmp_path / f"wide{ending}"
    options = {".jpg": {"quality": 98, "subsampling": 0}, ".webp": {"lossless": True}, ".avif": {"quality": 100}}
    image().save(path, icc_profile=profile, **options.get(ending, {}))
    (found,), source = read(path)
    right = in_srgb(image(), profile)
    assert off(right, textured()) > 3  # the profile matters
    assert off(found, right) < 1.5
    assert source.is_picture
    assert "colours converted from the profile Wide to sRGB" in source.notes


def test_a_profile_that_is_srgb_changes_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image().save(tmp_path / "shot.png", icc_profile=srgb)
    (found,), source = read(tmp_path / "shot.png")
    assert np.array_equal(found, textured())
    assert not source.notes


def test_a_grey_profile_and_transparency(tmp_path):
    picture = image().convert("RGBA")
    picture.putalpha(128)
    picture.save(tmp_path / "glass.png", icc_profile=wide_profile())
    (found,), source = read(tmp_path / "glass.png")
    assert off(found, in_srgb(image(), wide_profile()) * (128 / 255)) < 1
    assert "transparency is laid over black" in source.notes


@pytest.mark.parametrize("profile", [b"no profile at all", wide_profile()[:200]], ids=["text", "cut off"])
def test_a_damaged_profile_changes_nothing(profile, tmp_path):
    image().save(tmp_path / "shot.png", icc_profile=profile)
    (found,), _ = read(tmp_path / "shot.png")
    assert np.array_equal(found, textured())


def test_the_profile_of_an_animated_png_is_said(tmp_path):
    pages = [image(), image().rotate(180)]
    pages[0].save(
        tmp_path / "wave.png", save_all=True, append_images=pages[1:], duration=100, icc_profile=wide_profile()
    )
    frames, source = read(tmp_path / "wave.png")
    assert len(frames) == 2
    assert "the colour profile of an animated PNG is not applied" in source.notes


def test_a_folder_of_pictures_with_profiles(tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    for index in range(3):
        image().save(folder / f"{index}.png", icc_profile=wide_profile())
    frames, _ = read(folder)
    assert [off(frame, in_srgb(image(), wide_profile())) < 1 for frame in frames] == [True] * 3


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_sixteen_bits_with_a_profile_keep_their_depth(ending, tmp_path):
    deep = textured().astype(np.uint16) * 257
    metadata = cv2.IMAGE_METADATA_ICCP
    profile = np.frombuffer(wide_profile(), np.uint8)
    if ending == ".tif":
        save_tiff_with_profile(tmp_path / "deep.tif", deep, wide_profile())
    else:
        cv2.imwriteWithMetadata(str(tmp_path / "deep.png"), deep[..., ::-1], [metadata], [profile])
    with rotoscope.read(str(tmp_path / f"deep{ending}")) as source:
        (frame,) = source
    assert frame.source.depth == 16
    exact = deep_to_srgb(deep, wide_profile())
    assert np.array_equal(frame.source.planes[0], exact)
    assert off(exact / 257, in_srgb(image(), wide_profile())) < 0.6


def save_tiff_with_profile(path, pixels, profile):
    import tifffile

    tifffile.imwrite(path, pixels, photometric="rgb", iccprofile=profile)


def test_the_matrix_of_srgb_has_its_white():
    assert np.allclose(SRGB_COLORANTS.sum(axis=1), [0.9642, 1, 0.8249], atol=3e-4)


# TIFF


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "YCbCr"])
def test_jpeg_compressed_tiff_has_the_right_colours(mode, tmp_path):
    path = tmp_path / "scan.tif"
    image().convert(mode).save(path, compression="jpeg", quality=95)
    (found,), source = read(path)
    with Image.open(path) as opened:
        assert off(found, opened.convert("RGB")) < 1.5
    assert source.is_picture


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_tiff_in_other_colours(mode, tmp_path):
    path = tmp_path / "scan.tif"
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(image(), srgb, lab, outputMode="LAB")
    else:
        picture = image().convert(mode)
    picture.save(path)
    (found,), _ = read(path)
    assert off(found, textured()) < 4


def test_pages_of_a_tiff_are_frames(tmp_path):
    path = tmp_path / "stack.tif"
    pages = [Image.new("RGB", (64, 48), (index * 50, 80, 30)) for index in range(5)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    frames, source = read(path, rate=10)
    assert [frame[0, 0, 0] for frame in frames] == [0, 50, 100, 150, 200]
    assert (source.is_picture, source.info.average_rate) == (False, 10)
    assert "5 pages, each a frame" in source.notes
    part, _ = read(path, rate=10, start=0.2, duration=0.2)
    assert [frame[0, 0, 0] for frame in part] == [100, 150]


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64)])
def test_pages_of_sixteen_bits_keep_them(shape, tmp_path):
    import tifffile

    pages = [np.full(shape, 1000 + 257 * index, np.uint16) for index in range(3)]
    tifffile.imwrite(tmp_path / "stack.tif", np.stack(pages), photometric="rgb" if len(shape) == 3 else "minisblack")
    with rotoscope.read(str(tmp_path / "stack.tif")) as source:
        frames = list(source)
    assert [int(frame.source.planes[0].flat[0]) for frame in frames] == [1000, 1257, 1514]
    assert source.info.depth == 16


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64)])
def test_pages_of_floats_go_from_0_to_1(shape, tmp_path):
    import tifffile

    pages = [np.full(shape, value, np.float32) for value in (0, 0.5, 2)]
    tifffile.imwrite(tmp_path / "stack.tif", np.stack(pages), photometric="rgb" if len(shape) == 3 else "minisblack")
    frames, source = read(tmp_path / "stack.tif")
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 128, 255]
    assert "3 pages, each a frame" in source.notes


def test_smaller_copies_in_a_tiff_are_no_frames(tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as writer:
        writer.write(textured(), photometric="rgb")
        writer.write(textured(64, 48), photometric="rgb", subfiletype=1)
    (found,), source = read(tmp_path / "pyramid.tif")
    assert np.array_equal(found, textured())
    assert source.is_picture


def test_pages_are_written_as_numbered_pictures(here, identity):
    pages = [Image.new("RGB", (64, 48), (index * 50, 80, 30)) for index in range(3)]
    pages[0].save("stack.tif", save_all=True, append_images=pages[1:])
    run = rotoscope.translate("stack.tif", model=identity, steady="off")
    assert sorted(path.name for path in Path(run.target).iterdir()) == ["00000.png", "00001.png", "00002.png"]


def test_a_tiff_with_pages_in_a_folder_gives_its_first(tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    pages = [Image.new("RGB", (64, 48), (value, 80, 30)) for value in (10, 20)]
    for name in ("a.tif", "b.tif"):
        pages[0].save(folder / name, save_all=True, append_images=pages[1:])
    frames, source = read(folder)
    assert [frame[0, 0, 0] for frame in frames] == [10, 10]
    assert "a.tif: 2 pages; the first is used" in source.notes
    assert not source.losses


def test_label_pages_keep_their_numbers(tmp_path):
    pages = [Image.fromarray(np.full((48, 64), value, np.uint8)) for value in (3, 7)]
    pages[0].save(tmp_path / "labels.tif", save_all=True, append_images=pages[1:])
    with rotoscope.read(str(tmp_path / "labels.tif"), unconverted=True) as source:
        assert [int(frame.source.planes[0][0, 0]) for frame in source] == [3, 7]


def test_a_damaged_page_is_counted_and_leaves_a_gap(tmp_path):
    path = tmp_path / "stack.tif"
    pages = [Image.fromarray(textured()), Image.fromarray(textured()[::-1].copy()), Image.fromarray(textured())]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="jpeg")
    with Image.open(path) as opened:
        opened.seek(1)
        offset = opened.tag_v2[273][0]
    data = bytearray(path.read_bytes())
    data[offset : offset + 400] = bytes(400)
    path.write_bytes(data)
    with rotoscope.read(str(path)) as source:
        assert [frame.index for frame in source] == [0, 2]
    assert source.losses == {"pictures that could not be decoded": 1}


# WebP


def test_an_animated_webp_is_a_video(tmp_path):
    path = tmp_path / "wave.webp"
    pages = [Image.new("RGB", (64, 48), (value, 80, 30)) for value in (10, 110, 210)]
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=[100, 250, 40], lossless=True)
    with rotoscope.read(str(path)) as source:
        frames = list(source)
    assert not source.is_picture
    assert [pixels(frame)[0, 0, 0] for frame in frames] == [10, 110, 210]
    assert [(frame.seconds, frame.duration) for frame in frames] == [
        (0, 100), (Fraction(1, 10), 250), (Fraction(7, 20), 40),
    ]  # fmt: skip


@pytest.mark.parametrize("opacity", [255, 200])
def test_transparency_is_said_where_an_animated_webp_has_some(opacity, tmp_path):
    pictures = (textured(), 255), (textured()[::-1], opacity)
    pages = [Image.fromarray(np.dstack([rgb, np.full(rgb.shape[:2], alpha, np.uint8)])) for rgb, alpha in pictures]
    pages[0].save(tmp_path / "wave.webp", save_all=True, append_images=pages[1:], duration=40, lossless=True)
    found, source = read(tmp_path / "wave.webp")
    assert len(found) == 2
    assert ("transparency is laid over black" in source.notes) == (opacity < 255)


@pytest.mark.parametrize("ending", [".xcf", ".svg"])
def test_a_picture_of_a_format_that_is_not_read_is_not_called_damaged(ending, tmp_path):
    (tmp_path / f"picture{ending}").write_bytes(bytes(range(256)))
    with pytest.raises(rotoscope.InputRefused, match=rf"{ending} files are not read; convert it to PNG$"):
        read(tmp_path / f"picture{ending}")


def test_a_part_of_an_animated_webp(tmp_path):
    path = tmp_path / "wave.webp"
    pages = [Image.new("RGB", (64, 48), (value, 80, 30)) for value in range(0, 200, 20)]
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=100, lossless=True)
    frames, _ = read(path, start=0.3, duration=0.2)
    assert [frame[0, 0, 0] for frame in frames] == [60, 80]


def test_an_animated_webp_becomes_a_video(here, identity):
    pages = [Image.new("RGB", (64, 48), (value, 80, 30)) for value in (10, 110, 210)]
    pages[0].save("wave.webp", save_all=True, append_images=pages[1:], duration=100)
    run = rotoscope.translate("wave.webp", model=identity)
    assert (run.frames_out, run.target) == (3, "wave.identity.mp4")


# HEIC and AVIF


@pytest.fixture
def heic(tmp_path):
    def save(**options):
        path = tmp_path / "photo.heic"
        pillow_heif.from_pillow(image(300, 200)).save(path, quality=95, **options)
        return path

    return save


def test_a_heic_of_tiles_is_whole(heic):
    path = heic(tile_size=64)
    with av.open(str(path)) as container:
        assert len(container.streams.video) > 4
    (found,), source = read(path)
    assert source.is_picture
    assert off(found, textured(300, 200)) < 3


def test_a_heic_of_one_tile_is_a_picture(heic, tmp_path, identity, monkeypatch):
    path = heic()
    monkeypatch.chdir(tmp_path)
    (found,), source = read(path)
    assert source.is_picture
    assert off(found, textured(300, 200)) < 3
    assert rotoscope.translate("photo.heic", model=identity).target == "photo.identity.png"


def test_a_heic_with_a_profile_is_converted(heic):
    (found,), source = read(heic(tile_size=64, icc_profile=wide_profile()))
    assert off(found, in_srgb(image(300, 200), wide_profile())) < 3
    assert "colours converted from the profile Wide to sRGB" in source.notes


def test_a_heic_that_is_turned_is_upright(heic):
    exif = Image.Exif()
    exif[274] = 6
    for options in ({}, {"tile_size": 64}):
        (found,), _ = read(heic(exif=exif.tobytes(), **options))
        assert found.shape == (300, 200, 3)
        assert off(found, np.rot90(textured(300, 200), -1)) < 3


def test_ten_bits_of_a_heic_of_tiles_stay(tmp_path):
    deep = (textured(300, 200).astype(np.uint16) << 8) | 128
    file = pillow_heif.from_bytes(mode="RGB;16", size=(300, 200), data=deep.tobytes())
    file.save(tmp_path / "deep.heic", quality=95, tile_size=64)
    with rotoscope.read(str(tmp_path / "deep.heic")) as source:
        (frame,) = source
    assert frame.source.depth == 10
    assert off(pixels(frame), textured(300, 200)) < 3


def test_without_the_package_a_heic_of_tiles_says_what_to_install(heic, monkeypatch):
    path = heic(tile_size=64)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(rotoscope.InputRefused, match=r'pip install "rotoscope\[heif\]"') as error:
        read(path)
    assert "\n" not in str(error.value)


def test_an_avif_of_tiles_is_whole(tmp_path):
    path = tmp_path / "photo.avif"
    path.write_bytes(GRID)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 4
    (found,), source = read(path)
    rows, columns = np.mgrid[:128, :128]
    assert source.is_picture
    assert off(found, np.stack([columns * 2, rows * 2, rows + columns], axis=-1)) < 5


def test_hdr_of_pictures_that_pillow_reads_is_shown_as_sdr_too(tmp_path):
    pq = GRID.replace(b"nclx\0\1\0\x0d", b"nclx\0\x09\0\x10")
    assert pq != GRID
    (tmp_path / "hdr.avif").write_bytes(pq)
    as_stored, tonemapped, kept = (
        open_source(str(tmp_path / "hdr.avif"), hdr=hdr) for hdr in (None, "tonemap", "keep")
    )
    with as_stored, tonemapped, kept:
        codes, shown, same = (next(iter(source)).source for source in (as_stored, tonemapped, kept))
        expected = sdr_from_hdr(codes.planes[0].astype(np.float32) / 255, PQ)
        assert np.abs(shown.planes[0] / 65535 - expected).max() < 1e-3
        assert (same.planes[0] == shown.planes[0]).all()
        assert [source.info.colour.is_hdr for source in (as_stored, tonemapped, kept)] == [True, False, True]
        assert [sum("HDR" in note for note in source.notes) for source in (as_stored, tonemapped, kept)] == [1, 1, 1]


@pytest.mark.parametrize("ending", [".tga", ".pcx", ".ico"])
def test_old_picture_formats(ending, tmp_path):
    image().save(tmp_path / f"old{ending}", **({"sizes": [(WIDTH, HEIGHT)]} if ending == ".ico" else {}))
    (found,), source = read(tmp_path / f"old{ending}")
    assert source.is_picture
    assert (found == textured()).all()


def test_a_tga_with_alpha_and_a_folder_of_them(tmp_path):
    (tmp_path / "shots").mkdir()
    clear = image().convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 128))
    clear.save(tmp_path / "shots" / "1.tga")
    image().save(tmp_path / "shots" / "2.tga")
    (first, second), _ = read(tmp_path / "shots")
    assert off(first, textured() * (128 / 255)) < 1 and off(second, textured()) == 0


@pytest.mark.parametrize("start", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_says_what_to_convert_it_to(start, tmp_path):
    (tmp_path / "a.jxl").write_bytes(start + bytes(100))
    with pytest.raises(rotoscope.InputRefused, match=r"a JPEG XL picture.*djxl in\.jxl out\.png"):
        read(tmp_path / "a.jxl")


def test_a_picture_written_as_avif(here, identity):
    image().save("photo.png")
    rotoscope.translate("photo.png", "out.avif", model=identity, quality="delivery")
    (found,), source = read("out.avif")
    assert source.is_picture
    assert off(found, textured()) < 1.5


def pages_of(frames=3):
    return [Image.fromarray(np.roll(textured(), 7 * number, axis=1)) for number in range(frames)]


def test_the_pages_of_a_tiff_become_pages(here, identity):
    first, *rest = pages_of()
    first.save("scan.tif", save_all=True, append_images=rest)
    rotoscope.translate("scan.tif", "out.tif", model=identity, steady="off")
    found, _ = read("out.tif")
    assert [(page == np.asarray(right)).all() for page, right in zip(found, pages_of(), strict=True)] == [True] * 3


def test_an_animation_becomes_an_animated_webp_with_its_times(here, identity):
    first, *rest = pages_of()
    first.save("wave.webp", save_all=True, append_images=rest, duration=[100, 40, 300], lossless=True)
    rotoscope.translate("wave.webp", "out.webp", model=identity, steady="off", quality="lossless")
    with rotoscope.read("out.webp") as source:
        frames = list(source)
    assert [float(frame.seconds) for frame in frames] == pytest.approx([0, 0.1, 0.14])
    assert float(frames[-1].duration * frames[-1].time_base) == pytest.approx(0.3)
    for frame, right in zip(frames, pages_of(), strict=True):
        assert (pixels(frame) == np.asarray(right)).all()
    with pytest.raises(rotoscope.UsageError, match="exists"):
        rotoscope.translate("wave.webp", "out.webp", model=identity)


def test_a_failed_animation_leaves_nothing(here, identity, monkeypatch):
    first, *rest = pages_of()
    first.save("wave.webp", save_all=True, append_images=rest, duration=100)
    monkeypatch.setattr(
        "rotoscope.runtime.media.pages_sink.place", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full"))
    )
    for target in ("out.webp", "out.tif"):
        with pytest.raises(rotoscope.OutputFailed, match="full"):
            rotoscope.translate("wave.webp", target, model=identity, steady="off")
    assert sorted(path.name for path in Path().iterdir()) == ["wave.webp"]


def test_a_still_avif_is_a_picture(here, identity):
    image().save("photo.avif", quality=95)
    assert rotoscope.translate("photo.avif", model=identity).target == "photo.identity.png"


def test_a_folder_of_avif_and_heic(tmp_path):
    folder = tmp_path / "phone"
    folder.mkdir()
    (folder / "1.avif").write_bytes(GRID)
    pillow_heif.from_pillow(image(128, 128)).save(folder / "2.heic", quality=95, tile_size=64)
    image(128, 128).save(folder / "3.avif", quality=95)
    frames, source = read(folder)
    assert len(frames) == 3
    assert off(frames[1], textured(128, 128)) < 3
    assert not source.losses


def test_an_animated_avif_stays_a_video(tmp_path):
    pages = [Image.new("RGB", (64, 48), (value, 80, 30)) for value in (10, 110, 210)]
    pages[0].save(tmp_path / "wave.avif", save_all=True, append_images=pages[1:], duration=100)
    frames, source = read(tmp_path / "wave.avif")
    assert (len(frames), source.is_picture) == (3, False)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif", ".heic"])
@pytest.mark.parametrize("keep", [0.2, 0.6])
def test_cut_off_pictures_are_refused_in_one_line_or_counted(ending, keep, tmp_path):
    path = tmp_path / f"photo{ending}"
    if ending == ".heic":
        pillow_heif.from_pillow(image(300, 200)).save(path, tile_size=64)
    else:
        image().save(path, icc_profile=wide_profile())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    try:
        read(path)
    except rotoscope.InputRefused as error:
        assert "\n" not in str(error)


def damaged_pages(compression):
    """A TIFF of two pages whose second directory, or whose JPEG data, is damaged."""
    buffer = io.BytesIO()
    image(64, 48).save(buffer, "TIFF", save_all=True, append_images=[image(64, 48)], compression=compression)
    data = buffer.getvalue()
    return data[: len(data) // 2] if compression is None else data.replace(b"\xff\xc0", b"\xff\xc5")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Pillow's libtiff cannot be silenced")
@pytest.mark.parametrize("compression", [None, "jpeg"])
def test_pillow_and_its_libraries_print_nothing_about_damaged_pages(compression, tmp_path, capfd, recwarn):
    (tmp_path / "bad.tif").write_bytes(damaged_pages(compression))
    with suppress(rotoscope.InputRefused):
        read(tmp_path / "bad.tif")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
