"""What the simulated device does beyond CuPy: what it counts, poisons, refuses, and how it is installed."""

import itertools
import sys
import threading

import cv2
import numpy as np
import pytest
from simulated_gpu import installed
from simulated_gpu.library import build_all

from rotoscope.base.device import Device
from rotoscope.kernels import launch
from rotoscope.kernels.arrays import on_cuda
from rotoscope.kernels.warp import warp


def test_it_stands_in_for_cupy_only_while_it_is_installed():
    before = {name: sys.modules.get(name) for name in ("cupy", "cupyx", "cupy.cuda", "cupy.cuda.runtime")}
    with installed():
        import cupy
        import cupyx
        from cupy.cuda import runtime

        assert cupy.cuda.runtime is runtime
        assert cupyx.empty_pinned(3, np.uint8).shape == (3,)
        assert Device("cuda").holds(Device("cuda").empty((2, 3), np.float32))
        array = cupy.zeros((4, 5, 4), np.float32)
        warp(array, cupy.zeros((4, 5, 2), np.float32))
        assert launch._kernel.cache_info().currsize == 1
    assert launch._kernel.cache_info().currsize == 0
    assert {name: sys.modules.get(name) for name in before} == before


def test_an_error_in_the_body_is_passed_on():
    with pytest.raises(ZeroDivisionError), installed():
        raise ZeroDivisionError
    assert sys.modules.get("cupy") is None or sys.modules["cupy"].__version__


def test_every_source_compiles():
    build_all()


def test_new_memory_holds_nan_even_if_it_was_used_before(gpu):
    import cupy

    first = cupy.zeros((8, 8), np.float32)
    address = first.data.ptr
    del first
    second = cupy.empty((8, 8), np.float32)
    assert second.data.ptr == address
    assert np.isnan(second.get()).all()
    assert np.isnan(cupy.empty((8, 8), np.float16).get()).all()
    assert (cupy.empty(5, np.uint8).get() == 255).all()


def test_the_poison_comes_after_what_the_stream_was_given_before(gpu):
    import cupy

    with cupy.cuda.Stream(non_blocking=True):
        first = cupy.asarray(np.ones((8, 8), np.float32))
        result = first.copy()
        del first
        second = cupy.empty((8, 8), np.float32)
        assert (result.get() == 1).all()
        assert np.isnan(second.get()).all()


@pytest.mark.parametrize("scheduler", ["uniform", "priorities"])
def test_memory_may_be_allocated_under_one_stream_and_used_on_another(scheduler):
    """As long as the first has nothing to do that was enqueued before the memory was freed."""
    for seed in range(24):
        with installed(seed, scheduler):
            import cupy

            slot = cupy.empty(8, np.float32)  # under the legacy stream
            compute = cupy.cuda.Stream(non_blocking=True)
            with compute:
                slot.fill(1)
                assert (slot.get() == 1).all()
            del slot
            other = cupy.zeros(100, np.float32)
            again = cupy.empty(8, np.float32)
            with compute:
                again.fill(2)
            assert (other.get() == 0).all()
            with compute:
                assert (again.get() == 2).all()


def test_two_tests_do_not_see_each_others_memory():
    with installed():
        import cupy

        address = cupy.zeros(1000, np.float32).data.ptr
        cupy.cuda.Device().synchronize()
    with installed() as gpu:
        import cupy

        array = cupy.empty(1000, np.float32)
        assert array.data.ptr == address
        assert np.isnan(array.get()).all()
        assert gpu.counters.pool_misses == 1


def test_nothing_runs_until_the_host_waits(gpu):
    import cupy
    import cupyx

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        array, pinned = cupy.zeros(8, np.float32), cupyx.zeros_pinned(8, np.float32)
        array.fill(3)
        array.get(out=pinned, blocking=False)
        assert (pinned == 0).all()
        assert gpu.counters.waits == 0
        stream.synchronize()
        assert (pinned == 3).all()


