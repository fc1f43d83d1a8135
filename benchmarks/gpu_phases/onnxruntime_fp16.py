"""Find what makes ONNX Runtime slow or fast in fp16: settings of its CUDA provider side by side, and the operations on the CPU.

ResNet-9 at 512x512 took 22 ms in fp16 on an H200, and 3.8 ms in torch. The provider's source says why: with `use_tf32` = 0 it
drops all plans of cuDNN that use tensor cores, those of fp16 too. The first two rows show whether that was all. Each row has
the time of a call, the difference from fp32 on the same card, and which operations ran where, from ONNX Runtime's profile.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gpu_phases.networks import LOOK, has_cuda_onnxruntime, has_cuda_torch, network_path, resnet_checkpoint
from gpu_phases.phase import Phase
from gpu_phases.timing import event_microseconds, spread
from rotoscope.base.device import FIRST_GPU
from rotoscope.base.tf32 import choose_tf32
from rotoscope.runtime.models.model_file import ModelFile, open_model

CANDIDATES: dict[str, dict[str, str]] = {
    "as rotoscope does": {"use_tf32": "1"},
    "use_tf32=0, as before": {"use_tf32": "0"},
    "prefer_nhwc": {"use_tf32": "1", "prefer_nhwc": "1"},
    "fuse_conv_bias": {"use_tf32": "1", "fuse_conv_bias": "1"},
    "prefer_nhwc, fuse_conv_bias": {"use_tf32": "1", "prefer_nhwc": "1", "fuse_conv_bias": "1"},
    "search HEURISTIC": {"use_tf32": "1", "cudnn_conv_algo_search": "HEURISTIC"},
    "search DEFAULT": {"use_tf32": "1", "cudnn_conv_algo_search": "DEFAULT"},
    "small workspace": {"use_tf32": "1", "cudnn_conv_use_max_workspace": "0"},
}
SIZE = (512, 512)
ROUNDS, WARM_UP = 30, 10


def run(phase: Phase) -> None:
    if not has_cuda_onnxruntime(simulated=phase.simulated):
        phase.save(state="not run", reason="ONNX Runtime with CUDA is not installed")
        return
    if not phase.simulated and not has_cuda_torch():
        phase.save(state="not run", reason="torch is not installed: it exports the network")
        return
    choose_tf32(False)  # before a CUDA library is loaded: fp32 layers stay fp32
    with tempfile.TemporaryDirectory() as folder:
        fp32, fp16 = (network_path(LOOK),) * 2 if phase.simulated else exported(Path(folder))
        size = (32, 32) if phase.simulated else SIZE
        expected = measured(phase, open_model(fp32), size, {"use_tf32": "0"}, Path(folder))["made"]
        for name, settings in CANDIDATES.items():
            row: dict[str, Any] = {"settings": name}
            try:
                found = measured(phase, open_model(fp16), size, settings, Path(folder))
            except Exception as error:  # recorded: a version may not know a setting
                phase.add("rows", {**row, "reason": f"{type(error).__name__}: {error}"[:300]})
                continue
            made = found.pop("made")
            row["difference_from_fp32"] = float(np.abs(made.astype(np.float32) - expected.astype(np.float32)).max())
            phase.add("rows", {**row, **found})


def exported(folder: Path) -> tuple[Path, Path]:
    """Export the network in both precisions."""
    from rotoscope.api.model_files import export_model

    checkpoint, files = resnet_checkpoint(folder), (folder / "fp32.onnx", folder / "fp16.onnx")
    for file in files:
        export_model(checkpoint, file, precision=file.stem)
    return files


def measured(phase: Phase, file: ModelFile, size: tuple[int, int], settings: dict[str, str], folder: Path) -> dict:
    """Run a file with settings of the CUDA provider: its result, time, and where its operations ran."""
    import cupy

    manifest = file.manifest
    host = np.random.default_rng(0).random((1, 3, *size), np.float32).astype(manifest.frame.dtype)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        given, made = FIRST_GPU.asarray(host), cupy.zeros(host.shape, manifest.output.dtype)
        profiled, binding = session_of(file, settings, stream.ptr, given, made, folder)
        for _ in range(3):
            profiled.run_with_iobinding(binding)
        stream.synchronize()
        found: dict[str, Any] = placed(Path(profiled.end_profiling()))
        found["made"] = made.get()
        if not phase.simulated:
            plain, binding = session_of(file, settings, stream.ptr, given, made, None)
            found["us"] = spread(
                event_microseconds(lambda: plain.run_with_iobinding(binding), rounds=ROUNDS, warm_up=WARM_UP)
            )
    return found


def session_of(
    file: ModelFile, settings: dict[str, str], stream: int, given: Any, made: Any, profile: Path | None
) -> tuple[Any, Any]:
    """Open a session with these settings, bound to these arrays; `profile` is the folder of its profile, if it makes one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile / "profile")
    cuda = {"device_id": "0", "user_compute_stream": str(stream), **settings}
    session = onnxruntime.InferenceSession(str(file.path), options, providers=[("CUDAExecutionProvider", cuda)])
    binding = session.io_binding()
    manifest = file.manifest
    binding.bind_input(manifest.frame.tensor, "cuda", 0, given.dtype, given.shape, given.data.ptr)
    binding.bind_output(manifest.outputs[0], "cuda", 0, made.dtype, made.shape, made.data.ptr)
    return session, binding


def placed(profile: Path) -> dict[str, dict[str, int]]:
    """The kinds of operations of one call by where they ran, from a profile: {"ran on": {"CUDA Conv": 24, ...}}.

    Copies between host and device, and conversions of layout or precision, are operations too: Memcpy, Transpose, Cast.
    """
    events = json.loads(profile.read_text())
    kernels = {
        (event["name"], event["args"]["op_name"], event["args"].get("provider", "").removesuffix("ExecutionProvider"))
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    }
    counted = Counter(f"{provider} {operation}" for _, operation, provider in kernels)
    return {"ran_on": dict(sorted(counted.items()))}
