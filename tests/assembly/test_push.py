"""A stream as images: the same pictures as frames give, with the delay that is promised; copies, threads and processes."""

import os
import pickle
import threading
from fractions import Fraction

import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.runtime.engines.fake import FakeEngine


def images(num=12, size=(96, 64), cut=7):
    """Pictures that drift, with a cut."""
    big = [np.random.default_rng(seed).integers(40, 200, (30, 30, 3)) for seed in (0, 1)]
    big = [np.kron(noise, np.ones((8, 8, 1), int)).astype(np.uint8) for noise in big]
    width, height = size
    return [np.ascontiguousarray(big[n >= cut][n : n + height, 2 * n : 2 * n + width]) for n in range(num)]


def pushed(translator, pictures):
    outs = [translator.push(picture) for picture in pictures]
    return outs, translator.flush()


@pytest.fixture
def model(tmp_path):
    return tiny_models.affine(tmp_path / "model.onnx", 0.8, 0.1)


@pytest.mark.parametrize("options", [
    {}, {"steady": "off"}, {"steady": "hypercon"}, {"keyframes": 3}, {"steady": "ramp"},
    {"steady": "hypercon", "insert": 0, "window": 3, "dilation": 1},
], ids=str)  # fmt: skip
def test_images_and_frames_give_the_same_pictures(options, model):
    pictures = images()
    frames = [Frame(n, n, Fraction(1, 25), 1, Picture((picture,))) for n, picture in enumerate(pictures)]
    with rotoscope.Translator(model, **options) as translator:
        outs, rest = pushed(translator, pictures)
        streamed = [rotoscope.rgb(frame.result) for frame in translator.stream(frames)]
        look_ahead = translator.look_ahead
    assert [out is None for out in outs] == [n < look_ahead for n in range(12)]
    assert len(rest) == look_ahead
    for one, other in zip([*outs[look_ahead:], *rest], streamed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_push_has_one_frame_in_work_however_many_streams_have(model):
    with rotoscope.Translator(model, in_flight=4, steady="off") as translator:
        assert translator.push(images(1)[0]) is not None


def test_a_flush_begins_a_new_stream(model):
    with rotoscope.Translator(model) as translator:
        first, _ = pushed(translator, images())
        second, _ = pushed(translator, images())
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_image_may_be_reused_by_its_owner(model):
    pictures = images()
    buffer = np.empty_like(pictures[0])

    def reused():
        for picture in pictures:
            buffer[...] = picture
            yield buffer

    with rotoscope.Translator(model, steady="hypercon") as translator:
        expected = pushed(translator, pictures)
        assert all(np.array_equal(a, b) for a, b in zip(expected[1], pushed(translator, reused())[1], strict=True))


def test_the_size_may_change(model):
    with rotoscope.Translator(model, steady="hypercon") as translator:
        outs, rest = pushed(translator, [*images(4), *images(4, size=(97, 64)), *images(2, size=(40, 30))])
    shapes = [out.shape for out in (*outs, *rest) if out is not None]
    assert shapes == [(64, 96, 3)] * 4 + [(64, 97, 3)] * 4 + [(30, 40, 3)] * 2


@pytest.mark.parametrize("image", [
    "picture.png", None, [[1, 2, 3]], np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8),
    np.zeros((4, 4, 3), np.float32),
], ids=lambda image: type(image).__name__)  # fmt: skip
def test_what_is_no_image_is_a_usage_error(image, model):
    with rotoscope.Translator(model) as translator, pytest.raises(rotoscope.UsageError, match="accepted: "):
        translator.push(image)


def test_holes_come_with_their_images(tmp_path):
    filler = tiny_models.with_companion(tmp_path / "filler.onnx", "mask")
    picture, hole = images(1)[0], np.zeros((64, 96), bool)
    hole[10:20, 10:20] = True
    with rotoscope.Translator(filler) as translator:
        np.testing.assert_array_equal(translator.push(picture, mask=hole), picture)
        for mask, reason in ((None, "fills holes"), (hole[:5], "as large as the image"), (hole.astype(float), "bool")):
            with pytest.raises(rotoscope.UsageError, match=reason):
                translator.push(picture, mask=mask)
    np.testing.assert_array_equal(rotoscope.load(filler)(picture, mask=hole), picture)


def test_a_mask_that_a_model_does_not_take_is_refused(model):
    with pytest.raises(rotoscope.UsageError, match="takes none"):
        rotoscope.load(model)(images(1)[0], mask=np.zeros((64, 96), bool))


def test_a_stream_of_images_is_a_usage_error(model):
    with rotoscope.Translator(model) as translator, pytest.raises(rotoscope.UsageError, match="push takes images"):
        list(translator.stream(images(2)))


