"""A model that is ready to run: its file, the options that it runs with, and its engines."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rotoscope.assembly.engines import engine_of, make_engine
from rotoscope.assembly.images import image_array, like, mask_array, rgb_image
from rotoscope.assembly.models import bundled_path, open_named
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.options import OVERRIDES, ModelOptions, SteadyOptions
from rotoscope.kernels.rows import Workers, usable_cores
from rotoscope.runtime.network.code import check_encoder, encode
from rotoscope.runtime.network.style import style_codes
from rotoscope.runtime.pipeline.stages import Stages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rotoscope.base.engine import Engine
    from rotoscope.export.graph import Graph
    from rotoscope.runtime.models.model_file import ModelFile

FIXED_AT_LOAD = (*OVERRIDES, "hints", "op_library")  # options that decide how the file is read

never_freed: list[object] = []
"""Engines that a forked child inherits: freeing one would wait for threads that the child does not have."""


class Model:
    """A network ready to be called on pictures, or handed to `translate` and `Translator`; made by `rotoscope.load`.

    Several threads may call it at once; a model with state then works on one call at a time. It may be pickled: the copy
    opens the same file again. In a forked child its engines are made again at the first use.

    file     the opened model file with its manifest
    options  how it runs; `translate` and `Translator` start from them
    threads  cores of its own calls; None: all
    """

    def __init__(
        self,
        file: ModelFile,
        options: ModelOptions,
        *,
        name: str,
        source: str | Path | None = None,
        graph: Graph | None = None,
        threads: int | None = None,
        engines: _Engines | None = None,
        encoder: Model | None = None,
    ) -> None:
        self.file, self.options, self.name, self.threads = file, options, name, threads
        self.encoder = encoder  # of style pictures
        self.graph = graph  # the network of a checkpoint, for the torch engine
        self._source = source
        self._engines = engines or _Engines()
        self._own: _OwnCalls | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, name: str | Path, options: ModelOptions, *, threads: int | None = None) -> Self:
        """Open what a name stands for: a bundled look, an .onnx file, a checkpoint. Raises ModelRefused or UsageError."""
        if not isinstance(name, (str, Path)):
            raise UsageError(f"a model of type {type(name).__name__}; accepted: a name, a path or a loaded model")
        file, graph = open_named(name, options)
        is_look = bundled_path(str(name)) is not None
        source = str(name) if is_look else Path(name).absolute()
        return cls(file, options, name=Path(name).stem, source=source, graph=graph, threads=threads)

    def __repr__(self) -> str:
        return f"<rotoscope.Model {self.file.name!r}, {self.file.num_parameters:,} parameters>"

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[Any, ...]]:
        return _opened_again, (self._source, self.options, self.threads, self.encoder)

    def __call__(self, image: Any, *, mask: Any = None) -> Any:
        """Translate one picture, without a past.

        image  (H,W,3) uint8 RGB, a NumPy array or a torch tensor on the CPU
        mask   (H,W) bool, True in the hole; for models that fill holes. None is an error, or if the mask input was inferred, no
               hole
        Returns the same kind, of the same size times the scale of an upscaling network. Raises UsageError for other images.
        """
        array = image_array(image)
        own = self._own_calls()
        if mask is None and self.file.manifest.mask and self.file.inferences:
            mask = np.zeros(array.shape[:2], np.bool_)
        hole = mask_array(mask, array, self.file.manifest)
        frame = Frame(0, 0, Fraction(1), 1, Picture((array,)), mask=hole)
        return like(image)(rgb_image(own.translated(frame), own.stages.natural_size(frame.source.size)))

    def encode(self, image: Any) -> NDArray[np.float32]:
        """The code of one picture, for a model of kind "encode"; a style is (1,S,1,1) float32.

        image  (H,W,3) uint8 RGB, a NumPy array or a torch tensor on the CPU
        """
        picture = Picture((image_array(image),))
        check_encoder(self.file)
        style_codes([self.file.manifest], [self.options.style])  # refuses one: an encoder makes it
        engine = self.engine(threads=self.threads or usable_cores(), calls=1)
        return encode(self.file, engine, picture, working=self.options.working_size, fit=self.options.fit)

    def with_options(self, given: Mapping[str, Any]) -> Self:
        """The same model with some options replaced; engines are shared. Raises UsageError for options that `load` fixes."""
        fixed = [name for name in FIXED_AT_LOAD if name in given]
        if fixed:
            raise UsageError(f"{fixed[0]} with a loaded model: give it to rotoscope.load")
        return type(self)(
            self.file, replace(self.options, **given), name=self.name, source=self._source, graph=self.graph,
            threads=self.threads, engines=self._engines, encoder=self.encoder,
        )  # fmt: skip

    def styled_with(self, style: NDArray[Any] | None, encoder: Model | None) -> Model:
        """The same model with a code or a style picture as its style, and the encoder for later pictures."""
        made = self.with_options({"style": style, "like": None})
        made.encoder = encoder
        return made

    def opened_beside(self, path: Path) -> Model:
        """Another file with the engine of this model."""
        return Model.open(path, ModelOptions(**engine_of(self.options)), threads=self.threads)

    def engine(self, *, threads: int, calls: int, shared: bool = True, path: Path | None = None) -> Engine:
        """An engine as the options name it, for `calls` calls at once of `threads` threads each.

        shared  made once and kept for the next use; False: a new one for the caller alone
        path    another ONNX file that it shall run, in the place of the model's own
        """
        file = self.file if path is None else replace(self.file, path=path)

        def make() -> Engine:
            return make_engine(file, **engine_of(self.options), threads=threads, calls=calls, graph=self.graph)

        options = self.options
        key = (options.engine, options.precision, options.device, options.compiled, options.op_library, threads, calls)
        return self._engines.get(key, make) if shared else make()

    def _own_calls(self) -> _OwnCalls:
        with self._lock:
            if self._own is not None and self._own.process != os.getpid():
                never_freed.append(self._own)
                self._own = None
            self._own = self._own or _OwnCalls(self)
            return self._own


class _OwnCalls:
    """Stages and workers of `Model.__call__`; made again in a forked child."""

    def __init__(self, model: Model) -> None:
        self.process = os.getpid()
        self.workers = Workers(model.threads or usable_cores())
        self.stages = Stages([model], SteadyOptions(steady="off"), workers=self.workers, in_flight=1)
        self._lock = None if all(not file.manifest.state for file in self.stages.models) else threading.Lock()

    def translated(self, frame: Frame) -> Any:
        """(H,W,4) float32 RGB; the frame stands in for all neighbours of a window."""
        network = self.stages.network
        window = self.stages.models[0].manifest.frame.window
        neighbours = (frame,) * (len(window.offsets) if window else 1)
        with self.workers.active():
            if self._lock is None:
                return network.translated(neighbours).pixels()
            with self._lock:
                network.reset()
                return network.translated(neighbours).pixels()


class _Engines:
    """Engines of one model by what they were made for; forgotten in a forked child, where their threads do not exist."""

    def __init__(self) -> None:
        self._process, self._lock = os.getpid(), threading.Lock()
        self._made: dict[tuple[object, ...], Engine] = {}

    def get(self, key: tuple[object, ...], make: Callable[[], Engine]) -> Engine:
        """The engine of this key, made if it does not exist."""
        if self._process != os.getpid():
            never_freed.append(self._made)
            self._process, self._lock, self._made = os.getpid(), threading.Lock(), {}
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


def _opened_again(
    source: str | Path | None, options: ModelOptions, threads: int | None, encoder: Model | None = None
) -> Model:
    if source is None:
        raise UsageError("a model that was not opened by name cannot be pickled")
    made = Model.open(source, options, threads=threads)
    made.encoder = encoder
    return made
