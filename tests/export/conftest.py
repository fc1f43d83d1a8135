"""Model files of small networks, each exported once per session, by whichever worker needs it first."""

import os

import pytest
from catalogue import build
from filelock import FileLock
from one_thread import one_thread

from rotoscope.export.onnx import export_onnx
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict
from rotoscope.runtime.models.cache import key_of
from rotoscope.runtime.models.model_file import open_model

__all__ = ["exported", "one_thread"]


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """(case, options of `export_onnx`) -> (path of the ONNX file, its manifest, the loaded network)."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exported"  # workers share the parent
    folder.mkdir(exist_ok=True)
    made = {}

    def export(case, **options):
        key = key_of(case=str(case), options=repr(sorted(options.items())))
        if key not in made:
            loaded = from_state_dict(build(case).state_dict(), **case.hints)
            path = folder / f"{key}.onnx"
            with FileLock(folder / f"{key}.lock"):
                if path.exists():
                    manifest = open_model(path).manifest
                else:
                    part = path.with_suffix(".part.onnx")
                    manifest = export_onnx(loaded, part, ExportOptions(name=str(case), **options))
                    part.rename(path)
            made[key] = path, manifest, loaded
        return made[key]

    return export
