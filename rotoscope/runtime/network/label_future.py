"""Continue a stream of label maps by predicted ones: frames of their own, at exact times after the last."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from rotoscope.base.engine import Engine
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array, Frame, Picture
from rotoscope.base.sizes import place
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.call import NotFinite, call
from rotoscope.runtime.network.feed import Feed


def continued(frames: Iterable[Frame], model: ModelFile, engine: Engine, ahead: int) -> Iterator[Frame]:
    """Yield the frames, then `ahead` more whose sources are predicted label maps.

    model, engine  of kind "predict"; a scene shorter than its window repeats its first map
    Frame k after the last stands at its time plus k times the mean distance of the frames, rounded to the time base: exact
    for a constant rate. Maps are of the source's kind: numbers, or colours of the palette. Raises NotFinite.
    """
    window = model.manifest.frame.window
    assert window is not None
    past: deque[Picture] = deque(maxlen=len(window.offsets))
    first: Frame | None = None
    last: Frame | None = None
    num_frames = 0
    for frame in frames:
        if past and frame.source.size != past[-1].size:
            past.clear()
        past.append(frame.source)
        first, last, num_frames = first or frame, frame, num_frames + 1
        yield frame
    if first is None or last is None:
        return
    while len(past) < len(window.offsets):
        past.appendleft(past[0])
    distance = Fraction(last.pts - first.pts, num_frames - 1) if num_frames > 1 else Fraction(max(1, last.duration))
    times = [last.pts + round(place_ * distance) for place_ in range(ahead + 2)]
    predictor = _Predictor(model, engine, past[-1].size)
    for number in range(1, ahead + 1):
        past.append(predictor.next_map(tuple(past), number))
        yield replace(
            last, index=last.index + number, pts=times[number], duration=times[number + 1] - times[number],
            source=past[-1], cut=False,
        )  # fmt: skip


class _Predictor:
    """The network with its input arrays for maps of one size (width, height)."""

    def __init__(self, model: ModelFile, engine: Engine, size: tuple[int, int]) -> None:
        self._model, self._engine = model, engine
        manifest = model.manifest
        placement = place(size, manifest.frame, working=None, fit="pad")
        if placement.content != size:
            raise UsageError(f"{model.name} takes label maps of {placement.network} only; these are of {size}")
        self._size, self._feed = size, Feed(manifest, placement)
        self._out = np.empty(engine.shapes(self._feed.arrays, {})[manifest.output.tensor], manifest.output.dtype)

    def next_map(self, past: tuple[Picture, ...], number: int) -> Picture:
        """The map after those of the window, oldest first; `number` of the predicted frame, for errors."""
        manifest = self._model.manifest
        self._feed.pictures(past)
        label = f"predicted frame {number}"
        call(self._engine, label, self._feed.arrays, {}, {manifest.output.tensor: self._out})
        width, height = self._size
        scores = self._out[0, :, :height, :width]
        if not np.isfinite(scores).all():
            raise NotFinite(f"{label}: output of {self._model.name} is NaN or infinite ({self._engine.description})")
        numbers: Array = scores.argmax(axis=0)
        labels = manifest.frame.labels
        assert labels is not None
        if labels.palette:
            return Picture((np.array(labels.palette, np.uint8)[numbers],))
        return Picture((numbers.astype(np.uint8 if labels.num <= 256 else np.uint16),))
