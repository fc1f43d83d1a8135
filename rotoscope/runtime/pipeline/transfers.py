"""The two stages at which frames of a run on a GPU change between host and device."""

from collections import deque
from dataclasses import replace

import numpy as np

from rotoscope.base.frame import Array, Frame, Picture
from rotoscope.base.gpu_run import Download, GpuRun
from rotoscope.base.times import StageTimes

AFTER_DOWNLOAD = 6  # pictures that may wait for the sink or be in it, and one to spare


class ToDevice:
    """The first stage: uploads decoded pictures as code values, masks and instance maps; 4:2:0 of 1920x1080 has 3 MB.

    Pictures that the GPU decoded are copied there: the decoder needs its surfaces back.
    """

    look_ahead = 0
    spans_cuts = True

    def __init__(self, run: GpuRun, times: StageTimes) -> None:
        self._run, self._times = run, times
        self._reserved_for: tuple[int, int] | None = None  # (width, height)

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, frame: Frame) -> list[Frame]:
        """The frame with its source on the device."""
        with self._times.measure("upload"):
            source, mask, instances = frame.source, frame.mask, frame.instances
            beside = (*([] if mask is None else [mask]), *([] if instances is None else instances.planes))
            is_decoded_there = not isinstance(source.planes[0], np.ndarray)
            if self._reserved_for != source.size:
                self._reserved_for = source.size
                self._run.reserve((*(() if is_decoded_there else source.planes), *beside), self._run.slots + 3)
            planes = self._run.from_decoder(source.planes) if is_decoded_there else self._uploaded(source)
            if instances is not None:
                instances = replace(instances, planes=self._uploaded(instances))
            mask = None if mask is None else self._run.upload(mask)
            return [replace(frame, source=replace(source, planes=planes), mask=mask, instances=instances)]

    def _uploaded(self, picture: Picture) -> tuple[Array, ...]:
        return tuple(map(self._run.upload, picture.planes))

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []


class ToHost:
    """The last stage: downloads results; sources become black, and motion, masks and instance maps None.

    A frame is held until as many later ones are enqueued as the run has slots: the host waits for work that it enqueued some
    frames ago, the GPU always has work, and no more frames than slots are on it.
    """

    look_ahead = 0
    spans_cuts = True

    def __init__(self, run: GpuRun, times: StageTimes) -> None:
        self._run, self._times = run, times
        self._reserved_for: tuple[int, int] | None = None  # (width, height)
        self._held: deque[tuple[Frame, Download]] = deque()

    def reset(self) -> None:
        """Drop what is held."""
        self._held.clear()

    def step(self, frame: Frame) -> list[Frame]:
        """Take a frame; return the one whose turn it is, on the host."""
        assert frame.result is not None
        if self._reserved_for != frame.result.size:
            self._reserved_for = frame.result.size
            self._run.reserve(frame.result.planes, self._run.slots + AFTER_DOWNLOAD)
        self._held.append((frame, self._run.download(*frame.result.planes)))
        return [self._arrived()] if len(self._held) > self._run.slots else []

    def flush(self) -> list[Frame]:
        """The frames that are held."""
        return [self._arrived() for _ in range(len(self._held))]

    def _arrived(self) -> Frame:
        frame, download = self._held.popleft()
        assert frame.result is not None
        with self._times.measure("wait for GPU"):
            planes = download.wait()
        result = replace(frame.result, planes=planes)
        return replace(frame, source=_black(frame.source), motion=None, mask=None, instances=None, result=result)


def _black(source: Picture) -> Picture:
    """A picture of this size without memory: a sink needs no source, and frames that wait for it must not keep the GPU's."""
    return Picture((np.broadcast_to(np.uint8(0), (source.height, source.width)),))
