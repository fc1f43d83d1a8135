"""What the device path relies on, stated once and run on the simulated device and on a card.

Every statement here must hold on both. What only the simulation can show (a bug that a card hides) is in
`test_planted_bugs.py`, and what it refuses more strictly than a card in `test_simulated_rules.py`.
"""

import contextlib
import os
import threading

import numpy as np
import pytest
from simulated_gpu import installed

from rotoscope.kernels.blend import blend, blend_reference
from rotoscope.kernels.warp import warp, warp_reference

ADD = """
extern "C" __global__ void add(const float* a, float number, int count, float* out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = a[i] + number;
}"""


@pytest.fixture(params=["uniform", "priorities", "eager", pytest.param("card", marks=pytest.mark.gpu)])
def cupy(request):
    """CuPy: the simulated one with each way to order work, and the real one."""
    if request.param == "card":
        if os.environ.get("ROTOSCOPE_REQUIRE_GPU") != "1":
            pytest.importorskip("cupy")
        import cupy

        yield cupy
        return
    scheduler, eager = ("uniform", 0.5) if request.param == "eager" else (request.param, 0.0)
    with installed(1, scheduler, eager):
        import cupy

        yield cupy


@pytest.fixture
def stream(cupy):
    """A non-blocking stream, the current one during the test."""
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        yield stream
        stream.synchronize()


def numbers(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


# Arrays


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.float16, np.float32, np.bool_])
def test_an_array_comes_back_as_it_was(cupy, stream, dtype):
    host = (numbers(5, 7) * 200).astype(dtype)
    array = cupy.asarray(host)
    assert isinstance(array, cupy.ndarray)
    assert type(array).__module__.split(".")[0] == "cupy"
    assert (array.shape, array.dtype, array.strides, array.nbytes) == (host.shape, dtype, host.strides, host.nbytes)
    np.testing.assert_array_equal(cupy.asnumpy(array), host)
    assert cupy.asarray(array) is array


def test_pageable_memory_may_change_after_asarray(cupy, stream):
    host = numbers(64, 64)
    expected = host.copy()
    array = cupy.asarray(host)
    host[...] = 7
    np.testing.assert_array_equal(array.get(), expected)


@pytest.mark.parametrize(
    "key",
    [np.s_[1:3], np.s_[:, ::2], np.s_[..., 1], np.s_[2], np.s_[::-1], np.s_[:, 1:3, None], np.s_[1, 2, 3], np.s_[0:0]],
)
def test_views_share_memory_and_know_their_strides(cupy, stream, key):
    host = numbers(4, 6, 8)
    view = cupy.asarray(host)[key]
    assert (view.shape, view.strides) == (host[key].shape, host[key].strides)
    assert view.flags.c_contiguous == host[key].flags.c_contiguous
    np.testing.assert_array_equal(view.get(), host[key])


def test_other_views(cupy, stream):
    host = numbers(4, 6, 2)
    array = cupy.asarray(host)
    for made, expected in (
        (array.reshape(8, 6), host.reshape(8, 6)),
        (array.reshape(-1), host.reshape(-1)),
        (array.transpose(2, 0, 1), host.transpose(2, 0, 1)),
        (array.swapaxes(0, 1), host.swapaxes(0, 1)),
        (array.T, host.T),
        (array.view(np.uint16), host.view(np.uint16)),
        (array[:, 1:2].squeeze(1), host[:, 1:2].squeeze(1)),
        (np.moveaxis(array, 2, 0), np.moveaxis(host, 2, 0)),
        (cupy.moveaxis(array, 2, 0), np.moveaxis(host, 2, 0)),
        (cupy.expand_dims(array, 0), host[None]),
        (np.flip(array, 1), host[:, ::-1]),
        (cupy.broadcast_to(array[:1], (3, 6, 2)), np.broadcast_to(host[:1], (3, 6, 2))),
    ):
        assert made.shape == expected.shape
        np.testing.assert_array_equal(made.get(), expected)
    assert array.reshape(-1).data.ptr == array.data.ptr
    assert array[1].data.ptr == array.data.ptr + host.strides[0]


