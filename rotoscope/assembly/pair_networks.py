"""The networks on two pictures that options name: one that estimates motion, one that makes the frames between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotoscope.assembly.engines import make_engine
from rotoscope.assembly.models import open_named
from rotoscope.base.device import CPU, Device
from rotoscope.base.errors import UsageError
from rotoscope.base.options import ModelOptions, SteadyOptions
from rotoscope.kernels.rows import usable_cores

if TYPE_CHECKING:
    from rotoscope.base.engine import Engine
    from rotoscope.runtime.models.model_file import ModelFile
    from rotoscope.runtime.motion.estimator import FlowSource
    from rotoscope.runtime.network.pair import FlowModel, InterpolationModel


def flow_source(options: SteadyOptions, threads: int, device: Device = CPU) -> FlowModel | None:
    """The flow network that the options name, on the device of the run; None for DIS."""
    from rotoscope.runtime.network.pair import FlowModel

    found = _pair_network("--flow", options.flow, "dis", "flow", threads, device)
    return None if found is None else FlowModel(*found)


def measuring_flow(name: str) -> FlowSource:
    """The flow estimator for measuring: "dis", at full size and with more effort than `translate` uses, or "onnx:FILE"."""
    from rotoscope.runtime.motion.dis import DisFlow

    return flow_source(SteadyOptions(flow=name), usable_cores()) or DisFlow("medium", scale=1.0)


def interpolator(options: SteadyOptions, threads: int, device: Device = CPU) -> InterpolationModel | None:
    """The interpolation network that the options name, on the device of the run; None: both frames move along the motion."""
    from rotoscope.runtime.network.pair import InterpolationModel

    found = _pair_network("--interpolator", options.interpolator, "flow", "interpolate", threads, device)
    return None if found is None else InterpolationModel(*found)


def _pair_network(
    flag: str, value: str, default: str, kind: str, threads: int, device: Device
) -> tuple[ModelFile, Engine] | None:
    """The network on two pictures that a flag names, on ONNX Runtime; None for the flag's default."""
    if value == default:
        return None
    word, _, path = value.partition(":")
    if word != "onnx" or not path:
        raise UsageError(f"{flag} {value}; accepted: {default}, or onnx:FILE with a model of kind {kind}")
    file, _ = open_named(path, ModelOptions())
    return file, make_engine(file, threads=threads, device=str(device))
