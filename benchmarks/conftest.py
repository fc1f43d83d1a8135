"""Fixtures of the benchmarks: the demo clip, and the name of the CPU in the results."""

import platform
from fractions import Fraction
from pathlib import Path

import pytest


def cpu_name() -> str:
    """The CPU as Linux names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def pytest_benchmark_update_machine_info(config, machine_info):  # noqa: ARG001
    machine_info["cpu_name"] = cpu_name()
    machine_info.pop("node", None)  # results are published, and host names are private


@pytest.fixture(scope="session", params=[(640, 360), (1280, 720)], ids=["640x360", "1280x720"])
def clip(request, tmp_path_factory):
    """The demo clip with sound at one of two sizes: (path, width, height, frames)."""
    from rotoscope.demo import make_clip

    width, height = request.param
    path = tmp_path_factory.mktemp("clip") / f"clip{height}.mp4"
    num_frames = 150 if height < 720 else 60
    make_clip(path, width=width, height=height, num_frames=num_frames, fps=Fraction(30000, 1001))
    return path, width, height, num_frames
