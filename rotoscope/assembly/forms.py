"""Open a form of a network, such as "net.onnx@openvino:bf16": a file, and how it runs."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotoscope.assembly.engines import ENGINES, engine_of, make_engine
from rotoscope.assembly.model import Model
from rotoscope.assembly.models import is_checkpoint
from rotoscope.assembly.translator import Translator
from rotoscope.base.options import ModelOptions
from rotoscope.export.comparison import OpenedForm
from rotoscope.export.parity import COARSENESS, Form

if TYPE_CHECKING:
    from rotoscope.base.engine import Engine
    from rotoscope.base.frame import Frame

PRECISIONS = ("fp32", "fp16", "bf16")


def open_form(spec: str, *, hints: Sequence[str], threads: int, working_size: str | None) -> OpenedForm:
    """Open FILE, or FILE@WORD:WORD... with an engine, a precision, a device and "compiled" in any order.

    hints         KEY=VALUE for a checkpoint
    working_size  of translations, such as "640x360"
    """
    file, _, text = spec.rpartition("@") if "@" in spec else (spec, "", "")
    options = form_options(Path(file), text.split(":"), hints)
    model = Model.open(file, options)
    engine = make_engine(model.file, **engine_of(options), threads=threads, graph=model.graph)
    precision = max(options.precision or "fp32", model.file.precision, key=COARSENESS.index)

    def make(path: Path) -> Engine:
        return make_engine(replace(model.file, path=path), **engine_of(options), threads=threads)

    def translate(frames: Iterable[Frame], engine: Engine) -> Generator[Frame, None, None]:
        size = working_size or options.working_size
        return Translator(model, engine=engine, in_flight=1, steady="off", working_size=size).stream(frames)

    form = Form(f"{Path(file).name} on {engine.description}", model.file.manifest, engine, precision)
    return OpenedForm(form, model.file, model.graph, make, translate)


def form_options(file: Path, words: Sequence[str], hints: Sequence[str]) -> ModelOptions:
    """Return the options that the words of a form stand for; a word that is nothing else names a device."""
    given: dict[str, Any] = {"engine": "torch" if is_checkpoint(file) else "onnxruntime"}
    for word in filter(None, words):
        if word in ENGINES:
            given["engine"] = word
        elif word in PRECISIONS:
            given["precision"] = word
        elif word == "compiled":
            given["compiled"] = True
        else:
            given["device"] = word
    return ModelOptions(hints=tuple(hints) if is_checkpoint(file) else (), **given)
