"""From options to stages: what happens to frames before the generator and after it, and which wishes go together."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame
from rotoscope.base.options import TranslateOptions
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import FlowSource, MotionEstimator, with_motion
from rotoscope.runtime.motion.fitted import Region
from rotoscope.runtime.network.pair import InterpolationModel
from rotoscope.runtime.steady.blend import Blend
from rotoscope.runtime.steady.flicker import FlickerMeter
from rotoscope.runtime.steady.hypercon import HyperCon, Neighbourhood
from rotoscope.runtime.steady.insert import insert_frames
from rotoscope.runtime.steady.keyframes import Carry, choose_keys

Stage = Callable[[Iterable[Frame]], Iterator[Frame]]
WORKING_SCALE = 0.5  # of the source, for DIS
MAX_POOLED = 15  # pictures that `kernels.aggregate` takes


def unchanged(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The stage that does nothing."""
    yield from frames


@dataclass(frozen=True)
class Steadiness:
    """Stages around the generator.

    description what is done, in words: "off", "blend 0.75", "blend 0.75, key frames 4"
    before      what the decoded frames go through
    after       what the translated frames go through, in order, on one thread; None: nothing
    look_ahead  source frames that must be known before one can be shown
    note        what it costs, for the user; empty: nothing worth a line
    flicker     measures what it does; None where there is no frame-wise result to compare with
    """

    description: str
    before: Stage = unchanged
    after: Stage | None = None
    look_ahead: int = 0
    note: str = ""
    flicker: FlickerMeter | None = None


def plan_steadiness(
    models: list[ModelFile],
    options: TranslateOptions,
    region: Callable[[Size], Region],
    times: StageTimes,
    flow: FlowSource | None = None,
    interpolator: InterpolationModel | None = None,
) -> Steadiness:
    """What the options ask for; raises UsageError where it makes no sense for these models.

    region  (width, height) of a source -> the part of it that results show
    flow    finds the motion in place of DIS, from pictures in colour at full size
    interpolator  makes the frames that hypercon inserts, in place of the flow
    """
    name = chosen(models, options)
    if name == "off" and options.keyframes == 1:
        return Steadiness(name)
    both_ways = name == "hypercon"
    if flow is None:
        estimator = MotionEstimator(DisFlow(scale=1.0), scale=WORKING_SCALE, both_ways=both_ways)
    else:
        estimator = MotionEstimator(flow, scale=1.0, sees_colour=True, both_ways=both_ways)
    flicker = FlickerMeter(region, times)
    if name == "hypercon":
        around = Neighbourhood(
            insert=options.insert,
            window=options.window,
            dilation=options.dilation,
            pool=options.pool,
            strength=options.strength,
        ).needed()
        inserted = f"{around.insert} inserted{f' by {interpolator.name}' if interpolator else ''}"
        how = f"weighted mean {options.strength:g}" if options.pool == "weighted" else options.pool
        pooled = f"{how} of {2 * options.window + 1}"
        return Steadiness(
            f"hypercon, {inserted}, {pooled}",
            before=lambda frames: insert_frames(
                with_motion(frames, estimator, times), around.insert, times, interpolator
            ),
            after=flicker.around(HyperCon(around, region, times)),
            look_ahead=around.reach,
            note=f"hypercon: the network runs {around.steps} times for a frame; each is shown {around.reach} late",
            flicker=flicker,
        )
    blend, carry = Blend(options.strength, region, times), Carry(region, times)
    how = f"blend {options.strength:g}" if name == "blend" else name
    if options.keyframes == 1:
        return Steadiness(
            how,
            before=lambda frames: with_motion(frames, estimator, times),
            after=flicker.around(blend),
            flicker=flicker,
        )
    return Steadiness(
        f"{how}, key frames {options.keyframes}",
        before=lambda frames: choose_keys(with_motion(frames, estimator, times), options.keyframes),
        after=carry if name == "off" else lambda frames: blend(carry(frames)),
    )


def chosen(models: list[ModelFile], options: TranslateOptions) -> str:
    """The method that the options name, or the models' default; refuses what does not go together."""
    alone = [
        f"{model.path.name} {why}"
        for model in models
        for why, holds in (
            ("remembers the frames before", model.manifest.state and not model.manifest.shares_statistics),
            ("looks at several frames", model.manifest.frame.window),
        )
        if holds
    ]
    name = options.steady or ("off" if alone else "blend")
    if alone and name == "hypercon":
        raise UsageError(f"--steady hypercon: {alone[0]}, and must not be shown inserted ones; accepted: off, blend")
    if alone and options.keyframes > 1:
        raise UsageError(f"--keyframes {options.keyframes}: {alone[0]}, and needs every one; accepted: 1")
    if name != "hypercon" and options.interpolator != "flow":
        raise UsageError(
            f"--interpolator {options.interpolator}: {name} inserts no frames; accepted: --steady hypercon"
        )
    if name == "hypercon" and options.keyframes > 1:
        raise UsageError(f"--keyframes {options.keyframes}: hypercon translates every frame; accepted: off, blend")
    if name == "hypercon" and 2 * options.window + 1 > MAX_POOLED:
        raise UsageError(f"--window {options.window}; at most {(MAX_POOLED - 1) // 2}")
    return name
