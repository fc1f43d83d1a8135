"""rotoscope live: translate a camera, a stream or a screen while it happens."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.text import printable
from rotoscope.cli.options import (
    LIVE,
    MODEL,
    OUTPUT,
    STEADY,
    LiveArguments,
    ModelArguments,
    OutputArguments,
    SteadyArguments,
    as_keywords,
    chosen_models,
)
from rotoscope.cli.progress import Style
from rotoscope.cli.supervisor import Supervisor
from rotoscope.cli.usage_errors import no_such_option
from rotoscope.cli.version import versions

if TYPE_CHECKING:
    from rotoscope.base.live import LiveStatus
    from rotoscope.runtime.pipeline.live_job import LiveReport
    from rotoscope.runtime.pipeline.live_run import LiveRun

SHOWN_EVERY_S = 1.0
STOP_S = 10.0  # time that a stopped run has to finish its files

log = logging.getLogger("rotoscope")


def live(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    source: Annotated[str, Parameter(allow_leading_hyphen=True)] = "demo:",
    /,
    *outputs: Annotated[str, Parameter(allow_leading_hyphen=True)],
    model: Annotated[list[str] | None, Parameter(name=("-m", "--model"), negative=(), show_default=False)] = None,
    model_options: ModelArguments = MODEL,
    steady_options: SteadyArguments = STEADY,
    output_options: OutputArguments = OUTPUT,
    live_options: LiveArguments = LIVE,
    threads: int | None = None,
    progress: Style = "auto",
    report: Path | None = None,
) -> int:
    """Translate a camera, a network stream or a screen while it happens, until it is stopped with Ctrl-C.

    Parameters
    ----------
    source
        /dev/video0, screen:, an address (rtsp://, rtmp://, http://, udp://), - (y4m on standard input), synthetic:640x360@30,
        page:, the camera of the browser that shows the page, or demo:, the demo clip as a camera.
    outputs
        Addresses (rtmp://, rtsp://, udp://), files (.mkv, .mp4), /dev/video9 (a virtual camera), null:, or page:, a web
        page, which is the default.
    model
        A bundled look, an .onnx file or a checkpoint; several make a chain. Needed unless --like names a painting.
    threads
        Cores shared by engine, kernels and codecs; by default all.
    progress
        Status on standard error: one line on a terminal (auto), bar (the line), json (a line each second), none.
    report
        Write what ran, its counts and latencies into this JSON file.

    """
    import rotoscope
    from rotoscope.base.files import check_target
    from rotoscope.runtime.pipeline.stopping import stop_on_signals

    for word in (source, *outputs):
        if word.startswith("-") and word != "-":
            names = as_keywords(MODEL, STEADY, OUTPUT, LIVE)
            flags = [
                f"--{name.replace('_', '-')}" for name in names if name not in ("hints", "encoder_options", "host")
            ]
            others = ("--model", "--threads", "--progress", "--report", "--listen", "--hint", "-e", "-m")
            raise UsageError(no_such_option(word, [*flags, *others], "live"))
    if report is not None:
        check_target(report, source=None, overwrite=output_options.overwrite)
    options = as_keywords(model_options, steady_options, output_options, live_options)
    models = chosen_models("live", model, model_options.like)
    run = rotoscope.live(source, *outputs, model=models, threads=threads, **options)
    with stop_on_signals(run.stop) as stop, _shown(progress) as show:
        finished = _watched(run, show, stop.is_made)
    if finished is None:
        log.warning("the run was stopped before its first picture")
        return 0
    print_summary(finished)
    if report is not None:
        write_live_report(finished, options, report)
    return 0


def _watched(
    run: "LiveRun", show: Callable[["LiveStatus"], None], is_stopped: Callable[[], bool]
) -> "LiveReport | None":
    """Show the state until the run ends; None if it does not end within STOP_S after a stop."""
    stopped_s: float | None = None
    supervisor = Supervisor()
    while (finished := run.wait(SHOWN_EVERY_S if stopped_s is None else 0.2)) is None:
        if is_stopped():
            stopped_s = stopped_s or time.monotonic()
            if time.monotonic() - stopped_s > STOP_S or not run.status().is_ready:
                return run.wait(STOP_S if run.status().is_ready else 1.0)
        else:
            status = run.status()
            show(status)
            supervisor.note(status)
    supervisor.stopping()
    return finished


@contextmanager
def _shown(style: Style) -> Iterator[Callable[["LiveStatus"], None]]:
    """Show the state: yields a function that is called each second."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if style == "json":
        yield lambda status: print(json.dumps(asdict(status)), file=sys.stderr, flush=True)
    elif style == "bar" or (style == "auto" and is_terminal):
        yield _StatusLine()
        print(file=sys.stderr)
    elif style == "auto":
        yield _StateChanges()
    else:
        yield lambda _status: None


class _StateChanges:
    """Prints where the result can be seen, and every new state of the source: for a log file."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._state = ""

    def __call__(self, status: "LiveStatus") -> None:
        """Print what is new."""
        for name in (output.name for output in status.outputs):
            if name not in self._names:
                self._names.add(name)
                print(printable(f"output: {name}"), file=sys.stderr, flush=True)
        if status.source_state != self._state:
            self._state = status.source_state
            print(printable(f"source: {status.source}, {self._state}"), file=sys.stderr, flush=True)


class _StatusLine(_StateChanges):
    """Prints the outputs once, and one line that is written again each second."""

    def __call__(self, status: "LiveStatus") -> None:
        """Print the line over the one before."""
        for name in (output.name for output in status.outputs):
            if name not in self._names:
                self._names.add(name)
                print(f"\r\033[K{printable(f'output: {name}')}", file=sys.stderr)
        print(f"\r\033[K{printable(status_line(status))}", end="", file=sys.stderr, flush=True)


def status_line(status: "LiveStatus") -> str:
    """Rates, delays and losses of the last seconds on one line."""
    if not status.is_ready:
        return f"{status.source}: {status.source_state}" if status.engine or status.frames_in else "opening the models"
    latency = "-" if status.latency_p50_ms is None else f"{status.latency_p50_ms:.0f} ms"
    p99 = "" if status.latency_p99_ms is None else f" (p99 {status.latency_p99_ms:.0f})"
    parts = [
        f"in {status.in_fps:.1f} fps, out {status.out_fps:.1f}",
        f"late {status.late_share:.0%}",
        f"dropped {status.dropped}",
        f"{latency}{p99}",
        f"reconnects {sum(status.reconnects.values())}",
    ]
    if status.keyframes > 1:
        parts.append(f"key frames {status.keyframes}")
    if status.losses:
        parts.append(f"lost {sum(status.losses.values())}")
    return f"{', '.join(parts)}; {'paused' if status.is_paused else status.source_state}"


def print_summary(report: "LiveReport") -> None:
    """Print on standard error how the run went; the counts add up."""
    carried = f" ({report.carried} carried)" if report.carried else ""
    lost = sum(report.losses.values())
    rows = [
        f"{report.frames_in} frames in = {report.frames_out} out{carried} + {report.dropped} dropped + {lost} lost; "
        f"{report.seconds:.1f} s",
    ]
    if report.engine:
        size = f"; working size {report.working_size}" if report.working_size else ""
        rows.append(f"{report.engine}; steady {report.steady}{size}")
    if report.latency:
        rows.append(
            "latency " + ", ".join(f"{name[:-3]} {report.latency[f'{name[:-3]}_ms']:.0f} ms" for name in LATENCIES)
        )
    rows += [f"reconnects: {count} ({reason})" for reason, count in report.reconnects.items()]
    for name, output in report.outputs.items():
        details = [f"{output['frames']} frames"]
        details += [f"{output[key]} {key}" for key in ("dropped", "reconnects") if output[key]]
        details += [f"lost: {cause} {count}" for cause, count in output["losses"].items()]
        rows.append(f"output {name} {', '.join(details)}{'; ' + output['error'] if output['error'] else ''}")
    rows += [f"lost: {count} {cause}" for cause, count in report.losses.items()]
    rows += [f"note: {note}" for note in report.notes]
    for row in rows:
        print(printable(row), file=sys.stderr)


LATENCIES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")


def write_live_report(report: "LiveReport", options: dict[str, Any], path: Path) -> None:
    """Write the report, the options and the versions as JSON; the token of the page is left out."""
    from rotoscope.base.files import part_file

    content = {
        **asdict(report),
        "options": {name: value for name, value in options.items() if name != "token"},
        "versions": versions(),
    }
    with part_file(path, overwrite=bool(options["overwrite"])) as part:
        part.write_text(json.dumps(content, indent=1, default=str) + "\n")
