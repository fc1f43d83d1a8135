"""Which steadying stages go together: decided from the options and the models, before the first frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rotoscope.base.errors import UsageError
from rotoscope.base.gpu_run import GpuRun
from rotoscope.base.options import SteadyOptions
from rotoscope.base.sizes import Size
from rotoscope.base.stage import Stage
from rotoscope.base.times import StageTimes
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import FlowSource, MotionEstimator, MotionStage
from rotoscope.runtime.motion.inverse_search import InverseSearchFlow
from rotoscope.runtime.motion.on_gpu import GpuMotionStage
from rotoscope.runtime.motion.region import Region
from rotoscope.runtime.network.pair import InterpolationModel
from rotoscope.runtime.steady.blend import Blend
from rotoscope.runtime.steady.flicker import FlickerMeter
from rotoscope.runtime.steady.hypercon import HyperCon, Neighbourhood
from rotoscope.runtime.steady.insert import InsertFrames
from rotoscope.runtime.steady.keyframes import Carry, ChooseKeys
from rotoscope.runtime.steady.ramp import Ramp

WORKING_SCALE = 0.5  # of the source, for DIS and inverse search
MIXES = "blend", "ramp"  # methods that mix each result with its neighbours, and combine with key frames
MAX_POOLED = 15  # pictures that `kernels.aggregate` takes


@dataclass(frozen=True)
class Steadiness:
    """The stages around the network.

    words       what is done; `{strength}` stands for the strength of `steadier`
    before      stages that decoded frames pass: motion, inserted frames, key frames
    after       stages that translated frames pass
    notes       lines for the user: its cost, options without effect
    flicker     measures the effect; None without a frame-wise result to compare with
    steadier    the stage whose `strength` can be changed between two frames; None for other methods
    keys        the stage whose `every` can be changed between two frames; None without key frames
    """

    words: str
    before: tuple[Stage, ...] = ()
    after: tuple[Stage, ...] = ()
    notes: tuple[str, ...] = ()
    flicker: FlickerMeter | None = None
    steadier: Blend | Ramp | None = None
    keys: ChooseKeys | None = None

    @property
    def description(self) -> str:
        """What is done now: "off", "blend 0.75", "ramp 0.75, 1 late", "blend 0.75, key frames 4"."""
        return self.words if self.steadier is None else self.words.format(strength=f"{self.steadier.strength:g}")


def plan_steadiness(
    models: Sequence[ModelFile],
    options: SteadyOptions,
    region: Callable[[Size], Region],
    times: StageTimes,
    flow: FlowSource | None = None,
    interpolator: InterpolationModel | None = None,
    gpu: GpuRun | None = None,
    *,
    may_carry: bool = False,
) -> Steadiness:
    """The stages that the options ask for; raises UsageError for options that contradict each other or these models.

    region        (width, height) of a source -> the part of it that results show
    flow          a network that estimates the motion from pictures in colour at full size; None: what `options.flow` names
    interpolator  makes the frames that hypercon inserts, in place of the motion
    gpu           of a run whose pictures stay on it: motion is estimated there, by our own dense inverse search in place of DIS
    may_carry     plan for key frames where the method allows them, even if the options ask for none yet: see `Steadiness.keys`
    """
    method = chosen_method(models, options, may_carry=may_carry)
    has_keys = options.keyframes > 1 or (may_carry and method in MIXES and not in_order_models(models))
    notes = without_effect(method, options)
    if method == "off" and options.keyframes == 1:
        return Steadiness("off", notes=notes)
    both_ways = method in ("ramp", "hypercon")
    motion: Stage
    if gpu is not None:
        motion = GpuMotionStage(gpu, times, flow=flow, scale=WORKING_SCALE, both_ways=both_ways)
    elif flow is None:
        search = InverseSearchFlow(scale=1.0) if options.flow == "inverse-search" else DisFlow(scale=1.0)
        estimator = MotionEstimator(search, scale=WORKING_SCALE, both_ways=both_ways)
        motion = MotionStage(estimator, times)
    else:
        estimator = MotionEstimator(flow, scale=1.0, sees_colour=True, both_ways=both_ways)
        motion = MotionStage(estimator, times)
    if method == "hypercon":
        steadiness = _hypercon(options, motion, region, times, interpolator, gpu)
        return replace(steadiness, notes=steadiness.notes + notes)
    steadier: Blend | Ramp | None = None
    words = "off"
    if method == "blend":
        steadier, words = Blend(options.strength, region, times), "blend {strength}"
    elif method == "ramp":
        steadier = Ramp(options.strength, options.late, region, times)
        words = f"ramp {{strength}}, {options.late} late"
        notes = (*_delay("ramp:", options.late), *notes)
    if not has_keys:
        assert steadier is not None
        meter = FlickerMeter(region, times, gpu)
        after = meter.entering, steadier, meter.leaving
        return Steadiness(words, (motion,), after, notes=notes, flicker=meter, steadier=steadier)
    carry, keys = Carry(region, times), ChooseKeys(options.keyframes)
    return Steadiness(
        f"{words}, key frames {options.keyframes}" if options.keyframes > 1 else words,
        (motion, keys),
        (carry, steadier) if steadier else (carry,),
        notes=notes,
        steadier=steadier,
        keys=keys,
    )


def _hypercon(
    options: SteadyOptions,
    motion: Stage,
    region: Callable[[Size], Region],
    times: StageTimes,
    interpolator: InterpolationModel | None,
    gpu: GpuRun | None,
) -> Steadiness:
    around = Neighbourhood(
        insert=options.insert,
        window=options.window,
        dilation=options.dilation,
        pool=options.pool,
        strength=options.strength,
    ).needed()
    inserted = f"{around.insert} inserted{f' by {interpolator.name}' if interpolator else ''}"
    how = f"weighted mean {options.strength:g}" if options.pool == "weighted" else options.pool
    meter = FlickerMeter(region, times, gpu)
    return Steadiness(
        f"hypercon, {inserted}, {how} of {2 * options.window + 1}",
        (motion, InsertFrames(around.insert, times, interpolator)),
        (meter.entering, HyperCon(around, region, times), meter.leaving),
        notes=_delay(f"hypercon: network calls per frame: {around.steps};", around.reach),
        flicker=meter,
    )


def _delay(what: str, frames: int) -> tuple[str, ...]:
    """A line that says by how many frames results are late; () if by none."""
    return (f"{what} delay: {frames} frame{'' if frames == 1 else 's'}",) if frames else ()


def without_effect(method: str, options: SteadyOptions) -> tuple[str, ...]:
    """A line that names the options that differ from their defaults and that the method does not use; () if there are none."""
    name = f"--steady {method}" if options.steady or method == "blend" else f"--steady {method}, the default here"
    unused: tuple[str, ...] = ()
    if method != "hypercon":
        unused = ("insert", "window", "dilation", "pool")
    elif options.pool != "weighted":
        unused, name = ("strength",), f"{name} --pool {options.pool}"
    if method == "off":
        unused += ("strength",) if options.keyframes > 1 else ("strength", "flow")
    if method != "ramp":
        unused += ("late",)
    defaults = SteadyOptions()
    given = [word for word in unused if getattr(options, word) != getattr(defaults, word)]
    flags = ", ".join(f"--{word} {getattr(options, word)}" for word in given)
    return (f"no effect with {name}: {flags}",) if given else ()


def in_order_models(models: Sequence[ModelFile]) -> list[str]:
    """The models that need every frame in order, each with the reason."""
    return [
        f"{model.path.name} {why}"
        for model in models
        for why, holds in (
            ("remembers the frames before", model.manifest.state and not model.manifest.shares_statistics),
            ("looks at several frames", model.manifest.frame.window),
        )
        if holds
    ]


def chosen_method(models: Sequence[ModelFile], options: SteadyOptions, *, may_carry: bool = False) -> str:
    """The method that the options name, or the models' default; refuses combinations that cannot work.

    may_carry  frames may be carried along the motion when there is no time to translate them, which needs blend or ramp
    """
    in_order_only = in_order_models(models)
    are_steady = all(model.manifest.is_steady for model in models) and not may_carry
    method = options.steady or ("off" if in_order_only or are_steady else "blend")
    if in_order_only and method == "hypercon":
        raise UsageError(
            f"--steady hypercon: {in_order_only[0]}, and must not be shown inserted ones; accepted: off, blend, ramp"
        )
    if in_order_only and options.keyframes > 1:
        raise UsageError(f"--keyframes {options.keyframes}: {in_order_only[0]}, and needs every one; accepted: 1")
    if method != "hypercon" and options.interpolator != "flow":
        raise UsageError(
            f"--interpolator {options.interpolator}: {method} inserts no frames; accepted: --steady hypercon"
        )
    if method == "hypercon" and options.keyframes > 1:
        raise UsageError(
            f"--keyframes {options.keyframes}: hypercon translates every frame; accepted: off, blend, ramp"
        )
    if method == "hypercon" and 2 * options.window + 1 > MAX_POOLED:
        raise UsageError(f"--window {options.window}; at most {(MAX_POOLED - 1) // 2}")
    return method
