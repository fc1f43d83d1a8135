"""Assertions for tests of your own: two forms of a network, or two whole runs, must agree."""

from pathlib import Path
from typing import Any

from rotoscope.api.measurement import parity, run_parity


def assert_parity(a: str | Path, b: str | Path, *, clip: str | Path | None = None, **options: Any) -> None:
    """Assert that two forms of a network agree within the bounds of docs/parity.md.

    a, b   forms such as "net.pth" and "net.onnx@openvino:bf16"; b may be a video that a run wrote without loss
    clip   compare on frames of this clip
    With `steady` among the options, whole runs are compared (`rotoscope.run_parity`), otherwise networks (`rotoscope.parity`).
    Raises AssertionError with the largest difference and its place, and what `parity` raises for forms of different networks.
    """
    if "steady" in options:
        assert clip is not None, "whole runs are compared on a clip: give clip="
        run = run_parity(a, b, clip=clip, **options)
        finish = run.stages["finish"]
        assert run.is_within, (
            f"{run.a} and {run.b}, steady {run.steady}, differ beyond the bound ({run.bound}): largest {finish.largest:.3g} of "
            f"pictures in [-1,1], {finish.psnr_db:.1f} dB, worst at frame {finish.worst_frame}; first stage that differs: "
            f"{run.first_different}"
        )
        return
    report = parity(a, b, clip=clip, **options)
    found = report.last.first
    assert report.is_within, (
        f"{report.last.a.label} and {report.last.b.label} differ beyond the bound ({report.last.allowed}): largest "
        f"{found.largest:.3g}, {found.psnr_db:.1f} dB, worst at call {found.worst_frame}"
    )
