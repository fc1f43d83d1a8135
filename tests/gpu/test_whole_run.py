"""A whole run with its pictures on the simulated GPU: the frames of the CPU path, without waits and allocations per frame."""

import dataclasses

import av
import numpy as np
import pytest
import tiny_models
from simulated_gpu import whole_machine

import rotoscope
from rotoscope.base import cache
from rotoscope.runtime.engines import signed

SETTLED, LATER, NUM_FRAMES = 10, 20, 30  # the GPU is at most 6 frames ahead of the count: at LATER, frames still come


@pytest.fixture(scope="module")
def affine(tmp_path_factory):
    return tiny_models.affine(tmp_path_factory.mktemp("models") / "affine.onnx", -0.8, 0.9)


def run(model, target, device, size="322x180", **options):
    """Translate generated frames losslessly; return the run, and the device's counters after SETTLED and after LATER frames."""
    counted = {}

    def count(progress):
        if device == "cuda" and progress.done in (SETTLED, LATER):
            from simulated_gpu.gpu import gpu

            counted[progress.done] = gpu.counters.copy()

    options = {"steady": "off", "encoder_options": ("crf=0", "preset=ultrafast"), "input_range": (0, 1), **options}
    done = rotoscope.translate(
        f"synthetic:{size}@25:{NUM_FRAMES}", target, model=model, device=device, on_progress=count, **options
    )
    return done, counted


def code_values(file):
    """The planes of every frame as they were encoded."""
    with av.open(str(file)) as container:
        return [frame.to_ndarray().astype(int) for frame in container.decode(video=0)]


def assert_same_frames(made, expected):
    """Within one code value. One value in 10,000 may differ by more: a choice was close, of the flow search or of a vote."""
    made, expected = code_values(made), code_values(expected)
    assert len(made) == len(expected) == NUM_FRAMES
    differences = np.abs(np.stack(made) - np.stack(expected))
    assert (differences > 1).mean() <= 1e-4


