"""A digest of the code that exports checkpoints, for the key of files that are kept in the cache. Torch-free."""

import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
EXPORTING = ("export", "networks", "weights", "base/manifest.py", "runtime/models/golden.py")


@functools.cache
def exporter_digest(package: Path = PACKAGE) -> str:
    """Return 16 hex digits of sha256 over names and bytes of all sources that decide what an exported file contains.

    After any change of these sources a checkpoint is exported again, so a corrected exporter never runs old files. Versions
    of torch and onnx are not part of the digest: every file was proved against its checkpoint with the versions that wrote it,
    and it must also be found in an environment without torch.
    """
    digest = hashlib.sha256()
    for name in EXPORTING:
        path = package / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
