"""Give every entry of the corpus to the command and judge what came out.

python tests/promises/corpus_run.py              all entries; prints those that are not as expected, and the totals as JSON
python tests/promises/corpus_run.py onnx/        only entries whose name contains this
python tests/promises/corpus_run.py --executable ... through a new process for each entry, as a user runs it
"""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import av  # noqa: E402

from promises.corpus import entries as all_entries  # noqa: E402
from promises.corpus.clips import clip  # noqa: E402
from promises.corpus.entry import CLIP, IDENTITY, Entry  # noqa: E402
from promises.corpus.onnx_graphs import model  # noqa: E402
from rotoscope.kernels.warm import warm  # noqa: E402

HANG_SECONDS = 600  # for a machine that is very busy: on a quiet one most entries take below 1 s
MAX_LINE_BYTES = 600
MAX_PEAK_BYTES = 3 << 30


@dataclass
class Outcome:
    """What one entry did, and in what it is not as expected."""

    entry: Entry
    code: int | None = None
    said: str = ""
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    is_crash: bool = False
    is_hang: bool = False
    reasons: list[str] = field(default_factory=list)


class Worker:
    """A process of `command_worker.py`; a new one is started after a crash or a hang."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen | None = None

    def run(self, folder: Path, words: Sequence[str]) -> dict:
        """Return the worker's answer, {"hang": True}, or {"crash": the exit code of the worker}."""
        if self._process is None:
            command = [sys.executable, str(Path(__file__).with_name("command_worker.py"))]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
                text=True,
                start_new_session=True,
            )
        process = self._process
        try:
            process.stdin.write(json.dumps({"folder": str(folder), "words": list(words)}) + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], HANG_SECONDS)[0]:
                self.stop()
                return {"hang": True}
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process = None
            return {"crash": process.wait()}
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def run_corpus(entries: Sequence[Entry], *, workers: int = 2, executable: bool = False) -> Iterator[Outcome]:
    """Run entries in `workers` processes, or with `executable` each in a process of its own; yields outcomes in order."""
    for _ in warm():
        pass  # a kernel that is compiled takes minutes on a busy machine, and no entry shall count as hanging for it
    local = threading.local()
    started: list[Worker] = []
    with tempfile.TemporaryDirectory(prefix="rotoscope-corpus-") as name, ThreadPoolExecutor(workers) as pool:
        root = Path(name)
        places = {CLIP: root / "clip.mkv", IDENTITY: root / "identity.onnx"}
        places[CLIP].write_bytes(clip("mkv", frames=3))
        places[IDENTITY].write_bytes(model().SerializeToString())
        environment = _environment(root)

        def one(numbered: tuple[int, Entry]) -> Outcome:
            number, entry = numbered
            folder = root / str(number) / "work"
            folder.mkdir(parents=True)
            entry.make(folder)
            before = _listing(folder)
            words = [str(places.get(word, word)) for word in entry.words]
            if executable:
                answer = _executed(folder, words, environment)
            else:
                if not hasattr(local, "worker"):
                    local.worker = Worker(environment)
                    started.append(local.worker)
                answer = local.worker.run(folder, words)
            outcome = judge(entry, folder, before, answer)
            shutil.rmtree(folder.parent, ignore_errors=True)
            return outcome

        try:
            yield from pool.map(one, enumerate(entries))
        finally:
            for worker in started:
                worker.stop()


def _environment(root: Path) -> dict[str, str]:
    home = root / "home"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ROTOSCOPE_")}
    paths = [str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")  # has the compiled kernels
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": cache, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80"}


def _executed(folder: Path, words: Sequence[str], environment: dict[str, str]) -> dict:
    before = os.times()
    out, err = folder.parent / "stdout", folder.parent / "stderr"
    command = [sys.executable, "-m", "rotoscope", *(os.fsencode(word) for word in words)]
    try:
        with out.open("wb") as stdout, err.open("wb") as stderr:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=HANG_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return {"hang": True}
    if done.returncode < 0:
        return {"crash": done.returncode}
    return {"code": done.returncode, "cpu_seconds": os.times().children_user - before.children_user}


