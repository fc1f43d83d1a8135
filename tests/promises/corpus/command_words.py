"""Command lines with absurd numbers, smuggled options and unknown words."""

from collections.abc import Iterator

from corpus.entry import CLIP, FINE, IDENTITY, INPUT, MODEL, USAGE, Entry, nothing, translated

OPTIONS: dict[str, frozenset[int]] = {
    "--start nan": USAGE, "--start inf": USAGE, "--start -1": USAGE, "--start 1e300": USAGE | INPUT, "--start 99:99:99:99": USAGE,
    "--start 1e999": USAGE, "--duration 0": USAGE, "--duration -5": USAGE, "--duration nan": USAGE, "--duration 1e300": FINE | USAGE,
    "--duration 1e-300": FINE | USAGE | INPUT, "--rate 0": USAGE, "--rate nan": USAGE, "--rate 1e400": USAGE, "--rate 0/0": USAGE,
    "--mix nan": USAGE, "--mix 2": USAGE, "--mix -0.1": USAGE, "--strength nan": USAGE, "--strength 1e9": USAGE,
    "--threads 0": USAGE, "--threads -1": USAGE, "--threads 1000000000": USAGE | FINE, "--threads 1.5": USAGE, "--in-flight 0": USAGE | FINE,
    "--in-flight 1000000000": USAGE | FINE, "--in-flight -1": USAGE, "--working-size 0x0": USAGE, "--working-size 1x": USAGE,
    "--working-size 99999x99999": USAGE, "--working-size 0p": USAGE, "--working-size -360p": USAGE, "--output-size 1e3x2": USAGE,
    "--output-size 0x0": USAGE, "--output-size 16385x1": USAGE, "--input-range 0,0": USAGE, "--input-range nan,1": USAGE,
    "--input-range 0,1e999": USAGE, "--input-range 1": USAGE, "--output-range 0,0": USAGE, "--output-range inf,inf": USAGE,
    "--output-range nan,nan": USAGE, "--multiple 0": USAGE, "--multiple -8": USAGE, "--multiple 1000000000": USAGE,
    "--keyframes 0": USAGE, "--keyframes 1000000000": FINE | USAGE, "--steady hypercon --insert 1000000000": USAGE,
    "--steady hypercon --insert -1": USAGE, "--steady hypercon --window 0": USAGE, "--steady hypercon --window 1000000000": USAGE,
    "--steady hypercon --dilation 1000000000": USAGE, "--steady hypercon --window 99999 --dilation 99999": USAGE,
    "--style -1": USAGE, "--style 99999999999999999999999": USAGE | FINE, "--style x.npy": USAGE | INPUT | MODEL,
    "--style ../../etc/passwd": USAGE, "--codec nope": USAGE, "--codec rawvideo": USAGE | FINE, "--codec h264_nvenc": USAGE | {1},
    "--codec pcm_s16le": USAGE, "--codec mp3": USAGE, "-e crf=nan": USAGE, "-e crf=": USAGE, "-e =5": USAGE, "-e crf": USAGE,
    "-e nope=1": USAGE, "-e movflags=nope": USAGE, "-e pix_fmt=nope": USAGE, "-e stats=pwned": USAGE, "-e passlogfile=pwned": USAGE,
    "-e x264-params=stats=pwned:pass=1": USAGE, "-e x264opts=dump-yuv=pwned": USAGE, "-e threads=-5": USAGE | FINE,
    "-e g=99999999999999": USAGE, "-e preset=nope": USAGE | {1}, "--flow nope": USAGE, "--flow onnx:": USAGE | MODEL,
    "--flow onnx:missing.onnx": USAGE | MODEL, "--interpolator onnx:missing.onnx --steady hypercon": USAGE | MODEL,
    "--engine nope": USAGE, "--device cuda:99": USAGE | MODEL | {1}, "--device nope": USAGE, "--precision int9": USAGE,
    "--op-library missing.so": USAGE | MODEL, "--mask missing.png": USAGE | INPUT | MODEL, "--instances missing": USAGE | INPUT | MODEL,
    "--hint a": USAGE | MODEL, "--hint =": USAGE | MODEL, "--hint a=b": USAGE | MODEL, "--report /proc/x.json": USAGE | {1},
    "--report missing/x.json": USAGE | {1}, "--report .": USAGE, "--nope": USAGE, "--nope=1": USAGE, "extra.mkv": USAGE,
}  # fmt: skip
LINES: dict[str, frozenset[int]] = {
    "": FINE | USAGE, "nope": USAGE, "translate": USAGE, "info": USAGE, "info a b c": USAGE, "export": USAGE, "export a.pth": USAGE,
    "frames": USAGE, "compare": USAGE, "evaluate": USAGE, "evaluate a b": INPUT | USAGE, "encode": USAGE, "parity a": USAGE,
    "--log-level nope looks": USAGE, "--log-level": USAGE, "help nope": USAGE, "train nope": USAGE, "train": FINE | USAGE,
    "train resume missing": USAGE | INPUT | {1}, "distill": USAGE, "distill missing.onnx": USAGE | MODEL | INPUT, "build": USAGE,
    "build missing.onnx": USAGE | MODEL, "frames {clip} folder --every 0": USAGE, "frames {clip} folder --every -1": USAGE,
    "frames {clip} folder --shorter-side 0": USAGE, "frames {clip} folder --shorter-side 1000000": USAGE,
    "compare {clip} out.png -m {identity} --frames 0": USAGE, "compare {clip} out.png -m {identity} --height 0": USAGE,
    "compare {clip} out.png -m {identity} --height 1000000": USAGE, "info {identity} --multiple 0": USAGE,
    "info {identity} --input-range nan,nan": USAGE, "info {identity} --hint x": USAGE | MODEL, "info {identity} --write missing/x.onnx": USAGE | {1},
    "info {clip} --write x.onnx": USAGE, "parity {identity} {identity} --frames 0": USAGE, "parity {identity} {identity} --size 0x0": USAGE,
    "parity {identity} {identity} --size 99999x99999": USAGE, "parity {identity} {identity} --frames -5": USAGE,
    "export {identity} out.onnx": MODEL | USAGE, "export {clip} out.onnx": MODEL, "export missing.pth out.onnx": MODEL,
    "export missing.pth out.txt": USAGE | MODEL, "encode {clip} out.npy -m {identity}": USAGE | MODEL | INPUT, "encode missing.png out.npy -m {identity}": USAGE | INPUT | MODEL,
}  # fmt: skip


def entries() -> Iterator[Entry]:
    """Yield about 145 entries."""
    for options, codes in OPTIONS.items():
        words = ("translate", CLIP, "out.mkv", "-m", IDENTITY, *options.split())
        yield Entry(f"words/{options[:60]}", words, codes, nothing, (1, 3))
    for line, codes in LINES.items():
        yield Entry(f"words/line: {line[:60]}", tuple(line.split()), codes, nothing)
    yield Entry("words/long-option", translated(CLIP, "--" + "x" * 100_000), USAGE, nothing)
    yield Entry("words/long-value", translated(CLIP, "--mix", "9" * 100_000), USAGE, nothing)
    yield Entry("words/escapes", translated(CLIP, "--\x1b[31m\n\x07"), USAGE, nothing)
    yield Entry("words/not-utf8", translated(CLIP, "--\udcff"), USAGE, nothing)
    yield Entry("words/thousand-models", ("translate", CLIP, "out.mkv", *("-m", "missing.onnx") * 1000), USAGE | MODEL, nothing)
    yield Entry("words/thousand-options", translated(CLIP, *("-e", "crf=23") * 1000), FINE | USAGE, nothing, (3, 3))
