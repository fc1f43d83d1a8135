"""All stages of a live run as one stage, whose model and settings may be changed between two frames."""

import threading
import time
from dataclasses import replace
from fractions import Fraction

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.stage import feed
from rotoscope.runtime.pipeline.finish import Finish
from rotoscope.runtime.pipeline.stages import Stages

LONGEST_GAP_S = Fraction(1)  # after a longer time without a frame, the frames before are forgotten


class LiveLine:
    """Motion, networks, steadying and finishing, on the caller's thread: no frame waits behind another.

    stages     those that run now; `exchange` replaces them before the next frame
    finish     the last stage; its `mix` may be changed
    is_paused  frames show the last result
    """

    spans_cuts = True  # the chain handles cuts itself

    def __init__(self, stages: Stages, finish: Finish) -> None:
        self.stages, self.finish = stages, finish
        self.is_paused = False
        self._chain = stages.chain(finish)
        self._sources: dict[int, Picture] = {}  # index -> source on the host, of frames whose pictures are on a GPU
        self._lock = threading.Lock()
        self._next_stages: Stages | None = None
        self._last: Frame | None = None
        self._fed_s: Fraction | None = None  # time of the frame that the chain saw last; None: it has forgotten all
        self._is_closed = False
        self.translated_s: float | None = None  # running means of the time in here
        self.carried_s: float | None = None

    @property
    def look_ahead(self) -> int:
        """Source frames that must arrive before a frame can leave."""
        return self._chain.look_ahead

    @property
    def last_source(self) -> Frame | None:
        """The frame that left last, as if it came from the source; None before the first."""
        return None if self._last is None else replace(self._last, result=None, carried=False)

    def exchange(self, stages: Stages) -> None:
        """Use these stages from the next frame on, which begins a scene; may be called from any thread."""
        with self._lock:
            unused = stages if self._is_closed else self._next_stages
            self._next_stages = None if self._is_closed else stages
        if unused is not None:
            unused.close()

    def set_strength(self, value: float) -> None:
        """Set the strength of blend or ramp, also of stages that wait to be exchanged; may be called from any thread."""
        with self._lock:
            for stages in (self.stages, self._next_stages):
                if stages is not None and stages.steadiness.steadier is not None:
                    stages.steadiness.steadier.strength = value

    def reset(self) -> None:
        """Forget all frames."""
        self._chain.reset()
        self._sources.clear()
        self._last = self._fed_s = None

    def step(self, frame: Frame) -> list[Frame]:
        """Pass a frame through all stages; return what is complete now."""
        done = self._exchanged()
        if self.is_paused and self._fed_s is not None and self.look_ahead:
            done += self._emptied()  # what waits for later frames comes before the paused ones
        last = self._last
        if self.is_paused and last is not None:
            return [*done, self._remembered(replace(frame, source=last.source, result=last.result, carried=True))]
        if last is not None and (self._fed_s is None or frame.seconds - self._fed_s > LONGEST_GAP_S):
            frame = replace(frame, cut=True)
        self._fed_s = frame.seconds
        begin = time.perf_counter()
        if self.stages.gpu is not None:
            self._sources[frame.index] = frame.source
        with self.stages.active():
            results = feed(self._chain, frame)
        self._measure(results, time.perf_counter() - begin)
        return [*done, *map(self._remembered, results)]

    def flush(self) -> list[Frame]:
        """The frames that are held."""
        with self.stages.active():
            return [self._remembered(frame) for frame in self._chain.flush()]

    def close(self) -> None:
        """End the threads of the stages."""
        with self._lock:
            unused, self._next_stages = self._next_stages, None
            self._is_closed = True
        for stages in (self.stages, unused):
            if stages is not None:
                stages.close()

    def _exchanged(self) -> list[Frame]:
        """Put new stages in place, if there are some; return the frames that the old ones still held."""
        with self._lock:
            stages, self._next_stages = self._next_stages, None
            if stages is None:
                return []
            done, old = self._emptied(), self.stages
            self.stages = stages
        old.close()
        self.finish.region = stages.region
        self.finish.times = stages.times
        self.finish.device = stages.device
        self._chain = stages.chain(self.finish)
        self._chain.reset()
        self.translated_s = self.carried_s = None
        return done

    def _emptied(self) -> list[Frame]:
        """The frames that are held; the next frame begins a scene."""
        done = self.flush()
        self._chain.reset()
        self._fed_s = None
        return done

    def _remembered(self, frame: Frame) -> Frame:
        if frame.index in self._sources:
            frame = replace(frame, source=self._sources[frame.index])
            self._sources = {index: source for index, source in self._sources.items() if index > frame.index}
        self._last = replace(frame, motion=None)
        return frame

    def _measure(self, results: list[Frame], seconds: float) -> None:
        if len(results) != 1:
            return
        name = "carried_s" if results[0].carried else "translated_s"
        before = getattr(self, name)
        setattr(self, name, seconds if before is None else before + (seconds - before) / 8)