def test_an_array_over_an_address_inside_an_allocation(cupy, stream):
    height, width, pitch = 4, 6, 16
    whole = cupy.zeros((height * 3 // 2, pitch), np.uint8)
    chroma = cupy.ndarray((2, 3, 2), np.uint8, memptr=whole.data + height * pitch, strides=(pitch, 2, 1))
    chroma[...] = cupy.asarray(np.arange(12, dtype=np.uint8).reshape(2, 3, 2))
    expected = np.zeros((6, 16), np.uint8)
    expected[4:, :6] = np.arange(12).reshape(2, 6)
    np.testing.assert_array_equal(whole.get(), expected)
    assert not whole[:, :width].flags.c_contiguous


def test_assignment_copies_converts_broadcasts_and_fills(cupy, stream):
    host, other = numbers(4, 6), numbers(4, 3, seed=1)
    array = cupy.asarray(host)
    array[:, ::2] = cupy.asarray(other)
    host[:, ::2] = other
    array[0] = 3
    host[0] = 3
    array[1:3] = cupy.asarray(np.arange(6, dtype=np.uint8))
    host[1:3] = np.arange(6, dtype=np.uint8)
    np.testing.assert_array_equal(array.get(), host)
    cupy.copyto(array, cupy.asarray(host + 1))
    np.testing.assert_array_equal(array.get(), host + 1)
    array.fill(0.5)
    assert (array.get() == 0.5).all()
    assert (cupy.zeros((2, 3), np.float16).get() == 0).all()
    assert (cupy.full((2, 3), 4, np.uint8).get() == 4).all()


def test_copies_are_contiguous_and_own_their_memory(cupy, stream):
    host = numbers(4, 6)
    array = cupy.asarray(host)
    half = array[:, ::2]
    for made in (half.copy(), cupy.ascontiguousarray(half), half.astype(np.float32)):
        assert made.flags.c_contiguous
        array.fill(0)
        np.testing.assert_array_equal(made.get(), host[:, ::2])
        array.set(host)
    assert half.astype(np.float16).dtype == np.float16
    assert cupy.ascontiguousarray(array) is array


def test_numpy_makes_arrays_like_one_of_the_device(cupy, stream):
    array = cupy.zeros((2, 3), np.float32)
    for made in (np.empty_like(array), np.zeros_like(array, dtype=np.uint8, shape=(5,)), cupy.empty_like(array)):
        assert isinstance(made, cupy.ndarray)
    assert (np.zeros_like(array, dtype=np.uint8, shape=(5,)).get() == 0).all()


@pytest.mark.parametrize("read", [np.asarray, np.array, np.ascontiguousarray, memoryview, bytearray, np.frombuffer])
def test_the_host_cannot_read_an_array(cupy, stream, read):
    # NumPy 2.5 warns that CuPy's `__array__` takes no `copy` before it calls it; warnings are errors here.
    with pytest.raises((TypeError, ValueError, DeprecationWarning)):
        read(cupy.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.empty((2, 3), np.float64), TypeError),
        (np.empty((3, 2), np.float32), ValueError),
        (np.empty((2, 6), np.float32)[:, ::2], RuntimeError),
    ],
)
def test_get_refuses_another_dtype_shape_or_layout(cupy, stream, out, error):
    with pytest.raises(error):
        cupy.zeros((2, 3), np.float32).get(out=out)


def test_set_refuses_another_dtype_shape_or_layout(cupy, stream):
    array = cupy.zeros((2, 6), np.float32)
    for host, target, error in (
        (np.zeros((2, 6)), array, TypeError),
        (np.zeros((6, 2), np.float32), array, ValueError),
        (np.zeros((2, 3), np.float32), array[:, ::2], RuntimeError),
    ):
        with pytest.raises(error):
            target.set(host)
    with pytest.raises(ValueError, match="non-scalar"):
        array[...] = np.zeros((2, 6), np.float32)


