"""Model files of small networks, each exported once per session, by whichever worker needs it first."""

import os
from functools import partial
from unittest import mock

import onnx
from catalogue import build
from filelock import FileLock

from rotoscope.base.manifest import METADATA_KEY
from rotoscope.export import onnx as exporter
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict
from rotoscope.runtime.models.cache import key_of
from rotoscope.runtime.models.model_file import open_model


class ExportedNetworks:
    """(case, options of `export_onnx`) -> (path of the ONNX file, its manifest, the loaded network)."""

    def __init__(self, tmp_path_factory):
        base = tmp_path_factory.getbasetemp()
        self.folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exported"  # workers share it
        self.folder.mkdir(exist_ok=True)
        self.made = {}

    def __call__(self, case, **options):
        key = key_of(case=str(case), options=repr(sorted(options.items())))
        if key not in self.made:
            loaded = from_state_dict(build(case).state_dict(), **case.hints)
            path = self.folder / f"{key}.onnx"
            with FileLock(self.folder / f"{key}.lock"):
                if path.exists():
                    manifest = open_model(path).manifest
                else:
                    part = path.with_suffix(".part.onnx")
                    manifest = self._export(case, loaded, part, options)
                    part.rename(path)
            self.made[key] = path, manifest, loaded
        return self.made[key]

    def _export(self, case, loaded, path, options):
        """Export; what is halved needs no second trace."""
        write = partial(exporter.export_onnx, loaded, path, ExportOptions(name=str(case), **options))
        if options != {"precision": "fp16"}:
            return write()
        traced = onnx.load(self(case)[0])
        (described,) = (entry for entry in traced.metadata_props if entry.key == METADATA_KEY)
        traced.metadata_props.remove(described)
        with mock.patch.object(exporter, "traced", lambda graph: traced):
            return write()
