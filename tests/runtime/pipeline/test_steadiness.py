"""Which wishes go together, what models get by default, and that threads change nothing."""

import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope
from rotoscope.base.options import SteadyOptions
from rotoscope.base.times import StageTimes
from rotoscope.runtime.engines.fake import FakeEngine
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.inverse_search import InverseSearchFlow
from rotoscope.runtime.pipeline.steadiness import chosen_method, plan_steadiness


@pytest.fixture
def recurrent(tmp_path):
    """A model file with one state tensor."""
    return rotoscope.load(write_recurrent(tmp_path / "recurrent.onnx")).file


def write_recurrent(path):
    import json

    from onnx import TensorProto, helper

    state = {"input": "before", "output": "after", "shape": ["N", 3, "H", "W"], "initial": "zeros"}
    content = {
        "schema_version": 1,
        "name": "recurrent",
        "frame": {"tensor": "in", "range": [0, 1]},
        "output": {"tensor": "out", "range": [0, 1]},
        "state": [state],
    }
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, "H", "W"]) for name in ("before", "after")
    ]
    nodes = [
        helper.make_node("Identity", ["before"], ["out"]),
        helper.make_node("Identity", ["in"], ["after"]),
    ]
    return tiny_models.save(
        path, nodes, inputs=values[:1], outputs=values[1:], metadata={"rotoscope": json.dumps(content)}
    )


def test_image_models_are_blended_and_models_with_state_left_alone(identity, recurrent):
    picture_model = rotoscope.load(identity).file
    assert chosen_method([picture_model], SteadyOptions()) == "blend"
    assert chosen_method([recurrent], SteadyOptions()) == "off"
    assert chosen_method([picture_model, recurrent], SteadyOptions()) == "off"
    assert chosen_method([recurrent], SteadyOptions(steady="blend")) == "blend"


def test_models_that_are_steady_without_help_are_left_alone(identity, recurrent):
    picture_model, steady = rotoscope.load(identity).file, rotoscope.load("woodblock").file
    assert chosen_method([steady], SteadyOptions()) == "off"
    assert chosen_method([steady, steady], SteadyOptions()) == "off"
    assert chosen_method([steady, picture_model], SteadyOptions()) == "blend"
    assert chosen_method([picture_model, steady], SteadyOptions()) == "blend"
    assert chosen_method([steady], SteadyOptions(steady="blend")) == "blend"


def test_a_strength_alone_does_not_steady_them_and_a_note_says_so():
    plan = plan_steadiness(
        [rotoscope.load("comic").file], SteadyOptions(strength=0.5), lambda size: (0, 0, *size), StageTimes()
    )
    assert plan.notes == ("no effect with --steady off, the default here: --strength 0.5",)


def test_a_live_run_blends_them_so_that_it_can_carry_frames(recurrent):
    steady = rotoscope.load("woodblock").file
    assert chosen_method([steady], SteadyOptions(), may_carry=True) == "blend"
    assert chosen_method([steady], SteadyOptions(steady="off"), may_carry=True) == "off"
    assert chosen_method([recurrent], SteadyOptions(), may_carry=True) == "off"


@pytest.mark.parametrize(("options", "reason"), [
    ({"steady": "hypercon"}, "--steady hypercon: recurrent.onnx remembers the frames before"),
    ({"keyframes": 3}, "--keyframes 3: recurrent.onnx remembers the frames before"),
])  # fmt: skip
def test_a_model_with_state_refuses_what_hides_frames_from_it(options, reason, recurrent):
    with pytest.raises(rotoscope.UsageError, match=reason):
        chosen_method([recurrent], SteadyOptions(**options))


@pytest.mark.parametrize(("options", "reason"), [
    ({"steady": "hypercon", "keyframes": 2}, "--keyframes 2: hypercon translates every frame"),
    ({"steady": "hypercon", "window": 8}, "--window 8; at most 7"),
])  # fmt: skip
def test_hypercon_refuses_what_it_cannot_do(options, reason, identity):
    with pytest.raises(rotoscope.UsageError, match=reason):
        chosen_method([rotoscope.load(identity).file], SteadyOptions(**options))


@pytest.mark.parametrize(("options", "reason"), [
    ({"steady": "on"}, "steady='on'; accepted: off, blend, ramp, hypercon"),
    ({"strength": 1.5}, "strength=1.5; accepted: 0"),
    ({"keyframes": 0}, "keyframes=0; accepted: 1 to 1000"),
    ({"insert": -1}, "insert=-1; accepted: 0 to 63"),
    ({"dilation": 0}, "dilation=0; accepted: 1 to 64"),
])  # fmt: skip
def test_values_that_make_no_sense_are_named(options, reason):
    with pytest.raises(rotoscope.UsageError, match=reason):
        SteadyOptions(**options)


def test_a_flow_that_does_not_exist_is_named(identity):
    with pytest.raises(rotoscope.UsageError, match="--flow fast; accepted: dis, inverse-search, or onnx:FILE"):
        rotoscope.Translator(identity, flow="fast")


@pytest.mark.parametrize(("flow", "source"), [("dis", DisFlow), ("inverse-search", InverseSearchFlow)])
def test_the_option_chooses_the_flow_source(flow, source, identity):
    plan = plan_steadiness(
        [rotoscope.load(identity).file], SteadyOptions(flow=flow), lambda size: (0, 0, *size), StageTimes()
    )
    estimator = plan.before[0].estimator
    assert type(estimator.flow) is source
    assert (estimator.flow.scale, estimator.scale) == (1.0, 0.5)