def test_dlpack_shares_memory_and_keeps_it(cupy, stream):
    array = cupy.asarray(numbers(4, 6))
    assert array.__dlpack_device__() == (2, 0)
    shared = cupy.from_dlpack(array[:, 1:5])
    assert (shared.shape, shared.strides) == ((4, 4), (24, 4))
    expected = array.get()[:, 1:5]
    del array
    np.testing.assert_array_equal(shared.get(), expected)


# Pinned memory


def test_pinned_arrays_are_numpy_arrays(cupy, stream):
    import cupyx

    pinned = cupyx.empty_pinned((3, 4), np.float32)
    assert type(pinned) is np.ndarray
    assert pinned.flags.c_contiguous
    assert (cupyx.zeros_pinned(5, np.uint8) == 0).all()
    pinned[...] = numbers(3, 4)
    np.testing.assert_array_equal(cupy.asarray(pinned).get(), pinned)


def test_a_copy_into_pinned_memory_has_arrived_when_its_event_has(cupy, stream):
    import cupyx

    down, passed = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event(block=True, disable_timing=True)
    array, pinned = cupy.asarray(numbers(64, 64)), cupyx.empty_pinned((64, 64), np.float32)
    down.wait_event(stream.record())
    assert array.get(stream=down, out=pinned, blocking=False) is pinned
    passed.record(down)
    passed.synchronize()
    assert passed.done
    np.testing.assert_array_equal(pinned, numbers(64, 64))


# Kernels


def test_any_cuda_source_can_be_launched(cupy, stream):
    array, out = cupy.asarray(numbers(1000)), cupy.empty(1000, np.float32)
    kernel = cupy.RawKernel(ADD, "add", ("-std=c++17",))
    kernel((4,), (256,), (array, np.float32(2), np.int32(1000), out))
    np.testing.assert_array_equal(out.get(), numbers(1000) + 2)


def test_kernels_of_rotoscope_read_views_by_address(cupy, stream):
    image, field = numbers(2, 9, 13, 4), numbers(9, 13, 2, seed=1)
    both = cupy.asarray(image)
    expected, _ = warp_reference(image[1], field)
    np.testing.assert_allclose(warp(both[1], cupy.asarray(field)).get(), expected, atol=1e-5)


def test_a_misaligned_address_or_a_missing_argument_is_not_run(cupy, stream, request):
    if "card" in request.node.name:
        pytest.skip("a misaligned address makes the card unusable for this process")
    array, out = cupy.zeros(8, np.uint8), cupy.empty(1, np.float32)
    kernel = cupy.RawKernel(ADD, "add")
    with pytest.raises(RuntimeError, match="cudaErrorMisalignedAddress: add: argument 0 needs 4 bytes"):
        kernel((1,), (1,), (array[1:], np.float32(2), np.int32(1), out))
    with pytest.raises(TypeError, match="add: 3 arguments; it takes 4"):
        kernel((1,), (1,), (array, np.float32(2), np.int32(1)))
    with pytest.raises(TypeError, match="argument 1 has 8 bytes; the kernel takes 4"):
        kernel((1,), (1,), (array, 2.0, np.int32(1), out))


# Streams and events


def test_the_current_stream_belongs_to_a_thread(cupy, stream):
    seen = []
    assert cupy.cuda.get_current_stream() == stream
    with cupy.cuda.Stream.null:
        assert cupy.cuda.get_current_stream().ptr == 0
    thread = threading.Thread(target=lambda: seen.append(cupy.cuda.get_current_stream().ptr))
    thread.start()
    thread.join(60)
    assert seen == [0]
    assert cupy.cuda.get_current_stream() == stream


def test_a_stream_waits_for_an_event_of_another(cupy, stream):
    other = cupy.cuda.Stream(non_blocking=True)
    array, out = cupy.zeros(100_000, np.float32), cupy.empty(100_000, np.float32)
    add = cupy.RawKernel(ADD, "add")
    for number in range(20):
        add((400,), (256,), (array, np.float32(1), np.int32(array.size), array))
        other.wait_event(stream.record())
        with other:
            cupy.copyto(out, array)
        stream.wait_event(other.record())
        if number == 10:
            assert (out.get(stream=other) == 11).all()
    assert (out.get(stream=other) == 20).all()


