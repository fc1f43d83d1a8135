"""NVDEC, NVENC, ONNX Runtime and TensorRT on the simulated device, as PyAV and Rotoscope's own engines use them."""

import importlib.util
from pathlib import Path

import av
import numpy as np
import onnxruntime
import pytest
import tiny_clips
import tiny_models
from av.codec.hwaccel import HWAccel
from simulated_gpu import nvdec, nvenc, tensorrt

from rotoscope.assembly.gpu_checks import kernel_verdict
from rotoscope.base import cache
from rotoscope.base.device import FIRST_GPU
from rotoscope.kernels.arrays import from_dlpack
from rotoscope.runtime.engines import signed, tensorrt_build
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.engines.tensorrt import TensorRtEngine
from rotoscope.runtime.media.hardware_codecs import why_not_decoded
from rotoscope.runtime.models.model_file import open_model

NAMES = Path(tensorrt.__file__).with_name("tensorrt_names.txt")


# NVDEC


def hwaccel(**changed):
    arguments = {
        "allow_software_fallback": True,
        "is_hw_owned": True,
        "options": {"primary_ctx": "0", "current_ctx": "1"},
    }
    return HWAccel("cuda", device=0, **{**arguments, **changed})


def software_frames(clip):
    with av.open(str(clip)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize(
    ("codec", "pixel_format", "size"),
    [("libx264", "yuv420p", (66, 50)), ("libx265", "yuv420p10le", (64, 48)), ("mpeg4", "yuv420p", (64, 48))],
)
def test_frames_are_those_of_the_software_decoder(machine, tmp_path, codec, pixel_format, size):
    import cupy

    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    clip = tiny_clips.write_clip(tmp_path / "a.mp4", codec=codec, pixel_format=pixel_format, size=size, options=options)
    compute = cupy.cuda.Stream(non_blocking=True)
    decoded = []
    with av.open(str(clip), hwaccel=hwaccel()) as container, compute:
        (video,) = container.streams.video
        assert isinstance(video, av.video.stream.VideoStream)
        assert container.streams.best("video") == video
        video.codec_context.thread_count = 1
        assert video.codec_context.is_hwaccel
        for packet in container.demux(video):
            for frame in video.codec_context.decode(packet):
                assert isinstance(frame, av.VideoFrame)
                assert frame.format.name == "cuda"
                assert frame.sw_format.name == ("nv12" if pixel_format == "yuv420p" else "p010le")
                compute.wait_event(cupy.cuda.Stream.null.record())
                planes = [from_dlpack(plane) for plane in frame.planes]
                assert all(plane.strides[0] % 256 == 0 for plane in planes)
                decoded.append((frame.pts, frame.time_base, [plane.copy() for plane in planes]))
                cupy.cuda.Stream.null.wait_event(compute.record())
                del planes
        assert machine.counters.waits == 0
        expected = software_frames(clip)
        assert len(decoded) == len(expected) == 8
        for (pts, time_base, planes), frame in zip(decoded, expected, strict=True):
            assert (pts, time_base) == (frame.pts, frame.time_base)
            for plane, codes in zip(planes, nvdec.semi_planar_planes(frame), strict=True):
                np.testing.assert_array_equal(plane.get(), codes)
    assert machine.counters.surfaces == nvdec.SURFACES


def test_container_decode_and_seek_work_as_with_software(machine, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "a.mp4", options={"qp": "0", "preset": "ultrafast", "g": "2"})
    with av.open(str(clip), hwaccel=hwaccel()) as container:
        assert [frame.pts for frame in container.decode(video=0)] == [frame.pts for frame in software_frames(clip)]
        container.seek(0, stream=container.streams.video[0])
        assert len(list(container.decode(container.streams.video[0]))) == 8


def test_a_frame_on_the_device_has_no_buffer_and_takes_no_stream(machine, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "a.mp4")
    with av.open(str(clip), hwaccel=hwaccel()) as container:
        frame = next(container.decode(video=0))
        with pytest.raises(TypeError):
            memoryview(frame.planes[0])
        with pytest.raises(NotImplementedError):
            frame.planes[0].__dlpack__(stream=1)
        assert machine.counters.waits == 0
        np.testing.assert_array_equal(
            frame.to_ndarray(format="rgb24"), software_frames(clip)[0].to_ndarray(format="rgb24")
        )
        assert (machine.counters.waits, machine.counters.downloads) == (1, 1)


def test_surfaces_are_reused_at_once_and_more_are_made_while_they_are_held(gpu):
    decoder = nvdec.Decoder(HWAccel("cuda", is_hw_owned=True))
    software = av.VideoFrame(64, 48, "yuv420p")
    held = [decoder.frame(software) for _ in range(nvdec.SURFACES + 1)]
    assert gpu.counters.surfaces == nvdec.SURFACES + 1
    plane = from_dlpack(held[-1].planes[0])
    address = plane.data.ptr
    held.pop()
    assert from_dlpack(decoder.frame(software).planes[0]).data.ptr != address, "an array still holds that surface"
    del plane
    assert from_dlpack(decoder.frame(software).planes[0]).data.ptr == address
    assert gpu.counters.surfaces == nvdec.SURFACES + 2


@pytest.mark.parametrize(("codec", "pixel_format"), [("libx264", "yuv444p"), ("ffv1", "yuv420p")])
def test_what_nvdec_cannot_decode_is_decoded_by_software(machine, tmp_path, codec, pixel_format):
    clip = tiny_clips.write_clip(tmp_path / "a.mkv", codec=codec, pixel_format=pixel_format)
    with av.open(str(clip), hwaccel=hwaccel()) as container:
        assert {frame.format.name for frame in container.decode(video=0)} == {pixel_format}


def test_without_fall_back_an_unknown_codec_is_refused(machine, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "a.mkv", codec="ffv1")
    with pytest.raises(NotImplementedError, match="ffv1"):
        av.open(str(clip), hwaccel=hwaccel(allow_software_fallback=False))


def test_a_context_other_than_the_current_one_is_refused(machine, tmp_path):
    import cupy

    clip = tiny_clips.write_clip(tmp_path / "a.mp4")
    for options, reason in (({"primary_ctx": "1", "current_ctx": "1"}, "exclude"), ({}, "incompatible flags")):
        cupy.zeros(1)  # CuPy has made the primary context
        with pytest.raises(av.FFmpegError, match=reason):
            av.open(str(clip), hwaccel=hwaccel(options=options))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_what_doctor_tries_works_here(machine, codec):
    assert why_not_decoded(codec, FIRST_GPU) == ""
    assert kernel_verdict(FIRST_GPU) == "ok"


# NVENC


def one_allocation(cupy, height=16, width=32, pitch=256):
    whole = cupy.empty((height * 3 // 2, pitch), np.uint8)
    luma = whole[:height, :width]
    strides = (pitch, 2, 1)
    return whole, luma, cupy.ndarray((height // 2, width // 2, 2), np.uint8, whole.data + height * pitch, strides)


def test_the_encoder_reads_when_told(gpu):
    import cupy

    whole, luma, chroma = one_allocation(cupy)
    encoder = nvenc.Encoder()
    encoder.encode(nvenc.frame_from_dlpack((luma, chroma)))
    whole.fill(7)
    encoder.read()
    whole.fill(9)
    (picture,) = encoder.pictures()
    assert all((plane == 7).all() for plane in picture)
    assert [plane.shape for plane in picture] == [(16, 32), (8, 16, 2)]


def test_two_allocations_are_refused(gpu):
    import cupy

    frame = nvenc.frame_from_dlpack((cupy.zeros((16, 32), np.uint8), cupy.zeros((8, 16, 2), np.uint8)))
    with pytest.raises(RuntimeError, match="one allocation"):
        nvenc.Encoder().encode(frame)


def test_a_decoder_surface_is_no_frame_for_the_encoder(gpu):
    """Its chroma begins behind whole macroblocks: 48 lines for a picture of 40."""
    frame = nvdec.Decoder(HWAccel("cuda", is_hw_owned=True)).frame(av.VideoFrame(64, 40, "yuv420p"))
    with pytest.raises(RuntimeError, match="one allocation"):
        nvenc.Encoder().encode(nvenc.frame_from_dlpack(frame.planes))


def test_more_buffers_than_nvenc_keeps_are_refused(gpu):
    import cupy

    encoder, held = nvenc.Encoder(), []
    with pytest.raises(RuntimeError, match="resource register failed"):
        for _ in range(nvenc.MOST_REGISTRATIONS + 1):
            held.append(one_allocation(cupy))
            encoder.encode(nvenc.frame_from_dlpack(held[-1][1:]))


def test_odd_sides_are_refused(gpu):
    import cupy

    with pytest.raises(ValueError, match="even"):
        nvenc.frame_from_dlpack((cupy.zeros((15, 32), np.uint8), cupy.zeros((7, 16, 2), np.uint8)))


# ONNX Runtime


@pytest.fixture
def affine(tmp_path):
    return tiny_models.affine(tmp_path / "affine.onnx", 0.5, 0.125)


def tensors(size=(48, 64)):
    return np.random.default_rng(0).random((1, 3, *size), np.float32)


def names_of(model):
    manifest = open_model(model).manifest
    return manifest.frame.tensor, manifest.output.tensor


def test_the_cuda_engine_of_rotoscope_enqueues_and_does_not_wait(machine, affine):
    import cupy

    engine = OnnxRuntimeEngine(affine, device="cuda")
    assert engine.device == FIRST_GPU
    given, made = names_of(affine)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        x = cupy.asarray(tensors())
        out = cupy.empty(x.shape, x.dtype)
        before = machine.counters.copy()
        engine.run({given: x}, {}, {made: out}, {})
        assert machine.counters - before == type(before)(network_calls=1)
        stream.synchronize()
        np.testing.assert_allclose(out.get(), tensors() * 0.5 + 0.125, atol=1e-6)


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", "0"), ("fp16", "1")])
def test_tensor_cores_are_forbidden_to_fp32_only(machine, affine, precision, allowed):
    """With `use_tf32` = 0 ONNX Runtime drops every convolution on tensor cores, those of fp16 too (conv.cc, since 1.20)."""
    assert OnnxRuntimeEngine(affine, device="cuda", precision=precision)._session._settings["use_tf32"] == allowed


def test_the_cuda_engine_copies_host_arrays_and_waits(machine, affine):
    engine = OnnxRuntimeEngine(affine, device="cuda")
    given, made = names_of(affine)
    out = np.empty_like(tensors())
    before = machine.counters.copy()
    engine.run({given: tensors()}, {}, {made: out}, {})
    np.testing.assert_allclose(out, tensors() * 0.5 + 0.125, atol=1e-6)
    counted = machine.counters - before
    assert (counted.uploads, counted.downloads, counted.pageable_copies) == (1, 1, 2)
    assert counted.waits >= 1


def session(model, stream, **options):
    settings = {"device_id": "0", "user_compute_stream": str(stream.ptr), **options}
    return onnxruntime.InferenceSession(str(model), providers=[("CUDAExecutionProvider", settings)])


def bound(session, given, x, made, out):
    binding = session.io_binding()
    binding.bind_input(given, "cuda", 0, x.dtype, x.shape, x.data.ptr)
    binding.bind_output(made, "cuda", 0, out.dtype, out.shape, out.data.ptr)
    return binding


def without_waiting(graph=None):
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    if graph is not None:
        options.add_run_config_entry("gpu_graph_id", graph)
    return options


def test_a_run_waits_unless_the_run_option_says_not_to(machine, affine):
    import cupy

    given, made = names_of(affine)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        x, out = cupy.asarray(tensors()), cupy.zeros(tensors().shape, np.float32)
        opened = session(affine, stream)
        binding = bound(opened, given, x, made, out)
        opened.run_with_iobinding(binding, without_waiting())
        assert machine.counters.waits == 0
        opened.run_with_iobinding(binding)
        assert machine.counters.waits == 1


def test_a_graph_of_onnx_runtime_keeps_the_addresses_of_its_capture(machine, affine):
    """With enable_cuda_graph, another binding under the same graph id is not used: each slot needs an id of its own."""
    import cupy

    given, made = names_of(affine)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        x = cupy.asarray(tensors())
        out, other = np.zeros_like(x), np.zeros_like(x)
        opened = session(affine, stream, enable_cuda_graph="1")
        for _ in range(3):
            opened.run_with_iobinding(bound(opened, given, x, made, out), without_waiting("1"))
        assert machine.counters.captures == 1
        out.fill(0)
        opened.run_with_iobinding(bound(opened, given, x, made, other), without_waiting("1"))
        assert (other.get() == 0).all()
        np.testing.assert_allclose(out.get(), tensors() * 0.5 + 0.125, atol=1e-6)
        opened.run_with_iobinding(bound(opened, given, x, made, other), without_waiting("2"))
        np.testing.assert_allclose(other.get(), tensors() * 0.5 + 0.125, atol=1e-6)


def test_onnx_runtime_does_not_run_in_a_capture_of_another_library(machine, affine):
    import cupy

    given, made = names_of(affine)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        x, out = cupy.asarray(tensors()), cupy.zeros(tensors().shape, np.float32)
        opened = session(affine, stream)
        stream.synchronize()
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="ONNX Runtime in a capture"):
            opened.run_with_iobinding(bound(opened, given, x, made, out), without_waiting())
        with pytest.raises(RuntimeError, match="Invalidated"):
            stream.end_capture()


def test_an_address_must_be_where_the_binding_says(machine, affine):
    import cupy

    given, _ = names_of(affine)
    host, x = tensors(), cupy.asarray(tensors())
    binding = session(affine, cupy.cuda.Stream(non_blocking=True)).io_binding()
    with pytest.raises(RuntimeError, match="not on the device, bound as cuda"):
        binding.bind_input(given, "cuda", 0, host.dtype, host.shape, host.ctypes.data)
    with pytest.raises(RuntimeError, match="on the device, bound as cpu"):
        binding.bind_input(given, "cpu", 0, x.dtype, x.shape, x.data.ptr)


def test_sessions_for_the_cpu_are_real_ones(machine, affine):
    opened = onnxruntime.InferenceSession(str(affine), providers=["CPUExecutionProvider"])
    given, made = names_of(affine)
    np.testing.assert_allclose(opened.run([made], {given: tensors()})[0], tensors() * 0.5 + 0.125, atol=1e-6)


# TensorRT


def names_that_stand_in():
    """Every public name of the stand-in, members with their class."""
    members = {f"{kind.__name__}.{name}" for kind in tensorrt.PUBLIC for name in vars(kind) if not name.startswith("_")}
    return members | {kind.__name__ for kind in tensorrt.PUBLIC} | {"nptype"}


def test_the_list_of_checked_names_is_complete():
    assert sorted(names_that_stand_in()) == NAMES.read_text().split()


def test_every_name_exists_in_the_bindings_of_tensorrt():
    found = importlib.util.find_spec("tensorrt_bindings")
    if found is None or found.origin is None:
        pytest.skip("no TensorRT bindings: pip install --no-deps tensorrt-cu13-bindings==10.16.1.11")
    folder = Path(found.origin).parent
    text = (folder / "__init__.py").read_bytes() + b"".join(path.read_bytes() for path in folder.glob("tensorrt*.so"))
    for name in NAMES.read_text().split():
        last = name.rpartition(".")[2].encode()
        assert last + b"\0" in text or b"def " + last in text, name


@pytest.fixture
def private_cache(tmp_path, monkeypatch):
    for module, name in ((cache, "user_cache_path"), (signed, "user_config_path")):
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        monkeypatch.setattr(module, name, lambda *_, folder=folder, **__: folder)


SIZES = ((32, 32), (64, 48), (128, 96))  # (width, height)


def plan_of(model, **options):
    return tensorrt_build.checked_engine(tensorrt_build.build_engine(open_model(model), sizes=SIZES, **options))


def test_the_tensorrt_engine_of_rotoscope_builds_and_runs(machine, affine, private_cache):
    import cupy

    engine = TensorRtEngine(open_model(affine))
    given, made = names_of(affine)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        for size in ((48, 64), (33, 65)):
            x = cupy.asarray(tensors(size))
            assert engine.shapes({given: x}, {}) == {made: x.shape}
            out = cupy.empty(x.shape, x.dtype)
            before = machine.counters.copy()
            engine.run({given: x}, {}, {made: out}, {})
            assert (machine.counters - before).waits == 0
            np.testing.assert_allclose(out.get(), tensors(size) * 0.5 + 0.125, atol=1e-6)
        assert stream.done
    host = np.empty_like(tensors())
    engine.run({given: tensors()}, {}, {made: host}, {})
    np.testing.assert_allclose(host, tensors() * 0.5 + 0.125, atol=1e-6)


@pytest.mark.parametrize("tf32", [False, True])
def test_a_build_reports_its_progress_and_keeps_its_flags(machine, affine, private_cache, tf32):
    phases = []
    plan = plan_of(affine, tf32=tf32, on_progress=lambda phase, share: phases.append((phase, share)))
    assert phases == [("Building", 1.0)]
    engine = tensorrt.Runtime(tensorrt.Logger()).deserialize_cuda_engine(plan)
    assert ("TF32" in engine.header["flags"]) == tf32
    assert engine.get_tensor_profile_shape("in", 0) == [(1, 3, height, width) for width, height in SIZES]
    context = engine.create_execution_context()
    assert context.set_input_shape("in", (1, 3, 96, 128))
    assert not context.set_input_shape("in", (1, 3, 97, 128))


def test_tensorrt_cannot_be_captured_before_its_first_call_with_these_shapes(machine, affine, private_cache):
    import cupy

    engine = tensorrt.Runtime(tensorrt.Logger()).deserialize_cuda_engine(plan_of(affine))
    given, made = names_of(affine)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        x, out = cupy.asarray(tensors()), cupy.zeros(tensors().shape, np.float32)
        stream.synchronize()
        context = engine.create_execution_context()
        assert context.set_input_shape(given, x.shape)
        assert not context.execute_async_v3(stream.ptr)  # no addresses yet
        assert context.set_tensor_address(given, x.data.ptr)
        assert context.set_tensor_address(made, out.data.ptr)
        stream.begin_capture()
        assert not context.execute_async_v3(stream.ptr)
        with pytest.raises(RuntimeError, match="Invalidated"):
            stream.end_capture()
        assert context.execute_async_v3(stream.ptr)
        stream.begin_capture()
        assert context.execute_async_v3(stream.ptr)
        graph = stream.end_capture()
        x.set(tensors() * 0)
        graph.launch()
        np.testing.assert_allclose(out.get(), 0.125, atol=1e-6)


def test_a_host_address_is_no_address_for_tensorrt(machine, affine, private_cache):
    context = tensorrt.Runtime(tensorrt.Logger()).deserialize_cuda_engine(plan_of(affine)).create_execution_context()
    assert not context.set_tensor_address(names_of(affine)[0], tensors().ctypes.data)


def test_another_file_is_no_plan(machine):
    import tensorrt as trt

    assert trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(b"plan") is None
    parser = trt.OnnxParser(trt.Builder(trt.Logger()).create_network(), trt.Logger())
    assert not parser.parse_from_file(__file__)
    assert parser.get_error(0).desc()
