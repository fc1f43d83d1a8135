"""rotoscope doctor: versions, engines, encoders that open, and for each missing package the command that installs it."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from rotoscope.base.options import EngineName
from rotoscope.base.text import json_text

PACKAGES = ("numpy", "av", "onnx", "numba", "opencv-python-headless", "pydantic")
ENCODERS = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "prores_ks", "ffv1", "h264_nvenc", "hevc_nvenc")
GOOD = "ok"
BAD = ("not installed", "does not", "MISSING", "WRONG", "no NVIDIA")  # how other verdicts begin


def doctor(*, warm: bool = False, json: bool = False) -> int:
    """Say what works here: versions, engines (each proved on a bundled look), GPUs, encoders, memory and disk.

    Parameters
    ----------
    warm
        Compile every kernel now, so that the first run does not wait.
    json
        Print one JSON object: is_healthy, and checks with name, value and works (true, false, or null for plain facts).

    """
    import av

    from rotoscope import __version__
    from rotoscope.assembly.engines import (
        ENGINES,
        INSTALL_AN_ENGINE,
        engine_version,
        installed_engines,
        proving_engines,
    )
    from rotoscope.assembly.gpu_checks import driver_verdict, gpus, kernel_verdict
    from rotoscope.assembly.models import bundled_looks
    from rotoscope.base.device import FIRST_GPU
    from rotoscope.kernels.compile import cache_folder
    from rotoscope.kernels.rows import usable_cores
    from rotoscope.runtime.media.encoder import why_not_opened
    from rotoscope.runtime.media.hardware_codecs import DECODED, why_not_decoded

    rows = _Rows(is_printed=not json)
    row = rows.add
    row("rotoscope", __version__)
    row("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    row("cores", f"{usable_cores()} usable of {os.cpu_count()}")
    for package in PACKAGES:
        row(package, importlib.metadata.version(package))
    libraries = ", ".join(f"{name[3:]} {'.'.join(map(str, version))}" for name, version in av.library_versions.items())
    row("ffmpeg", f"{av.ffmpeg_version_info} ({libraries})")
    installed = installed_engines()
    for engine, known in ENGINES.items():
        row(engine, engine_version(engine) if engine in installed else _how_to_install(known.extra))
    has_cupy = importlib.util.find_spec("cupy") is not None
    row("cupy", engine_version("cupy") if has_cupy else _how_to_install("cuda"))
    if "onnxruntime" in installed:
        from rotoscope.runtime.engines.onnxruntime import providers

        row("providers", ", ".join(providers()))
    row("driver", driver_verdict())
    found = gpus()
    for index, name in enumerate(found):
        row(f"cuda:{index}", name)
    rows.leave_a_gap()
    proving = proving_engines()
    healthy = bool(proving)
    if not proving:
        row("engines", f"MISSING: {INSTALL_AN_ENGINE}")
    for engine in proving:
        for look in bundled_looks():
            verdict, works = _proof(engine, look, "cpu")
            healthy = healthy and works
            row(f"{engine} fp32", verdict)
    if found:
        for engine in [
            engine for engine in installed if "cuda" in ENGINES[engine].devices and ENGINES[engine].runs == "onnx"
        ]:
            row(f"{engine} cuda", _proof(engine, bundled_looks()[0], "cuda")[0])
        row("kernels on cuda", kernel_verdict(FIRST_GPU))
        for codec in DECODED:
            row(f"decoder {codec}", why_not_decoded(codec, FIRST_GPU) or GOOD)
    for encoder in ENCODERS:
        reason = why_not_opened(encoder)
        if reason and encoder.endswith("_nvenc"):
            reason = "no NVENC here (A100, H100 and H200 have none); libx264 is used"
        row(encoder, f"does not open: {reason}" if reason else GOOD)
    rows.leave_a_gap()
    row("kernels", f"compiled code in {cache_folder()}")
    row("memory", _memory())
    row("disk", f"{shutil.disk_usage('.').free / 1e9:.1f} GB free here")
    if warm:
        from rotoscope.kernels.warm import warm as compile_each

        row("kernels compiled in", f"{_seconds(lambda: list(compile_each())):.1f} s")
    if json:
        print(json_text({"is_healthy": healthy, "checks": rows.checks}))
    return 0 if healthy else 1


def _how_to_install(extra: str) -> str:
    """Return the command; onnxruntime-gpu and onnxruntime overwrite each other's files."""
    instead = " in an environment without onnxruntime" if extra in ("cuda", "tensorrt") else ""
    return f'not installed: pip install ".[{extra}]"{instead}'


def _proof(engine: str, look: str, device: str) -> tuple[str, bool]:
    """Return what an engine makes of a look's golden check, in words, and whether it passes."""
    import rotoscope
    from rotoscope.runtime.models.golden import golden_difference

    model = rotoscope.load(look).file
    try:
        translator = rotoscope.Translator(look, engine=cast(EngineName, engine), device=device)
    except Exception as error:  # shown, not raised: a broken installation can raise anything
        return f"does not start: {' '.join(str(error).split())[:160]}", False
    difference = golden_difference(model.manifest, translator.stages.network.networks[0].engine)
    assert model.manifest.golden is not None
    works = difference <= model.manifest.golden.tolerance
    return f"{GOOD if works else 'WRONG RESULTS'}: {look} differs by {difference:.1e} from its golden values", works


def _memory() -> str:
    """Return free and installed memory; "unknown" on systems without /proc/meminfo."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return "unknown"
    lines = dict(line.split(":", 1) for line in info.read_text().splitlines())
    total, free = (int(lines[key].split()[0]) / 1e6 for key in ("MemTotal", "MemAvailable"))
    return f"{free:.1f} GB free of {total:.1f} GB"


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


class _Rows:
    """What was found, one name and value after the other."""

    def __init__(self, *, is_printed: bool) -> None:
        self.checks: list[dict[str, object]] = []
        self._is_printed = is_printed

    def add(self, name: str, value: object) -> None:
        text = str(value)
        works = True if text.startswith(GOOD) else False if text.startswith(BAD) else None
        self.checks.append({"name": name, "value": text, "works": works})
        if self._is_printed:
            print(f"{name:<24}{text}")

    def leave_a_gap(self) -> None:
        if self._is_printed:
            print()
