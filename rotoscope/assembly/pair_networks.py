"""The networks on two pictures that options name: one that estimates motion, one that makes the frames between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rotoscope.assembly.engines import make_engine
from rotoscope.assembly.models import open_named
from rotoscope.base.device import CPU, Device
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.options import ModelOptions, SteadyOptions
from rotoscope.kernels.rows import usable_cores

if TYPE_CHECKING:
    from rotoscope.base.engine import Engine
    from rotoscope.runtime.models.model_file import ModelFile
    from rotoscope.runtime.motion.estimator import FlowSource
    from rotoscope.runtime.network.pair import FlowModel, InterpolationModel


def flow_source(options: SteadyOptions, threads: int, device: Device = CPU) -> FlowModel | None:
    """The flow network that the options name, on the device of the run; None for dis and inverse-search."""
    from rotoscope.runtime.network.pair import FlowModel

    found = _pair_network("--flow", options.flow, ("dis", "inverse-search"), "flow", threads, device)
    return None if found is None else FlowModel(*found)


def measuring_flow(name: str) -> FlowSource:
    """The flow estimator for measuring, at full size: "dis" (with more effort), "inverse-search" or "onnx:FILE"."""
    from rotoscope.runtime.motion.dis import DisFlow
    from rotoscope.runtime.motion.inverse_search import InverseSearchFlow

    if name == "inverse-search":
        return InverseSearchFlow(scale=1.0)
    return flow_source(SteadyOptions(flow=name), usable_cores()) or DisFlow("medium", scale=1.0)


def interpolator(options: SteadyOptions, threads: int, device: Device = CPU) -> InterpolationModel | None:
    """The interpolation network that the options name, on the device of the run; None: both frames move along the motion."""
    from rotoscope.runtime.network.pair import InterpolationModel

    found = _pair_network("--interpolator", options.interpolator, ("flow",), "interpolate", threads, device)
    return None if found is None else InterpolationModel(*found)


def _pair_network(
    flag: str, value: str, built_in: tuple[str, ...], kind: str, threads: int, device: Device
) -> tuple[ModelFile, Engine] | None:
    """The network on two pictures that a flag names, on ONNX Runtime; None for what needs no network."""
    if value in built_in:
        return None
    word, _, path = value.partition(":")
    if word != "onnx" or not path:
        raise UsageError(f"{flag} {value}; accepted: {', '.join(built_in)}, or onnx:FILE with a model of kind {kind}")
    if not Path(path).exists():
        raise ModelRefused(f"{flag} {value}: no such file")
    file, _ = open_named(path, ModelOptions())
    return file, make_engine(file, threads=threads, device=str(device))
