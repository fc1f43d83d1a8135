"""What this machine has: card, driver, versions, libraries, cores."""

import ctypes
import importlib.metadata
import os
import platform
import shutil
import subprocess

from gpu_phases.phase import Phase

SHOWN = "name,driver_version,memory.total,clocks.current.sm,clocks.current.memory,clocks.max.sm,power.limit"
PACKAGES = (
    "numpy", "torch", "cupy-cuda13x", "nvidia-cuda-nvrtc", "onnxruntime", "onnxruntime-gpu", "tensorrt-cu13", "av",
    "opencv-python-headless", "numba",
)  # fmt: skip
LIBRARIES = (
    "libcuda.so.1", "libnvcuvid.so.1", "libnvidia-encode.so.1", "libnvidia-opticalflow.so.1", "libnvinfer.so.10",
)  # fmt: skip


def run(phase: Phase) -> None:
    from rotoscope.base.processor import cpu_name

    phase.save(
        python=platform.python_version(),
        cpu=cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        versions={name: version(name) for name in PACKAGES},
        compiler=first_output(["g++", "--version"]),
        sanitizer=shutil.which("compute-sanitizer"),
    )
    if phase.simulated:
        phase.save(card="simulated")
        return
    phase.save(libraries={name: loads(name) for name in LIBRARIES}, card=first_output(nvidia_smi()))
    from rotoscope.assembly.gpu_checks import driver_verdict, gpus, kernel_verdict
    from rotoscope.base.device import FIRST_GPU

    phase.save(driver=driver_verdict(), gpus=gpus(), kernel=kernel_verdict(FIRST_GPU))
    try:
        import onnxruntime

        phase.save(providers=onnxruntime.get_available_providers())
    except ImportError:
        phase.save(providers=[])


def nvidia_smi() -> list[str]:
    return ["nvidia-smi", f"--query-gpu={SHOWN}", "--format=csv,noheader"]


def version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def first_output(command: list[str]) -> str:
    """Return the first line that a program prints, or why it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    return ((done.stdout or done.stderr).splitlines() or [""])[0]


def loads(name: str) -> str:
    try:
        ctypes.CDLL(name)
    except OSError as error:
        return str(error)
    return "loads"
