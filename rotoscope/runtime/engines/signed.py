"""Signed files: files in the cache that only this user of this machine can have written.

A built engine is a program: reading it with TensorRT runs code that is in it. So each file begins with an HMAC-SHA256 of its
name and content, made with a key that only this user can read.
"""

import hmac
import os
import secrets
from pathlib import Path

from platformdirs import user_config_path

NUM_SIGNATURE_BYTES = 32


def signed(name: str, content: bytes) -> bytes:
    """Return the content of a signed file that will have this name."""
    return _signature(name, content) + content


def read_signed(file: Path) -> bytes | None:
    """Return the content of a signed file; None if it is missing, unsigned, changed or renamed."""
    try:
        whole = file.read_bytes()
    except OSError:
        return None
    signature, content = whole[:NUM_SIGNATURE_BYTES], whole[NUM_SIGNATURE_BYTES:]
    return content if hmac.compare_digest(signature, _signature(file.name, content)) else None


def _signature(name: str, content: bytes) -> bytes:
    made = hmac.new(_key(), name.encode() + b"\0", "sha256")
    made.update(content)
    return made.digest()


def _key() -> bytes:
    """Return the user's key, 32 random bytes, made at the first call."""
    path = user_config_path("rotoscope", ensure_exists=True) / "engine.key"
    if not path.exists():
        # Linked into place when complete: another process sees the whole key or none.
        part = path.with_name(f".engine.key.{secrets.token_hex(4)}")
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(part, path)
        except FileExistsError:
            pass  # another process was faster
        finally:
            part.unlink()
    return path.read_bytes()