def moving_clip(path, frames=12):
    """A clip whose picture drifts, with a cut in the middle."""

    def make(index, width, height):
        big = np.kron(
            np.random.default_rng(index // 6).integers(40, 200, (20, 20, 3)), np.ones((16, 16, 1), int)
        ).astype(np.uint8)
        return np.ascontiguousarray(big[index : index + height, 2 * index : 2 * index + width])

    return tiny_clips.write_clip(path, frames=frames, size=(160, 96), make=make)


@pytest.mark.parametrize(
    "options",
    [
        {"steady": "blend"},
        {"steady": "ramp"},
        {"steady": "hypercon"},
        {"keyframes": 3},
        {"keyframes": 3, "steady": "ramp"},
        {"keyframes": 3, "steady": "off"},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_one_thread_and_several_give_the_same_frames(options, tmp_path, identity):
    clip = moving_clip(tmp_path / "clip.mp4")

    def run(**threads):
        with rotoscope.read(clip) as frames, rotoscope.Translator(identity, **options, **threads) as translator:
            return [frame.pixels() for frame in translator.stream(frames)]

    alone, together = run(threads=1), run(in_flight=3)
    assert len(alone) == len(together) == 12
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(("options", "calls"), [
    ({"steady": "blend"}, 12),
    ({"steady": "hypercon", "insert": 3, "dilation": 1}, 12 + 3 * 10),  # nothing is inserted across the cut
    ({"steady": "hypercon", "insert": 3, "dilation": 2}, 12 + 10),  # nor what nobody looks at
    ({"keyframes": 3, "steady": "off"}, 4),
])  # fmt: skip
def test_the_network_runs_as_often_as_promised(options, calls, tmp_path, identity):
    counted = []
    engine = FakeEngine(rotoscope.load(identity).file.manifest, lambda picture, call: counted.append(call) or picture)
    source = rotoscope.read(moving_clip(tmp_path / "clip.mp4"))
    with source as frames, rotoscope.Translator(identity, engine=engine, **options) as translator:
        assert [frame.index for frame in translator.stream(frames)] == list(range(12))
    assert len(counted) == calls + 1  # one more tells the size of the results


@pytest.mark.parametrize(("options", "said"), [
    ({"window": 3}, "no effect with --steady blend: --window 3"),
    ({"steady": "blend", "insert": 1, "dilation": 1, "pool": "median"},
     "no effect with --steady blend: --insert 1, --dilation 1, --pool median"),
    ({"late": 3}, "no effect with --steady blend: --late 3"),
    ({"steady": "ramp", "late": 3, "window": 3}, "no effect with --steady ramp: --window 3"),
    ({"steady": "off", "strength": 1.0, "window": 3}, "no effect with --steady off: --window 3, --strength 1.0"),
    ({"steady": "off", "flow": "inverse-search"}, "no effect with --steady off: --flow inverse-search"),
    ({"steady": "off", "keyframes": 3, "strength": 1.0}, "no effect with --steady off: --strength 1.0"),
    ({"steady": "hypercon", "strength": 0.5}, "no effect with --steady hypercon --pool mean: --strength 0.5"),
    ({"steady": "hypercon", "strength": 0.5, "pool": "weighted", "insert": 0, "window": 1, "dilation": 1}, None),
    ({"strength": 0.5, "flow": "inverse-search", "keyframes": 3}, None),
    ({"steady": "off", "keyframes": 3, "flow": "inverse-search"}, None),
    ({"steady": "off"}, None),
])  # fmt: skip
def test_options_that_the_method_does_not_use_are_named(options, said, identity):
    plan = plan_steadiness(
        [rotoscope.load(identity).file], SteadyOptions(**options), lambda size: (0, 0, *size), StageTimes()
    )
    assert [note for note in plan.notes if "no effect" in note] == ([] if said is None else [said])


def test_a_run_prints_the_options_without_effect(tmp_path, identity):
    clip = moving_clip(tmp_path / "clip.mp4", frames=2)
    run = rotoscope.translate(clip, tmp_path / "out.mp4", model=identity, window=3)
    assert "no effect with --steady blend: --window 3" in run.notes


@pytest.mark.parametrize(("late", "said"), [(0, []), (1, ["ramp: delay: 1 frame"]), (3, ["ramp: delay: 3 frames"])])
def test_ramp_says_how_late_it_is(late, said, identity):
    options = SteadyOptions(steady="ramp", late=late)
    plan = plan_steadiness([rotoscope.load(identity).file], options, lambda size: (0, 0, *size), StageTimes())
    assert (list(plan.notes), plan.steadier.look_ahead) == (said, late)


def test_hypercon_says_what_it_costs(tmp_path, identity):
    run = rotoscope.translate(
        moving_clip(tmp_path / "clip.mp4"), tmp_path / "out.mp4", model=identity, steady="hypercon"
    )
    cost = "hypercon: network calls per frame: 2; delay: 1 frame"
    assert cost in run.notes and "hypercon, 1 inserted, mean of 5" in run.steady
    assert run.frames_out == 12


def test_key_frames_can_be_planned_and_chosen_later(identity, recurrent):
    model = rotoscope.load(identity).file

    def planned(models, **options):
        region = lambda size: (0, 0, *size)  # noqa: E731
        return plan_steadiness(models, SteadyOptions(**options), region, StageTimes(), may_carry=True)

    assert planned([model]).keys.every == 1
    assert planned([model], keyframes=3).keys.every == 3
    assert planned([model], steady="off").keys is None  # without motion nothing can be carried
    assert planned([model], steady="hypercon").keys is None
    assert planned([recurrent], steady="blend").keys is None  # it needs every frame
