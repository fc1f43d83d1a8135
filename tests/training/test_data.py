"""Samples: pure functions of position and seed, cropped alike in all views, refused in one line when they cannot be."""

import cv2
import numpy as np
import pytest
import tiny_clips
import tiny_data
import torch

from rotoscope.base.errors import InputRefused, OutputFailed, UsageError
from rotoscope.training.data.datasets import Domain, Geometry, TrainingData, batches, read_labels, read_picture
from rotoscope.training.data.frames import clips_of, extract_frames
from rotoscope.training.data.line_drawings import line_drawing


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache in an empty folder."""
    monkeypatch.setattr("rotoscope.base.cache.user_cache_path", lambda _name: tmp_path / "cache")
    return tmp_path / "cache"


def unpaired(tmp_path, seed=0):
    a = tiny_data.folder(tmp_path / "a", count=5, size=20)
    b = tiny_data.folder(tmp_path / "b", count=3, size=20, seed=50)
    geometry = Geometry(resize=18, crop=16, flip=True, multiple=4)
    return TrainingData([Domain({"a": a}, geometry), Domain({"b": b}, geometry)], seed)


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_sample_depends_on_position_and_seed_alone(tmp_path):
    one, again, other = unpaired(tmp_path), unpaired(tmp_path), unpaired(tmp_path, seed=1)
    assert all(same(one[position], again[position]) for position in (7, 0, 31))
    assert not same(one[7], other[7])
    assert one[0]["a"].shape == (3, 16, 16)
    assert -1 <= one[0]["a"].min() < one[0]["a"].max() <= 1


def test_every_picture_comes_once_an_epoch_in_an_order_of_its_own(tmp_path):
    folder = tmp_path / "a"
    for index in range(7):
        tiny_data.write(folder / f"{index}.png", np.full((8, 8, 3), 30 * index, np.uint8))
    data = TrainingData([Domain({"a": folder}, Geometry())], seed=0)
    epochs = [
        [round((data[position]["a"][0, 0, 0].item() + 1) * 127.5 / 30) for position in range(first, first + 7)]
        for first in (0, 7)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(7))
    assert epochs[0] != epochs[1]


def test_views_of_a_domain_are_cropped_and_mirrored_alike(tmp_path):
    views = {
        "a": tiny_data.folder(tmp_path / "a", size=30),
        "b": tiny_data.folder(tmp_path / "b", size=30, change=lambda rgb: 255 - rgb),
    }
    domain = Domain(views, Geometry(resize=30, crop=16, flip=True, turn=True))
    data = TrainingData([domain], seed=0)
    for position in range(12):
        sample = data[position]
        assert torch.allclose(sample["a"], -sample["b"], atol=1e-6)


def test_frames_of_a_clip_stay_in_order_and_in_place(tmp_path):
    domain = Domain({"a": tiny_data.clips(tmp_path / "a", size=30)}, Geometry(crop=16), length=3)
    frames = TrainingData([domain], seed=0)[0]["a"]
    assert frames.shape == (3, 3, 16, 16)
    assert torch.equal(frames[1][:, :, 1:], frames[0][:, :, :-1])  # the clip moves one pixel to the right each frame


def test_no_window_reaches_from_one_clip_into_the_next(tmp_path):
    domain = Domain({"a": tiny_data.clips(tmp_path / "a", count=3, frames=5)}, Geometry(), length=4)
    assert domain.windows == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_no_window_reaches_over_a_cut_of_a_video(tmp_path, cache):
    """Two scenes of 6 frames, a texture each, that move by a pixel a frame; in the other view the cut is not seen."""

    def scenes(index, width, height):
        wide = np.random.default_rng(index // 6).integers(0, 256, (height // 4, width // 2, 3), np.uint8)
        wide = cv2.resize(wide, (2 * width, height), interpolation=cv2.INTER_CUBIC)
        return np.ascontiguousarray(wide[:, index : index + width])

    video = tiny_clips.write_clip(tmp_path / "video.mkv", frames=12, size=(160, 96), make=scenes, codec="ffv1")
    grey = tiny_data.folder(tmp_path / "grey", count=12, size=96)
    domain = Domain({"a": video}, Geometry(), length=4)
    assert [len(scene) for scene in domain.clips["a"]] == [6, 6]
    assert domain.windows == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    both = Domain({"b": grey, "a": video}, Geometry(), length=4)
    assert [[len(scene) for scene in view] for view in both.clips.values()] == [[6, 6], [6, 6]]
    assert extract_frames(video, tmp_path / "thinned", every=5) == 3
    assert (tmp_path / "thinned" / "cuts.json").read_text() == "[2]\n"  # frames 0, 5 and 10; the scene begins at 6


def long_and_short(folder):
    """A clip of 7 frames and one of 2, the length of a sample."""
    tiny_data.clips(folder, count=1, frames=7)
    for index in range(2):
        tiny_data.write(folder / "short" / f"{index}.png", tiny_data.blobs(index))
    return Domain({"a": folder}, Geometry(), length=2, doubles_every=1)


def test_sequences_double_up_to_the_length_of_their_own_scene(tmp_path):
    domain, random = long_and_short(tmp_path / "a"), np.random.default_rng(0)
    of_long, of_short = 0, domain.windows.index((1, 0))
    assert [len(domain.sample(of_long, epoch, random)["a"]) for epoch in range(4)] == [2, 4, 7, 7]
    assert [len(domain.sample(of_short, epoch, random)["a"]) for epoch in range(4)] == [2, 2, 2, 2]


def test_sequences_of_a_batch_are_cut_to_the_shortest(tmp_path):
    data = TrainingData([long_and_short(tmp_path / "a")], seed=0)
    second_epoch = range(data.epoch_steps, 2 * data.epoch_steps)
    lengths = [data[position]["a"].shape[0] for position in second_epoch]
    assert sorted(set(lengths)) == [2, 4]
    batch = data.batch(second_epoch)["a"]
    assert batch.shape[1] == 2
    assert all(torch.equal(batch[row], data[position]["a"][:2]) for row, position in enumerate(second_epoch))


def test_labels_are_read_as_stored_and_resized_to_the_nearest(tmp_path):
    labels = np.kron(np.array([[7, 200], [3, 41]], np.uint8), np.ones((10, 10), np.uint8))
    for view, channels in (("labels", 1), ("frames", 3)):
        for index in range(2):
            picture = np.repeat(labels[..., None], channels, axis=2)
            tiny_data.write(tmp_path / view / f"{index}.png", picture)
    views = {"labels": tmp_path / "labels", "frames": tmp_path / "frames"}
    sample = TrainingData([Domain(views, Geometry(resize=14), labels=("labels",))], seed=0)[0]
    assert sample["labels"].dtype == torch.int64
    assert set(sample["labels"].unique().tolist()) == {3, 7, 41, 200}
    assert sample["frames"].shape == (3, 14, 14)


def test_palette_and_16_bit_labels_keep_their_numbers(tmp_path):
    from PIL import Image

    numbers = np.arange(24, dtype=np.uint8).reshape(4, 6)
    picture = Image.fromarray(numbers, mode="P")
    picture.putpalette([value for index in range(256) for value in (255 - index, 17, index)])
    picture.save(tmp_path / "palette.png")
    cv2.imwrite(str(tmp_path / "deep.png"), numbers.astype(np.uint16) * 1000)
    assert np.array_equal(read_labels(tmp_path / "palette.png"), numbers)
    assert np.array_equal(read_labels(tmp_path / "deep.png"), numbers.astype(int) * 1000)


@pytest.mark.parametrize(("world", "workers"), [(1, 0), (2, 0), (1, 2)])
def test_several_processes_share_the_samples_of_one(tmp_path, world, workers):
    data = unpaired(tmp_path)
    readers = [
        batches(data, 4 // world, rank=rank, world=world, first=1, workers=workers, pin=False) for rank in range(world)
    ]
    for step in (1, 2):
        shared = [next(reader) for reader in readers]
        together = torch.cat([batch["a"] for batch in shared])
        assert torch.equal(together, data.batch(range(4 * step, 4 * step + 4))["a"])


def test_a_video_is_decoded_once(tmp_path, cache):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=5, size=(48, 32))
    (frames,) = clips_of(video, shorter_side=16)
    assert [frame.name for frame in frames] == [f"{index:05d}.png" for index in range(5)]
    assert read_picture(frames[0]).shape == (16, 24, 3)
    before = frames[0].stat().st_mtime_ns
    assert clips_of(video, shorter_side=16)[0][0].stat().st_mtime_ns == before
    assert len(list((cache / "frames").glob("[!.]*"))) == 1
    clips_of(video)
    assert len(list((cache / "frames").glob("[!.]*"))) == 2  # another size is another entry


def test_frames_look_like_the_video(tmp_path):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=6, size=(48, 32))
    assert extract_frames(video, tmp_path / "frames", every=2) == 3
    from rotoscope import read, rgb

    with read(video) as reader:
        wanted = [rgb(frame.source) for frame in reader][::2]
    found = [read_picture(path) for path in sorted((tmp_path / "frames").glob("*.png"))]
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_lines_of_a_picture_follow_its_edges_and_not_its_texture():
    noise = np.random.default_rng(0).integers(-8, 9, (48, 64, 3))
    picture = np.full((48, 64, 3), 70) + noise
    picture[12:36, 16:48] += 110
    lines = line_drawing(picture.astype(np.uint8))
    assert lines.shape == (48, 64)
    assert set(np.unique(lines)) == {0, 255}
    rows, columns = np.nonzero(lines)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((12, 36, 16, 48), abs=2)
    assert not lines[16:32, 20:44].any()


def test_lines_of_a_video_are_one_channel_of_each_frame(tmp_path, rotoscope_main):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=3, size=(48, 32))
    assert rotoscope_main("frames", video, tmp_path / "frames")[0] == 0
    assert rotoscope_main("frames", video, tmp_path / "lines", "--edges")[0] == 0
    for index in range(3):
        lines = cv2.imread(str(tmp_path / "lines" / f"{index:05d}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(lines, line_drawing(read_picture(tmp_path / "frames" / f"{index:05d}.png")))
    assert (tmp_path / "lines" / "cuts.json").read_text() == (tmp_path / "frames" / "cuts.json").read_text()


def test_a_folder_of_clips_is_as_many(tmp_path, cache):
    tiny_data.clips(tmp_path / "both", count=2, frames=3)
    tiny_clips.write_clip(tmp_path / "both" / "film.mp4", frames=4, size=(48, 32))
    assert [len(clip) for clip in clips_of(tmp_path / "both")] == [3, 3, 4]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path, "no such file or folder"),
        (lambda path: path.mkdir(), "no pictures .* in this folder"),
        (lambda path: tiny_data.folder(path, count=1), "1 picture; training needs at least 2"),
        (lambda path: path.write_bytes(b"nothing"), "film|demux|kind|read|open"),
    ],
    ids=["missing", "empty", "single", "no video"],
)
def test_what_cannot_be_trained_on_is_refused_before_training(tmp_path, cache, make, says):
    make(tmp_path / "a")
    with pytest.raises(InputRefused, match=says):
        Domain({"a": tmp_path / "a"}, Geometry(resize=36, crop=32))
    assert not list(tmp_path.rglob("*.part-*"))


def test_clips_that_are_too_short_are_refused(tmp_path):
    tiny_data.clips(tmp_path / "a", frames=4)
    with pytest.raises(InputRefused, match="no scene of 11 frames; the longest has 4"):
        Domain({"a": tmp_path / "a"}, Geometry(), length=11)


def test_pairs_that_do_not_match_are_refused(tmp_path):
    views = {"a": tiny_data.folder(tmp_path / "a", count=4), "b": tiny_data.folder(tmp_path / "b", count=5)}
    with pytest.raises(InputRefused, match="do not match: 4 pictures in 1 clips against 5 in 1"):
        Domain(views, Geometry())
    (tmp_path / "b" / "004.png").unlink()
    tiny_data.write(tmp_path / "b" / "002.png", tiny_data.blobs(0, 44))
    with pytest.raises(
        InputRefused, match=r"b/002.png: 44x44 pixels; the other frames and views of this clip have 40x40"
    ):
        TrainingData([Domain(views, Geometry())], 0).batch(range(4))


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x89PNG\r\n\x1a\n1234"])
def test_an_unreadable_picture_is_named(tmp_path, content):
    tiny_data.folder(tmp_path / "a", count=2)
    (tmp_path / "a" / "001.png").write_bytes(content)
    with pytest.raises(InputRefused, match=r"a/001.png: not a readable picture"):
        TrainingData([Domain({"a": tmp_path / "a"}, Geometry())], 0).batch(range(2))


def test_a_tiny_picture_is_refused_rather_than_blown_up(tmp_path):
    tiny_data.folder(tmp_path / "a", count=2, size=20)
    with pytest.raises(InputRefused, match="20x20 pixels; the shorter side must have at least 72 here"):
        TrainingData([Domain({"a": tmp_path / "a"}, Geometry(resize=286, crop=256))], 0)[0]


def test_a_crop_that_the_network_cannot_take_is_refused():
    with pytest.raises(UsageError, match="--crop 250: this network takes sides that are multiples of 4"):
        Geometry(resize=286, crop=250, multiple=4)


def test_whole_pictures_of_two_shapes_make_no_batch_but_samples(tmp_path):
    for index, width in enumerate((24, 32, 24, 40)):
        tiny_data.write(tmp_path / "a" / f"{index}.png", np.zeros((16, width, 3), np.uint8))
    data = TrainingData([Domain({"a": tmp_path / "a"}, Geometry(flip=False))], seed=0)
    with pytest.raises(
        InputRefused, match=r"pictures of \d+x16 and \d+x16 do not go into one batch: --batch 1, or --crop"
    ):
        data.batch(range(4))
    first = data[0]["a"]
    shown = data.fixed_samples(4)["a"]
    assert shown.shape[1:] == first.shape and torch.equal(shown[0], first)
    assert len(shown) == sum(data[position]["a"].shape == first.shape for position in range(4))


def test_sequences_double_between_two_steps(tmp_path):
    frames = tiny_data.clips(tmp_path / "a", count=3, frames=8, size=16)
    domain = Domain({"a": frames}, Geometry(), length=2, doubles_every=1)
    data = TrainingData([domain], seed=0, per_step=4)
    for step in range(2 * data.epoch_steps):  # two epochs, the second with four frames a sample
        assert data.batch(range(4 * step, 4 * step + 4))["a"].shape[1] == (2 if step < data.epoch_steps else 4)


def test_decoding_never_changes_a_folder_that_appeared_meanwhile(tmp_path):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=3, size=(48, 32))
    with pytest.raises(OutputFailed, match="frames appeared while the frames were decoded"):
        extract_frames(video, tmp_path / "frames", on_frame=lambda _done: (tmp_path / "frames").mkdir(exist_ok=True))
    assert list((tmp_path / "frames").iterdir()) == []
    assert not list(tmp_path.glob(".*part*"))


def test_a_video_that_another_process_decoded_first_is_used(tmp_path, cache, monkeypatch):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=3, size=(48, 32))

    def overtaken(source, folder, **options):
        extract_frames(source, folder, **options)
        raise OutputFailed(f"{folder} appeared while the frames were decoded; give a new folder")

    monkeypatch.setattr("rotoscope.training.data.frames.extract_frames", overtaken)
    assert len(clips_of(video)[0]) == 3


def test_a_file_in_the_place_of_the_parent_folder_is_one_line(tmp_path):
    video = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=3, size=(48, 32))
    with pytest.raises(OutputFailed):
        extract_frames(video, video / "frames")


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_reading_process_finds_wrong_is_one_line(tmp_path, workers):
    tiny_data.folder(tmp_path / "a", count=2)
    (tmp_path / "a" / "001.png").write_bytes(b"nothing")
    data = TrainingData([Domain({"a": tmp_path / "a"}, Geometry())], 0)
    reader = batches(data, 2, rank=0, world=1, first=0, workers=workers, pin=False)
    with pytest.raises(InputRefused) as refused:
        next(reader)
    assert str(refused.value) == f"{tmp_path / 'a' / '001.png'}: not a readable picture; repair or remove it"
