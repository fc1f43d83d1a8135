"""Side data of decoded frames: read through FFmpeg's filters, so that PyAV never frees what FFmpeg owns."""

import gc
import struct
import subprocess
import sys

import av
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.runtime.media.encoder import ordinary_priority
from rotoscope.runtime.media.side_data import display_matrix, has_side_data

RUNS = 300
HDR10 = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"


def picture_with(path, **extras):
    Image = pytest.importorskip("PIL.Image")
    Image.fromarray(tiny_clips.pattern(3)).save(path, **extras)
    return path


def colour_profile():
    ImageCms = pytest.importorskip("PIL.ImageCms")
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation):
    Image = pytest.importorskip("PIL.Image")
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def hdr10(path):
    if "libx265" not in av.codec.codecs_available:
        pytest.skip("this FFmpeg has no libx265")
    options = {"x265-params": f"log-level=none:{HDR10}", "preset": "ultrafast"}

    def tag(_container, stream):
        stream.codec_context.color_trc = 16

    return tiny_clips.write_clip(path, codec="libx265", pixel_format="yuv420p10le", options=options, prepare=tag)


def film_grain(path):
    if "libsvtav1" not in av.codec.codecs_available:
        pytest.skip("this FFmpeg has no libsvtav1")
    options = {"preset": "12", "svtav1-params": "film-grain=20"}
    with ordinary_priority():
        return tiny_clips.write_clip(path, codec="libsvtav1", options=options, size=(128, 96))


def closed_captions(path):
    """Raw H.264 whose first picture is preceded by an A/53 caption message (SEI type 4)."""
    clip = tiny_clips.write_clip(path, muxer="h264").read_bytes()
    message = bytes.fromhex("b5003147413934 03 c1 ff fc8080 ff")
    sei = b"\x00\x00\x00\x01\x06\x04" + bytes([len(message)]) + message + b"\x80"
    slice_ = clip.index(b"\x00\x00\x01\x65")
    path.write_bytes(clip[:slice_] + sei + clip[slice_:])
    return path


def turned(path):
    return tiny_clips.write_clip(path, prepare=lambda _container, stream: stream.set_display_rotation(90, vflip=True))


# kind -> (the file, options of the decoder)
KINDS = {
    "ICC_PROFILE": (lambda folder: picture_with(folder / "icc.png", icc_profile=colour_profile()), {}),
    "EXIF": (lambda folder: picture_with(folder / "exif.jpg", exif=exif(1), icc_profile=colour_profile()), {}),
    "DISPLAYMATRIX": (lambda folder: turned(folder / "turned.mp4"), {}),
    "MASTERING_DISPLAY_METADATA": (lambda folder: hdr10(folder / "hdr.mp4"), {}),
    "CONTENT_LIGHT_LEVEL": (lambda folder: hdr10(folder / "hdr.mp4"), {}),
    "A53_CC": (lambda folder: closed_captions(folder / "cc.h264"), {}),
    "SEI_UNREGISTERED": (lambda folder: tiny_clips.write_clip(folder / "x264.mp4"), {}),
    "MOTION_VECTORS": (lambda folder: tiny_clips.write_clip(folder / "mvs.mp4"), {"flags2": "+export_mvs"}),
    "VIDEO_ENC_PARAMS": (
        lambda folder: tiny_clips.write_clip(folder / "params.mp4"),
        {"export_side_data": "venc_params"},
    ),
    "FILM_GRAIN_PARAMS": (lambda folder: film_grain(folder / "grain.mp4"), {"export_side_data": "film_grain"}),
}


def last_frame(path, options):
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.options = options
        return list(container.decode(video=0))[-1 if options else 0]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_with_every_kind_of_side_data_live_through_collections(kind, tmp_path):
    make, options = KINDS[kind]
    frame = last_frame(make(tmp_path), options)
    number = {"EXIF": "31"}.get(kind, kind)  # FFmpeg's filter has no name for it
    assert has_side_data(frame, number)
    for _ in range(RUNS):
        matrix = display_matrix(frame)
        gc.collect(0)
    gc.collect()
    # An EXIF orientation becomes a display matrix, also that which turns nothing.
    assert (matrix is not None) == (kind in ("DISPLAYMATRIX", "EXIF"))


def test_dolby_vision_side_data_lives_through_collections(videos):
    frame = last_frame(videos / "nasty" / "dolbyVision-hdr.MOV", {})
    assert has_side_data(frame, "DOVI_METADATA")
    for _ in range(RUNS):
        assert display_matrix(frame) is not None
        gc.collect(0)


def test_a_matrix_that_only_mirrors_is_found_though_its_angle_is_zero(tmp_path):
    frame = last_frame(picture_with(tmp_path / "mirrored.jpg", exif=exif(4), icc_profile=colour_profile()), {})
    assert frame.rotation == 0
    assert struct.unpack("<9i", display_matrix(frame))[:5] == (65536, 0, 0, 0, -65536)


def test_a_folder_of_pictures_with_colour_profiles_is_read(tmp_path):
    """In a process of its own: the mistake ended it with a segmentation fault."""
    for index in range(30):
        picture_with(tmp_path / f"{index:03d}.png", icc_profile=colour_profile())
    code = (
        "import gc, sys, rotoscope\n"
        "for _ in range(3):\n"
        "    frames = list(rotoscope.read(sys.argv[1])); gc.collect()\n"
        "print(len(frames))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout) == (0, "30\n")


def test_a_colour_profile_and_an_exif_turn_together(tmp_path):
    path = picture_with(tmp_path / "photo.jpg", exif=exif(6), icc_profile=colour_profile(), quality=95)
    with rotoscope.read(path) as source:
        (frame,) = source
    expected = np.rot90(tiny_clips.pattern(3), -1)
    assert frame.source.planes[0].shape == expected.shape[:2]


def test_no_module_reads_the_side_data_of_a_decoded_frame():
    from pathlib import Path

    folder = Path(rotoscope.__file__).parent
    readers = [
        file.name for file in folder.rglob("*.py") if ".side_data" in file.read_text().replace("media.side_data", "")
    ]
    assert readers == ["side_data.py"]


def test_hdr_metadata_that_is_left_out_is_said(tmp_path, identity):
    run = rotoscope.translate(hdr10(tmp_path / "hdr.mp4"), tmp_path / "out.mkv", model=identity, codec="ffv1")
    assert "HDR metadata left out: mastering display, content light level; libx265 writes it" in run.notes


@pytest.mark.parametrize("codec", ["libx265", "libx264", "libsvtav1"])
def test_hdr_metadata_is_carried(codec, tmp_path, identity):
    source = hdr10(tmp_path / "hdr.mp4")
    run = rotoscope.translate(source, tmp_path / "out.mkv", model=identity, codec=codec)
    with rotoscope.read(source) as before, rotoscope.read(tmp_path / "out.mkv") as after:
        found, expected = after.info.hdr_metadata, before.info.hdr_metadata
    assert expected.light == (1000, 400)
    assert expected.luminance == (0.005, 1000)
    assert np.allclose(expected.primaries, [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329)])
    assert found.light == expected.light
    assert np.allclose(found.primaries, expected.primaries, atol=1e-4)
    assert np.allclose(found.luminance, expected.luminance, rtol=0.1)
    assert not any("left out" in note for note in run.notes)
