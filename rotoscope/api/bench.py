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
from rotoscope.base.errors import UsageError
from rotoscope.base.options import EngineName, LiveKeywords, LiveOptions, ModelOptions, OutputOptions, SteadyOptions
from rotoscope.base.rates import exact_rate
from rotoscope.runtime.media.synthetic import parse_synthetic
from rotoscope.scenarios.live_chains import ChainName, Rig
from rotoscope.scenarios.live_scenario import ChainResult, measure_live
from rotoscope.scenarios.machine import machine

if TYPE_CHECKING:
    from rotoscope.assembly.chain import Named
    from rotoscope.base.live import LiveSink, LiveSource
    from rotoscope.runtime.pipeline.live_run import LiveRun

Scenario = Literal["live"]
SCHEMA = 1  # of the JSON file
TEST_NETWORK_MS = 5.0


@dataclass(frozen=True)
class Bench:
    """Result of `rotoscope.bench`: what was measured, and the figures.

    is_stamped  whether the number was drawn into each result after the last stage, because a network or a steadier repaints it;
                otherwise the number itself went through the network, which inverts it
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
    schema: int = SCHEMA


def bench(
    scenario: Scenario = "live",
    *,
    model: Named | Sequence[Named] | None = None,
    network_ms: float | None = None,
    size: str = "640x360",
    rate: float = 30,
    seconds: float = 10,
    sound: bool = True,
    chain: ChainName | Sequence[ChainName] = "memory",
    engine: EngineName | None = None,
    threads: int | None = None,
    on_second: Callable[[ChainName, float], None] = lambda _chain, _seconds: None,
    **options: Unpack[LiveKeywords],
) -> Bench:
    """Measure the delay of a live run: numbered frames are sent at a rate, and read again at the end of a chain.

    scenario    "live"
    model       what translates, as in `live`; None: a network that inverts, whose calls take network_ms
    network_ms  milliseconds of a call of that network, 5 by default
    size, rate  of the frames that are sent
    sound       send a click with the flash of each second
    seconds     of each measurement; before it, the chain is started and settles
    chain       one or several of "memory" (from a camera in memory to a reader in memory: the run alone), "udp" (MPEG-TS over
                UDP in and out), "rtmp" (in and out by nginx), "page" (the web page's MJPEG stream)
    on_second   called several times a second with the chain and the seconds done
    The other keywords are those of `live`. Without a model, `steady` is "off" unless it is given.
    Raises UsageError for values that cannot work, and if nginx is needed and missing.
    """
    if scenario not in get_args(Scenario):
        raise UsageError(f"scenario {scenario!r}; accepted: {', '.join(get_args(Scenario))}")
    chains = [chain] if isinstance(chain, str) else list(chain)
    unknown = [name for name in chains if name not in get_args(ChainName)]
    if unknown or not chains:
        raise UsageError(f"chain {unknown[0] if unknown else ''!r}; accepted: {', '.join(get_args(ChainName))}")
    if not seconds > 0:
        raise UsageError(f"seconds {seconds}; accepted: a number above 0")
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
            name = " + ".join(
                map(str, [model] if isinstance(model, str | Path) or not isinstance(model, Sequence) else model)
            )
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
        scenario=scenario, model=name, size=size, rate=exact, seconds=seconds, is_stamped=is_stamped,
        sound=sound, options=given,
        machine=before, chains=results,
    )  # fmt: skip


def _changed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults."""
    kinds = (ModelOptions, SteadyOptions, OutputOptions, LiveOptions)
    defaults = {item.name: item.default for kind in kinds for item in fields(kind)}
    return {name: value for name, value in options.items() if name not in defaults or value != defaults[name]}


def _stamped(sink: LiveSink) -> LiveSink:
    from rotoscope.scenarios.rig_sinks import StampedSink

    return cast("LiveSink", StampedSink(sink))
