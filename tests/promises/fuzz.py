"""Fuzz with coverage guidance (Atheris, on libFuzzer): `make fuzz MINUTES=5`.

    python tests/promises/fuzz.py --minutes 5                 every target, the time shared equally
    python tests/promises/fuzz.py --minutes 5 --target onnx   one target
    python tests/promises/fuzz.py --replay onnx FILE          run one file and show the traceback

What has been learnt stays in .fuzz/TARGET and the next run starts from it. An input that raises what is no RotoscopeError,
takes longer than 25 s or more than 2,560 MB is written to .fuzz/crashes; its name holds its SHA-1.
"""

import argparse
import hashlib
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

HOME = Path(".fuzz")
MAX_BYTES = 1 << 17  # of an input
SECONDS_FOR_ONE, MEGABYTES = 25, 2560  # the limits of OSS-Fuzz
COVERED = (
    "rotoscope.base",
    "rotoscope.cli.settings",
    "rotoscope.cli.common_options",
    "rotoscope.cli.usage_errors",
    "rotoscope.cli.options",
    "rotoscope.export.checkpoint",
    "rotoscope.weights",
    "rotoscope.networks.recognise",
    "rotoscope.runtime.media",
    "rotoscope.runtime.models",
    "pickletools",
    "tomllib",
    "zipfile",
)


def main() -> int:
    """Run what the command line asks for; 1 if a defect was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--target", action="append", help="repeat it for several; by default all")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"))
    parser.add_argument("--inside", nargs=2, metavar=("TARGET", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay:
        return replay(options.replay[0], Path(options.replay[1]))
    if options.inside:
        return fuzz_here(options.inside[0], int(options.inside[1]))
    from promises.fuzz_targets import TARGETS

    names = options.target or list(TARGETS)
    seconds = max(1, round(options.minutes * 60 / len(names)))
    before = set(crashes())
    for name in names:
        print(f"== {name}, {seconds} s", flush=True)
        subprocess.run([sys.executable, __file__, "--inside", name, str(seconds)], check=False)
    found = sorted(set(crashes()) - before)
    for path in found:
        target = path.name.split("-")[0]
        print(f"{path}: replay with: {sys.executable} {__file__} --replay {target} {shlex.quote(str(path))}")
    print(f"{len(found)} new inputs that show a defect")
    return int(bool(found))


def crashes() -> list[Path]:
    """Inputs that were found to show a defect."""
    return list((HOME / "crashes").glob("*-*"))


def fuzz_here(name: str, seconds: int) -> int:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=list(COVERED)):
        import rotoscope.cli
        import rotoscope.export.checkpoint
        import rotoscope.runtime.media.open_source
        import rotoscope.runtime.models.model_file  # noqa: F401
    from promises.fuzz_targets import TARGETS, attack, seeds

    learnt = HOME / name
    learnt.mkdir(parents=True, exist_ok=True)
    (HOME / "crashes").mkdir(exist_ok=True)
    for data in seeds(name):
        (learnt / hashlib.sha1(data).hexdigest()).write_bytes(data)
    folder = Path(tempfile.mkdtemp(prefix="rotoscope-fuzz-", dir=_memory()))
    arguments = [
        "fuzz",
        str(learnt),
        f"-max_total_time={seconds}",
        f"-artifact_prefix={HOME / 'crashes' / name}-",
        f"-max_len={MAX_BYTES}",
        f"-timeout={SECONDS_FOR_ONE}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-report_slow_units={SECONDS_FOR_ONE}",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup(arguments, lambda data: attack(TARGETS[name], bytes(data), folder))
    atheris.Fuzz()
    return 0


def replay(name: str, path: Path) -> int:
    """Run one input; its traceback shows where."""
    from promises.fuzz_targets import TARGETS, attack

    with tempfile.TemporaryDirectory() as folder:
        attack(TARGETS[name], path.read_bytes(), Path(folder))
    print("no defect")
    return 0


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
