"""Measure and check everything on a machine with an NVIDIA GPU, in at most ten minutes.

    python benchmarks/gpu.py --out run.json                # on a card
    python benchmarks/gpu.py --out run.json --phases kernels,end_to_end
    python benchmarks/gpu.py --simulated --out run.json    # on the simulated GPU of the tests: correctness, no times

Each phase is a process with a time limit of its own, and its results are in the file as soon as it ends: a phase that is
killed keeps what it had measured, and loses nothing of the others. Phases are the modules of `gpu_phases`. The last lines are
a table of at most 40 lines with the goals beside the figures.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from gpu_phases.phase import Phase
from gpu_phases.table import STEADYING, table

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["STEADYING", "main", "table"]

LIMITS = {  # seconds on a card; together less than ten minutes
    "facts": 20,
    "ceilings": 20,
    "tests": 90,
    "sanitizer": 50,
    "parity": 60,
    "kernels": 80,
    "engines": 85,
    "onnxruntime_fp16": 60,
    "decode": 30,
    "end_to_end": 100,
}
SIMULATED_PATIENCE = 20  # times the limit: the simulation computes on a CPU that may be busy


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure and check everything on a machine with an NVIDIA GPU.")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the results")
    parser.add_argument("--simulated", action="store_true", help="run on the simulated GPU: correctness, no times")
    parser.add_argument("--smallest", action="store_true", help="the smallest sizes, for the tests of this script")
    parser.add_argument("--phases", default=",".join(LIMITS), help=f"some of {','.join(LIMITS)}")
    parser.add_argument("--phase", help=argparse.SUPPRESS)  # this process is that phase
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)  # where it writes
    options = parser.parse_args()
    if options.phase:
        return run_phase(options)
    phases = options.phases.split(",")
    unknown = [name for name in phases if name not in LIMITS]
    if unknown:
        parser.error(f"--phases {','.join(unknown)}; accepted: {','.join(LIMITS)}")
    document: dict = {"device": "simulated" if options.simulated else "card", "phases": {}}
    document["date"] = time.strftime("%Y-%m-%d")
    with nullcontext() if options.simulated or "end_to_end" not in phases else compiled_meanwhile():
        for name in phases:
            document["phases"][name] = run_in_process(name, options)
            write(options.out, document)
            done = document["phases"][name]
            print(f"{name}: {done['state']} after {done['seconds']:.0f} s", flush=True)
    print(table(document))
    bad = [name for name in phases if document["phases"][name]["state"] not in ("done", "not run", "needs a card")]
    return 1 if bad else 0


@contextmanager
def compiled_meanwhile() -> Iterator[None]:
    """Compile the CPU kernels in another process: the host path needs them, and on a new machine they take minutes."""
    code = "from rotoscope.kernels.warm import warm; list(warm())"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run_in_process(name: str, options: argparse.Namespace) -> dict:
    """Run one phase as a process; return its results with its state, reason and seconds."""
    limit = LIMITS[name] * (SIMULATED_PATIENCE if options.simulated else 1)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        part, log = Path(folder) / "part.json", Path(folder) / "log"
        command = [sys.executable, __file__, "--out", options.out, "--phase", name, "--part", part]
        command += [f"--{flag}" for flag in ("simulated", "smallest") if getattr(options, flag)]
        with log.open("wb") as written:
            process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                code = process.wait(limit)
                reason = "" if code == 0 else f"ended with code {code}"
            except subprocess.TimeoutExpired:
                reason = f"stopped at its limit of {limit} s"
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        results = json.loads(part.read_text()) if part.exists() else {}
        if reason and "reason" not in results:
            lines = log.read_text(errors="replace").splitlines()
            results.update(state="not finished", reason=reason, log=lines[-20:])
    results["seconds"] = round(time.perf_counter() - begin, 1)
    return {"state": "not finished", **results}


def run_phase(options: argparse.Namespace) -> int:
    """Be the process of one phase."""
    sys.path[:0] = [str(ROOT), *([str(ROOT / "tests")] if options.simulated else [])]
    earlier = json.loads(options.out.read_text())["phases"] if options.out.exists() else {}
    phase = Phase(options.part, earlier, simulated=options.simulated, smallest=options.smallest)
    try:
        module = importlib.import_module(f"gpu_phases.{options.phase}")
        with phase.machine():
            module.run(phase)
    except Exception as error:  # recorded with the results: a broken installation can raise anything
        traceback.print_exc()
        shown = traceback.format_exc().splitlines()[-20:]
        phase.save(state="failed", reason=f"{type(error).__name__}: {error}"[:500], log=shown)
        return 1
    if "state" not in phase.results:
        phase.save(state="done")
    return 0


def write(path: Path, document: dict) -> None:
    """Replace the file at once, so that a kill leaves the old one or the new one."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(json.dumps(document, indent=1) + "\n")
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
