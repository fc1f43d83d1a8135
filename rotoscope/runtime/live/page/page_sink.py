"""The sink of the page: it keeps the newest frame and encodes it for the viewers that are there."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import av
import cv2

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame
from rotoscope.base.live import Place, SinkState, Sound
from rotoscope.base.sizes import Size
from rotoscope.runtime.live.page.encoders import H264Encoder, JpegEncoder
from rotoscope.runtime.live.page.shown_picture import shown_picture
from rotoscope.runtime.live.page.viewers import Stream, Viewer

Codec = Literal["jpeg", "h264"]
Listener = Callable[[av.VideoFrame, float], None]


class PageSink:
    """Takes the finished frames of a run for the page; a `LiveSink` that only wants the newest.

    Without viewers a frame costs nothing: it is kept for a snapshot and for the next viewer, and replaced by the next frame.

    place  as in `shown_picture`
    """

    keeps_every_frame = False
    reconnects = 0
    reason = ""

    def __init__(self, name: str = "page:", place: Callable[[Size], Place] | None = None) -> None:
        self.name, self._place = name, place
        self.state: SinkState = "open"
        self.num_frames = 0
        self.notes: list[str] = []
        self.kept: list[str] = []
        self.losses: Counter[str] = Counter()
        self._frame: Frame | None = None
        self._encoding = threading.Lock()  # a frame is encoded by the run's thread, and again for each new viewer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: list[Listener] = []
        self._streams = {
            (codec, with_source): Stream(encoder, with_source=with_source)
            for codec, encoder in (("jpeg", JpegEncoder), ("h264", H264Encoder))
            for with_source in (False, True)
        }

    @property
    def num_viewers(self) -> int:
        """Viewers of all streams."""
        return sum(len(stream.viewers) for stream in self._streams.values())

    @property
    def num_encoded(self) -> int:
        """Pictures encoded so far, in all streams."""
        return sum(stream.num_encoded for stream in self._streams.values())

    def write(self, frame: Frame) -> None:
        """Show a frame; raises OutputFailed if it cannot be encoded."""
        with self._encoding:
            self._frame = frame
            self.num_frames += 1
            shown: dict[bool, av.VideoFrame] = {}
            if self._listeners:
                shown[False] = shown_picture(frame, with_source=False)
                for listener in tuple(self._listeners):
                    listener(shown[False], float(frame.seconds))
            for stream in self._streams.values():
                if not stream.viewers or self._loop is None:
                    stream.rest()
                    continue
                if stream.with_source not in shown:
                    shown[stream.with_source] = shown_picture(frame, with_source=stream.with_source, place=self._place)
                picture = shown[stream.with_source]
                stream.encode(picture, frame.index, float(frame.seconds), key=False, loop=self._loop)

    def add_listener(self, listener: Listener) -> None:
        """Call a function with each picture and its time in seconds, on the run's thread; the picture is shared."""
        self._listeners.append(listener)

    def remove_listener(self, listener: Listener) -> None:
        """Do not call it any more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def write_sound(self, sound: Sound) -> None:
        """Ignore it: the page is silent."""

    def interrupt(self) -> None:
        """Do nothing: `write` does not wait."""

    def finish(self) -> None:
        """End the streams of all viewers; the last picture stays for snapshots."""
        self.state = "closed"
        self._close_viewers()

    def abort(self) -> None:
        """Do what `finish` does."""
        self.finish()

    def snapshot(self) -> tuple[int, bytes]:
        """The index of the newest frame and its result as PNG; raises UsageError before the first frame."""
        frame = self._frame
        if frame is None:
            raise UsageError("no picture yet: the source has not delivered one")
        bgr = shown_picture(frame, with_source=False).reformat(format="bgr24", threads=1).to_ndarray()
        return frame.index, cv2.imencode(".png", bgr)[1].tobytes()

    @asynccontextmanager
    async def viewer(self, codec: Codec, *, with_source: bool) -> AsyncGenerator[Viewer]:
        """A viewer within the block; its first packet is the newest frame, also while the run is paused."""
        self._loop = asyncio.get_running_loop()
        stream, viewer = self._streams[codec, with_source], Viewer()
        try:
            await asyncio.to_thread(self._join, stream, viewer, self._loop)
            if self.state == "closed":
                viewer.close()
            yield viewer
        finally:
            stream.viewers.discard(viewer)

    def _join(self, stream: Stream, viewer: Viewer, loop: asyncio.AbstractEventLoop) -> None:
        """Add a viewer and give it the newest frame, between two frames."""
        with self._encoding:
            stream.viewers.add(viewer)
            if (frame := self._frame) is not None:
                shown = shown_picture(frame, with_source=stream.with_source, place=self._place)
                stream.encode(shown, frame.index, float(frame.seconds), key=True, loop=loop)

    def _close_viewers(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.close_viewers)

    def close_viewers(self) -> None:
        """End the streams of all viewers; in the thread of the event loop."""
        for stream in self._streams.values():
            for viewer in tuple(stream.viewers):
                viewer.close()