def judge(entry: Entry, folder: Path, before: dict[str, int], answer: dict) -> Outcome:
    """Compare what an entry did with what it expects and with what holds for all."""
    outcome = Outcome(entry, code=answer.get("code"))
    outcome.cpu_seconds, outcome.peak_bytes = answer.get("cpu_seconds", 0.0), answer.get("peak_bytes", 0)
    if "hang" in answer:
        outcome.is_hang = True
        outcome.reasons.append(f"not done after {HANG_SECONDS} s")
        return outcome
    if "crash" in answer:
        outcome.is_crash = True
        outcome.reasons.append(f"crashed, exit code {answer['crash']}")
        return outcome
    out, err = ((folder.parent / name).read_bytes().decode("utf-8", "replace") for name in ("stdout", "stderr"))
    outcome.said = "".join(line for line in err.splitlines(keepends=True) if not line.startswith("compiling kernels"))
    outcome.is_crash = "a bug in Rotoscope" in outcome.said or "Traceback (most recent" in outcome.said
    outcome.reasons.extend(_wrong(outcome, out, answer))
    outcome.reasons.extend(_left(outcome, folder, before))
    return outcome


def _wrong(outcome: Outcome, out: str, answer: dict) -> Iterator[str]:
    entry, said, code = outcome.entry, outcome.said, outcome.code
    if code not in entry.codes:
        yield f"exit code {code}, expected {', '.join(map(str, sorted(entry.codes)))}"
    if outcome.is_crash:
        yield "an internal error"
    if answer.get("events"):
        yield f"did {answer['events'][0]}"
    if outcome.peak_bytes > MAX_PEAK_BYTES:
        yield f"took {outcome.peak_bytes >> 20} MiB"
    if any(not (letter.isprintable() or letter == "\n") for letter in said + out):
        yield "a control character reached the terminal"
    longest = max((len(line.encode()) for line in said.splitlines()), default=0)
    if longest > MAX_LINE_BYTES:
        yield f"a line of {longest} bytes"
    lines = [
        line for line in said.splitlines() if not line.startswith("options from ")
    ]  # says which file gave an option
    if code in (1, 2, 3, 4) and not (len(lines) == 1 and lines[0].startswith("rotoscope: ")):
        yield f"{len(lines)} lines instead of one"


def _left(outcome: Outcome, folder: Path, before: dict[str, int]) -> Iterator[str]:
    """Say what stands in the folder that should not, or is missing."""
    after = _listing(folder)
    if any("pwned" in name for name in after.keys() - before.keys()):
        yield "a payload ran"
    if any(before[name] != after.get(name) for name in before):
        yield "a file that was there has changed"
    if outcome.code not in (0, 5):
        if left := sorted(after.keys() - before.keys()):
            yield f"left {left[0]!r}"
        return
    frames, result = outcome.entry.frames, folder / outcome.entry.words[2] if len(outcome.entry.words) > 2 else folder
    if frames is not None and result.suffix == ".mkv" and result.is_file():
        count = num_frames(result)
        if not frames[0] <= count <= frames[1]:
            yield f"{count} frames, expected {frames[0]} to {frames[1]}"


def num_frames(path: Path) -> int:
    """The number of frames that a result holds when it is decoded to its end."""
    with path.open("rb") as file, av.open(file) as container:
        return sum(1 for _ in container.decode(video=0))


def _listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()}


def totals(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The figures of a run."""
    as_expected = sum(not outcome.reasons for outcome in outcomes)
    return {
        "entries": len(outcomes),
        "as expected": as_expected,
        "share": round(as_expected / max(1, len(outcomes)), 4),
        "crashes": sum(outcome.is_crash for outcome in outcomes),
        "hangs": sum(outcome.is_hang for outcome in outcomes),
        "CPU seconds": round(sum(outcome.cpu_seconds for outcome in outcomes), 1),
        "most CPU seconds": max((outcome.cpu_seconds for outcome in outcomes), default=0),
        "most MiB": max((outcome.peak_bytes for outcome in outcomes), default=0) >> 20,
    }


def main() -> int:
    """Run what the command line asks for; 1 if an entry is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="", help="only entries whose name contains this")
    parser.add_argument("--executable", action="store_true", help="a new process for each entry")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    begin = time.monotonic()
    chosen = [entry for entry in all_entries() if options.part in entry.name]
    outcomes = []
    for outcome in run_corpus(chosen, workers=options.workers, executable=options.executable):
        outcomes.append(outcome)
        if outcome.reasons:
            print(f"{outcome.entry.name}: {'; '.join(outcome.reasons)}\n    {outcome.said[:300]!a}", flush=True)
    print(json.dumps({**totals(outcomes), "seconds": round(time.monotonic() - begin, 1)}))
    return int(any(outcome.reasons for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
