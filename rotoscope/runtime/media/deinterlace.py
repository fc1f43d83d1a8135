"""Deinterlace decoded frames with FFmpeg's bwdif: one whole frame from each interlaced one, at its own time."""

from collections.abc import Generator, Iterable, Iterator

import av
import av.filter


def deinterlaced(frames: Iterable[av.VideoFrame]) -> Generator[av.VideoFrame, None, None]:
    """Frames of a decoder, one late, deinterlaced.

    Frames are taken as interlaced if their stream marks them so; if its first frame has no mark, all are.
    """
    graph: _Graph | None = None
    deint = ""
    for frame in frames:
        deint = deint or ("interlaced" if frame.interlaced_frame else "all")
        shape = (frame.width, frame.height, frame.format.name)
        if graph is None or graph.shape != shape:
            if graph is not None:
                yield from graph.push(None)
            graph = _Graph(frame, shape, deint)
        yield from graph.push(frame)
    if graph is not None:
        yield from graph.push(None)


class _Graph:
    """bwdif for frames of one size and format."""

    def __init__(self, frame: av.VideoFrame, shape: tuple[int, int, str], deint: str) -> None:
        self.shape = shape
        graph = av.filter.Graph()
        self._source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        bwdif, self._sink = graph.add("bwdif", f"mode=send_frame:deint={deint}"), graph.add("buffersink")
        self._source.link_to(bwdif)
        bwdif.link_to(self._sink)
        graph.configure()
        assert frame.time_base is not None
        self._graph, self._time_base = graph, frame.time_base

    def push(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """The frames that are ready after one more; None is the end."""
        self._source.push(frame)
        while True:
            try:
                ready = self._sink.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(ready, av.VideoFrame)
            assert ready.time_base is not None
            if ready.pts is not None:  # bwdif halves the ticks of the clock
                ready.pts = round(ready.pts * ready.time_base / self._time_base)
            ready.duration = round(ready.duration * ready.time_base / self._time_base)
            ready.time_base = self._time_base
            yield ready
