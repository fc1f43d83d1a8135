"""The function that serves pictures and short clips over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from rotoscope.api.translation import load, translate
from rotoscope.assembly.chain import Named, as_chain
from rotoscope.assembly.model import Model
from rotoscope.assembly.needs import check_needs_pictures_only
from rotoscope.base.errors import UsageError
from rotoscope.base.option_checks import check_count, check_known
from rotoscope.base.option_keywords import ModelKeywords, SteadyKeywords
from rotoscope.base.options import THREADS, EngineName, ModelOptions, SteadyOptions, options_from
from rotoscope.runtime.pipeline.job import Progress
from rotoscope.service.media_limits import check_upload
from rotoscope.service.options import ServeOptions
from rotoscope.service.server import Service

WARM_UP = "synthetic:64x64@25"  # translated before the service begins, so that the first client does not wait


class LimitKeywords(TypedDict, total=False):
    """`ServeOptions` as keywords."""

    host: str
    port: int
    token: str | None
    picture_mb: float
    clip_mb: float
    megapixels: float
    clip_seconds: float
    upload_seconds: float
    job_seconds: float
    queue: int
    results: int
    drain_seconds: float


class ServeKeywords(ModelKeywords, SteadyKeywords, LimitKeywords, total=False):
    """Options of a service, except `engine`."""


def serve(
    *,
    model: Named | Sequence[Named],
    engine: EngineName | None = None,
    threads: int | None = None,
    **options: Unpack[ServeKeywords],
) -> Service:
    """Open models and make a service that translates pictures and short clips over HTTP; needs the extra `live`.

        with rotoscope.serve(model=["starry", "scream"], port=0) as service:
            print(service.url)                   # POST a picture to /pictures, a clip to /clips
            service.wait(3600)

    model    a bundled look, an .onnx file, a checkpoint, a loaded Model, or several of them, of which a request chooses one by
             its name; the first is the default
    threads  cores that a job may use; by default all
    The other keywords are the fields of ModelOptions and SteadyOptions in `rotoscope.base.options`, which requests may partly
    override, and of `rotoscope.service.options.ServeOptions`. Raises ModelRefused for a model, UsageError for options that
    cannot work, or if the address cannot be had.
    """
    check_known(options, ModelOptions, SteadyOptions, ServeOptions)
    check_count("threads", threads, THREADS)
    of_serve: dict[str, Any] = {name: value for name, value in options.items() if name in ServeOptions.__annotations__}
    limits = ServeOptions(**of_serve)
    steady = options_from(SteadyOptions, options)
    given = {name: value for name, value in options.items() if name in ModelOptions.__annotations__}
    defaults = {name: getattr(steady, name) for name in SteadyOptions.__annotations__}
    models = _opened(as_chain(model), engine, threads, given)
    service = Service(_translation(models, defaults, threads, limits), tuple(models), limits)
    try:
        for opened in models.values():
            translate(WARM_UP, "null:", model=opened, threads=threads, duration=0.08, **defaults)
    except BaseException:
        service.stop()
        raise
    return service


def _opened(
    names: Sequence[Named], engine: EngineName | None, threads: int | None, given: Mapping[str, Any]
) -> dict[str, Model]:
    chosen: dict[str, Any] = {} if engine is None else {"engine": engine}
    models: dict[str, Model] = {}
    for name in names:
        opened = name.with_options(given) if isinstance(name, Model) else load(name, threads=threads, **chosen, **given)
        if opened.name in models:
            raise UsageError(f"two models are named {opened.name}; accepted: files of different names")
        check_needs_pictures_only(opened.file.manifest, "which a request does not bring")
        models[opened.name] = opened
    return models


def _translation(
    models: Mapping[str, Model], defaults: Mapping[str, Any], threads: int | None, limits: ServeOptions
) -> Callable[[Path, Path, Mapping[str, Any], Callable[[Progress], None]], object]:
    """Return the function that translates the file of one job, in the thread of its queue."""

    def translated(
        source: Path, target: Path, options: Mapping[str, Any], on_progress: Callable[[Progress], None]
    ) -> object:
        check_upload(source, options.get("working_size"), limits)
        chosen = {**defaults, **{name: value for name, value in options.items() if name != "model"}}
        model = models[options["model"]]
        return translate(source, target, model=model, threads=threads, on_progress=on_progress, audio="auto", **chosen)

    return translated
