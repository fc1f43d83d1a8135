"""Small programs for the device, each right as it stands and wrong with one line left out.

Each takes a `right` flag and returns (results, expected), lists of host arrays. They use what the device path uses: two
streams, events, pinned memory, the pools, and kernels of Rotoscope.
"""

import av
import numpy as np
from av.codec.hwaccel import HWAccel
from simulated_gpu import nvdec, nvenc

from rotoscope.kernels.arrays import from_dlpack
from rotoscope.kernels.blend import blend, blend_reference
from rotoscope.kernels.interleave import interleave

HEIGHT, WIDTH = 6, 10
FRAMES = 6


def pictures(count=FRAMES + 1):
    rng = np.random.default_rng(0)
    return [rng.random((HEIGHT, WIDTH, 4), np.float32) for _ in range(count)]


def flow():
    return np.random.default_rng(1).normal(0, 1, (HEIGHT, WIDTH, 2)).astype(np.float32)


def results_match(results, expected):
    return all(np.allclose(a, b, atol=1e-4) for a, b in zip(results, expected, strict=True))


def event_between_copy_and_compute(right):
    """Upload on one stream, blend on another, which waits for the event of the upload."""
    import cupy

    compute, up = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    first, *rest = pictures()
    results, expected, wanted = [], [], first
    with compute:
        field, history = cupy.asarray(flow()), cupy.asarray(first)
        for picture in rest:
            with up:
                current = cupy.asarray(picture)
            if right:
                compute.wait_event(up.record())
            history = blend(current, history, field, strength=0.5)
            results.append(history)
            up.wait_event(compute.record())
            wanted = blend_reference(picture, wanted, flow(), 0.5).astype(np.float32)
            expected.append(wanted)
        return [result.get() for result in results], expected


def buffer_freed_while_another_stream_reads(right):
    """`current` goes back to the pool of the upload stream when the host drops it; that stream must wait for its reader."""
    import cupy

    compute, up = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    base, *rest = pictures()
    results = []
    with compute:
        field, history = cupy.asarray(flow()), cupy.asarray(base)
        for picture in rest:
            with up:
                current = cupy.asarray(picture)
            compute.wait_event(up.record())
            results.append(blend(current, history, field, strength=0.5))
            if right:
                up.wait_event(compute.record())
            del current
        made = [result.get() for result in results]
    return made, [blend_reference(picture, base, flow(), 0.5).astype(np.float32) for picture in rest]


def pinned_buffer_reused_before_its_event(right):
    """Two pinned buffers take turns; before the host writes one again, its last upload must have run."""
    import cupy
    import cupyx

    compute = cupy.cuda.Stream(non_blocking=True)
    ring = [
        (cupyx.empty_pinned((HEIGHT, WIDTH, 4), np.float32), cupy.cuda.Event(disable_timing=True)) for _ in range(2)
    ]
    given = pictures(FRAMES)
    results = []
    with compute:
        for index, picture in enumerate(given):
            pinned, passed = ring[index % 2]
            if right:
                passed.synchronize()
            pinned[...] = picture
            results.append(cupy.asarray(pinned))
            passed.record(compute)
        return [result.get() for result in results], given


def pinned_buffer_read_before_its_event(right):
    """The host reads a downloaded picture one frame late; the event of that download must have passed."""
    import cupy
    import cupyx

    compute, down = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    ring = [
        (cupyx.empty_pinned((HEIGHT, WIDTH, 4), np.float32), cupy.cuda.Event(disable_timing=True)) for _ in range(2)
    ]
    given = pictures(FRAMES)
    results, slots = [], []
    with compute:
        for index, picture in enumerate([*given, None]):
            if picture is not None:
                pinned, passed = ring[index % 2]
                on_device = cupy.asarray(picture)
                down.wait_event(compute.record())
                on_device.get(stream=down, out=pinned, blocking=False)
                passed.record(down)
                slots.append(on_device)
            if index:
                pinned, passed = ring[(index - 1) % 2]
                if right:
                    passed.synchronize()
                results.append(pinned.copy())
        compute.synchronize()
        down.synchronize()
    return results, given


def pinned_buffer_filled_after_its_upload_was_enqueued(right):
    """The host fills a pinned buffer first and enqueues its upload then; the other way round is wrong on a fast device."""
    import cupy
    import cupyx

    compute = cupy.cuda.Stream(non_blocking=True)
    given = pictures(FRAMES)
    results = []
    with compute:
        for picture in given:
            pinned = cupyx.empty_pinned(picture.shape, picture.dtype)
            if right:
                pinned[...] = picture
            on_device = cupy.asarray(pinned)
            pinned[...] = picture
            compute.synchronize()
            results.append(on_device.get())
    return results, given


