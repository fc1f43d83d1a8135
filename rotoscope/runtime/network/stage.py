"""The network as a stage: a chain of networks, with several frames in work at once if none of them remembers frames."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

from rotoscope.base.frame import Array, Frame, Picture
from rotoscope.base.sizes import Size
from rotoscope.kernels.float_picture import float_picture, resized
from rotoscope.kernels.rows import SERIAL
from rotoscope.runtime.network.batches import MOST_CALLS
from rotoscope.runtime.network.call import filled
from rotoscope.runtime.network.frame_windows import Neighbours, Windows
from rotoscope.runtime.network.network import CallInput, Network

MAX_CARRIED = 16  # frames between key frames that may wait for one of them


class NetworkStage:
    """Sets each frame's result: a float picture, (H,W,4) float32 RGB in [0,1].

    networks   the chain; the first sees the source, the others see the result of the one before
    in_flight  frames in work at once, each on a thread of its own; with 1 the caller's thread does the work, and no frame is
               held back. Above 1, up to in_flight + 1 frames are held back.
    most_unchecked  calls on a GPU whose results may not be checked yet for NaN
    batches         inserted frames wait for the source frame after them, and go through the networks with it in one call
    is_wanted       called with each frame before its translation; False: the frame is left out. None: all are wanted
    Carried frames pass unchanged.
    """

    def __init__(
        self, networks: Sequence[Network], *, in_flight: int, most_unchecked: int = 0, batches: bool = False
    ) -> None:
        self.networks, self.in_flight = tuple(networks), in_flight
        self._most_unchecked = most_unchecked
        self._batches = batches and self.spans_cuts
        self._batch: list[Neighbours] = []  # of inserted frames that wait
        self._windows = Windows(networks[0].model.manifest.frame.window)
        self._last_seconds: Fraction | None = None
        self._waiting: deque[Future[Frame] | Frame] = deque()
        self._num_in_work = 0  # of the waiting frames, those that are translated
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self.is_wanted: Callable[[Frame], bool] | None = None

    @property
    def look_ahead(self) -> int:
        """Frames of the window that lie ahead."""
        window = self.networks[0].model.manifest.frame.window
        return window.look_ahead if window else 0

    @property
    def spans_cuts(self) -> bool:
        """Whether frames of two scenes may be in work together: no network remembers frames or looks at neighbours."""
        first = self.networks[0]
        return first.model.manifest.frame.window is None and all(network.is_stateless for network in self.networks)

    def region(self, picture: Size) -> tuple[int, int, int, int]:
        """(left, top, width, height): the part of a picture of this size that the networks see."""
        left, top, width, height = 0.0, 0.0, float(picture[0]), float(picture[1])
        size = picture
        for network in self.networks:
            crop = network.placement(size).crop
            factor_x, factor_y = width / size[0], height / size[1]
            left, top = left + crop[0] * factor_x, top + crop[1] * factor_y
            width, height = crop[2] * factor_x, crop[3] * factor_y
            size = network.output_size(size)
        return round(left), round(top), round(width), round(height)

    def natural_size(self, picture: Size) -> Size:
        """(width, height) that a result should have: its region's, times the scales of upscaling networks."""
        factor, size = 1, picture
        for network in self.networks:
            factor *= network.scale(size)
            size = network.output_size(size)
        region = self.region(picture)
        return region[2] * factor, region[3] * factor

    def reset(self) -> None:
        """Forget the scene: drop frames in work, and the state of every network."""
        for item in self._waiting:
            if isinstance(item, Future) and not item.cancel():
                item.exception()  # it writes into buffers: wait for its end
        self._waiting.clear()
        self._batch.clear()
        self._num_in_work = 0
        self._windows.reset()
        self._last_seconds = None
        for network in self.networks:
            network.state.reset()
            network.forget_calls()

    def step(self, frame: Frame) -> list[Frame]:
        """Take a frame; return those whose results are complete and due, in order."""
        done: list[Frame] = []
        for neighbours in self._windows.add(frame):
            done.extend(self._begin(neighbours))
        self._check_calls(self._most_unchecked)
        return done

    def flush(self) -> list[Frame]:
        """The results of all frames that are still in work."""
        done: list[Frame] = []
        for neighbours in self._windows.rest():
            done.extend(self._begin(neighbours))
        done.extend(self._translated_batch())
        while self._waiting:
            done.append(self._next())
        self._check_calls(0)
        return done

    def _check_calls(self, most_unchecked: int) -> None:
        """Check the results that leave the GPU next."""
        for network in self.networks:
            network.check_calls(most_unchecked)

    def close(self) -> None:
        """End the threads."""
        self.reset()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _begin(self, neighbours: Neighbours) -> list[Frame]:
        frame = neighbours[self._windows.now]
        if self.is_wanted is not None and not self.is_wanted(frame):
            return []
        if self._batches and not frame.carried:
            self._batch.append(neighbours)
            waits = frame.inserted and len(self._batch) < MOST_CALLS
            return [] if waits else self._translated_batch()
        if self.in_flight == 1:
            return [self.translated(neighbours)]
        if frame.carried:
            self._waiting.append(frame)
        else:
            self._waiting.append(self._threads().submit(self._translated_alone, neighbours))
            self._num_in_work += 1
        done = []
        # One more than can run, so that no thread waits while the caller is busy with a result. Carried frames need no
        # thread: with key frames, as many of these are in work, and results come evenly.
        while self._num_in_work > self.in_flight + 1 or len(self._waiting) > self.in_flight + MAX_CARRIED:
            done.append(self._next())
        return done

    def _next(self) -> Frame:
        item = self._waiting.popleft()
        if isinstance(item, Frame):
            return item
        self._num_in_work -= 1
        return item.result()

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.in_flight, thread_name_prefix="rotoscope-translate")
            return self._pool

    def _translated_alone(self, neighbours: Neighbours) -> Frame:
        with SERIAL.active():
            return self.translated(neighbours)

    def _translated_batch(self) -> list[Frame]:
        """The frames that wait, with their results."""
        batch, self._batch = self._batch, []
        return self._through(batch) if batch else []

    def translated(self, neighbours: Neighbours) -> Frame:
        """The frame with its result; `neighbours` are the frames of the first network's window, the frame among them."""
        frame = neighbours[self._windows.now]
        return frame if frame.carried else self._through([neighbours])[0]

    def _through(self, batch: Sequence[Neighbours]) -> list[Frame]:
        """Frames with their results, after all networks: one call of each network if it may be given several pictures."""
        frames = [neighbours[self._windows.now] for neighbours in batch]
        labels = [f"frame {frame.index} ({float(frame.seconds):.3f} s)" for frame in frames]
        first, *others = self.networks
        results = first.several(
            [CallInput.of(neighbours, self._elapsed_s(frame)) for neighbours, frame in zip(batch, frames, strict=True)],
            labels,
        )
        for network in others:
            pairs = zip(frames, map(_picture, results), strict=True)
            results = network.several([_further_input(network, frame, picture) for frame, picture in pairs], labels)
        return [replace(frame, result=Picture((result,))) for frame, result in zip(frames, results, strict=True)]

    def _elapsed_s(self, frame: Frame) -> float:
        """Seconds since the last translated frame; 0 if several frames are in work at once."""
        if self.in_flight > 1:
            return 0.0
        before, self._last_seconds = self._last_seconds, frame.seconds
        return 0.0 if before is None else max(0.0, float(frame.seconds - before))


def _picture(pixels: Array) -> Picture:
    return Picture((pixels,))


def _further_input(network: Network, frame: Frame, picture: Picture) -> CallInput:
    """The input of a network that is not the first of a chain: what the one before made, beside the source if it steadies."""
    if network.model.manifest.kind != "stabilise":
        return CallInput((picture,))
    source = resized(float_picture(frame.source), picture.size)
    return CallInput((Picture((source,)),), translated=picture)


class KeepSource:
    """For models that fill holes: outside the hole a frame's result is the source, however the hole was steadied."""

    look_ahead = 0
    spans_cuts = True

    def __init__(self, network: NetworkStage) -> None:
        self._network = network

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, frame: Frame) -> list[Frame]:
        """The frame with the source restored outside the hole."""
        region = self._network.region(frame.source.size)
        return [replace(frame, result=Picture((filled(frame.source, frame.mask, frame.pixels(), region),)))]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []
