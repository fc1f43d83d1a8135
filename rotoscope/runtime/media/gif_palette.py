"""A palette for every GIF frame, made from its own pixels."""

from fractions import Fraction

import av
import av.filter

GIF_TIME_BASE = Fraction(1, 100)


class PaletteGraph:
    """Reduces RGB frames to 256 colours chosen for each frame, with error diffusion."""

    def __init__(self, width: int, height: int) -> None:
        graph = av.filter.Graph()
        self._source = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgb24"), time_base=GIF_TIME_BASE
        )
        split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        use, self._sink = graph.add("paletteuse", "new=1:dither=sierra2_4a"), graph.add("buffersink")
        self._source.link_to(split)
        split.link_to(palette, 0, 0)
        split.link_to(use, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The rgb24 frame as pal8."""
        pts, duration = frame.pts, frame.duration
        self._source.push(frame)
        result = self._sink.pull()
        assert isinstance(result, av.VideoFrame)
        result.pts, result.duration, result.time_base = pts, duration, GIF_TIME_BASE
        return result
