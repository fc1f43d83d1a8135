"""The stages of one translation, and the line that runs them over a stream."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Protocol

from rotoscope.base.device import CPU, Device
from rotoscope.base.engine import Engine
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame
from rotoscope.base.gpu_run import GpuRun, with_gpu
from rotoscope.base.options import ModelOptions, SteadyOptions
from rotoscope.base.prefetch import prefetch
from rotoscope.base.sizes import Size
from rotoscope.base.stage import Chain, Stage, run_stage
from rotoscope.base.times import StageTimes
from rotoscope.kernels.rows import SERIAL, Workers, with_workers
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.motion.cuts import CutAtSizeChange
from rotoscope.runtime.motion.estimator import FlowSource
from rotoscope.runtime.motion.region import Region
from rotoscope.runtime.network.network import MOVING_S, Network
from rotoscope.runtime.network.pair import InterpolationModel
from rotoscope.runtime.network.settings import check_settings, setting_arrays
from rotoscope.runtime.network.stage import KeepSource, NetworkStage
from rotoscope.runtime.network.statistics import Calibration
from rotoscope.runtime.network.style import style_codes
from rotoscope.runtime.network.tiles import in_tiles
from rotoscope.runtime.pipeline.steadiness import plan_steadiness
from rotoscope.runtime.pipeline.transfers import ToDevice, ToHost

MAX_IN_FLIGHT = 8
DECODED_AHEAD = 3  # decoded frames that may wait for the next stage
MOVING_AHEAD = 2  # frames with their motion that may wait for the network
FINISHED_AHEAD = 2  # finished frames that may wait for the sink


class RunnableModel(Protocol):
    """A model file with the options that it is run with, and engines for it."""

    @property
    def file(self) -> ModelFile:
        """The opened file."""
        ...

    @property
    def name(self) -> str:
        """Short name for files: of a look, or of the file that was given."""
        ...

    @property
    def options(self) -> ModelOptions:
        """Options that it runs with."""
        ...

    def engine(self, *, threads: int, calls: int, shared: bool = True, path: Path | None = None) -> Engine:
        """An engine for `calls` calls at once, of `threads` threads each; a new one for the caller alone unless `shared`.

        path  another ONNX file that it shall run
        """
        ...


class Stages:
    """The stages of a stream: motion, a chain of networks, steadying.

    models     the chain; the first sees the source, the others see the result of the one before
    workers    the threads of the run
    in_flight  frames in the network at once; None: one for each thread, at most 8, and 1 for models with state
    flow, interpolator  networks in place of DIS and of moving both frames
    calibration         frozen statistics for the first network; None: they follow the stream
    gpu_slots           slots of the `GpuRun`: pictures stay on the GPU from the first stage to the last, if all networks run on
                        it; None: pictures are on the host around the networks
    may_carry           plan for key frames that may be chosen while the stream runs
    Raises UsageError for models and options that do not go together. Serves one stream at a time.
    """

    def __init__(
        self,
        models: Sequence[RunnableModel],
        steady: SteadyOptions,
        *,
        workers: Workers,
        in_flight: int | None = None,
        flow: FlowSource | None = None,
        interpolator: InterpolationModel | None = None,
        calibration: Calibration | None = None,
        gpu_slots: int | None = None,
        may_carry: bool = False,
    ) -> None:
        if not models:
            raise UsageError("no model given")
        files = [model.file for model in models]
        for place, model in enumerate(models):
            _check_place(model, is_first=place == 0)
        self.times = StageTimes()
        self.workers = workers
        self.name = "+".join(model.name for model in models)
        self._calibration = calibration
        is_stateless = all(not file.manifest.state for file in (files if calibration is None else files[1:]))
        self.in_flight = _choose_in_flight(in_flight, workers.threads, is_stateless=is_stateless)
        # One thread per call and one call per core is faster than all threads on one call, wherever it is allowed.
        threads_per_call = max(1, workers.threads // self.in_flight)
        engines = [model.engine(threads=threads_per_call, calls=self.in_flight) for model in models]
        engines = [
            in_tiles(
                model.file,
                engine,
                model.options.tile,
                frozen=calibration is not None and place == 0,
                engine_of=partial(_beside, model, threads_per_call, self.in_flight),
            )
            for place, (model, engine) in enumerate(zip(models, engines, strict=True))
        ]
        self._why_on_host = _why_on_host([*engines, *(one for one in (flow, interpolator) if one is not None)])
        stays = gpu_slots is not None and not self._why_on_host and engines[0].device != CPU
        self.gpu = GpuRun(engines[0].device, gpu_slots or 0) if stays else None
        for model in models:
            check_settings([file.manifest for file in files], model.options.settings)
        codes = style_codes([file.manifest for file in files], [model.options.style for model in models])
        networks = [
            Network(
                model.file,
                engine,
                working=model.options.working_size if place == 0 else None,
                fit=model.options.fit,
                style=code,
                settings=setting_arrays(model.file.manifest, model.options.settings),
                keep_colour=model.options.keep_colour,
                statistics=calibration.statistics if calibration and place == 0 else None,
                times=self.times,
                gpu=self.gpu,
            )
            for place, (model, engine, code) in enumerate(zip(models, engines, codes, strict=True))
        ]
        self.network = NetworkStage(
            networks,
            in_flight=1 if self.gpu else self.in_flight,
            most_unchecked=self.gpu.slots if self.gpu else 0,
            batches=self.gpu is not None,
        )
        self.steadiness = plan_steadiness(
            files, steady, self.region, self.times, flow, interpolator, self.gpu, may_carry=may_carry
        )
        fills_hole = self.steadiness.after and files[0].manifest.mask and len(files) == 1
        keep: tuple[Stage, ...] = (KeepSource(self.network),) if fills_hole else ()
        self.before: tuple[Stage, ...] = (CutAtSizeChange(), *self.steadiness.before)
        self.after: tuple[Stage, ...] = (*self.steadiness.after, *keep)

    def line(
        self, frames: Iterable[Frame], finish: Stage | None = None, *, interrupt: Callable[[], None] = lambda: None
    ) -> Generator[Frame, None, None]:
        """Run all stages over a stream, each part on a thread of its own: source | motion | network and steadying | caller.

        finish     the last stage, if there is one
        interrupt  ends a wait of the source for its next frame; called when the caller stops early
        """
        frames = prefetch(with_workers(self.workers, frames), DECODED_AHEAD, interrupt=interrupt)
        last = (finish,) if finish else ()
        if self.gpu is not None:
            stages = run_stage(self.chain(*last), frames)
            yield from prefetch(with_gpu(self.gpu, stages), FINISHED_AHEAD, interrupt=interrupt)
            return
        # Frames in flight fill the cores: kernels beside them gain nothing from several threads.
        workers = SERIAL if self.in_flight > 1 else self.workers
        frames = run_stage(Chain(self.before), frames)
        if self.steadiness.before and self.workers.threads > 1:
            frames = prefetch(with_workers(workers, frames), MOVING_AHEAD, interrupt=interrupt)
        frames = run_stage(Chain((self.network, *self.after, *last)), frames)
        yield from prefetch(with_workers(workers, frames), FINISHED_AHEAD, interrupt=interrupt)

    def chain(self, *last: Stage) -> Chain:
        """All stages as one, for one thread inside `active()`: on a GPU between the ways there and back."""
        return Chain(self.between_transfers((*self.before, self.network, *self.after, *last)))

    def between_transfers(self, stages: Sequence[Stage]) -> tuple[Stage, ...]:
        """The stages; on a GPU between the ways there and back."""
        if self.gpu is None:
            return tuple(stages)
        return (ToDevice(self.gpu, self.times), *stages, ToHost(self.gpu, self.times))

    def begin_at(self, find: Stage) -> None:
        """Put a stage behind the motion that finds where the other stages begin."""
        self.before = (*self.before[:2], find, *self.before[2:])

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the workers, and on a GPU its stream, current in this thread."""
        with self.workers.active(), self.gpu.active() if self.gpu is not None else nullcontext():
            yield

    def close(self) -> None:
        """End the threads of the network."""
        self.network.close()

    @property
    def device(self) -> Device:
        """Device of the pictures between the first stage and the last."""
        return CPU if self.gpu is None else self.gpu.device

    @property
    def look_ahead(self) -> int:
        """Source frames that must arrive before a frame can leave, in addition to the frames in flight."""
        return Chain((*self.before, self.network, *self.after)).look_ahead

    @property
    def models(self) -> list[ModelFile]:
        """The files of the chain."""
        return [network.model for network in self.network.networks]

    @property
    def description(self) -> str:
        """Engines and frames in flight, for example "onnxruntime fp32 cpu, 2 in flight"."""
        engines = dict.fromkeys(network.engine.description for network in self.network.networks)
        flying = f"{max(1, self.gpu.slots) if self.gpu else self.in_flight} in flight"
        return f"{' + '.join(engines)}, {flying}{f', pictures on {self.device}' if self.gpu else ''}"

    @property
    def notes(self) -> list[str]:
        """Sentences for the user about steadying and statistics."""
        notes = [*self.steadiness.notes, *(note for network in self.network.networks for note in network.notes)]
        if self._why_on_host:
            notes.append(f"pictures were on the CPU around the networks: {self._why_on_host}")
        if self._calibration is not None:
            num = self._calibration.num_frames
            measured = f"{num} frames, one in {self._calibration.every}" if num > 1 else "1 frame"
            notes.append(f"norm shared: statistics of {measured}")
        elif self.models[0].manifest.shares_statistics:
            notes.append(f"norm shared: statistics follow the stream, over {MOVING_S:g} s")
        return notes

    def region(self, picture: Size) -> Region:
        """(left, top, width, height): the part of a picture of this size that results show."""
        return self.network.region(picture)

    def natural_size(self, picture: Size) -> Size:
        """(width, height) that a result should have: its region's, times the scales of upscaling networks."""
        return self.network.natural_size(picture)