def test_an_eager_device_may_have_run_it_before(gpu):
    import cupy
    import cupyx

    gpu.reset(0, "uniform", eager=1.0)
    with cupy.cuda.Stream(non_blocking=True):
        pinned = cupyx.zeros_pinned(8, np.float32)
        cupy.full(8, 3, np.float32).get(out=pinned, blocking=False)
        assert (pinned == 3).all()
        assert gpu.counters.waits == 0


def test_the_same_seed_gives_the_same_order_and_another_one_another():
    def order(seed, scheduler):
        seen = []
        with installed(seed, scheduler) as gpu:
            import cupy

            streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(3)]
            for number, stream in itertools.product(range(6), streams):
                gpu.submit(stream.queue, "note", lambda note=(stream.ptr, number): seen.append(note))
            cupy.cuda.Device().synchronize()
        return seen

    for scheduler in ("uniform", "priorities"):
        assert order(1, scheduler) == order(1, scheduler)
        assert len({tuple(order(seed, scheduler)) for seed in range(8)}) > 4
        for stream in {key for key, _ in order(1, scheduler)}:
            assert [number for key, number in order(1, scheduler) if key == stream] == list(range(6))


def test_copies_launches_and_allocations_are_counted(gpu):
    import cupy
    import cupyx

    with cupy.cuda.Stream(non_blocking=True) as stream:
        pinned = cupyx.zeros_pinned((4, 6, 4), np.float32)
        before = gpu.counters.copy()
        array = cupy.asarray(pinned)
        flow = cupy.zeros((4, 6, 2), np.float32)
        for _ in range(3):
            result = warp(array, flow)
            result.get(out=pinned, blocking=False)
            del result
        stream.synchronize()
        counted = gpu.counters - before
    assert (counted.uploads, counted.uploaded_bytes) == (1, pinned.nbytes)
    assert (counted.downloads, counted.downloaded_bytes) == (3, 3 * pinned.nbytes)
    assert (counted.pool_misses, counted.pool_hits, counted.allocations) == (3, 2, 3)
    assert (counted.launches, counted.pageable_copies, counted.waits) == (3, 0, 1)


def waits(gpu, action):
    before = gpu.counters.copy()
    action()
    return (gpu.counters - before).waits


def test_every_way_to_wait_is_counted(gpu):
    import cupy

    with cupy.cuda.Stream(non_blocking=True) as stream:
        array, host = cupy.zeros(1, np.float32), np.zeros(1, np.float32)
        for wait in (
            stream.synchronize,
            stream.record().synchronize,
            cupy.cuda.Device().synchronize,
            cupy.cuda.runtime.deviceSynchronize,
            array.get,
            lambda: cupy.asnumpy(array),
            lambda: array.get(out=host, blocking=False),  # pageable: the driver waits
            lambda: array.set(host),  # pageable, without a buffer of CuPy's
            lambda: float(array[0]),
            lambda: int(array[0]),
            lambda: bool(array[0]),
            array.item,
            cupy.get_default_memory_pool().free_all_blocks,
        ):
            assert waits(gpu, wait) == 1
        assert waits(gpu, lambda: cupy.asarray(host)) == 0


def test_a_wait_for_an_old_event_is_not_a_stall(gpu):
    import cupy

    with cupy.cuda.Stream(non_blocking=True) as stream:
        array = cupy.zeros(8, np.float32)
        events = []
        for _ in range(4):
            array.fill(1)
            events.append(stream.record())
            if len(events) > 2:
                events[-3].synchronize()  # two fills are in the queue behind it
        assert (gpu.counters.waits, gpu.counters.stalls) == (2, 0)
        events[-1].synchronize()
        assert (gpu.counters.waits, gpu.counters.stalls) == (3, 1)


