"""Names of files that look like options, protocols or patterns, or hold bytes that a terminal or a decoder would act on."""

import os
from collections.abc import Iterator
from pathlib import Path

from promises.corpus.clips import clip
from promises.corpus.entry import CLIP, FINE, INPUT, MODEL, USAGE, Entry, nothing, translated
from promises.corpus.onnx_graphs import model

NAMES = (
    "plain name.mkv",
    "new\nline.mkv",
    "escape\x1b[31mred.mkv",
    "bell\x07.mkv",
    "title\x1b]0;pwned\x07.mkv",
    "tab\tname.mkv",
    "carriage\rreturn.mkv",
    "quote'\".mkv",
    "dollar$(touch pwned).mkv",
    "tick`touch pwned`.mkv",
    "semi;touch pwned.mkv",
    "pipe|touch pwned.mkv",
    "amp&.mkv",
    "star*.mkv",
    "question?.mkv",
    "bracket[1].mkv",
    "percent%03d.mkv",
    "percent%s%n.mkv",
    "colon:name.mkv",
    "http:clip.mkv",
    "file:clip.mkv",
    "concat:a|b.mkv",
    "pipe:0",
    "data:text.mkv",
    "onnx:clip.mkv",
    "synthetic:clip.mkv",
    "back\\slash.mkv",
    "turned\u202evkm.exe.mkv",
    "emoji\U0001f3a5.mkv",
    "wide\u3042.mkv",
    "joined\u0301.mkv",
    "zero\u200bwidth.mkv",
    "~",
    "~root.mkv",
    ".hidden.mkv",
    "...",
    "no-ending",
    "CON.mkv",
    "<script>alert(1)<script>.mkv",
    "n" * 251 + ".mkv",
    "not-utf8-\udcff\udcfe.mkv",
    " leading.mkv",
    "trailing.mkv ",
    "starry",
    "null:",
    "#comment.mkv",
)
DASHED = ("-clip.mkv", "--overwrite", "--help", "-", "--", "-m")


def entries() -> Iterator[Entry]:
    """Yield about 100 entries."""
    for name in NAMES:
        shown = ascii(name)[1:30]
        yield Entry(f"name/source/{shown}", translated(name), FINE, _clip(name), (3, 3))
    for name in DASHED:
        yield Entry(f"name/source/./{name}", translated(f"./{name}"), FINE, _clip(name), (3, 3))
    for name in ("missing\nline.mkv", "missing\x1b[31m.mkv", "m" * 5000, "m" * 251 + "/x", "\udcff\udcfe", "a/" * 3000):
        shown = f"{ascii(name)[1:20]}-{len(name)}"
        yield Entry(f"name/missing/{shown}", translated(name), INPUT | USAGE, nothing)
        yield Entry(f"name/missing-model/{shown}", translated(CLIP, model=name + ".onnx"), MODEL | USAGE, nothing)
        yield Entry(f"name/missing-info/{shown}", ("info", name), INPUT | MODEL | USAGE, nothing)
    codes = FINE | MODEL  # ONNX Runtime takes names in UTF-8 only
    for name in ("new\nline.onnx", "escape\x1b[31m.onnx", "-m.onnx", "n" * 250 + ".onnx", "\udcff.onnx", "starry.onnx"):
        yield Entry(f"name/model/{ascii(name)[1:20]}", translated(CLIP, model=f"./{name}"), codes, _model(name), (3, 3))
    for result, codes in RESULTS.items():
        words = translated(CLIP, result=result)
        yield Entry(f"name/result/{ascii(result)[1:30]}-{len(result)}", words, codes, _folder_and_link, (3, 3))


RESULTS = {
    "no-ending": FINE | USAGE,
    "out.xyz": USAGE,
    "out.m3u8": USAGE,
    "out.mpd": USAGE,
    "out.avi|x": USAGE,
    "missing/out.mkv": USAGE,
    "http://127.0.0.1:9/out.mkv": USAGE,
    "rtmp://127.0.0.1:9/out.flv": USAGE,
    "tcp://127.0.0.1:9": USAGE,
    "pipe:1": FINE | USAGE,
    "file:out.mkv": FINE | USAGE,
    "tee:out.mkv|x.mkv": FINE | USAGE,
    "/dev/full": USAGE,
    "/dev/null": USAGE,
    "/dev/zero": USAGE,
    "/proc/out.mkv": USAGE | {1},
    "out\n.mkv": FINE,
    "out\x1b[31m.mkv": FINE,
    "o" * 251 + ".mkv": FINE,
    "o" * 252 + ".mkv": USAGE | {1},
    "o" * 5000 + ".mkv": USAGE | {1},
    "there.mkv": USAGE,
    "link.mkv": USAGE,
    "folder": FINE | USAGE,
    "folder.mkv": USAGE,
    "out%d%d.png": FINE | USAGE,
    "out%099999999999d.png": FINE | USAGE,
    "out.png": USAGE,
    ".": USAGE | FINE,
    "..": USAGE | FINE,
    "/": USAGE | {1},
    "": USAGE,
    "fifo.mkv": USAGE,
    "dangling.mkv": USAGE | {1},
}


def _clip(name: str):
    return lambda folder: (folder / name).write_bytes(clip("mkv", frames=3))


def _model(name: str):
    return lambda folder: (folder / name).write_bytes(model().SerializeToString())


def _folder_and_link(folder: Path) -> None:
    (folder / "there.mkv").write_bytes(b"precious")
    (folder / "link.mkv").symlink_to("there.mkv")
    (folder / "dangling.mkv").symlink_to("elsewhere.mkv")
    (folder / "folder.mkv").mkdir()
    os.mkfifo(folder / "fifo.mkv")
