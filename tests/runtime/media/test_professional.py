"""What editors and broadcasters need: qualities by name, tags, intermediate codecs with their colour, MXF."""

import av
import cv2
import independent
import numpy as np
import pytest
import tiny_clips

import rotoscope


def tagged_clip(path, **options):
    """A clip of BT.2020 and PQ by its tags, 10 bits."""

    def prepare(_container, stream):
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, 16

    options = {"pixel_format": "yuv420p10le", "prepare": prepare, **options}
    return tiny_clips.write_clip(path, **options)


def first_frame(path):
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return frame, container.streams.video[0].codec_context


def planes(frame):
    return [np.frombuffer(memoryview(plane), np.uint8).copy() for plane in frame.planes]


def noise(index, width, height):
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)


def grainy(index, width, height):
    return np.clip(tiny_clips.pattern(index, width, height) + noise(index, width, height) / 16.0, 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9"])
def test_a_better_quality_is_nearer(codec, tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", frames=4, make=grainy)
    sizes, errors = [], []
    for quality in ("preview", "good", "delivery", "lossless"):
        target = tmp_path / f"{quality}.mkv"
        rotoscope.translate(clip, target, model=identity, steady="off", codec=codec, quality=quality)
        sizes.append(target.stat().st_size)
        before, after = (np.asarray(planes(first_frame(path)[0])[0], int) for path in (clip, target))
        errors.append(np.abs(before - after).mean())
    assert (min(sizes), max(sizes)) == (sizes[0], sizes[-1])
    assert (errors[0], errors[-1]) == (max(errors), 0)


def test_the_default_quality_is_good(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", frames=4)
    for name, options in (("a", {}), ("b", {"quality": "good"})):
        rotoscope.translate(clip, tmp_path / f"{name}.mkv", model=identity, steady="off", **options)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_an_option_of_the_encoder_overrides_the_quality(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", frames=4, make=noise)
    for name, options in (("a", ()), ("b", ("crf=45",))):
        rotoscope.translate(
            clip, tmp_path / f"{name}.mp4", model=identity, steady="off", quality="delivery", encoder_options=options
        )
    assert (tmp_path / "b.mp4").stat().st_size < (tmp_path / "a.mp4").stat().st_size / 2


@pytest.mark.parametrize(("options", "target", "said"), [
    ({"quality": "lossless", "codec": "prores_ks"}, "out.mov", "prores_ks does not have it; accepted: preview, good, delivery"),
    ({"quality": "lossless"}, "out.gif", "no settings for gif"),
    ({"quality": "lossless"}, "out.jpg", "JPEG does not have it"),
    ({"quality": "best"}, "out.mp4", "accepted: preview, good, delivery, lossless"),
    ({"codec": "libvpx-vp9"}, "out.mov", r"\.mov does not take it; those that do: \.mp4"),
    ({"codec": "libsvtav1"}, "out.mov", r"\.mov does not take it"),
    ({"tag": "hvc1"}, "out.mkv", "has no such tags; accepted with .mp4 and .mov"),
    ({"tag": "hevc1"}, "out.mp4", "accepted: four letters"),
    ({"tag": "hvc1"}, "out.mp4", "does not take it for libx264"),
    ({"tag": "hvc1"}, "out.png", "tags are for videos"),
])  # fmt: skip
def test_what_cannot_be_is_refused_before_work_starts(options, target, said, tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    with pytest.raises(rotoscope.UsageError, match=said):
        rotoscope.translate(clip, tmp_path / target, model=identity, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_pictures_have_qualities_too(tmp_path, identity):
    cv2.imwrite(str(tmp_path / "in.png"), noise(0, 64, 48))
    sizes = []
    for quality in ("preview", "good", "delivery"):
        rotoscope.translate(tmp_path / "in.png", tmp_path / f"{quality}.jpg", model=identity, quality=quality)
        sizes.append((tmp_path / f"{quality}.jpg").stat().st_size)
    assert sizes == sorted(sizes)
    rotoscope.translate(tmp_path / "in.png", tmp_path / "exact.webp", model=identity, quality="lossless")
    assert np.array_equal(cv2.imread(str(tmp_path / "exact.webp")), noise(0, 64, 48))


@pytest.mark.parametrize("tag", ["hvc1", "hev1"])
def test_the_tag_of_h265_is_chosen(tag, tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    rotoscope.translate(clip, tmp_path / "out.mp4", model=identity, steady="off", codec="libx265", tag=tag)
    with av.open(str(tmp_path / "out.mp4")) as opened:
        assert opened.streams.video[0].codec_context.codec_tag == tag
    assert len(independent.video_times(tmp_path / "out.mp4")) == 8


@pytest.mark.parametrize(("codec", "ending"), [
    ("prores_ks", ".mov"), ("prores_ks", ".mkv"), ("prores_ks", ".mxf"), ("dnxhd", ".mov"), ("dnxhd", ".mxf"),
])  # fmt: skip
def test_intermediate_codecs_keep_depth_and_colour(codec, ending, tmp_path, identity):
    clip = tagged_clip(tmp_path / "clip.mkv", size=(320, 240))
    rotoscope.translate(clip, tmp_path / f"out{ending}", model=identity, steady="off", codec=codec)
    frame, context = first_frame(tmp_path / f"out{ending}")
    assert context.pix_fmt == "yuv422p10le"
    assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)) == (9, 9, 16)
    assert len(independent.video_times(tmp_path / f"out{ending}")) == 8


def test_depth_is_kept_before_chroma(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", pixel_format="yuv422p10le", frames=2, size=(320, 240))
    run = rotoscope.translate(clip, tmp_path / "out.mkv", model=identity, steady="off", codec="libsvtav1")
    assert run.encoder == "libsvtav1 yuv420p10le"


def test_mpeg2_in_mxf(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", pixel_format="yuv422p", frames=10, size=(320, 240))
    rotoscope.translate(clip, tmp_path / "out.mxf", model=identity, steady="off", codec="mpeg2video")
    assert len(independent.video_times(tmp_path / "out.mxf")) == 10


@pytest.mark.parametrize(("codec", "profile"), [("prores_ks", "4444"), ("dnxhd", "DNXHR 444")])
def test_full_chroma_takes_the_profile_that_holds_it(codec, profile, tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", pixel_format="yuv444p10le", size=(320, 240))
    rotoscope.translate(clip, tmp_path / "out.mov", model=identity, steady="off", codec=codec)
    _, context = first_frame(tmp_path / "out.mov")
    assert (context.pix_fmt[:7], context.profile) == ("yuv444p", profile)


def test_mxf_holds_pictures_sound_and_timecode(tmp_path, identity):
    def prepare(_container, stream):
        stream.metadata["timecode"] = "10:00:00:00"

    clip = tiny_clips.write_clip(tmp_path / "clip.mov", frames=25, size=(320, 240), sound=True, prepare=prepare)
    run = rotoscope.translate(clip, tmp_path / "out.mxf", model=identity, steady="off", audio="auto")
    with av.open(str(tmp_path / "out.mxf")) as opened:
        kinds = [(stream.type, stream.codec_context.name) for stream in opened.streams if stream.codec_context]
        assert kinds == [("video", "dnxhd"), ("audio", "pcm_s24le")]
        assert opened.metadata["timecode"] == "10:00:00:00"
        assert len(list(opened.decode(video=0))) == 25
    assert run.frames_out == 25
