"""The promise "no code from models": mutants of model files are opened under an audit hook, and nothing in them runs.

ROTOSCOPE_MUTANTS=50000 and ROTOSCOPE_COMMAND_MUTANTS=2000 run that many, in one process and through the command; CI runs 2,000
and 50. With ROTOSCOPE_FIRST_MUTANT=N the first has this number. Any error but a RotoscopeError fails the test and names the
number of its mutant: `promises.mutants.mutant(folder, number)` makes it again.

    ROTOSCOPE_MUTANTS=50000 ROTOSCOPE_COMMAND_MUTANTS=2000 pytest tests/promises/test_no_code.py --timeout 36000 \\
        --log-cli-level info
"""

import contextlib
import logging
import os
import sys
import threading
from pathlib import Path

import onnx  # noqa: F401  its modules are imported before the hook listens
import pytest

import rotoscope
from promises.mutants import MARK, mutant
from rotoscope.base.errors import RotoscopeError
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.runtime.models.model_file import open_model

COUNT = int(os.environ.get("ROTOSCOPE_MUTANTS", "2000"))
COMMAND_COUNT = int(os.environ.get("ROTOSCOPE_COMMAND_MUTANTS", "50"))
FIRST = int(os.environ.get("ROTOSCOPE_FIRST_MUTANT", "0"))

RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "ctypes.dlopen", "import")
CONNECTS = ("socket.",)
CHANGES = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "shutil.",
)


class Audit:
    """Collects what an open must not do: run, connect, change or open files outside one folder. Listens to one thread."""

    def __init__(self, folder: Path) -> None:
        self.found: list[str] = []
        self._inside = (str(folder), "/dev/null")
        self._thread: int | None = None
        sys.addaudithook(self._hear)  # a hook cannot be removed; it is deaf outside `with`

    def __enter__(self) -> "Audit":
        self._thread = threading.get_ident()
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread = None

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._thread != threading.get_ident():
            return
        if event == "open":
            path, mode, flags = arguments
            is_read = not int(flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            is_source = str(path).startswith((sys.prefix, sys.base_prefix, str(Path(rotoscope.__file__).parent)))
            if isinstance(path, int) or str(path).startswith(self._inside) or (is_read and is_source):
                return
            self.found.append(f"open {path!r} {mode!r}")
        elif event == "import":
            if str(arguments[0]).split(".")[0] in ("posix", "nt", "commands", "webbrowser", "pty"):
                self.found.append(f"import {arguments[0]}")
        elif event.startswith((*RUNS, *CONNECTS, *CHANGES)):
            self.found.append(f"{event} {arguments!r}"[:200])


def open_as_a_user(path: Path) -> None:
    """Open a model file as `info` does."""
    if path.suffix == ".onnx":
        open_model(path)
    else:
        open_checkpoint(path)


def test_nothing_in_a_mutant_runs_in_one_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    audit = Audit(tmp_path)
    for ending in range(5):  # lazy imports happen before the hook listens
        with contextlib.suppress(RotoscopeError):
            open_as_a_user(mutant(tmp_path, 5 * 10**9 + ending))
    opened = 0
    for number in range(FIRST, FIRST + COUNT):
        path = mutant(tmp_path, number)
        try:
            with audit:
                open_as_a_user(path)
            opened += 1
        except RotoscopeError as error:
            assert 2 <= error.exit_code <= 4, number
            assert len(str(error).encode()) < 600 + len(str(path)), (number, str(error))
        except Exception as error:
            raise AssertionError(f"mutant {number} ({path.name}): {type(error).__name__}: {error}") from error
        assert audit.found == [], number
        path.unlink()
    assert not (tmp_path / MARK).exists()
    assert 0 < opened < COUNT
    logging.getLogger(__name__).info("%d mutants: %d opened, %d refused", COUNT, opened, COUNT - opened)


@pytest.mark.parametrize("block", range(5))
def test_nothing_in_a_mutant_runs_through_the_command(block, tmp_path, monkeypatch, capfd):
    from rotoscope.cli import main

    monkeypatch.chdir(tmp_path)
    audit = Audit(tmp_path)
    main(["info", str(mutant(tmp_path, 0))])
    for number in range(FIRST + block, FIRST + COMMAND_COUNT, 5):
        path = mutant(tmp_path, number)
        capfd.readouterr()
        with audit:
            code = main(["info", str(path)])
        said = capfd.readouterr().err
        assert code in (0, 2, 3, 4), (number, said)
        assert len(said.encode()) < 600 and said.count("\n") <= 1, (number, said)
        assert "a bug in Rotoscope" not in said, (number, said)
        assert audit.found == [], number
    assert not (tmp_path / MARK).exists()