def test_torch_tensors_come_and_go(model):
    torch = pytest.importorskip("torch")
    picture = images(1)[0]
    with rotoscope.Translator(model, steady="off") as translator:
        out = translator.push(torch.from_numpy(picture))
        expected = translator.push(picture)
    assert isinstance(out, torch.Tensor) and np.array_equal(out.numpy(), expected)
    assert isinstance(rotoscope.load(model)(torch.from_numpy(picture)), torch.Tensor)
    with pytest.raises(rotoscope.UsageError, match="accepted: "):
        rotoscope.load(model)(torch.zeros(4, 4, 3))


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), "soon", 1e30, True], ids=str)
def test_a_time_that_is_none_is_a_usage_error(seconds, model):
    with rotoscope.Translator(model) as translator, pytest.raises(rotoscope.UsageError, match="accepted: a number"):
        translator.push(images(1)[0], seconds=seconds)


def test_times_increase(model):
    with rotoscope.Translator(model) as translator:
        translator.push(images(1)[0], seconds=3.5)
        with pytest.raises(rotoscope.UsageError, match="later than the image before"):
            translator.push(images(1)[0], seconds=3.5)
        translator.push(images(1)[0], seconds=3.6)


@pytest.mark.parametrize(
    "options", [{"threads": -1}, {"threads": 0}, {"threads": 1.5}, {"in_flight": "2"}, {"in_flight": 1.5}], ids=str
)
def test_counts_are_whole_numbers(options, model):
    with pytest.raises(rotoscope.UsageError, match="accepted: a whole number, 1 to "):
        rotoscope.Translator(model, **options)
    with pytest.raises(rotoscope.UsageError, match="accepted: a whole number, 1 to "):
        rotoscope.translate("clip.mp4", model=model, **options)


# Streams that end early


@pytest.mark.parametrize(
    "options", [{"in_flight": 2}, {"in_flight": 2, "steady": "off"}, {"steady": "hypercon"}], ids=str
)
def test_closing_a_translator_ends_its_stream_with_an_error(options, model, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=30)
    translator, seen = rotoscope.Translator(model, **options), []
    with rotoscope.read(clip) as frames, pytest.raises(rotoscope.UsageError, match="closed while it ran"):
        for frame in translator.stream(frames):
            seen.append(frame.index)
            if frame.index == 2:
                translator.close()
    assert seen == [0, 1, 2]
    assert [thread.name for thread in threading.enumerate() if thread.name == "rotoscope-prefetch"] == []
    assert translator.push(images(1)[0]) is not None or translator.flush()  # it can be used again


def test_an_error_of_the_sink_ends_the_stream(model, tmp_path, monkeypatch):
    from rotoscope.runtime.media.video_sink import VideoSink

    def full(_sink, _frame):
        raise rotoscope.OutputFailed("out.mkv: no space left")

    monkeypatch.setattr(VideoSink, "write", full)
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=30)
    with (
        pytest.raises(rotoscope.OutputFailed, match="no space left"),
        rotoscope.read(clip) as frames,
        rotoscope.Translator(model, in_flight=2) as translator,
    ):
        rotoscope.write(tmp_path / "out.mkv", translator.stream(frames))
    assert [thread.name for thread in threading.enumerate() if thread.name == "rotoscope-prefetch"] == []
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_a_file_can_be_read_on_after_a_stream_was_closed(model, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=60)
    with rotoscope.read(clip) as frames, rotoscope.Translator(model, in_flight=1, threads=1) as translator:
        stream = translator.stream(frames)
        next(stream)
        stream.close()
        rest = [frame.index for frame in frames]
    assert rest and rest == list(range(rest[0], 60))  # what was read ahead is gone, no more


def test_a_closed_source_says_so(model, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=60)
    source = rotoscope.read(clip)
    with rotoscope.Translator(model, in_flight=1, threads=1) as translator:
        stream = translator.stream(source)
        next(stream)
        source.close()
        with pytest.raises(rotoscope.UsageError, match="the source is closed"):
            list(stream)
    with pytest.raises(rotoscope.UsageError, match="the source is closed"):
        list(source)


def test_frames_before_an_error_of_the_source_are_delivered(model):
    frames = [Frame(n, n, Fraction(1, 25), 1, Picture((picture,))) for n, picture in enumerate(images(4, cut=99))]

    def source():
        yield from frames
        raise OSError("the cable is out")

    seen = []
    with rotoscope.Translator(model, in_flight=2) as translator, pytest.raises(OSError, match="cable"):
        for frame in translator.stream(source()):
            seen.append(frame.index)
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.float32), np.zeros((4, 4, 3), np.float32), np.full((4, 4, 4), np.nan, np.float32)],
    ids=["flat", "rgb", "nan"],
)
def test_results_that_cannot_be_written_are_refused(pixels, tmp_path):
    frame = Frame(0, 0, Fraction(1, 25), 1, Picture((images(1)[0],)), result=Picture((pixels,)))
    with pytest.raises(rotoscope.UsageError, match="frame 0 has a result"):
        rotoscope.write(tmp_path / "out.mkv", [frame])


# Strength may change while the stream runs


