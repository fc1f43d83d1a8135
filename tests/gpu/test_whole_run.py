"""A whole run with its pictures on the simulated GPU: the frames of the CPU path, without waits and allocations per frame."""

import av
import numpy as np
import pytest
import tiny_models
from simulated_gpu import whole_machine

import rotoscope

SETTLED, LATER, NUM_FRAMES = 10, 20, 30  # the GPU is at most 6 frames ahead of the count: at LATER, frames still come


@pytest.fixture(scope="module")
def affine(tmp_path_factory):
    return tiny_models.affine(tmp_path_factory.mktemp("models") / "affine.onnx", -0.8, 0.9)


def run(model, target, device, size="322x180", **options):
    """Translate generated frames losslessly; return the run, and the counters of the device after SETTLED frames and after LATER."""
    counted = {}

    def count(progress):
        if device == "cuda" and progress.done in (SETTLED, LATER):
            from simulated_gpu.gpu import gpu

            counted[progress.done] = gpu.counters.copy()

    options = {"steady": "off", "encoder_options": ("crf=0", "preset=ultrafast"), **options}
    done = rotoscope.translate(
        f"synthetic:{size}@25:{NUM_FRAMES}", target, model=model, device=device, on_progress=count, **options
    )
    return done, counted


def code_values(file):
    """The planes of every frame as they were encoded."""
    with av.open(str(file)) as container:
        return [frame.to_ndarray().astype(int) for frame in container.decode(video=0)]


def assert_same_frames(made, expected, most=1):
    made, expected = code_values(made), code_values(expected)
    assert len(made) == len(expected) == NUM_FRAMES
    assert max(np.abs(a - b).max() for a, b in zip(made, expected, strict=True)) <= most


@pytest.mark.parametrize("scheduler", ["uniform", "priorities"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_frames_are_those_of_the_cpu_path(affine, tmp_path, seed, scheduler):
    run(str(affine), tmp_path / "cpu.mp4", "cpu")
    with whole_machine(seed=seed, scheduler=scheduler):
        done, _ = run(str(affine), tmp_path / "gpu.mp4", "cuda")
    assert done.engine == "onnxruntime fp32 cuda, 3 in flight, pictures on cuda:0"
    assert done.notes == ()
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


@pytest.mark.parametrize(("options", "reason"), [
    ({"steady": "hypercon"}, "--steady hypercon is not on the GPU yet"),
    ({"keyframes": 4}, "--steady off with --keyframes is not on the GPU yet"),
])  # fmt: skip
def test_what_is_not_on_the_gpu_yet_runs_on_the_cpu_and_is_said(options, reason, affine, tmp_path):
    with whole_machine():
        done, _ = run(str(affine), tmp_path / "gpu.mp4", "cuda", **options)
    assert f"pictures were on the CPU around the networks: {reason}" in done.notes