def test_an_event_that_was_never_recorded_does_not_hold_anything(cupy, stream):
    event = cupy.cuda.Event()
    stream.wait_event(event)
    event.synchronize()
    assert event.done
    assert (cupy.zeros(4, np.float32).get() == 0).all()


def test_a_second_record_replaces_the_first(cupy, stream):
    event, array = cupy.cuda.Event(disable_timing=True), cupy.zeros(4, np.float32)
    event.record(stream)
    array.fill(1)
    event.record(stream)
    other = cupy.cuda.Stream(non_blocking=True)
    other.wait_event(event)
    assert (array.get(stream=other) == 1).all()


def test_blocking_streams_join_with_the_legacy_stream(cupy):
    blocking, null = cupy.cuda.Stream(), cupy.cuda.Stream.null
    with null:
        array = cupy.zeros(100_000, np.float32)
    for number in range(1, 10):
        with blocking:
            array.fill(number)
        with null:
            out = array.copy()
        with blocking:
            array.fill(-1)
        with null:
            assert (out.get() == number).all()


def test_synchronizing_the_device_waits_for_every_stream(cupy, stream):
    streams = [stream, cupy.cuda.Stream(), cupy.cuda.Stream.null]
    for one in streams:
        with one:
            cupy.zeros(1000, np.float32).fill(1)
    cupy.cuda.Device().synchronize()
    assert all(one.done for one in streams)


def test_times_between_events(cupy, stream):
    first = stream.record()
    cupy.zeros(100_000, np.float32)
    last = stream.record()
    last.synchronize()
    assert cupy.cuda.get_elapsed_time(first, last) >= 0


# Memory


def test_freed_memory_is_given_out_again_on_the_same_stream(cupy, stream):
    first = cupy.empty((37, 41), np.float32)
    address = first.data.ptr
    del first
    assert cupy.empty((37, 41), np.float32).data.ptr == address


def test_a_view_keeps_its_memory(cupy, stream):
    view = cupy.asarray(numbers(37, 41))[3:]
    others = [cupy.zeros((37, 41), np.float32) for _ in range(4)]
    np.testing.assert_array_equal(view.get(), numbers(37, 41)[3:])
    assert len({other.data.ptr for other in others}) == 4


# Graphs


def test_a_graph_replays_what_was_captured(cupy, stream):
    history, current = cupy.asarray(numbers(9, 13, 4)), cupy.asarray(numbers(9, 13, 4, seed=1))
    field = cupy.asarray(numbers(9, 13, 2, seed=2))
    out = blend(current, history, field, strength=0.5)
    stream.synchronize()
    stream.begin_capture()
    assert stream.is_capturing()
    blend(current, history, field, strength=0.5, out=out)
    graph = stream.end_capture()
    assert not stream.is_capturing()
    for seed in (3, 4):
        current.set(numbers(9, 13, 4, seed=seed))
        graph.launch()
        expected = blend_reference(numbers(9, 13, 4, seed=seed), numbers(9, 13, 4), numbers(9, 13, 2, seed=2), 0.5)
        np.testing.assert_allclose(out.get(), expected, atol=1e-5)


def test_nothing_runs_during_a_capture(cupy, stream):
    array = cupy.zeros(4, np.float32)
    stream.synchronize()
    stream.begin_capture()
    array.fill(1)
    graph = stream.end_capture()
    assert (array.get() == 0).all()
    graph.launch(stream)
    assert (array.get() == 1).all()


def test_a_capture_refuses_copies_to_the_host_and_from_it(cupy, stream):
    array = cupy.zeros(4, np.float32)
    for copy in (array.get, lambda: array.set(np.ones(4, np.float32))):
        stream.synchronize()
        stream.begin_capture()
        with pytest.raises(RuntimeError):
            copy()
        with contextlib.suppress(RuntimeError):  # the capture may have ended with the refusal
            stream.end_capture()
    assert (array.get() == 0).all()


def test_the_legacy_stream_cannot_be_captured(cupy):
    with pytest.raises(RuntimeError, match="cannot capture on the default"):
        cupy.cuda.Stream.null.begin_capture()
