"""The scenarios of `rotoscope.bench` that measure rounds: from names and keywords to stages, runs and clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rotoscope.api import translation
from rotoscope.api.live import start_live
from rotoscope.assembly.chain import as_chain, device_of_chain, model_keywords, open_chain, threads_of
from rotoscope.assembly.pair_networks import flow_source, interpolator
from rotoscope.base.errors import UsageError
from rotoscope.base.option_checks import check_known
from rotoscope.base.options import LiveOptions, ModelOptions, OutputOptions, SteadyOptions, options_from
from rotoscope.demo.cached_clip import cached_clip
from rotoscope.kernels.rows import Workers, usable_cores
from rotoscope.runtime.pipeline.stages import Stages
from rotoscope.scenarios.by_hand import single_by_hand
from rotoscope.scenarios.clip_frames import ClipFrames, clip_frames
from rotoscope.scenarios.closed_loop import measure_single
from rotoscope.scenarios.offline import measure_offline
from rotoscope.scenarios.peers import open_peers
from rotoscope.scenarios.plain_network import PlainNetwork, plain_network
from rotoscope.scenarios.stream import find_rate as highest_rate
from rotoscope.scenarios.stream import measure_stream

if TYPE_CHECKING:
    from rotoscope.assembly.chain import Named
    from rotoscope.base.live import LiveSink, LiveSource
    from rotoscope.base.option_keywords import LiveKeywords
    from rotoscope.base.options import EngineName
    from rotoscope.base.sizes import Size
    from rotoscope.runtime.pipeline.job import Run
    from rotoscope.runtime.pipeline.live_run import LiveRun
    from rotoscope.scenarios.rounds import Rounds

HIGHEST_RATE = Fraction(480)  # frames per second that `find_rate` tries


def measure_rounds(
    scenario: str,
    model: Named | Sequence[Named],
    sizes: Sequence[Size],
    *,
    rate: Fraction,
    seconds: float,
    num_rounds: int,
    clip: str | Path | None,
    find_rate: bool,
    peer: bool,
    engine: EngineName | None,
    threads: int | None,
    options: LiveKeywords,
    on_second: Callable[[str, float], None],
) -> tuple[list[Rounds], list[str]]:
    """Measure a model at each size, and say which peers were left out and why; see `rotoscope.bench`."""
    kinds = (ModelOptions, SteadyOptions, *((OutputOptions, LiveOptions) if scenario == "stream" else ()))
    check_known(_not_default(options, kinds), *kinds)
    bench = _Bench(model, engine, threads, options)
    networks = {size: bench.plain_network(size) for size in sizes} if peer else {}
    path = cached_clip() if clip is None else Path(clip)
    measured: list[Rounds] = []
    left_out: dict[str, None] = {}  # in order, each once
    for size in sizes:
        frames = clip_frames(path, size)
        shown = f"{scenario} {size[0]}x{size[1]}"

        def on_round(number: int, shown: str = shown) -> None:
            on_second(shown, (number + 1) * seconds)

        if scenario == "single":
            measured.append(measure_single(partial(bench.stages, 1), frames, seconds, num_rounds, on_round))
            if peer:
                measured.append(single_by_hand(networks[size], bench.threads, frames, seconds, num_rounds))
        elif scenario == "offline":
            with ExitStack() as stack:
                peers, reasons = open_peers(networks[size], bench.threads, stack) if peer else ([], [])
                made, failed = measure_offline(
                    partial(bench.stages, None), bench.translate, frames, seconds, num_rounds, on_round, peers
                )
                measured += made
                left_out |= dict.fromkeys([*reasons, *failed])
        else:
            late = bench.look_ahead()

            def at_rate(tried: Fraction, frames: ClipFrames = frames, late: int = late) -> Rounds:
                return measure_stream(bench.live, frames, tried, seconds, num_rounds, on_round, frames_late=late)

            measured.append(highest_rate(at_rate, rate, HIGHEST_RATE) if find_rate else at_rate(rate))
    return measured, list(left_out)


class _Bench:
    """Makes what the scenarios measure out of the model and the options that were given."""

    def __init__(
        self, model: Named | Sequence[Named], engine: EngineName | None, threads: int | None, options: LiveKeywords
    ) -> None:
        self._chain = as_chain(model)
        self._engine, self._options = engine, options
        self._given = model_keywords(options, engine)
        self._steady = options_from(SteadyOptions, options)
        self.threads = threads or threads_of(self._chain) or usable_cores()

    def stages(self, in_flight: int | None) -> Stages:
        """Open the models and start their engines."""
        models = open_chain(self._chain, self._given)
        device = device_of_chain(self._chain, self._given)
        return Stages(
            models, self._steady, workers=Workers(self.threads), in_flight=in_flight,
            flow=flow_source(self._steady, self.threads, device),
            interpolator=interpolator(self._steady, self.threads, device), gpu_slots=0,
        )  # fmt: skip

    def look_ahead(self) -> int:
        """Frames that must come after a frame before its result can leave."""
        stages = self.stages(1)
        stages.close()
        stages.workers.close()
        return stages.look_ahead

    def translate(self, source: Path, target: Path) -> Run:
        """Translate a file."""
        given = {name: value for name, value in self._options.items() if name in _NAMES}
        return translation.translate(
            source, target, model=self._chain, engine=self._engine, threads=self.threads,
            **cast(Any, {**given, "overwrite": True}),
        )  # fmt: skip

    def live(self, source: LiveSource, sink: LiveSink) -> LiveRun:
        """Start a live run without a page."""
        return start_live(
            source, (sink,), self._chain, engine=self._engine, threads=self.threads, options=self._options
        )

    def plain_network(self, size: Size) -> PlainNetwork:
        """The network for other programs; raises UsageError for a chain, and for options that they do not have."""
        models = open_chain(self._chain, self._given)
        if len(models) != 1:
            raise UsageError("--peer: the peers run one model, not a chain")
        (model,) = models
        for name, is_given in (
            ("--working-size", model.options.working_size is not None),
            ("--tile", model.options.tile is not None),
            ("--keep-colour", model.options.keep_colour),
        ):
            if is_given:
                raise UsageError(f"--peer: the peers have no {name}; accepted: the same command without it")
        return plain_network(model.file, model.options.style, size)


_NAMES = {*ModelOptions.__annotations__, *SteadyOptions.__annotations__}


def _not_default(options: LiveKeywords, kinds: tuple[type, ...]) -> dict[str, Any]:
    """The options that belong to these kinds, and those of others that are not at their default."""
    defaults: dict[str, Any] = {}
    for kind in (OutputOptions, LiveOptions):
        defaults |= {name: getattr(kind(), name) for name in kind.__annotations__}
    known = {name for kind in kinds for name in kind.__annotations__}
    return {
        name: value
        for name, value in options.items()
        if name in known or name not in defaults or value != defaults[name]
    }
