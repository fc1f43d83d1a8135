"""A line from decoder to host on the device, in the smallest form with all its parts: an example, and a test of the simulation.

NVDEC, colour, network, blend with the frame before, colour, download into pinned memory, with three slots. The results are
those of the same line on NumPy arrays; in steady state the device never runs empty and nothing is allocated.
"""

from collections import deque

import av
import numpy as np
import pytest
import tiny_models
from av.codec.hwaccel import HWAccel
from simulated_gpu import nvdec, whole_machine

from rotoscope.base.prefetch import prefetch
from rotoscope.kernels.arrays import from_dlpack
from rotoscope.kernels.blend import blend
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.interleave import interleave
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine

HEIGHT, WIDTH, FRAMES, SLOTS = 34, 50, 24, 3


def decoded():
    rng = np.random.default_rng(0)
    for _ in range(FRAMES):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            plane.update(rng.integers(16, 240, plane.buffer_size, np.uint8).tobytes())
        yield frame


def flow():
    return np.random.default_rng(1).normal(0, 1, (HEIGHT, WIDTH, 2)).astype(np.float32)


def on_the_host(model):
    """The line on NumPy arrays: NV12 of each frame, (H*3/2, W)."""
    engine, history, field = OnnxRuntimeEngine(model), None, flow()
    for frame in decoded():
        x, y = np.empty((2, 1, 3, HEIGHT, WIDTH), np.float32)
        color_in(nvdec.semi_planar_planes(frame), x[0])
        engine.run({"in": x}, {}, {"out": y}, {})
        picture = np.empty((HEIGHT, WIDTH, 4), np.float32)
        interleave(y[0], picture)
        history = picture if history is None else blend(picture, history, field, strength=0.5)
        whole = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
        color_out(history, planes_of(whole))
        yield whole


def planes_of(whole):
    return whole[:HEIGHT], whole[HEIGHT:].reshape(HEIGHT // 2, WIDTH // 2, 2)


class Slot:
    """What one frame needs, on the device and in pinned memory."""

    def __init__(self, cupy, cupyx):
        self.planes = cupy.empty((HEIGHT, WIDTH), np.uint8), cupy.empty((HEIGHT // 2, WIDTH // 2, 2), np.uint8)
        self.x, self.y = (cupy.empty((1, 3, HEIGHT, WIDTH), np.float32) for _ in range(2))
        self.picture, self.steady = (cupy.empty((HEIGHT, WIDTH, 4), np.float32) for _ in range(2))
        self.whole = cupy.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
        self.pinned = cupyx.empty_pinned(self.whole.shape, np.uint8)
        self.decoded, self.read, self.made, self.arrived = (cupy.cuda.Event(disable_timing=True) for _ in range(4))


def on_the_device(gpu, model):
    """The same line on the device; yields each frame two frames late, with the counts before frame 10 first."""
    import cupy
    import cupyx

    null = cupy.cuda.Stream.null
    compute, down = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    decoder, engine = nvdec.Decoder(HWAccel("cuda", is_hw_owned=True)), OnnxRuntimeEngine(model, device="cuda")
    under_way, history = deque(), None
    with compute:
        field = cupy.asarray(flow())
        slots = [Slot(cupy, cupyx) for _ in range(SLOTS)]
    for index, software in enumerate(decoded()):
        slot = slots[index % SLOTS]
        frame = decoder.frame(software)
        with compute:
            slot.decoded.record(null)
            compute.wait_event(slot.decoded)
            for place, plane in zip(slot.planes, frame.planes, strict=True):
                place[...] = from_dlpack(plane)
            slot.read.record(compute)
            null.wait_event(slot.read)
            del frame
            color_in(slot.planes, slot.x[0])
            engine.run({"in": slot.x}, {}, {"out": slot.y}, {})
            interleave(slot.y[0], slot.picture)
            history = (
                slot.picture if history is None else blend(slot.picture, history, field, strength=0.5, out=slot.steady)
            )
            color_out(history, planes_of(slot.whole))
            slot.made.record(compute)
            down.wait_event(slot.made)
            slot.whole.get(stream=down, out=slot.pinned, blocking=False)
            slot.arrived.record(down)
        under_way.append(slot)
        if len(under_way) == SLOTS:
            yield arrived(under_way.popleft())
    while under_way:
        yield arrived(under_way.popleft())


def arrived(slot):
    slot.arrived.synchronize()
    return slot.pinned.copy()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.affine(tmp_path_factory.mktemp("models") / "affine.onnx", 0.75, 0.125)


@pytest.fixture(scope="module")
def expected(model):
    return list(on_the_host(model))


def assert_same(results, expected):
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert np.abs(result.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("scheduler", "eager"), [("uniform", 0), ("priorities", 0), ("priorities", 0.5)])
def test_equals_the_host_without_stalls_or_allocations(model, expected, scheduler, eager, seed):
    with whole_machine(seed, scheduler, eager) as gpu:
        results = []
        for result in on_the_device(gpu, model):
            results.append(result)
            if len(results) == 10:
                before = gpu.counters.copy()
            if len(results) == FRAMES - SLOTS:
                steady = gpu.counters - before
    assert_same(results, expected)
    frames = FRAMES - SLOTS - 10
    assert (steady.stalls, steady.waits) == (0, frames)  # the waits are for events two frames old
    assert (steady.allocations, steady.pageable_copies, steady.uploads) == (0, 0, 0)
    assert (steady.downloads, steady.downloaded_bytes) == (frames, frames * HEIGHT * WIDTH * 3 // 2)
    assert steady.network_calls == frames


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_host_with_a_thread_that_enqueues_and_one_that_waits(model, expected, seed):
    with whole_machine(seed, "uniform", 0.2) as gpu:
        assert_same(list(prefetch(on_the_device(gpu, model), 1)), expected)
