"""Frames through models: order, state, chains, sizes, and the same pictures however many threads work."""

import random
import threading
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import tiny_clips
import tiny_models
from flat_frames import frame, values

import rotoscope
from rotoscope.base.frame import Picture
from rotoscope.kernels.rows import current_workers
from rotoscope.runtime.engines.fake import FakeEngine
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine


def fake(path, function=lambda picture, _call: picture, **kwargs):
    return FakeEngine(rotoscope.load(path).file.manifest, function, **kwargs)


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_order_is_kept_however_long_each_frame_takes(in_flight, identity):
    chance = random.Random(0)

    def slow(picture, _call):
        for _ in range(chance.randrange(30)):
            np.sort(picture, axis=None)  # work of different length
        return picture

    with rotoscope.Translator(identity, engine=fake(identity, slow), in_flight=in_flight, steady="off") as translator:
        done = list(translator.stream(frame(n) for n in range(60)))
    assert [item.index for item in done] == list(range(60))
    assert values(done) == pytest.approx(range(60), abs=1e-3)


@pytest.mark.parametrize("keyframes", [1, 4])
def test_as_many_frames_as_asked_for_are_in_the_network_at_once(keyframes, identity):
    meeting = threading.Barrier(3)

    def meet(picture, call):
        if call:  # the first comes alone, to find the shapes
            meeting.wait(timeout=240)  # breaks, and fails the translation, unless two others come
        return picture

    engine, num_frames = fake(identity, meet), 12 * keyframes + 1
    with rotoscope.Translator(identity, engine=engine, in_flight=3, steady="off", keyframes=keyframes) as translator:
        assert len(list(translator.stream(frame(n, 100) for n in range(num_frames)))) == num_frames


@pytest.mark.parametrize(("steady", "most"), [("off", 12), ("blend", 16)])  # blend: frames with their motion, too
def test_a_bounded_number_of_frames_is_read_ahead(steady, most, identity):
    taken = []

    def source():
        for n in range(100):
            taken.append(n)
            yield frame(n)

    with rotoscope.Translator(identity, engine=fake(identity), in_flight=2, steady=steady) as translator:
        ahead = [len(taken) - count for count, _ in enumerate(translator.stream(source()))]
    assert max(ahead) <= most and len(ahead) == 100


@pytest.mark.parametrize("options", [{"threads": 1}, {"in_flight": 1}, {"in_flight": 4}])
def test_any_number_of_threads_makes_identical_frames(options, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", size=(96, 72))
    model = tiny_models.affine(tmp_path / "model.onnx", 0.8, 0.1)

    def results(**settings):
        with rotoscope.Translator(model, **settings) as translator, rotoscope.read(clip) as reader:
            return [item.pixels() for item in translator.stream(reader)]

    for one, other in zip(results(), results(**options), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_translation_is_identical_single_threaded(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", sound=True)
    for name, options in (("one", {"threads": 1, "in_flight": 1}), ("many", {"in_flight": 4})):
        rotoscope.translate(clip, tmp_path / f"{name}.y4m", model=identity, **options)
    assert (tmp_path / "one.y4m").read_bytes() == (tmp_path / "many.y4m").read_bytes()


def test_an_error_of_the_engine_names_the_frame(identity):
    def broken(picture, _call):  # calls of frames in flight come in any order
        if picture.mean() > 0.5:
            raise MemoryError("no memory left")
        return picture

    translator = rotoscope.Translator(identity, engine=fake(identity, broken), in_flight=3)
    with translator, pytest.raises(rotoscope.RotoscopeError, match=r"frame 5 \(0\.200 s\): .*no memory left"):
        list(translator.stream(frame(n, value=200 if n == 5 else 10) for n in range(20)))


@pytest.mark.parametrize("in_flight", [1, 3])
def test_nan_is_an_error_that_names_the_frame(in_flight, tmp_path):
    model = tiny_models.nan_above(tmp_path / "nan.onnx", 0.5)
    frames = [frame(n, value=200 if n == 7 else 10) for n in range(12)]
    with (
        rotoscope.Translator(model, in_flight=in_flight) as translator,
        pytest.raises(rotoscope.RotoscopeError) as error,
    ):
        list(translator.stream(frames))
    assert "frame 7 (0.280 s): output of nan is 100% NaN or infinite" in str(error.value)


# State


SMOOTHED = [64.0, 96.0, 112.0, 120.0]  # of 128, 128, 128, 128 from a memory of 0


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_state_is_fed_back(engine, tmp_path):
    with rotoscope.Translator(tiny_models.smoother(tmp_path / "smoother.onnx"), engine=engine) as translator:
        assert translator.in_flight == 1
        assert values(translator.stream(frame(n, 128) for n in range(4))) == pytest.approx(SMOOTHED, abs=1e-3)


def test_state_is_forgotten_at_a_reset(tmp_path):
    with rotoscope.Translator(tiny_models.smoother(tmp_path / "smoother.onnx")) as translator:
        first = values(translator.stream(frame(n, 128) for n in range(3)))
        translator.reset()
        assert values(translator.stream(frame(n, 128) for n in range(3))) == first


def test_a_fake_engine_counts_its_calls_in_its_state(tmp_path):
    path = tiny_models.smoother(tmp_path / "smoother.onnx")
    seen = []

    class Spy(FakeEngine):
        def run(self, inputs, state, out, out_state):
            seen.append(float(state["memory"].mean()))
            super().run(inputs, state, out, out_state)

    with rotoscope.Translator(path, engine=Spy(rotoscope.load(path).file.manifest)) as translator:
        list(translator.stream(frame(n) for n in range(4)))
    assert seen == [0, 1, 2, 3]


def test_a_model_with_state_takes_one_frame_after_the_other(tmp_path):
    with pytest.raises(rotoscope.UsageError, match="one frame after the other"):
        rotoscope.Translator(tiny_models.smoother(tmp_path / "smoother.onnx"), in_flight=2)


def test_state_that_starts_as_the_frame(tmp_path):
    path = tiny_models.smoother(tmp_path / "smoother.onnx")
    file = rotoscope.load(path).file
    state = file.manifest.state[0].model_copy(update={"initial": "in"})
    from rotoscope.runtime.models.model_file import write_described

    write_described(path, file.manifest.model_copy(update={"state": (state,)}), tmp_path / "warm.onnx")
    with rotoscope.Translator(tmp_path / "warm.onnx") as translator:
        assert values(translator.stream(frame(n, 128) for n in range(3))) == pytest.approx([128] * 3, abs=1e-3)


# Chains, mixing, comparing


def test_a_chain_runs_its_models_in_order(tmp_path):
    darker = tiny_models.affine(tmp_path / "darker.onnx", 0.5, 0.0)
    shift = tiny_models.affine(tmp_path / "shift.onnx", 1.0, 0.25)
    clip = tiny_clips.write_clip(
        tmp_path / "clip.mkv", codec="ffv1", pixel_format="bgr0", make=lambda *_: np.full((48, 64, 3), 100, np.uint8)
    )
    for chain, expected in (([darker, shift], 50 + 63.75), ([shift, darker], 50 + 31.875)):
        run = rotoscope.translate(clip, tmp_path / "out.mkv", model=chain, codec="ffv1", overwrite=True)
        assert run.models == tuple(path.stem for path in chain)
        picture = rgb_of(tmp_path / "out.mkv")
        assert abs(picture.astype(float) - expected).max() <= 0.51


def rgb_of(path, index=0):
    with rotoscope.read(path) as reader:
        return list(reader)[index].source.planes[0]


@pytest.fixture
def grey_clip(tmp_path):
    """RGB, left half 40, right half 200."""
    picture = np.full((48, 64, 3), 40, np.uint8)
    picture[:, 32:] = 200
    return tiny_clips.write_clip(
        tmp_path / "grey.mkv", frames=2, codec="ffv1", pixel_format="bgr0", make=lambda *_: picture
    )


@pytest.mark.parametrize(("mix", "left", "right"), [(0.0, 215, 55), (0.25, 171.25, 91.25), (1.0, 40, 200)])
def test_mix_keeps_a_share_of_the_source(mix, left, right, grey_clip, tmp_path):
    invert = tiny_models.invert(tmp_path / "invert.onnx")
    rotoscope.translate(grey_clip, tmp_path / "out.mkv", model=invert, mix=mix, codec="ffv1")
    picture = rgb_of(tmp_path / "out.mkv").astype(float)
    assert abs(picture[:, :32] - left).max() <= 0.51
    assert abs(picture[:, 32:] - right).max() <= 0.51


def test_compare_sets_source_and_result_side_by_side(grey_clip, tmp_path):
    invert = tiny_models.invert(tmp_path / "invert.onnx")
    run = rotoscope.translate(grey_clip, tmp_path / "out.mkv", model=invert, compare=True, codec="ffv1")
    picture = rgb_of(tmp_path / "out.mkv")
    assert (run.width, run.height, picture.shape) == (128, 48, (48, 128, 3))
    assert [int(picture[24, x, 0]) for x in (10, 50, 74, 114)] == [40, 200, 215, 55]


@pytest.mark.parametrize("mix", [-0.1, 1.5])
def test_mix_is_a_share(mix, grey_clip, identity, tmp_path):
    with pytest.raises(rotoscope.UsageError, match="accepted: 0"):
        rotoscope.translate(grey_clip, tmp_path / "out.mkv", model=identity, mix=mix)


# Sizes: what the network sees, what comes out


@pytest.fixture
def sizes_seen(monkeypatch, tmp_path):
    """Translate and tell (sizes that the network saw, size of the result)."""
    run = OnnxRuntimeEngine.run
    network = set()

    def remember(engine, inputs, *rest):
        network.add(inputs["in"].shape[:1:-1])
        run(engine, inputs, *rest)

    monkeypatch.setattr(OnnxRuntimeEngine, "run", remember)

    def translate(clip, model, multiple=None, **options):
        loaded = rotoscope.load(model, multiple=multiple)
        network.clear()  # of the trial calls that infer a description
        done = rotoscope.translate(clip, tmp_path / "out.mp4", model=loaded, **options)
        return network, (done.width, done.height)

    return translate


@pytest.mark.parametrize(("options", "network", "result"), [
    ({}, (64, 48), (64, 48)),
    ({"working_size": "32x24"}, (32, 24), (64, 48)),
    ({"working_size": "24p"}, (32, 24), (64, 48)),
    ({"output_size": "128x96"}, (64, 48), (128, 96)),
    ({"output_size": "24p"}, (64, 48), (32, 24)),
    ({"working_size": "30x20", "output_size": "100x60"}, (30, 20), (100, 60)),
])  # fmt: skip
def test_working_and_output_size_are_two_things(options, network, result, grey_clip, identity, sizes_seen):
    assert sizes_seen(grey_clip, identity, **options) == ({network}, result)


@pytest.mark.parametrize("size", ["640", "0x10", "axb", "64x", "20000x20000", "0p", "-5p"])
def test_a_size_that_is_none_is_a_usage_error(size, grey_clip, identity, tmp_path):
    for option in ("working_size", "output_size"):
        with pytest.raises(rotoscope.UsageError, match="size"):
            rotoscope.translate(grey_clip, tmp_path / "out.mp4", model=identity, **{option: size})


@pytest.mark.parametrize(("fit", "result"), [("pad", (64, 48)), ("stretch", (64, 48)), ("crop", (48, 48))])
def test_a_fixed_size_network_is_fitted(fit, result, grey_clip, tmp_path):
    model = tiny_models.identity(tmp_path / "fixed.onnx", shape=(1, 3, 24, 24))
    run = rotoscope.translate(grey_clip, tmp_path / "out.mkv", model=model, fit=fit, codec="ffv1")
    picture = rgb_of(tmp_path / "out.mkv")
    assert (run.width, run.height) == result
    # Nothing but the two greys of the source: padding is cut away again, and the edge stays in the middle.
    middle = result[0] // 2
    assert abs(picture[:, : middle - 6].astype(int) - 40).max() <= 1
    assert abs(picture[:, middle + 6 :].astype(int) - 200).max() <= 1


def test_a_fixed_size_network_takes_no_other_working_size(grey_clip, tmp_path):
    model = tiny_models.identity(tmp_path / "fixed.onnx", shape=(1, 3, 24, 24))
    with pytest.raises(rotoscope.UsageError, match="takes 24x24 only"):
        rotoscope.translate(grey_clip, tmp_path / "out.mkv", model=model, working_size="32x32")


def test_an_upscaler_makes_larger_pictures(grey_clip, tmp_path):
    model = tiny_models.upscale(tmp_path / "up.onnx", 3)
    run = rotoscope.translate(grey_clip, tmp_path / "out.mkv", model=model, codec="ffv1")
    assert (run.width, run.height) == (192, 144)
    assert [int(rgb_of(tmp_path / "out.mkv")[70, x, 0]) for x in (95, 96)] == [40, 200]
    half = rotoscope.translate(grey_clip, tmp_path / "half.mkv", model=model, codec="ffv1", working_size="32x24")
    assert (half.width, half.height) == (192, 144)


def test_a_chain_of_upscalers_multiplies(grey_clip, tmp_path):
    model = tiny_models.upscale(tmp_path / "up.onnx", 2)
    run = rotoscope.translate(grey_clip, tmp_path / "out.mkv", model=[model, model], codec="ffv1", working_size="32x24")
    assert (run.width, run.height) == (256, 192)


@pytest.mark.parametrize(("multiple", "network"), [(1, (61, 47)), (16, (64, 48))])
def test_an_odd_picture_is_padded_for_the_network_and_cropped_after(multiple, network, identity, sizes_seen, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "odd.mkv", size=(61, 47), codec="ffv1", pixel_format="bgr0")
    assert sizes_seen(clip, identity, multiple=multiple) == ({network}, (61, 47))


# A model as a function


def test_a_loaded_model_is_a_function_of_pictures(tmp_path):
    invert = rotoscope.load(tiny_models.invert(tmp_path / "invert.onnx"))
    picture = tiny_clips.pattern(3, 33, 21)
    np.testing.assert_array_equal(invert(picture), 255 - picture)
    np.testing.assert_array_equal(invert(picture[:, ::-1]), 255 - picture[:, ::-1])


@pytest.mark.parametrize("picture", [
    np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8),
    np.zeros((4, 0, 3), np.uint8), "picture.png", [[[0, 0, 0]]], None, 7, object(),
], ids=lambda picture: type(picture).__name__)  # fmt: skip
def test_what_is_not_a_picture_is_a_usage_error(picture, identity):
    with pytest.raises(rotoscope.UsageError, match=r"accepted: \(H,W,3\) uint8"):
        rotoscope.load(identity)(picture)


def test_unknown_options_are_refused_by_name(identity):
    with pytest.raises(rotoscope.UsageError, match="unknown option colour"):
        rotoscope.load(identity, colour="red")


def test_read_translate_write_by_hand(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", times=[0, 1, 5, 6, 7, 8, 9, 30])
    with rotoscope.Translator(identity) as translator, rotoscope.read(clip) as reader:
        count = rotoscope.write(tmp_path / "out.mkv", translator.stream(reader), codec="ffv1")
    assert count == 8
    with rotoscope.read(tmp_path / "out.mkv") as reader:
        assert [item.seconds for item in reader] == [Fraction(n, 25) for n in (0, 1, 5, 6, 7, 8, 9, 30)]


def results(numbers, duration=1):
    flat = Picture((np.full((48, 64, 4), 0.5, np.float32),))
    for n in numbers:
        yield replace(frame(n, 0, size=(64, 48)), pts=n, duration=duration, result=flat)


def test_frames_that_start_below_zero_are_moved_as_a_whole(tmp_path):
    assert rotoscope.write(tmp_path / "out.mp4", results(range(-3, 3))) == 6
    with rotoscope.read(tmp_path / "out.mp4") as reader:
        assert [item.seconds for item in reader] == [Fraction(n, 25) for n in range(6)]


def test_frames_without_a_duration_can_be_written(tmp_path):
    assert rotoscope.write(tmp_path / "out.mp4", results(range(3), duration=0)) == 3


def test_frames_without_a_result_are_a_usage_error(tmp_path):
    for frames, words in ((([frame(0)]), "has no float result"), ([], "no frames to write")):
        with pytest.raises(rotoscope.UsageError, match=words):
            rotoscope.write(tmp_path / "out.mp4", frames)
    assert list(tmp_path.iterdir()) == []


# Threads


def test_threads_of_a_translator_are_its_own(identity):
    before = current_workers().threads
    seen = []

    def look(picture, _call):
        seen.append(current_workers().threads)
        return picture

    with rotoscope.Translator(
        identity, engine=fake(identity, look), threads=3, in_flight=1, steady="off"
    ) as translator:
        assert translator.stages.workers.threads == 3
        list(translator.stream(frame(n) for n in range(3)))
    assert seen[1:] == [3, 3, 3]  # the first call finds the shapes, on the thread that made the translator
    assert current_workers().threads == before


def test_two_translations_at_once_do_not_change_each_others_threads(identity, tmp_path):
    """A starts, B starts, A ends, B ends: both keep their own threads, and nothing is left behind."""
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=4)
    before, threads, gates = current_workers().threads, {"a": set(), "b": set()}, [threading.Event() for _ in range(3)]
    a_began, b_began, a_ended = gates

    def a_frame(_progress):
        threads["a"].add(current_workers().threads)
        a_began.set()
        assert b_began.wait(240)

    def b_frame(_progress):
        threads["b"].add(current_workers().threads)
        b_began.set()
        assert a_ended.wait(240)

    def run(name, num_threads, on_progress):
        rotoscope.translate(
            clip, tmp_path / f"{name}.mkv", model=identity, threads=num_threads, on_progress=on_progress
        )

    first = threading.Thread(target=run, args=("a", 1, a_frame))
    first.start()
    assert a_began.wait(240)
    second = threading.Thread(target=run, args=("b", 3, b_frame))
    second.start()
    first.join(240)
    a_ended.set()
    second.join(240)
    assert threads == {"a": {1}, "b": {3}}
    assert current_workers().threads == before


def test_a_loaded_models_threads_are_those_of_its_calls(tmp_path):
    model = rotoscope.load(tiny_models.invert(tmp_path / "invert.onnx"), threads=2)
    model(tiny_clips.pattern(0))
    assert model._own_calls().workers.threads == 2


# Frames are values


def test_frames_can_be_translated_twice(identity, tmp_path):
    """Key frames of one run must not be taken for those of the next."""
    invert = tiny_models.invert(tmp_path / "invert.onnx")
    frames = [frame(n, value=40) for n in range(6)]
    with rotoscope.Translator(invert, keyframes=3, steady="off") as translator:
        first = values(translator.stream(frames))
    assert all(item.result is None and not item.carried for item in frames)
    with rotoscope.Translator(identity, steady="off") as translator:
        second = values(translator.stream(frames))
    assert first == pytest.approx([215] * 6, abs=1e-3) and second == pytest.approx([40] * 6, abs=1e-3)


@pytest.mark.parametrize("options", [{}, {"steady": "hypercon"}, {"keyframes": 3}, {"steady": "off"}], ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_consumer_cannot_draw_on_what_it_is_given(options, threads, identity):
    frames = [frame(n, 10 * n, size=(64, 48)) for n in range(8)]
    with rotoscope.Translator(identity, threads=threads, **options) as translator:
        for item in translator.stream(frames):
            with pytest.raises(ValueError, match="read-only"):
                item.result.pixels[...] = 0
            with pytest.raises(AttributeError):
                item.result = None


def test_written_frames_can_be_written_again(tmp_path):
    frames = list(results(range(3)))
    assert rotoscope.write(tmp_path / "one.mkv", frames) == rotoscope.write(tmp_path / "two.mkv", frames) == 3


# Chains carry their own options


def test_options_of_a_loaded_model_stay_with_it(tmp_path):
    """A range given to one model of a chain must not reach the other."""
    chain = [
        rotoscope.load(tiny_models.identity(tmp_path / "a.onnx"), input_range=(0, 255), output_range=(0, 255)),
        tiny_models.invert(tmp_path / "b.onnx"),
    ]
    clip = tiny_clips.write_clip(
        tmp_path / "clip.mkv", codec="ffv1", pixel_format="bgr0", make=lambda *_: np.full((48, 64, 3), 100, np.uint8)
    )
    rotoscope.translate(clip, tmp_path / "out.mkv", model=chain, codec="ffv1")
    assert abs(rgb_of(tmp_path / "out.mkv").astype(int) - 155).max() <= 1


def test_engines_of_a_chain_are_their_own(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    chain = [rotoscope.load(identity, engine="openvino"), identity]
    run = rotoscope.translate(clip, tmp_path / "out.mkv", model=chain)
    assert run.engine.startswith("openvino fp32 cpu + onnxruntime fp32 cpu")


@pytest.mark.parametrize(
    "options", [{"input_range": (0, 255)}, {"hints": ("direction=BtoA",)}, {"multiple": 8}], ids=str
)
def test_what_load_decides_is_refused_later(options, identity, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    with pytest.raises(
        rotoscope.UsageError, match=f"{next(iter(options))} with a loaded model: give it to rotoscope.load"
    ):
        rotoscope.translate(clip, model=rotoscope.load(identity), **options)


@pytest.mark.parametrize("model", [[], (), None, 7])
def test_a_model_that_is_none_is_a_usage_error(model, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    with pytest.raises(rotoscope.UsageError):
        rotoscope.translate(clip, tmp_path / "out.mkv", model=model)