def device_slot_written_before_its_download(right):
    """One device buffer is written for every frame; the compute stream must wait for the download of the frame before."""
    import cupy
    import cupyx

    compute, down = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    given = [np.ascontiguousarray(np.moveaxis(picture[..., :3], 2, 0)) for picture in pictures(FRAMES)]
    with compute:
        slot = cupy.empty((HEIGHT, WIDTH, 4), np.float32)
        arrived = [cupyx.empty_pinned(slot.shape, slot.dtype) for _ in given]
        for planar, pinned in zip(given, arrived, strict=True):
            interleave(cupy.asarray(planar), slot)
            down.wait_event(compute.record())
            slot.get(stream=down, out=pinned, blocking=False)
            if right:
                compute.wait_event(down.record())
        down.synchronize()
    results = [pinned[..., :3] for pinned in arrived]
    return results, [np.moveaxis(planar, 0, 2) for planar in given]


def graph_keeps_its_buffers(right):
    """A graph replays the addresses of its capture: a buffer that died since then may belong to another array."""
    import cupy

    compute = cupy.cuda.Stream(non_blocking=True)
    base, picture, *others = pictures()
    with compute:
        field, history, current = cupy.asarray(flow()), cupy.asarray(base), cupy.asarray(picture)
        out = blend(current, history, field, strength=0.5)
        compute.synchronize()
        compute.begin_capture()
        blend(current, history, field, strength=0.5, out=out)
        graph = compute.end_capture()
        if not right:
            del current
        keep = [cupy.asarray(other) for other in others]
        graph.launch()
        made = [out.get()]
        del keep
    return made, [blend_reference(picture, base, flow(), 0.5).astype(np.float32)]


def _decoded(count=FRAMES):
    """Software frames, 4:2:0, each of other values."""
    rng = np.random.default_rng(2)
    frames = [av.VideoFrame(32, 16, "yuv420p") for _ in range(count)]
    for frame in frames:
        for plane in frame.planes:
            plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
    return frames


def _read_surfaces(fenced_before, fenced_after):
    """Copy each decoded picture on the compute stream, with events around the copy, then drop the surface."""
    import cupy

    decoder = nvdec.Decoder(HWAccel("cuda", is_hw_owned=True))
    compute = cupy.cuda.Stream(non_blocking=True)
    frames, results = _decoded(), []
    with compute:
        for software in frames:
            frame = decoder.frame(software)
            luma, chroma = (from_dlpack(plane) for plane in frame.planes)
            if fenced_before:
                compute.wait_event(cupy.cuda.Stream.null.record())
            results += [luma.copy(), chroma.copy()]
            if fenced_after:
                cupy.cuda.Stream.null.wait_event(compute.record())
            del frame, luma, chroma
        made = [result.get() for result in results]
    return made, [plane for software in frames for plane in nvdec.semi_planar_planes(software)]


def surface_read_before_it_was_filled(right):
    """NVDEC fills surfaces on the legacy stream, with which a non-blocking stream does not join."""
    return _read_surfaces(right, True)


def surface_released_too_early(right):
    """A surface that the host drops is filled again, maybe before the compute stream has read it."""
    return _read_surfaces(True, right)


def encoder_buffer_written_before_it_was_read(right):
    """One buffer for all frames: the encoder keeps the frame, and the buffer must stay as it is until it has read it."""
    import cupy

    compute = cupy.cuda.Stream(non_blocking=True)
    context = nvenc.CudaContext(0, primary_ctx=False, current_ctx=True, cuda_stream=compute.ptr)
    encoder = nvenc.Encoder()
    height, width, pitch = 16, 32, 256
    with compute:
        wholes = [cupy.empty((height * 3 // 2, pitch), np.uint8) for _ in range(FRAMES if right else 1)]
        for value in range(FRAMES):
            whole = wholes[value % len(wholes)]
            whole.fill(value)
            luma = whole[:height, :width]
            shape, strides = (height // 2, width // 2, 2), (pitch, 2, 1)
            chroma = cupy.ndarray(shape, np.uint8, memptr=whole.data + height * pitch, strides=strides)
            encoder.encode(nvenc.frame_from_dlpack((luma, chroma), stream=compute.ptr, cuda_context=context))
        results = [luma for luma, _ in encoder.pictures()]
    return results, [np.full((height, width), value, np.uint8) for value in range(FRAMES)]
