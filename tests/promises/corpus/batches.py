"""Files of jobs, and folders of results with the records of strangers; nothing is translated (--dry-run)."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from promises.corpus.entry import FINE, IDENTITY, LOSS, USAGE, Entry, file

LINES = {
    "empty": b"",
    "blank": b"\n \n",
    "list": b"[1]",
    "number": b"5",
    "deep": b"[" * 100_000,
    "not-utf8": b'{"source": "\xff"}',
    "number-huge": b'{"source": "a.mp4", "strength": ' + b"9" * 5000 + b"}",
    "number-large": b'{"source": "a.mp4", "strength": ' + b"9" * 400 + b"}",
    "number-nan": b'{"source": "a.mp4", "strength": NaN}',
    "line-long": b'{"source": "' + b"x" * (2 << 20) + b'"}',
    "source-number": b'{"source": 5}',
    "source-long": b'{"source": "' + b"x" * 5000 + b'"}',
    "source-nul": b'{"source": "a\\u0000"}',
    "source-half-a-pair": b'{"source": "\\ud800"}',
    "source-input": b'{"source": "-"}',
    "target-absolute": b'{"source": "a.mp4", "target": "/tmp/pwned.mp4"}',
    "target-above": b'{"source": "a.mp4", "target": "../pwned.mp4"}',
    "target-records": b'{"source": "a.mp4", "target": ".rotoscope/records/x.mp4"}',
    "target-records-by-dot": b'{"source": "a.mp4", "target": "./.rotoscope/x.mp4"}',
    "target-nul": b'{"source": "a.mp4", "target": "a\\u0000.mp4"}',
    "target-half-a-pair": b'{"source": "a.mp4", "target": "\\ud800.mp4"}',
    "target-long": b'{"source": "a.mp4", "target": "' + b"x" * 5000 + b'.mp4"}',
    "targets-equal": b'{"source": "a.mp4"}\n{"source": "./a.mp4"}',
    "models-many": json.dumps({"source": "a.mp4", "model": ["m"] * 1000}).encode(),
    "models-mixed": b'{"source": "a.mp4", "model": ["m", 5]}',
    "key-escapes": b'{"source": "a.mp4", "\\u001b[31m": 1}',
    "key-long": b'{"source": "a.mp4", "' + b"k" * 100_000 + b'": 1}',
    "library": b'{"source": "a.mp4", "op_library": "./pwned.so"}',
    "overwrite": b'{"source": "a.mp4", "overwrite": true}',
    "report": b'{"source": "a.mp4", "report": "pwned.json"}',
    "options-of-an-encoder": b'{"source": "a.mp4", "encoder_options": {"x264-params": "stats=pwned.log:pass=1"}}',
}
KEY = "a" * 64
RECORD = {
    "schema": 1, "key": KEY, "state": "done", "source": "a.mp4", "target": "a.mp4", "models": ["m"], "model_sha256": [],
    "notes": [], "inputs": {},
}  # fmt: skip
RECORDS: dict[str, Callable[[Path], object]] = {
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "list": lambda path: path.write_bytes(b"[]"),
    "fifo": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    **{
        f"{name}-{kind}": lambda path, n=name, v=value: path.write_text(json.dumps(RECORD | {n: v}))
        for name, kind, value in (
            ("target", "list", [1]), ("target", "above", "../../pwned"), ("target", "long", "x" * 5000),
            ("inputs", "list", {"source": {"stamp": [1], "digest": "x"}}), ("options", "list", [1]),
            ("options", "long", {"style": "s" * 5000}), ("error", "escapes", "\x1b]0;pwned\x07"), ("state", "unknown", "won"),
        )
    },
}  # fmt: skip


def entries() -> Iterator[Entry]:
    """Yield about 45 entries."""
    words = ("batch", "bad.jsonl", "-o", "out", "-m", IDENTITY, "--dry-run")
    for what, data in LINES.items():
        yield Entry(f"jobs/{what}", words, USAGE, file("bad.jsonl", data))
    words = ("batch", "in", "-o", "out", "-m", IDENTITY, "--dry-run")
    for what, make in RECORDS.items():
        yield Entry(f"records/{what}", words, FINE | LOSS, _with_record(make))


def _with_record(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def made(folder: Path) -> None:
        (folder / "in").mkdir()
        (folder / "in" / "a.mp4").write_bytes(b"no video")
        (folder / "out" / ".rotoscope" / "records").mkdir(parents=True)
        make(folder / "out" / ".rotoscope" / "records" / f"{KEY}.json")

    return made
