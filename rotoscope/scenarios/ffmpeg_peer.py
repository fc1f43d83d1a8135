"""ffmpeg's filter dnn_processing as a peer: decode, the network in ffmpeg's OpenVINO, encode, in one command."""

import re
import shutil
import subprocess
from pathlib import Path

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.text import shortened
from rotoscope.kernels.rows import usable_cores
from rotoscope.scenarios.offline import FileProgram
from rotoscope.scenarios.plain_network import PICTURE, RESULT, PlainNetwork, write_in_unit_range

BACKEND = re.compile(r"^ {3,}(native|tensorflow|openvino|torch)\s", re.MULTILINE)
"""A line of `ffmpeg -h filter=dnn_processing` that names something that runs networks."""


def ffmpeg_peer(network: PlainNetwork, threads: int, folder: Path) -> FileProgram:
    """Write the network into a folder, with its value ranges inside, for the ffmpeg on PATH.

    Raises UsageError if that ffmpeg cannot run the network, or not with this number of threads.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise UsageError("ffmpeg: not found on PATH")
    name = _version(program)
    help_text = _said_by(program, "-h", "filter=dnn_processing")
    backends = BACKEND.findall(help_text)
    if not backends:
        raise UsageError(f"{name}: built without the filter dnn_processing")
    if "openvino" not in backends:
        raise UsageError(
            f"{name}: its dnn_processing runs {', '.join(backends)}; accepted: a build with OpenVINO, which runs ONNX files"
        )
    frame, output = network.manifest.frame, network.manifest.output
    if frame.order != output.order:
        raise UsageError(f"{name}: {network.manifest.name} takes {frame.order} and gives {output.order}")
    if threads != usable_cores():
        raise UsageError(f"{name}: its OpenVINO takes all {usable_cores()} cores, not {threads}")
    write_in_unit_range(network, folder / "network.onnx")
    pixels = "rgb24" if frame.order == "RGB" else "bgr24"
    # Older builds, such as 6.1, take the options of a backend in one string.
    layout = "layout=nchw" if re.search(r"^ +layout\s", help_text, re.MULTILINE) else "backend_configs=layout=nchw"
    filters = (
        f"format={pixels},dnn_processing=dnn_backend=openvino:model=network.onnx:input={PICTURE}:output={RESULT}"
        f":{layout},format=yuv420p"
    )

    def translate(source: Path, target: Path) -> int:
        words = (
            program, "-nostdin", "-loglevel", "error", "-nostats", "-progress", "pipe:1", "-y", "-i", str(source.resolve()),
            "-an", "-vf", filters, "-c:v", "mpeg4", "-q:v", "3", str(target.resolve()),
        )  # fmt: skip
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        counts = re.findall(r"^frame=\s*(\d+)", done.stdout, re.MULTILINE)
        if done.returncode or not counts or not int(counts[-1]):
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}, no frame"]
            raise OutputFailed(f"{name}: {shortened(lines[0])}")
        return int(counts[-1])

    return FileProgram("ffmpeg, file to file", f"{name}, dnn_processing, openvino", network.label, translate)


def _version(program: str) -> str:
    words = _said_by(program, "-version").split()
    return f"ffmpeg {shortened(words[2])}" if words[:2] == ["ffmpeg", "version"] and len(words) > 2 else "ffmpeg"


def _said_by(program: str, *words: str) -> str:
    done = subprocess.run(
        [program, "-hide_banner", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        check=False,
    )  # fmt: skip
    return done.stdout
