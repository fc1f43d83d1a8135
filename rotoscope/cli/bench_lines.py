"""What `rotoscope bench` prints: tables of rounds and of chains."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rotoscope.api.bench import Bench
    from rotoscope.scenarios.against import FigureChange
    from rotoscope.scenarios.live_scenario import ChainResult
    from rotoscope.scenarios.readings import Latency
    from rotoscope.scenarios.rounds import Rounds

COLUMNS = (
    "p50", "p95", "p99", "max", "first s", "last s", "fps", "lost", "repeated", "disordered", "unreadable", "sound",
)  # fmt: skip
WIDTHS = (8, 8, 8, 8, 9, 9, 7, 6, 10, 12, 12, 8)


def chain_table(result: "Bench") -> list[str]:
    """What was measured of a live run, as lines of text; latencies are milliseconds."""
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


def round_table(result: "Bench") -> list[str]:
    """What was measured in rounds: the medians, with the spread of the frames per second; latencies are milliseconds."""
    first = result.measurements[0]
    machine = result.machine
    load = machine.get("load")
    lines = [
        f"{result.model}: {first.engine}; steady {first.steady}; {len(first.rounds)} rounds of {result.seconds:g} s",
        f"{machine['processor']}, {machine['cores']} cores" + (f"; load {load[0]:g}" if load else ""),
        f"{'':<32}"
        + "".join(f"{name:>8}" for name in ("fps", "spread", "p50", "p90", "p99", "max", "cores", "cpu ms")),
    ]
    for item in result.measurements:
        lines += _round_lines(item)
    return lines + [f"left out: {reason}" for reason in result.left_out]


def _round_lines(item: "Rounds") -> list[str]:
    spread = item.spread("fps")
    cells = [
        _number(item.middle("fps")), "-" if spread is None else f"{spread:.1%}",
        *(_number(item.middle(name)) for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")), _number(item.middle("cores")),
        _number(item.middle("cpu_ms")),
    ]  # fmt: skip
    lines = [f"{f'{item.what} {item.size}':<32}" + "".join(f"{cell:>8}" for cell in cells)]
    if item.network:
        lines.append(f"  {item.engine}; network {item.network}")
    if item.load_s is not None:
        firsts = [f"opened in {item.load_s:.2f} s"]
        firsts += [] if item.cold_ms is None else [f"first frame {item.cold_ms:.0f} ms"]
        firsts += [] if item.warm_ms is None else [f"of a later stream {item.warm_ms:.0f} ms"]
        firsts += (
            [f"memory {item.memory_mb:.0f} MB, peak {item.peak_memory_mb:.0f}"]
            if item.memory_mb and item.peak_memory_mb
            else []
        )
        firsts += [f"results leave {item.frames_late} frames late"] if item.frames_late else []
        lines.append(f"  {'; '.join(firsts)}")
    if item.rate is not None:
        sent = [round_.frames + round_.dropped for round_ in item.rounds]
        left_out = [(round_.dropped, round_.carried) for round_ in item.rounds]
        lines.append(
            f"  sustained at {item.rate:g} fps: {'yes' if item.is_sustained else 'no'}; of {sum(sent)} frames "
            f"{sum(dropped for dropped, _ in left_out)} dropped, {sum(carried for _, carried in left_out)} carried"
        )
    if item.highest_rate is not None:
        lines.append(f"  highest rate that was sustained: {item.highest_rate:g} fps")
    if item.stages:
        parts = [
            f"{name} {stage['p50_ms']:.1f}/{stage['p90_ms']:.1f}/{stage['p99_ms']:.1f}"
            for name, stage in item.stages.items()
        ]
        lines.append(f"  stages, p50/p90/p99: {', '.join(parts)}")
    return lines


def difference_lines(found: Sequence["FigureChange"], name: str) -> list[str]:
    """How figures differ from those of an earlier file; those within the spread are only counted."""
    if not found:
        return [f"{name} has no measurement of the same kind, size and steadying"]
    beyond = [item for item in found if item.is_beyond_spread]
    lines = [
        f"{item.what} {item.size}: {item.name} {item.then:g} -> {item.now:g} ({item.ratio - 1:+.1%}; spread {item.spread:.1%})"
        for item in beyond
    ]
    same = len(found) - len(beyond)
    return [f"against {name}: {same} of {len(found)} figures differ by less than their spread", *lines]
