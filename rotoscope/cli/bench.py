"""rotoscope bench: measure how late whole frames come, and print a table."""

import json as json_module
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from rotoscope.base.options import Policy
from rotoscope.base.text import printable
from rotoscope.cli.options import MODEL, STEADY, ModelArguments, SteadyArguments, as_keywords
from rotoscope.cli.version import versions

if TYPE_CHECKING:
    from rotoscope.api.bench import Bench
    from rotoscope.scenarios.live_scenario import ChainResult
    from rotoscope.scenarios.readings import Latency

COLUMNS = (
    "p50", "p95", "p99", "max", "first s", "last s", "fps", "lost", "repeated", "disordered", "unreadable", "sound",
)  # fmt: skip
WIDTHS = (8, 8, 8, 8, 9, 9, 7, 6, 10, 12, 12, 8)


def bench(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    *,
    scenario: str = "live",
    model: Annotated[list[str] | None, Parameter(name=("-m", "--model"), negative=(), show_default=False)] = None,
    network_ms: float | None = None,
    size: str = "640x360",
    rate: float = 30,
    sound: bool = True,
    seconds: float = 10,
    chain: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    policy: Policy = "newest",
    most_carried: int = 4,
    model_options: ModelArguments = MODEL,
    steady_options: SteadyArguments = STEADY,
    threads: int | None = None,
    json: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Measure how late the frames of a live run come: numbered frames are sent at a rate and read again at the far end.

    Each chain has a reference beside it at the same time: the same way without the run.

    Parameters
    ----------
    scenario
        live: numbered frames through a live run.
    model
        A bundled look, an .onnx file or a checkpoint; several make a chain. By default a network that inverts.
    network_ms
        Milliseconds that each call of the inverting network takes; by default 5.
    size
        Size of the frames that are sent, such as 640x360.
    rate
        Frames sent per second.
    sound
        Send a click once a second, and measure its offset to a flash.
    seconds
        Length of each measurement, after the run is ready.
    chain
        What the frames go through (repeat it): memory, which is the run alone and the default; udp, MPEG-TS in and out; rtmp,
        in and out by an nginx that is started for it; page, out by the web page's MJPEG stream.
    policy
        When the machine is too slow: newest drops older frames, every makes the source wait.
    most_carried
        When the machine is too slow, translate at least one frame in n and move its result for the others. Only with blend or ramp.
    threads
        Cores shared by engine, kernels and codecs; by default all.
    json
        Write all figures, the machine and the versions into this JSON file.
    overwrite
        Replace the JSON file if it exists.

    """
    import rotoscope
    from rotoscope.base.files import check_target

    if json is not None:
        check_target(json, source=None, overwrite=overwrite)
    options: dict[str, Any] = as_keywords(model_options, steady_options)
    result = rotoscope.bench(
        cast(Any, scenario),  # the function refuses what it does not know
        model=model, network_ms=network_ms, size=size, rate=rate, sound=sound, seconds=seconds,
        chain=cast(Any, chain or "memory"),
        threads=threads, policy=policy, most_carried=most_carried, on_second=_shown(), **options,
    )  # fmt: skip
    for line in lines(result):
        print(printable(line))
    if json is not None:
        write_json(result, json, overwrite=overwrite)
    return 0


def _shown() -> Any:
    """Show on a terminal which chain is measured and for how long."""
    if sys.stderr is None or not sys.stderr.isatty():
        return lambda _chain, _seconds: None
    return lambda chain, seconds: print(f"\r\033[K{chain}: {seconds:.0f} s\r", end="", file=sys.stderr, flush=True)


def lines(result: "Bench") -> list[str]:
    """What was measured, as lines of text; latencies are milliseconds."""
    first = result.chains[0].run
    sound = "with" if result.sound else "without"
    machine = result.machine
    load = ", ".join(f"{chain.load[0]:g} to {chain.load[1]:g}" for chain in result.chains)
    return [
        f"{result.model}: {result.size} at {float(result.rate):g} fps, {sound} sound, {result.seconds:g} s; "
        f"{first.engine}; steady {first.steady}"
        + (f"; working size {first.working_size}" if first.working_size else ""),
        f"{machine['processor']}, {machine['cores']} cores; load {load}",
        f"{'milliseconds':<14}" + "".join(f"{name:>{width}}" for name, width in zip(COLUMNS, WIDTHS, strict=True)),
        *(line for chain in result.chains for line in _chain_lines(chain)),
    ]


def _chain_lines(chain: "ChainResult") -> list[str]:
    run, network = chain.run, chain.network_ms
    lost = sum(run.losses.values())
    begin, end, peak = chain.memory_mb
    above = (
        ""
        if chain.above_network_ms is None
        else f"p50 {chain.above_network_ms:.1f} ms above the network's {network:.1f}; "
    )
    return [
        _row(chain.chain, chain.latency),
        _row("  without run", chain.reference),
        f"  {above}drift {_number(chain.latency.drift_ms)} ms, without run {_number(chain.reference.drift_ms)}; "
        f"frames behind {_number(chain.latency.first_second_behind)} to {_number(chain.latency.last_second_behind)}",
        f"  {run.frames_in} in = {run.frames_out} out + {run.dropped} dropped + {lost} lost"
        + ("" if chain.adds_up else " (does not add up)")
        + f"; {run.carried} carried; at most {chain.most_in_work} in work"
        + (f"; memory {begin:.0f} to {end:.0f} MB, peak {peak:.0f}" if begin and end and peak else ""),
    ]


def _row(name: str, latency: "Latency") -> str:
    times = (
        latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms, latency.first_second_p50_ms,
        latency.last_second_p50_ms, latency.fps,
    )  # fmt: skip
    counts = (latency.lost, latency.repeated, latency.out_of_order, latency.unreadable)
    cells = [*map(_number, times), *map(str, counts), _number(latency.sound_offset_ms)]
    return f"{name:<14}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def write_json(result: "Bench", path: Path, *, overwrite: bool) -> None:
    """Write all figures, the machine, the options and the versions."""
    from rotoscope.base.files import part_file

    content = asdict(result)
    for chain, measured in zip(content["chains"], result.chains, strict=True):
        chain |= {"adds_up": measured.adds_up, "above_network_ms": measured.above_network_ms}
    content |= {"rate": float(result.rate), "versions": versions()}
    with part_file(path, overwrite=overwrite) as part:
        part.write_text(json_module.dumps(content, indent=1, default=str) + "\n")