def _beside(model: RunnableModel, threads: int, calls: int, path: Path) -> Engine:
    """An engine like a model's own for another file, for the caller alone."""
    return model.engine(threads=threads, calls=calls, shared=False, path=path)


def _why_on_host(processors: Sequence[object]) -> str:
    """Return why a run with a GPU cannot keep its pictures there; empty if it can, and if nothing runs on a GPU.

    Each network says by `device` where it runs; what says nothing runs on the CPU. Our own stages run wherever pictures are.
    """
    devices = list(dict.fromkeys(str(getattr(processor, "device", CPU)) for processor in processors))
    return f"the networks are on {' and '.join(devices)}" if len(devices) > 1 else ""


def _choose_in_flight(wanted: int | None, threads: int, *, is_stateless: bool) -> int:
    if wanted is not None and wanted < 1:
        raise UsageError(f"--in-flight {wanted}; at least 1")
    if not is_stateless:
        if wanted is not None and wanted > 1:
            raise UsageError(f"--in-flight {wanted}: a model with state takes one frame after the other")
        return 1
    return wanted or min(threads, MAX_IN_FLIGHT)


def check_beside(model: ModelFile, *, mask: str | None, instances: str | None, drawings: str | None = None) -> None:
    """Raise UsageError for a mask, instance maps or drawings that the model does not take."""
    manifest = model.manifest
    two = manifest.second is not None and manifest.second.what == "drawing"
    for name, given, taken in (
        ("mask", mask, manifest.mask is not None),
        ("instances", instances, manifest.instances is not None),
        ("drawings", drawings, two),
    ):
        if given is not None and not taken:
            raise UsageError(f"--{name} {given}: {manifest.name} takes none")


def _check_place(model: RunnableModel, *, is_first: bool) -> None:
    """Raise UsageError for a model that cannot stand at this place of a chain, or be run with its options."""
    manifest = model.file.manifest
    if manifest.kind not in ("translate", "stabilise"):
        raise UsageError(
            f"{manifest.name} is a model of kind {manifest.kind}; models of kind translate or stabilise make pictures"
        )
    if is_first and manifest.kind == "stabilise":
        raise UsageError(f"{manifest.name} steadies what another model made: give that one first")
    needs = [
        what
        for what, there in (
            ("label maps", manifest.frame.labels),
            ("several frames", manifest.frame.window),
            ("a mask", manifest.mask),
            ("statistics of the source", manifest.shares_statistics),
        )
        if there
    ]
    if needs and not is_first:
        raise UsageError(f"{manifest.name} takes {needs[0]}: it must be the first of a chain")
    if is_first and model.options.norm == "shared" and not manifest.shares_statistics:
        raise UsageError(
            f"--norm shared: {model.file.path.name} was not exported for it; from its checkpoint: "
            "rotoscope export CHECKPOINT NEW.onnx --shared-statistics"
        )
