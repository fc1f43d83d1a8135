"""Try a stranger's ONNX file on small pictures, in a process of its own, and keep what came out in the user's cache."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rotoscope.base.engine import EngineEnded
from rotoscope.base.errors import ModelRefused, OutputFailed, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from rotoscope.runtime.models.model_file import ModelFile


def tried_apart(file: ModelFile) -> ModelFile:
    """The file with what calls show that its graph does not; raises ModelRefused if ONNX Runtime crashes or does not end.

    A file is tried once: the cache has an entry by its digest and by what was inferred from the graph.
    """
    from rotoscope.base.manifest import Manifest
    from rotoscope.runtime.models.cache import cached
    from rotoscope.runtime.models.inferred import Inferred

    try:
        entry = cached("models", f"{_key(file)}.trial.json", lambda part: _write(part, file))
        found = json.loads(entry.read_text())
    except (UsageError, OutputFailed):  # no cache: the file is tried each time
        found = _tried(file)
    manifest = Manifest.model_validate(found["manifest"])
    return replace(file, manifest=manifest, inferences=tuple(Inferred(**item) for item in found["inferences"]))


def _write(part: Path, file: ModelFile) -> None:
    part.write_text(json.dumps(_tried(file)))


def _tried(file: ModelFile) -> dict[str, Any]:
    """Manifest and inferences after the trial, as JSON holds them."""
    from rotoscope.runtime.engines.trial_engine import trial_engine
    from rotoscope.runtime.models.refuse_unsafe import check_it_ends
    from rotoscope.runtime.models.trial import is_worth_a_trial, tried

    try:
        with trial_engine(file.path) as engine:
            check_it_ends(file.path, file.manifest, engine.ends_within, has_loop=file.has_loop)
            if is_worth_a_trial(file):
                file = tried(file, engine)
    except EngineEnded:
        raise
    except ModelRefused as error:
        if "ONNX Runtime refuses" not in str(error):
            raise
    return {
        "manifest": file.manifest.model_dump(mode="json"),
        "inferences": [asdict(item) for item in file.inferences],
    }


def _key(file: ModelFile) -> str:
    import importlib.util
    from pathlib import Path

    from rotoscope.runtime.models import trial
    from rotoscope.runtime.models.cache import key_of

    engine = importlib.util.find_spec("onnxruntime")
    assert engine is not None and engine.origin is not None
    return key_of(
        file=file.sha256,
        manifest=file.manifest.model_dump_json(),
        inferences=file.inferences,
        onnxruntime=Path(engine.origin).stat().st_mtime_ns,  # another one was installed
        trial=Path(trial.__file__).read_text(),
    )
