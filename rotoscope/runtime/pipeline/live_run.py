"""A live run: from a source that does not end to any number of outputs, with a delay that does not grow."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from itertools import chain

from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.base.frame import Colour, Frame, VideoInfo
from rotoscope.base.live import Changes, LiveControl, LiveFormat, LiveSink, LiveSource, LiveStatus, Place
from rotoscope.base.prefetch import prefetch
from rotoscope.base.sizes import Size, parse_size
from rotoscope.base.stage import run_stage
from rotoscope.base.text import one_line
from rotoscope.runtime.pipeline.finish import Finish
from rotoscope.runtime.pipeline.keep_pace import frames_per_key
from rotoscope.runtime.pipeline.live_counters import LiveCounters
from rotoscope.runtime.pipeline.live_job import LiveJob, LiveReport, StagesRequest, report_of
from rotoscope.runtime.pipeline.live_line import LiveLine
from rotoscope.runtime.pipeline.live_outputs import LiveOutputs
from rotoscope.runtime.pipeline.live_size import AUTO, choose_working_size, even, load_kernels, warmed_up
from rotoscope.runtime.pipeline.live_status import DEFAULT_RATE, frame_s_of, status_of
from rotoscope.runtime.pipeline.stages import Stages

log = logging.getLogger(__name__)

PAGE = "page:"  # the output that is a web page
PACE_S = 0.5  # time between two decisions on key frames
TAGS = {"601": (6, 6), "709": (1, 1)}  # primaries and transfer (ITU-T H.273) of pictures that carry none


class LiveRun:
    """A live run on a thread of its own; made by `rotoscope.live`, which starts it. A `LiveControl`.

    source       connects when it is iterated; closed at the end
    open_sink    makes a sink for an output's word
    open_page    serves the web page within a block, and gives its sink; for the word "page:"
    make_stages  makes stages; opening a model can take minutes
    models       names that `change(model=...)` accepts without a path
    recorded     makes the name of a new recording
    """

    def __init__(
        self,
        job: LiveJob,
        *,
        source: LiveSource,
        open_sink: Callable[[str, LiveFormat], LiveSink],
        open_page: Callable[[LiveControl], AbstractContextManager[LiveSink]],
        make_stages: Callable[[StagesRequest], Stages],
        models: Sequence[str] = (),
        recorded: Callable[[], str],
    ) -> None:
        self._job, self._models = job, tuple(models)
        self._source, self._open_sink, self._open_page = source, open_sink, open_page
        self._make_stages, self._recorded = make_stages, recorded
        self._request = StagesRequest(job.working_size, job.steady_options)
        self._counters = LiveCounters()
        self._lock = threading.RLock()  # held while a change is noted
        self._wanted = self._request  # that of the newest change; until its models are open, `_request` differs
        self._stopping, self._ended, self._ready_or_ended = threading.Event(), threading.Event(), threading.Event()
        self._line: LiveLine | None = None
        self._format: LiveFormat | None = None
        self._outputs = LiveOutputs()
        self._paced_s = 0.0
        self._messages: deque[str] = deque(maxlen=3)
        self._error: BaseException | None = None
        self._report: LiveReport | None = None
        self._thread = threading.Thread(target=self._run, name="rotoscope-live", daemon=True)

    def __enter__(self) -> LiveRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._ended.wait()

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the run, from any thread or signal handler; frames in work are finished."""
        self._stopping.set()
        self._source.interrupt()

    def wait(self, timeout_s: float | None = None) -> LiveReport | None:
        """Wait for the end and return the report; None if it has not come in time. Raises the error that ended the run."""
        if not self._ended.wait(timeout_s):
            return None
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report

    def wait_until_ready(self, timeout_s: float | None = None) -> bool:
        """Wait until the first results come and changes are accepted, or the run has ended; whether it is ready."""
        self._ready_or_ended.wait(timeout_s)
        return self._counters.is_ready and not self._ended.is_set()

    def status(self) -> LiveStatus:
        """The state now."""
        return status_of(
            self._job, self._request, source=self._source, counters=self._counters, outputs=self._outputs, line=self._line,
            models=self._models, messages=self._messages, has_ended=self._ended.is_set(),
        )  # fmt: skip

    def change(self, changes: Changes) -> None:
        """Change something between two frames; a new model or style is opened beside the running one, and then exchanged."""
        line = self._line
        if self._ended.is_set():
            raise UsageError("nothing can be changed: the run has ended")
        if line is None:
            raise UsageError("nothing can be changed before the models are open")
        unknown = sorted(set(changes) - set(Changes.__annotations__))
        if unknown:
            raise UsageError(f"unknown change {unknown[0]}; accepted: {', '.join(Changes.__annotations__)}")
        if "strength" in changes:
            self._set_strength(line, changes["strength"])
        if "mix" in changes:
            line.finish.mix = replace(self._job.output_options, mix=changes["mix"]).mix
        if "is_paused" in changes:
            line.is_paused = bool(changes["is_paused"])
        if "model" in changes or "style" in changes:
            with self._lock:
                models = (str(changes["model"]),) if "model" in changes else self._wanted.models
                self._wanted = request = replace(self._request, models=models, style=changes.get("style"))
            threading.Thread(target=self._exchange, args=(line, request), name="rotoscope-open", daemon=True).start()

    def place(self, source: Size) -> Place:
        """The rectangle of a result that shows a source of this (width, height); there must be a result."""
        assert self._line is not None
        return self._line.finish.place(source)

    def record(self) -> str:
        """Begin to record the result into a new file; return its name."""
        video = self._format
        if video is None:
            raise UsageError("nothing can be recorded before the first picture")
        return self._outputs.record(lambda name: self._open_sink(name, video), self._recorded)

    def stop_recording(self) -> None:
        """Finish the recording."""
        self._outputs.stop_recording()

    def _run(self) -> None:
        begin = time.perf_counter()
        try:
            with ExitStack() as stack:
                self._translate(stack)
            models = () if self._line is None else tuple(file.name for file in self._line.stages.models)
            seconds, latency = time.perf_counter() - begin, self._counters.latency_summary()
            self._report = report_of(self.status(), models=models, seconds=seconds, latency=latency)
        except BaseException as error:  # `wait` raises it
            self._error = error
        finally:
            self._ended.set()
            self._ready_or_ended.set()

    def _translate(self, stack: ExitStack) -> None:
        waits = self._job.live_options.policy == "every"
        source = self._source
        stack.callback(source.close)
        page = stack.enter_context(self._open_page(self)) if PAGE in self._job.outputs else None
        stack.callback(self._outputs.end)
        if page is not None:  # it shows how the rest comes up
            self._outputs.add(page, waits=False)
        stages = self._make_stages(self._with_plain_size(self._request))
        load_kernels(stages)
        stack.callback(lambda: None if self._line is None else self._line.close())
        frames = stack.enter_context(
            closing(
                prefetch(
                    self._counted(source),
                    1,
                    when_full="wait" if waits else "drop oldest",
                    interrupt=source.interrupt,
                    on_drop=self._counters.drop,
                )
            )
        )
        first = next(frames, None)
        if first is None:
            stages.close()
            return
        stages, finish = self._begin(stages, first)
        self._end_in_time(stack)
        assert self._format is not None
        for word in self._job.outputs:
            if word == PAGE:
                continue
            sink = self._open_sink(word, self._format)
            self._outputs.add(sink, waits=waits or sink.keeps_every_frame)
        self._line = LiveLine(stages, finish)
        if not waits:
            self._counters.drop(first)  # the stages were made and warmed up with it: it is old by now
        stages.times.clear()
        self._counters.is_ready = True
        self._ready_or_ended.set()
        with closing(run_stage(self._line, frames if not waits else chain([first], frames))) as results:
            self._hand_over(results)

    def _begin(self, stages: Stages, first: Frame) -> tuple[Stages, Finish]:
        """Choose the sizes and warm up; return the stages to run, and the last one."""
        info = self._source.info
        if self._request.working_size == AUTO:
            chosen = choose_working_size(
                lambda size: self._make_stages(replace(self._request, working_size=size)),
                lambda made: self._finish(made, info, first),
                first,
                frame_s_of(info),
                is_stopped=self._stopping.is_set,
            )
            self._request = replace(self._request, working_size=chosen)
            stages.close()
            stages = self._make_stages(self._request)
        finish = self._finish(stages, info, first)
        warmed_up(stages, finish, first)
        self._format = LiveFormat(
            *finish.written_size, info.average_rate or DEFAULT_RATE, finish.colour,
            has_sound=any(stream.kind == "audio" for stream in info.streams),
        )  # fmt: skip
        return stages, finish

    def _end_in_time(self, stack: ExitStack) -> None:
        """Start the clock of --duration."""
        duration = self._job.live_options.duration
        if duration is not None:
            timer = threading.Timer(duration, self.stop)
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)

    def _hand_over(self, results: Iterable[Frame]) -> None:
        begin: Fraction | None = None
        for frame in results:
            begin = frame.seconds if begin is None else begin
            sounds = self._source.take_sound()
            self._outputs.put_sound(sounds, since=begin)
            self._counters.heard(sounds)
            self._counters.finished(frame)
            self._outputs.put(frame)
            self._keep_pace()

    def _keep_pace(self) -> None:
        """Translate fewer frames and carry more where the machine is too slow, and the other way round."""
        now, line = time.monotonic(), self._line
        assert line is not None
        keys = line.stages.steadiness.keys
        if keys is None or now - self._paced_s < PACE_S or line.translated_s is None:
            return
        if self._job.live_options.policy == "every":  # the source waits
            return
        self._paced_s = now
        least, most = self._request.steady.keyframes, self._job.live_options.most_carried
        frame_s = frame_s_of(self._source.info)
        keys.every = max(least, frames_per_key(line.translated_s, line.carried_s, frame_s, max(least, most)))

    def _exchange(self, line: LiveLine, request: StagesRequest) -> None:
        """Open other models, warm them up, and put them in the place of the running ones, unless a newer change came."""
        stages: Stages | None = None
        try:
            stages = self._make_stages(request)
            last = line.last_source
            if last is not None:
                warmed_up(stages, self._finish(stages, self._source.info, last), last)
        except Exception as error:  # the run goes on, whatever a file makes of an engine
            is_known = isinstance(error, RotoscopeError)
            message = (
                str(error)
                if is_known
                else f"{'+'.join(request.models)}: {one_line(str(error)) or type(error).__name__}"
            )
            self._messages.append(message)
            log.log(logging.WARNING if is_known else logging.ERROR, "%s", message, exc_info=not is_known)
            with self._lock:
                if self._wanted is request:
                    self._wanted = self._request
            if stages is not None:
                stages.close()
            return
        with self._lock:
            if self._wanted is not request:
                stages.close()
                return
            steady = self._request.steady  # its strength may have been changed meanwhile
            self._request = self._wanted = replace(request, steady=steady)
            if stages.steadiness.steadier is not None:
                stages.steadiness.steadier.strength = steady.strength
            line.exchange(stages)

    def _finish(self, stages: Stages, info: VideoInfo, frame: Frame) -> Finish:
        """The last stage; its size stays that of the first one."""
        options = self._job.output_options
        size = self._line.finish.size if self._line is not None else stages.natural_size(frame.source.size)
        if options.output_size and self._line is None:
            size = parse_size(options.output_size, stages.region(frame.source.size)[2:])
        return Finish(
            size=even(size), region=stages.region, pixel_format="yuv420p", colour=_colour(info), depth=8,
            mix=options.mix, compare=options.compare, times=stages.times, device=stages.device, keeps_aspect=True,
        )  # fmt: skip

    def _set_strength(self, line: LiveLine, value: float) -> None:
        steady = replace(self._request.steady, strength=value)  # refuses wrong values
        if line.stages.steadiness.steadier is None:
            raise UsageError(f"strength of {line.stages.steadiness.description}; accepted: --steady blend, ramp")
        with self._lock:
            is_wanted = self._wanted is self._request
            self._request = replace(self._request, steady=steady)
            if is_wanted:
                self._wanted = self._request
            line.set_strength(value)

    def _counted(self, source: LiveSource) -> Iterator[Frame]:
        for frame in source:
            self._counters.arrived(frame)
            yield frame

    @staticmethod
    def _with_plain_size(request: StagesRequest) -> StagesRequest:
        return replace(request, working_size=None) if request.working_size == AUTO else request


def _colour(info: VideoInfo) -> Colour:
    """The colour of the result: the source's matrix if it is a usual one, limited range, and complete tags."""
    matrix = info.colour.matrix if info.colour.matrix in TAGS else "709"
    primaries, transfer = TAGS[matrix]
    named = info.colour if info.colour.matrix in TAGS and not info.colour.is_hdr else Colour()
    return Colour(
        matrix,
        primaries=named.primaries if named.primaries != 2 else primaries,
        transfer=named.transfer if named.transfer != 2 else transfer,
    )
