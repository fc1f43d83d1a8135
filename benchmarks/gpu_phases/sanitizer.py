"""NVIDIA's compute-sanitizer over one small case of every kernel: memory accesses, then races in shared memory."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gpu_phases.phase import Phase

SCRIPT = Path(__file__).resolve().parents[1] / "gpu.py"
TOOLS = ("memcheck", "racecheck")
FOUND = 9  # exit code that we ask for


def run(phase: Phase) -> None:
    if phase.needs_card("the kernel tests run the CUDA sources under the sanitizers of g++ instead"):
        return
    program = shutil.which("compute-sanitizer")
    if program is None:
        phase.save(state="not run", reason="compute-sanitizer is not installed")
        return
    for tool in TOOLS:
        with tempfile.TemporaryDirectory() as folder:
            own = ["--phase", "parity", "--smallest", "--out", f"{folder}/none.json", "--part", f"{folder}/part.json"]
            command = [program, "--tool", tool, "--error-exitcode", str(FOUND), sys.executable, str(SCRIPT), *own]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).splitlines()
        summary = [line for line in lines if re.search("ERROR SUMMARY|RACECHECK SUMMARY|not supported", line)]
        verdict = {0: "nothing found", FOUND: "ERRORS"}.get(done.returncode, f"did not run: code {done.returncode}")
        row = {"tool": tool, "verdict": verdict, "summary": summary[-1:]}
        phase.add("tools", row if done.returncode == 0 else {**row, "log": lines[-30:]})
        if done.returncode == FOUND:
            phase.save(state="failed", reason=f"{tool} found errors")
