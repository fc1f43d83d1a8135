"""The function that starts a live run."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rotoscope.assembly.chain import Named, as_chain, device_of_chain, model_keywords, opened_models, threads_of
from rotoscope.assembly.model import Model
from rotoscope.assembly.models import bundled_looks
from rotoscope.assembly.needs import check_needs_pictures_only
from rotoscope.assembly.pair_networks import flow_source, interpolator
from rotoscope.assembly.styles import styled
from rotoscope.base.errors import UsageError
from rotoscope.base.option_checks import check_count, check_known
from rotoscope.base.option_keywords import LiveKeywords
from rotoscope.base.options import (
    THREADS,
    EngineName,
    LiveOptions,
    ModelOptions,
    OutputOptions,
    SteadyOptions,
    options_from,
)
from rotoscope.base.shown_address import shown_address
from rotoscope.kernels.rows import Workers, usable_cores
from rotoscope.runtime.http.access import check_token
from rotoscope.runtime.live.open_live_sink import check_live_sink, open_live_sink
from rotoscope.runtime.live.open_live_source import open_live_source
from rotoscope.runtime.live.page.browser_camera import BrowserCamera
from rotoscope.runtime.pipeline.live_job import LiveJob, StagesRequest
from rotoscope.runtime.pipeline.live_run import PAGE, LiveRun
from rotoscope.runtime.pipeline.live_size import AUTO
from rotoscope.runtime.pipeline.stages import Stages

if TYPE_CHECKING:
    from rotoscope.base.live import LiveControl, LiveFormat, LiveSink, LiveSource

DEMO = "demo:"
OF_ONE_MODEL = ("style", "like", "settings", "hints")  # fields of ModelOptions that say nothing to another model
FOR_FILES = ("quality", "passes", "tag", "hdr", "alpha")  # fields of OutputOptions


def live(
    source: str | LiveSource = DEMO,
    *outputs: str | LiveSink,
    model: Named | Sequence[Named],
    engine: EngineName | None = None,
    threads: int | None = None,
    **options: Unpack[LiveKeywords],
) -> LiveRun:
    """Start to translate a stream that does not end, with a delay that does not grow; return the run, which goes on by itself.

    source   a camera (/dev/video0), a screen (screen:), an address (rtsp://, rtmp://, http://, udp://), "-" (y4m on standard
             input), "demo:" (the demo clip as a camera), "page:" (the camera of the browser that shows the page),
             "synthetic:640x360@30", or a LiveSource of your own
    outputs  addresses (rtmp://, rtsp://, udp://), files (.mkv, .mp4), a virtual camera (/dev/video9), "null:" or "page:",
             a web page, or a LiveSink of your own; by default the page
    model    a bundled look, an .onnx file, a checkpoint, a loaded Model, or several of them: a chain
    threads  cores that engine, kernels and codecs share; by default all
    The other keywords are the fields of ModelOptions, SteadyOptions, OutputOptions and LiveOptions in
    `rotoscope.base.options`; `working_size="auto"` takes the largest at which the machine keeps up.

        with rotoscope.live("rtsp://camera/stream", "out.mkv", model="starry") as run:
            run.wait_until_ready()            # opening a model can take minutes
            run.change({"strength": 0.5})
            report = run.wait(timeout_s=60)   # None if it still runs

    `run.stop()` ends it; `run.wait()` returns the report or raises the error that ended it. Raises UsageError at once for words
    and options that cannot work.
    """
    return start_live(source, outputs, model, engine=engine, threads=threads, options=options)


def start_live(
    source: str | LiveSource,
    outputs: Sequence[str | LiveSink],
    model: Named | Sequence[Named],
    *,
    engine: EngineName | None,
    threads: int | None,
    options: LiveKeywords,
    around_sink: Callable[[LiveSink], LiveSink] = lambda sink: sink,
) -> LiveRun:
    """Start a live run; `around_sink` may put something around each output."""
    check_known(options, ModelOptions, SteadyOptions, OutputOptions, LiveOptions)
    check_count("threads", threads, THREADS)
    chain = as_chain(model)
    given = model_keywords(options, engine)
    sinks = {output.name: output for output in outputs if not isinstance(output, str)}
    job = LiveJob(
        source=source if isinstance(source, str) else getattr(source, "name", type(source).__name__),
        outputs=tuple(output if isinstance(output, str) else output.name for output in outputs) or (PAGE,),
        working_size=given.get("working_size"),
        steady_options=options_from(SteadyOptions, options),
        output_options=options_from(OutputOptions, options),
        live_options=options_from(LiveOptions, options),
    )
    output_options = job.output_options
    _refuse_options_of_files(output_options)
    opened, camera = _opened(source, job)
    for word in job.outputs:
        if word != PAGE and word not in sinks:
            check_live_sink(
                word, overwrite=output_options.overwrite, codec=output_options.codec,
                encoder_options=output_options.encoder_options,
            )  # fmt: skip
    _refuse_the_same_output_twice(job.outputs)
    if PAGE in job.outputs:
        check_token(job.live_options.host, job.live_options.token)
    workers = Workers(threads or threads_of(chain) or usable_cores())
    models = LiveModels(chain, given, job.steady_options, workers)

    def open_sink(word: str, video: LiveFormat) -> LiveSink:
        sink = sinks.get(word) or open_live_sink(
            word, video, overwrite=output_options.overwrite, codec=output_options.codec,
            encoder_options=output_options.encoder_options, threads=workers.threads,
        )  # fmt: skip
        return around_sink(sink)

    run = LiveRun(
        job,
        source=opened,
        open_sink=open_sink,
        open_page=lambda control: _page(control, job.live_options, camera, around_sink),
        make_stages=models.stages,
        models=tuple(dict.fromkeys([*map(str, models.names), *bundled_looks()])),
        recorded=_recording_name,
    )
    run.start()
    return run


class LiveModels:
    """The models of a live run by the names that were given, opened once, and the stages made of them."""

    def __init__(self, chain: Sequence[Named], given: dict[str, Any], steady: SteadyOptions, workers: Workers) -> None:
        self.names = tuple(item.name if isinstance(item, Model) else str(item) for item in chain)
        self._chain, self._workers = chain, workers
        self._given = {name: value for name, value in given.items() if name != "working_size"}
        self._opened: dict[tuple[str, ...], list[Model]] = {}
        device = device_of_chain(chain, given)
        self._flow = flow_source(steady, workers.threads, device)
        self._interpolator = interpolator(steady, workers.threads, device)

    def stages(self, request: StagesRequest) -> Stages:
        """The stages of a request."""
        changed: dict[str, Any] = {"working_size": None if request.working_size == AUTO else request.working_size}
        if request.style is not None:
            changed |= {"style": request.style, "like": None}
        models = styled([model.with_options(changed) for model in self._of(request.models)])
        check_needs_pictures_only(models[0].file.manifest, "which a live source does not have")
        return Stages(
            models, request.steady, workers=self._workers, in_flight=1, flow=self._flow,
            interpolator=self._interpolator, gpu_slots=0, may_carry=True,
        )  # fmt: skip

    def _of(self, names: tuple[str, ...]) -> list[Model]:
        names = names or self.names
        if names not in self._opened:
            is_own = names == self.names
            given = {name: value for name, value in self._given.items() if is_own or name not in OF_ONE_MODEL}
            self._opened[names] = opened_models(list(self._chain if is_own else names), given)
        return self._opened[names]


def _opened(source: str | LiveSource, job: LiveJob) -> tuple[LiveSource, BrowserCamera | None]:
    """The source of a job; and once more if it is the camera of a browser, which the server of the page feeds."""
    if not isinstance(source, str):
        return source, None
    give_up_after_s = job.live_options.give_up_after
    if job.source != PAGE:
        transport = job.live_options.rtsp_transport
        opened = open_live_source(
            job.source,
            give_up_after_s=give_up_after_s,
            rtsp_transport=transport,
            tls_ca=job.live_options.tls_ca,
            demo_clip=_demo_clip,
            with_sound=job.output_options.audio != "none",
        )
        return opened, None
    if PAGE not in job.outputs:
        raise UsageError(f"source {PAGE}: a browser sends its camera to the page; give {PAGE} as an output too")
    camera = BrowserCamera(give_up_after_s=give_up_after_s)
    return camera, camera


def _refuse_the_same_output_twice(words: Sequence[str]) -> None:
    """Raise UsageError for an output that is named twice; a file may be spelled in two ways."""
    seen: set[str] = set()
    for word in words:
        place = word if "://" in word or word.endswith(":") else os.path.realpath(word)
        if place in seen:
            raise UsageError(f"an output is named twice: {shown_address(word)}")
        seen.add(place)


def _demo_clip() -> Path:
    from rotoscope.demo.cached_clip import cached_clip

    return cached_clip()


def _refuse_options_of_files(options: OutputOptions) -> None:
    """Raise UsageError for options of the output that a live run, whose pictures are 8-bit 4:2:0, does not have."""
    defaults = OutputOptions()
    for name in FOR_FILES:
        if getattr(options, name) != getattr(defaults, name):
            raise UsageError(f"--{name} {getattr(options, name)}: for files, not for live runs; translate takes it")


@contextmanager
def _page(
    control: LiveControl,
    options: LiveOptions,
    camera: BrowserCamera | None,
    around_sink: Callable[[LiveSink], LiveSink],
) -> Iterator[LiveSink]:
    """Serve the web page of a run within the block; yield its sink."""
    from rotoscope.runtime.live.page.page_sink import PageSink
    from rotoscope.runtime.live.page.server import PageServer

    sink = PageSink(place=control.place)
    tls = None if options.tls_cert is None or options.tls_key is None else (options.tls_cert, options.tls_key)
    with PageServer(
        control, sink, host=options.host, port=options.port, token=options.token, camera=camera, tls=tls
    ) as server:
        sink.name = f"page {server.url}"
        yield around_sink(sink)


def _recording_name() -> str:
    """A name for a recording that does not exist yet, in the current folder."""
    stem = time.strftime("rotoscope-%Y%m%d-%H%M%S")
    names = itertools.chain([f"{stem}.mkv"], (f"{stem}-{n}.mkv" for n in itertools.count(2)))
    return next(name for name in names if not Path(name).exists())
