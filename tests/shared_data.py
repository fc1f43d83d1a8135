"""The folder of real clips, pictures, weights and golden vectors. It is not part of the repository."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
IS_REQUIRED = os.environ.get("ROTOSCOPE_REQUIRE_SHARED") == "1"


def need_shared(path=SHARED / "data"):
    """Return `path`, a file or folder in `shared`. If it is missing, skip the test; with ROTOSCOPE_REQUIRE_SHARED=1 fail it."""
    if path.exists():
        return path
    missing = path if SHARED.is_dir() else SHARED
    if IS_REQUIRED:
        pytest.fail(f"ROTOSCOPE_REQUIRE_SHARED=1, but {missing} does not exist")
    return pytest.skip(f"{missing} does not exist")
