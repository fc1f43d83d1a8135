"""The tests that need a card: `pytest -m gpu` over kernels, engines, the contract of the device, and whole translations."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from gpu_phases.phase import Phase

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("tests/kernels", "tests/gpu", "tests/runtime/pipeline/test_on_gpu.py")


def run(phase: Phase) -> None:
    if phase.needs_card("these are the tests marked gpu; the others run in CI"):
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
        before = os.environ.get("PYTHONPATH")
        done = subprocess.run(
            [*command, f"--junitxml={report}", *PATHS],
            cwd=ROOT,
            env={
                **os.environ,
                "ROTOSCOPE_REQUIRE_GPU": "1",
                "PYTHONPATH": os.pathsep.join([str(ROOT), *([before] if before else [])]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            phase.save(state="failed", reason=f"pytest ended with code {done.returncode}", log=tail(done.stdout))
            return
        found = counts(report)
        phase.save(**found, last_lines=tail(done.stdout))
        if found["failed"]:
            phase.save(state="failed", reason=f"{len(found['failed'])} tests failed; the file names them")


def counts(report: Path) -> dict:
    """Return how many tests passed, failed and were skipped, and the names of those that failed with their first line."""
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = {}
    for case in cases:
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                name = f"{case.get('classname')}::{case.get('name')}"
                failed[name] = (found.get("message") or "").splitlines()[:1]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {"passed": len(cases) - len(failed) - skipped, "failed": failed, "skipped": skipped}


def tail(text: str) -> list[str]:
    return text.splitlines()[-20:]