@pytest.mark.parametrize("scheduler", ["uniform", "priorities"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_frames_are_those_of_the_cpu_path(affine, tmp_path, seed, scheduler):
    run(str(affine), tmp_path / "cpu.mp4", "cpu")
    with whole_machine(seed=seed, scheduler=scheduler):
        done, _ = run(str(affine), tmp_path / "gpu.mp4", "cuda")
    assert done.engine == "onnxruntime fp32 cuda, 3 in flight, pictures on cuda:0"
    assert done.notes == ("decoded on the CPU: only video files are decoded on a GPU",)
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


def test_in_steady_state_the_host_waits_for_old_frames_only_and_allocates_nothing(affine, tmp_path):
    with whole_machine():
        _, counted = run(str(affine), tmp_path / "gpu.mp4", "cuda")
    per_run = counted[LATER] - counted[SETTLED]
    assert per_run.stalls == 0
    assert per_run.allocations == 0
    assert per_run.pageable_copies == 0
    assert per_run.downloaded_bytes <= (LATER - SETTLED + 6) * (322 * 180 * 3 // 2 + 4)


def test_the_network_is_replayed_as_a_cuda_graph(affine, tmp_path):
    with whole_machine():
        _, counted = run(str(affine), tmp_path / "gpu.mp4", "cuda")
    assert counted[LATER].captures == 1
    assert (counted[LATER] - counted[SETTLED]).graph_launches == (counted[LATER] - counted[SETTLED]).network_calls > 0


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    """Folders of models and keys of their own, so that engines are built again. Compiled kernels stay where they are."""
    for module, name in ((cache, "user_cache_path"), (signed, "user_config_path")):
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        monkeypatch.setattr(module, name, lambda *_, folder=folder, **__: folder)


def test_tensorrt_builds_an_engine_for_the_size_and_replays_its_graph(affine, tmp_path, own_folders, caplog):
    run(str(affine), tmp_path / "cpu.mp4", "cpu")
    with whole_machine():
        done, counted = run(str(affine), tmp_path / "gpu.mp4", "cuda", engine="tensorrt")
    assert done.engine == "tensorrt fp32 cuda:0, 3 in flight, pictures on cuda:0"
    assert "builds a TensorRT engine for 322x180" in caplog.text
    later = counted[LATER] - counted[SETTLED]
    assert (later.stalls, later.allocations, later.pageable_copies) == (0, 0, 0)
    assert later.graph_launches >= LATER - SETTLED - 6
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


def test_frames_of_another_size_are_translated_too(affine, tmp_path):
    options = {"output_size": "160x90", "working_size": "200x112", "size": "321x181"}
    run(str(affine), tmp_path / "cpu.mp4", "cpu", **options)
    with whole_machine():
        run(str(affine), tmp_path / "gpu.mp4", "cuda", **options)
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


def test_a_frame_that_is_not_finite_ends_the_run_and_is_named(tmp_path):
    bad = tiny_models.affine(tmp_path / "bad.onnx", float("inf"), 0.0)
    with whole_machine(), pytest.raises(rotoscope.RotoscopeError, match=r"frame 0 .* is \d+% NaN or infinite"):
        run(str(bad), tmp_path / "gpu.mp4", "cuda")
    assert not (tmp_path / "gpu.mp4").exists()


def test_a_chain_of_two_networks_stays_on_the_gpu(affine, tmp_path):
    run([str(affine), str(affine)], tmp_path / "cpu.mp4", "cpu")
    with whole_machine():
        done, _ = run([str(affine), str(affine)], tmp_path / "gpu.mp4", "cuda")
    assert "pictures on cuda:0" in done.engine
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


@pytest.fixture
def clip(tmp_path):
    """Generated frames as H.264, even sizes, with B-frames."""
    rotoscope.write(tmp_path / "clip.mp4", generated(), encoder_options=("bf=2",))
    return tmp_path / "clip.mp4"


def generated():
    with rotoscope.read("synthetic:160x96@25:30") as frames:
        for frame in frames:
            pixels = rotoscope.rgb(frame.source)
            picture = np.dstack([pixels, np.zeros_like(pixels[..., :1])]).astype(np.float32) / 255
            yield dataclasses.replace(frame, result=rotoscope.Picture((picture,)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gpu_decodes_and_gets_its_surfaces_back(seed, clip, affine, tmp_path):
    def translate(target, device, **options):
        options = {"steady": "off", "encoder_options": ("crf=0", "preset=ultrafast"), "device": device, **options}
        options["input_range"] = (0, 1)
        return rotoscope.translate(clip, target, model=str(affine), **options)

    translate(tmp_path / "cpu.mp4", "cpu")
    with whole_machine(seed=seed) as gpu:
        done = translate(tmp_path / "gpu.mp4", "cuda", decode="cuda")
        assert gpu.counters.surfaces > 0
    assert done.notes == () and (done.frames_in, done.frames_out) == (NUM_FRAMES, NUM_FRAMES)
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


def test_what_the_gpu_does_not_decode_is_refused_or_said(affine, tmp_path):
    with whole_machine():
        done, _ = run(str(affine), tmp_path / "gpu.mp4", "cuda")
        assert done.notes == ("decoded on the CPU: only video files are decoded on a GPU",)
        with pytest.raises(
            rotoscope.UsageError, match="--decode cuda: only video files are decoded on a GPU; accepted"
        ):
            run(str(affine), tmp_path / "other.mp4", "cuda", decode="cuda")
    with pytest.raises(rotoscope.UsageError, match="--decode cuda: pictures do not stay on a GPU in this run"):
        run(str(affine), tmp_path / "other.mp4", "cpu", decode="cuda")


def test_a_network_with_memory_keeps_it_on_the_gpu(tmp_path):
    smoother = str(tiny_models.smoother(tmp_path / "smoother.onnx"))
    run(smoother, tmp_path / "cpu.mp4", "cpu")
    with whole_machine():
        done, counted = run(smoother, tmp_path / "gpu.mp4", "cuda")
    assert "pictures on cuda:0" in done.engine
    later = counted[LATER] - counted[SETTLED]
    assert (later.stalls, later.allocations, later.pageable_copies) == (0, 0, 0)
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


@pytest.mark.parametrize("frame", [{"dtype": "uint8", "range": (0, 255)}, {"layout": "NHWC"}, {"dtype": "float16"}])
def test_every_kind_of_input_is_written_on_the_gpu(frame, tmp_path):
    network = str(tiny_models.identity_with(tmp_path / "identity.onnx", **frame))
    run(network, tmp_path / "cpu.mp4", "cpu")
    with whole_machine():
        run(network, tmp_path / "gpu.mp4", "cuda")
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


METHODS = {
    "blend": {"steady": "blend"},
    "ramp": {"steady": "ramp", "late": 2},
    "hypercon mean": {"steady": "hypercon"},
    "hypercon median": {"steady": "hypercon", "pool": "median"},
    "hypercon weighted": {"steady": "hypercon", "pool": "weighted"},
    "key frames": {"steady": "off", "keyframes": 3},
    "key frames, blend": {"steady": "blend", "keyframes": 3},
    "mix": {"mix": 0.4},
    "compare": {"compare": True},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_frames_of_the_cpu_path(method, affine, tmp_path):
    options = {
        "size": "192x128",
        **METHODS[method],
    }  # smaller pictures are enlarged for the motion on the CPU, not on the GPU
    run(str(affine), tmp_path / "cpu.mp4", "cpu", flow="inverse-search", **options)
    with whole_machine():
        done, counted = run(str(affine), tmp_path / "gpu.mp4", "cuda", **options)
    assert "pictures on cuda:0" in done.engine
    later = counted[LATER] - counted[SETTLED]
    assert (later.stalls, later.allocations, later.pageable_copies) == (0, 0, 0)
    if method == "blend":
        assert counted[LATER].captures == 3  # of the network, and of the flow search with each set of arrays
    if method.startswith("hypercon"):
        assert later.network_calls <= LATER - SETTLED + 6  # the inserted frame and the next are one batch
    assert_same_frames(tmp_path / "gpu.mp4", tmp_path / "cpu.mp4")


def test_networks_on_several_devices_have_their_pictures_on_the_cpu_and_it_is_said(affine, tmp_path):
    on_gpu = rotoscope.load(str(affine), device="cuda", input_range=(0, 1))
    on_cpu = rotoscope.load(str(affine), input_range=(0, 1))
    with whole_machine():
        done = rotoscope.translate("synthetic:64x64@25:3", tmp_path / "gpu.mp4", model=[on_gpu, on_cpu], steady="off")
    assert "pictures were on the CPU around the networks: the networks are on cuda:0 and cpu" in done.notes


@pytest.mark.parametrize("steady", ["off", "blend"])
def test_a_live_run_gives_the_frames_of_the_cpu_path(affine, tmp_path, steady):
    def live(device):
        file = tmp_path / f"{device}.mkv"
        run = rotoscope.live(
            f"synthetic:322x180@200:{NUM_FRAMES}", str(file), model=str(affine), device=device, steady=steady,
            flow="inverse-search", policy="every", encoder_options=("crf=0", "preset=ultrafast"),
        )  # fmt: skip
        return run.wait(280), file

    expected = live("cpu")[1]
    with whole_machine(seed=1):
        report, made = live("cuda")
    assert report.engine == "onnxruntime fp32 cuda, 1 in flight, pictures on cuda:0"
    assert (report.frames_in, report.frames_out, report.dropped) == (NUM_FRAMES, NUM_FRAMES, 0)
    assert_same_frames(made, expected)