def test_strength_changes_between_two_frames(model):
    """Noise on a still picture: at strength 1 the next picture hardly changes, at 0 it shows its own noise."""
    chance = np.random.default_rng(0)
    pictures = [np.uint8(128 + 3 * chance.standard_normal((64, 96, 3)).clip(-3, 3)) for _ in range(8)]

    def change(strength_then):
        with rotoscope.Translator(model, strength=1.0) as translator:
            outs = [translator.push(picture) for picture in pictures[:7]]
            translator.strength = strength_then
            return np.abs(translator.push(pictures[7]).astype(float) - outs[-1]).mean()

    assert change(0.0) > 1.5 * change(1.0)


def test_strength_needs_a_method_that_has_one(model):
    with (
        rotoscope.Translator(model, steady="off") as translator,
        pytest.raises(rotoscope.UsageError, match="accepted: steady blend, ramp"),
    ):
        translator.strength = 0.5
    assert translator.strength == 0.75
    with rotoscope.Translator(model) as translator, pytest.raises(rotoscope.UsageError, match="strength=2"):
        translator.strength = 2.0


# Copies, threads, processes


def test_a_translator_and_a_model_can_be_pickled(model):
    picture = images(1)[0]
    with rotoscope.Translator(model, strength=0.5, in_flight=1, threads=1) as translator:
        copy = pickle.loads(pickle.dumps(translator))
        assert copy.strength == 0.5 and copy.in_flight == 1
        np.testing.assert_array_equal(copy.push(picture), translator.push(picture))
    loaded = rotoscope.load(model, working_size="32x32")
    again = pickle.loads(pickle.dumps(loaded))
    assert again.options == loaded.options
    np.testing.assert_array_equal(again(picture), loaded(picture))
    assert pickle.loads(pickle.dumps(rotoscope.load("starry"))).name == "starry"


def test_an_engine_object_cannot_be_pickled(model):
    engine = FakeEngine(rotoscope.load(model).file.manifest)
    with pytest.raises(rotoscope.UsageError, match="cannot be pickled"):
        pickle.dumps(rotoscope.Translator(model, engine=engine))


def test_a_second_stream_at_once_is_refused(model, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    with rotoscope.Translator(model) as translator, rotoscope.read(clip) as one, rotoscope.read(clip) as other:
        first = translator.stream(one)
        next(first)
        with pytest.raises(rotoscope.UsageError, match="one translator for each stream"):
            next(translator.stream(other))
        first.close()
        assert len(list(translator.stream(other))) > 0


def test_one_model_serves_several_threads(tmp_path):
    invert = rotoscope.load(tiny_models.invert(tmp_path / "invert.onnx"))
    pictures = [tiny_clips.pattern(n, 33, 21) for n in range(8)]
    wrong = []

    def call(picture):
        for _ in range(5):
            if not np.array_equal(invert(picture), 255 - picture):
                wrong.append(picture)

    threads = [threading.Thread(target=call, args=(picture,)) for picture in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert wrong == []


def test_one_model_with_state_serves_several_threads(tmp_path):
    model = rotoscope.load(tiny_models.smoother(tmp_path / "smoother.onnx"))
    picture, outs = np.full((12, 16, 3), 128, np.uint8), []
    threads = [threading.Thread(target=lambda: outs.append(model(picture))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert len(outs) == 8 and all((out == 64).all() for out in outs)  # each without a past


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("kind", ["model", "push", "stream"])
def test_a_forked_child_goes_on_with_engines_of_its_own(kind, model, tmp_path):
    """The child of a process that has used a model must answer, not hang: threads are not copied by a fork."""
    picture = tiny_clips.pattern(0, 320, 240)
    loaded, translator = rotoscope.load(model), rotoscope.Translator(model)
    frames = [Frame(n, n, Fraction(1, 25), 1, Picture((picture,))) for n in range(3)]

    def use():
        if kind == "model":
            return loaded(picture)
        if kind == "push":
            return translator.push(picture)
        return rotoscope.rgb(next(translator.stream(frames)).result)

    expected = use()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if np.array_equal(use(), expected) else 2
        finally:
            os._exit(code)
    done = threading.Event()
    killer = threading.Timer(240, lambda: done.is_set() or os.kill(child, 9))
    killer.start()
    _, status = os.waitpid(child, 0)
    done.set()
    killer.cancel()
    assert status == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_stream_that_was_begun_before_a_fork_is_refused_in_the_child(model):
    picture = tiny_clips.pattern(0, 64, 48)
    frames = [Frame(n, n, Fraction(1, 25), 1, Picture((picture,))) for n in range(30)]
    with rotoscope.Translator(model) as translator:
        stream = translator.stream(frames)
        next(stream)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                next(stream)
            except rotoscope.UsageError as error:
                code = 0 if "before a fork" in str(error) else 2
            finally:
                os._exit(code)
        killer = threading.Timer(240, os.kill, (child, 9))
        killer.start()
        _, status = os.waitpid(child, 0)
        killer.cancel()
        stream.close()
    assert status == 0