def test_loops_of_queries_end(gpu):
    import cupy

    with cupy.cuda.Stream(non_blocking=True) as stream:
        for _ in range(20):
            cupy.zeros(4, np.float32)
        event = stream.record()
        while not event.done:
            pass
        while not stream.done:
            pass
    assert gpu.counters.waits == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda array: np.clip(array, 0, 1),
        np.sum,
        lambda array: np.add(array, 1),
        lambda array: np.add(np.ones(3), array),
        lambda array: np.concatenate([array, array]),
        lambda array: np.copyto(np.zeros(3), array),
        lambda array: array == 1,
        lambda array: array + 1,
        lambda array: array[np.array([0, 1])],
        lambda array: array[[True, False, True]],
        cv2.mean,
    ],
)
def test_what_is_no_kernel_of_ours_is_refused(gpu, use):
    import cupy

    with pytest.raises((TypeError, cv2.error)):
        use(cupy.zeros(3, np.float32))


def test_kernels_refuse_a_mixture_of_host_and_device(gpu):
    import cupy

    assert on_cuda(cupy.zeros(3), None)
    with pytest.raises(TypeError, match=r"\['cupy', 'numpy'\]"):
        warp(cupy.zeros((4, 5, 4), np.float32), np.zeros((4, 5, 2), np.float32))


def test_enqueued_work_keeps_no_array_alive(gpu):
    import weakref

    import cupy

    array = cupy.zeros((4, 5, 4), np.float32)
    flow = cupy.zeros((4, 5, 2), np.float32)
    warp(array, flow)
    array.copy()
    memory = weakref.ref(array.data.mem)
    del array
    assert memory() is None


def test_another_thread_may_wait_and_enqueue_meanwhile(gpu):
    import cupy

    failures = []

    def work(number):
        try:
            with cupy.cuda.Stream(non_blocking=True) as stream:
                for value in range(30):
                    array = cupy.full((16, 16), number * 100 + value, np.float32)
                    out = array.copy()
                    del array
                    assert (out.get() == number * 100 + value).all()
                stream.synchronize()
        except Exception as error:  # handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert failures == []


def test_another_thread_may_use_the_device_during_a_capture_unless_it_is_global(gpu):
    import cupy

    errors = []

    def use():
        try:
            with cupy.cuda.Stream(non_blocking=True):
                cupy.zeros((123, 45), np.float32).get()
        except RuntimeError as error:
            errors.append(str(error))

    for mode in (None, cupy.cuda.runtime.streamCaptureModeThreadLocal, cupy.cuda.runtime.streamCaptureModeGlobal):
        stream = cupy.cuda.Stream(non_blocking=True)
        stream.begin_capture(mode)
        thread = threading.Thread(target=use)
        thread.start()
        thread.join(300)
        if mode == cupy.cuda.runtime.streamCaptureModeGlobal:
            assert "cudaErrorStreamCaptureUnsupported" in errors.pop()
            with pytest.raises(RuntimeError, match="Invalidated"):
                stream.end_capture()
        else:
            assert errors == []
            stream.end_capture()


def test_the_legacy_stream_may_work_during_the_capture_of_a_stream_that_does_not_join_with_it(gpu):
    import cupy

    errors = []

    def decode():
        try:
            gpu.submit(gpu.legacy, "NVDEC", lambda: None)
        except RuntimeError as error:
            errors.append(str(error))

    for stream in (cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream()):
        stream.begin_capture()
        thread = threading.Thread(target=decode)
        thread.start()
        thread.join(300)
        if stream.queue.blocking:
            assert "cudaErrorStreamCaptureImplicit" in errors.pop()
            with pytest.raises(RuntimeError, match="Invalidated"):
                stream.end_capture()
        else:
            assert errors == []
            stream.end_capture()


def test_device_memory_can_be_full(gpu):
    import cupy

    with pytest.raises(cupy.cuda.memory.OutOfMemoryError):
        cupy.empty(2**33, np.uint8)


def test_there_is_one_device(gpu):
    import cupy

    assert cupy.cuda.runtime.getDeviceCount() == 1
    with pytest.raises(RuntimeError, match="cudaErrorInvalidDevice: device 1"):
        cupy.cuda.Device(1)
