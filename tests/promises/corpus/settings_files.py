"""Bad files of settings: a rotoscope.toml that came with a folder of clips."""

import os
from collections.abc import Iterator
from pathlib import Path

from promises.corpus.entry import CLIP, FINE, IDENTITY, USAGE, Entry, file, translated

TABLE = "[translate]\n"
REFUSED = {
    "not-toml": "this is not toml",
    "not-utf8": b"[translate]\nmix = '\xff\xfe'\n",
    "utf16": "[translate]\nmix = 0.5\n".encode("utf-16"),
    "zero-byte": TABLE + "mix = 0.5\0\n",
    "escapes": TABLE + 'codec = "\x1b[31m"\n',
    "cut": TABLE + 'codec = "lib',
    "key-twice": TABLE + "mix = 0.5\nmix = 0.6\n",
    "table-twice": TABLE + TABLE,
    "large": "# " + "x" * (2 << 20),
    "deep-key": "a." * 2000 + "b = 1\n",
    "deep-table": "[" + "a." * 5000 + "b]\n",
    "deep-list": TABLE + "mix = " + "[" * 5000 + "]" * 5000 + "\n",
    "many-keys": "".join(f"k{i} = 1\n" for i in range(50_000)),
    "command-unknown": "[paint]\nx = 1\n",
    "command-escapes": '["\\u001b[31m"]\nx = 1\n',
    "command-very-long": "[" + "a" * 100_000 + "]\n",
    "command-is-value": "translate = 5\n",
    "command-is-list": "[[translate]]\nmix = 0.5\n",
    "key-unknown": TABLE + "nope = 1\n",
    "key-escapes": TABLE + '"\\u001b[31m" = 1\n',
    "key-very-long": TABLE + "a" * 100_000 + " = 1\n",
    "key-empty": TABLE + '"" = 1\n',
    "key-dotted": TABLE + "mix.deep = 1\n",
    "model": TABLE + 'model = "/etc/hostname"\n',
    "model-empty-list": TABLE + "model = []\n",
    "output": TABLE + 'output = "/tmp/pwned.mp4"\n',
    "overwrite": TABLE + "overwrite = true\n",
    "report": TABLE + 'report = "/tmp/pwned.json"\n',
    "report-dashes": TABLE + '"--report" = "pwned.json"\n',
    "op-library": TABLE + 'op_library = "pwned.so"\n',
    "op-library-hyphen": TABLE + 'op-library = "pwned.so"\n',
    "mask": TABLE + 'mask = "/etc/hostname"\n',
    "style": TABLE + 'style = "x.npy"\n',
    "flow": TABLE + 'flow = "onnx:x.onnx"\n',
    "interpolator": TABLE + 'interpolator = "onnx:x.onnx"\n',
    "engine": TABLE + 'engine = "torch"\n',
    "device": TABLE + 'device = "cuda"\n',
    "compiled": TABLE + "compiled = true\n",
    "hints": TABLE + 'hints = ["a=b"]\n',
    "encoder-options": TABLE + 'encoder_options = ["x=y"]\n',
    "encoder-options-e": TABLE + 'e = ["x=y"]\n',
    "source": TABLE + 'source = "/etc/hostname"\n',
    "start": TABLE + "start = 5\n",
    "mix-text": TABLE + 'mix = "much"\n',
    "mix-nan": TABLE + "mix = nan\n",
    "mix-infinite": TABLE + "mix = inf\n",
    "mix-two": TABLE + "mix = 2.0\n",
    "mix-date": TABLE + "mix = 1979-05-27\n",
    "mix-table": TABLE + "mix = { a = 1 }\n",
    "threads-huge": TABLE + "threads = 9223372036854775808\n",
    "threads-negative": TABLE + "threads = -1\n",
    "insert-negative": TABLE + "insert = -1\n",
    "window-zero": TABLE + "window = 0\n",
    "window-5000-digits": TABLE + "window = 0x" + "f" * 5000 + "\n",
    "rate-zero": TABLE + "rate = 0\n",
    "rate-nan": TABLE + "rate = nan\n",
    "working-size-zero": TABLE + 'working_size = "0x0"\n',
    "working-size-huge": TABLE + 'working_size = "99999999x99999999"\n',
    "output-size-digits": TABLE + 'output_size = "' + "9" * 5000 + 'p"\n',
    "output-size-words": TABLE + 'output_size = "big"\n',
    "codec-unknown": TABLE + 'codec = "nope"\n',
    "codec-with-options": TABLE + 'codec = "libx264 -y pwned"\n',
    "input-range-equal": TABLE + "input_range = [1, 1]\n",
    "input-range-one": TABLE + "input_range = [1]\n",
    "input-range-nan": TABLE + "input_range = [nan, 1]\n",
    "multiple-huge": TABLE + "multiple = 1000000000\n",
    "precision-unknown": TABLE + 'precision = "fp7"\n',
    "strength-list": TABLE + "strength = [0.5]\n",
}
ACCEPTED = {
    "empty": "",
    "comment": "# nothing\n",
    "other-command": "[evaluate]\npatches = true\n",
    "byte-order": TABLE + "mix = 0.5\n",
    "windows-lines": "[translate]\r\nmix = 0.5\r\n",
    "whole-number": TABLE + "mix = 1\n",
}


def entries() -> Iterator[Entry]:
    """Yield about 85 entries."""
    words = translated(CLIP, model=IDENTITY)
    for what, text in REFUSED.items():
        data = text if isinstance(text, bytes) else text.encode()
        yield Entry(f"settings/{what}", words, USAGE, file("rotoscope.toml", data))
    for what, text in ACCEPTED.items():
        yield Entry(f"settings/fine-{what}", words, FINE, file("rotoscope.toml", text.encode()), (3, 3))
    for what, make in SPECIAL.items():
        yield Entry(f"settings/{what}", words, USAGE, make)
    yield Entry("settings/dangling-link", words, FINE | USAGE, lambda folder: _link(folder, "nowhere"), (3, 3))


def _link(folder: Path, target: str) -> None:
    (folder / "rotoscope.toml").symlink_to(target)


def _sparse(folder: Path) -> None:
    with (folder / "rotoscope.toml").open("wb") as sparse:
        sparse.truncate(64 << 30)


SPECIAL = {
    "folder": lambda folder: (folder / "rotoscope.toml").mkdir(),
    "fifo": lambda folder: os.mkfifo(folder / "rotoscope.toml"),
    "endless": lambda folder: _link(folder, "/dev/zero"),
    "sparse": _sparse,
}
